"""`metermt routes`: what is to be read."""

import pytest
from commands import assert_done, assert_refused, dump_of, rows_in
from conftest import CYCLE, import_jobs, make_job, make_reading
from steps import Steps

from metermt.model import Assignment
from metermt.store.sqlite.store import SqliteStore


def test_routes_are_listed_with_what_is_done_and_what_is_to_do(metermt, crew_database):
    with SqliteStore(crew_database) as store:
        import_jobs(store, CYCLE, [make_job("W1", route="Old Town")])
        import_jobs(store, "2026-12", [make_job("G1", "2026-12")])
        Steps(store).record(make_reading("G2"))
        given = [Assignment("Old Town", "carol"), Assignment("Old Town", "eric", reverse=True)]
        store.write(lambda tx: tx.walks.assign(given))

    assert_done(
        metermt("routes", "list"),
        "cycle    route     done  jobs  given to\n"
        "2026-11  North        1     2\n"
        "2026-11  Old Town     0     1  carol, eric from its end\n"
        "2026-12  North        0     1\n",
    )


def test_an_empty_list_of_routes_says_what_to_do(invoke, sqlite_store):
    finished = invoke("routes", "list")

    assert (finished.returncode, finished.stdout) == (0, "")
    assert finished.stderr == "No routes: import some with 'metermt routes import'.\n"


def test_an_empty_list_of_users_says_what_to_do(invoke, sqlite_store):
    finished = invoke("users", "list")

    assert (finished.returncode, finished.stdout) == (0, "")
    assert "metermt users add" in finished.stderr


def test_a_closed_cycle_is_handed_out_no_more_and_keeps_its_readings(invoke, crew_database):
    with SqliteStore(crew_database) as store:
        Steps(store).record(make_reading("G1"))
        import_jobs(store, CYCLE, [make_job("G3", sequence=2)])

    assert_done(invoke("cycles", "close", CYCLE, "--force"), f"Closed cycle {CYCLE}; 2 meters were not read.\n")

    assert invoke("routes", "list").stdout == ""
    assert [row["meter"] for row in rows_in(invoke("readings", "export", "-").stdout)] == ["G1"]


def test_one_meter_that_was_not_read_is_one(invoke, crew_database):
    with SqliteStore(crew_database) as store:
        Steps(store).record(make_reading("G1"))

    assert invoke("cycles", "close", CYCLE, "--force").stdout == f"Closed cycle {CYCLE}; 1 meter was not read.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("import", "missing.csv", "--cycle", CYCLE), "Cannot read missing.csv: No such file or directory"),
        (("import", ".", "--cycle", CYCLE), "Cannot read .: Is a directory"),
        (("import", "letter.csv", "--cycle", "Nov 2026"), "Invalid cycle 'Nov 2026': write it like 2026-11"),
        (
            ("import", "letter.csv", "--cycle", CYCLE),
            "letter.csv is no route file: its first line must name the columns meter and route, separated by commas or"
            " semicolons. There is no meter and no route; it names 'dear sir or madam', ''. Also known, if you have"
            " them: kind, sequence, address, dials, previous, previous_date, instructions,"
            " multiplier, status",
        ),
        (("import", "twice.csv", "--cycle", CYCLE), "twice.csv names the column kind twice"),
    ],
)
def test_what_cannot_be_done_to_routes_changes_nothing(invoke, crew_database, tmp_path, arguments, words):
    (tmp_path / "letter.csv").write_text("Dear Sir or Madam,\n")
    (tmp_path / "twice.csv").write_text("meter,route,kind,kind\nG3,North,G,G\n")
    before = dump_of(crew_database)

    assert_refused(invoke("routes", *arguments), words)

    assert dump_of(crew_database) == before
