"""`metermt routes import`: what it tells, what it changes, and the rows that it sets aside."""

import csv
import os

import pexpect
import pytest
import warm
from commands import METERMT
from conftest import CYCLE, DEADLINE, add_readers, dump, make_place, make_reading
from databases import limited_file_size
from readers import as_office
from routefiles import COLUMNS, ROW, table
from steps import Steps, free_jobs

from metermt.calls import cycles
from metermt.calls.desk import Desk
from metermt.cli.rejects import Rejects
from metermt.errors import RouteError
from metermt.files.routes import BadRow
from metermt.store.sqlite.store import SqliteStore

pytest_plugins = ["routefile_fixtures"]


@pytest.fixture
def unread_jobs(database_path):
    """Return the jobs that a reader would be handed now, in the order of the walk."""

    def unread_jobs():
        with SqliteStore(database_path, create=False) as store:
            return [known.job for known in store.read(free_jobs)]

    return unread_jobs


def rows_of(path):
    """Return the rows of a CSV in UTF-8."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.fixture
def carol(database_path):
    """A database with a reader in it."""
    with SqliteStore(database_path) as store:
        add_readers(store, "carol")


def test_what_was_imported_is_told(carol, write, import_routes, unread_jobs):
    imported = import_routes(write(table(COLUMNS, ROW, ("W1", *ROW[1:]))))

    assert imported.returncode == 0
    assert imported.stdout == f"Cycle {CYCLE}: 2 added, 0 changed, 0 unchanged.\n"
    assert imported.stderr == ""
    assert [job.meter.number for job in unread_jobs()] == ["G72168", "W1"]


def test_nothing_is_needed_before_the_first_import(write, import_routes, database_path):
    assert import_routes(write(table(COLUMNS, ROW))).returncode == 0
    assert database_path.exists()


def test_importing_again_changes_nothing(carol, write, import_routes, database_path):
    def everything():
        with SqliteStore(database_path, create=False) as store:
            return dump(store)

    path = write("meter,route\nG1,North\nG2,North\nG3,South\n")
    import_routes(path)
    with SqliteStore(database_path) as store:
        Steps(store).record(make_reading("G2"))
    before = everything()

    imported = import_routes(path)

    assert imported.stdout == f"Cycle {CYCLE}: 0 added, 0 changed, 3 unchanged.\n"
    assert everything() == before


def test_importing_a_newer_file_brings_the_jobs_up_to_date_and_keeps_the_readings(
    carol, write, import_routes, unread_jobs, database_path
):
    import_routes(write("meter,route,address\nG1,North,4 Mill Street\nG2,North,\n"))
    with SqliteStore(database_path) as store:
        Steps(store).record(make_reading("G2"))

    imported = import_routes(write("meter,route,address\nG1,North,5 Mill Street\nG2,North,\nG3,North,\n"))

    assert imported.stdout == f"Cycle {CYCLE}: 1 added, 1 changed, 1 unchanged.\n"
    assert [(job.meter.number, job.meter.address) for job in unread_jobs()] == [("G1", "5 Mill Street"), ("G3", "")]


SPOILED = (
    "meter;route;address;dials\n"
    "G1;North;4 Mill Street;5\n"
    'G2;North;"5 Mill Street; left";five\n'
    "G3;North\n"
    ";North;;\n"
    "G4;South;6 Mill Street;5\n"
)


def test_rows_set_aside_stand_beside_the_file_with_line_reason_and_all_their_columns(write, import_routes, tmp_path):
    imported = import_routes(write(SPOILED))

    rejected = tmp_path / "november.rejected.csv"
    assert imported.returncode == 3
    assert imported.stdout == f"Cycle {CYCLE}: 2 added, 0 changed, 0 unchanged.\n"
    assert imported.stderr == f"3 rows set aside, with line and reason, in {rejected}\n"
    assert rows_of(rejected) == [
        ["line", "reason", "meter", "route", "address", "dials"],
        ["3", "Invalid dials 'five': use a whole number from 1 to 12", "G2", "North", "5 Mill Street; left", "five"],
        ["4", "The row has 2 fields, the first line names 4", "G3", "North"],
        ["5", "The meter is missing", "", "North", "", ""],
    ]


def test_a_file_without_spoiled_rows_leaves_none_beside_it(write, import_routes, tmp_path):
    import_routes(write(table(COLUMNS, ROW)))

    assert not (tmp_path / "november.rejected.csv").exists()


def test_rows_set_aside_can_be_mended_and_imported(carol, write, import_routes, unread_jobs, tmp_path):
    import_routes(write(SPOILED))
    rejected = tmp_path / "november.rejected.csv"
    header, dials, fields, meter = rows_of(rejected)

    write(table(header, [*dials[:-1], "5"], [*fields, "", ""], [*meter[:2], "G5", *meter[3:]]), rejected.name)
    imported = import_routes(rejected)

    assert imported.stdout == f"Cycle {CYCLE}: 3 added, 0 changed, 0 unchanged.\n"
    assert imported.stderr == ""
    assert {job.meter.number for job in unread_jobs()} == {"G1", "G2", "G3", "G4", "G5"}
    assert "5 Mill Street; left" in {job.meter.address for job in unread_jobs()}


def test_rows_that_were_mended_badly_can_be_mended_again(write, import_routes, tmp_path):
    import_routes(write("meter,route,dials\nG1,North,5\nG2,North,five\n"))
    import_routes(tmp_path / "november.rejected.csv")  # not mended at all
    again = tmp_path / "november.rejected-2.csv"

    write(again.read_text(encoding="utf-8").replace("North,five", "North,5"), again.name)

    assert import_routes(again).stdout == f"Cycle {CYCLE}: 1 added, 0 changed, 0 unchanged.\n"


def test_rows_set_aside_a_second_time_stand_in_the_same_columns(write, import_routes, tmp_path):
    import_routes(write("meter,route,address,dials\nG1,North,,5\nG2,North\nG3,North,,five\n"))

    import_routes(tmp_path / "november.rejected.csv")  # not mended at all

    header, *rows = rows_of(tmp_path / "november.rejected-2.csv")
    assert header == ["line", "reason", "meter", "route", "address", "dials"]
    assert [(row[0], row[2:]) for row in rows] == [("2", ["G2", "North"]), ("3", ["G3", "North", "", "five"])]


def test_rows_in_latin_1_that_were_set_aside_are_not_imported_with_letters_missing(
    carol, write, import_routes, unread_jobs, tmp_path
):
    import_routes(write(b"meter,route,address\nG1,North,\nG2,North," + "Größe 3\n".encode("latin-1")))

    import_routes(tmp_path / "november.rejected.csv")

    assert {job.meter.address for job in unread_jobs()} <= {"", "Größe 3"}


def test_a_file_that_is_not_utf_8_is_told_of_with_its_first_such_line(carol, write, import_routes, unread_jobs):
    path = write("meter,route,address\nG1,North,\nG2,North,Größe 3\nG3,North,Größe 4\nG4,North,ß\n".encode("latin-1"))

    imported = import_routes(path)

    assert imported.returncode == 3
    assert imported.stderr.splitlines()[-1] == (
        f"Line 3 of {path} is not UTF-8, nor are 2 other rows: save it as UTF-8 (in a spreadsheet: 'CSV UTF-8'),"
        " or say what it is, like --encoding cp1252; then import it again"
    )
    assert import_routes(path, "--encoding", "cp1252").returncode == 0
    assert [job.meter.address for job in unread_jobs()] == ["", "Größe 3", "Größe 4", "ß"]


def test_a_file_without_a_usable_row_is_an_error_and_changes_nothing(carol, write, import_routes, database_path):
    with SqliteStore(database_path) as store:
        before = dump(store)

    imported = import_routes(write("meter,route\n,North\nG1,\n"))

    assert imported.returncode == 1
    assert imported.stderr.splitlines()[-1] == "Error: No row of the file can be used"
    with SqliteStore(database_path) as store:
        assert dump(store) == before


def test_a_closed_cycle_takes_no_more_routes(write, import_routes, unread_jobs, database_path):
    import_routes(write("meter,route\nG1,North\n"))
    with SqliteStore(database_path) as store:
        as_office(Desk(store), cycles.close_cycle, cycles.Closing(CYCLE, force=True))

    imported = import_routes(write("meter,route\nG2,North\n"))

    assert (imported.returncode, imported.stdout) == (1, "")
    assert imported.stderr == f"Error: Cycle {CYCLE} is closed: import into a new one, or open it again\n"


def test_a_rejects_file_that_cannot_be_made_is_an_error_before_anything_is_imported(write, import_routes, tmp_path):
    path = write("meter,route\nG1,North\n,North\n", "n" * 250 + ".csv")

    imported = import_routes(path)

    assert (imported.returncode, imported.stdout) == (1, "")
    assert imported.stderr == f"Error: Cannot write {path.with_suffix('.rejected.csv')}: File name too long\n"


def test_a_rejects_file_on_a_full_disk_is_an_error(tmp_path):
    path = tmp_path / "november.csv"
    with pytest.raises(RouteError) as caught, limited_file_size(10), Rejects(path, ["meter", "route"], 0) as rejects:
        rejects.add(BadRow(3, "The meter is missing", ["", "North"]))
    assert str(caught.value) == f"Cannot write {tmp_path / 'november.rejected.csv'}: File too large"


def test_a_rejects_file_that_is_there_is_left_as_it_is(write, import_routes, tmp_path):
    first = tmp_path / "november.rejected.csv"
    first.write_text("somebody is mending this\n")
    (tmp_path / "november.rejected-2.csv").symlink_to("nowhere")
    path = write("meter,route\nG1,North\n,North\n")

    imported = import_routes(path)

    third = tmp_path / "november.rejected-3.csv"
    assert imported.stderr == f"1 row set aside, with line and reason, in {third}\n"
    assert rows_of(third)[1] == ["3", "The meter is missing", "", "North"]
    assert first.read_text() == "somebody is mending this\n"


# --- a dry run


def test_a_dry_run_says_what_would_happen_and_changes_nothing(carol, write, import_routes, database_path, tmp_path):
    import_routes(write("meter,route\nG1,North\nG9,North\n"))
    with SqliteStore(database_path) as store:
        before = dump(store)
    files = set(tmp_path.iterdir())

    imported = import_routes(
        write("meter,route,address,dials\nG1,North,1 Hill Lane,\nG2,North,,\nG3,North,,x\n"), "--dry-run"
    )

    assert imported.stdout == f"Cycle {CYCLE} would have: 1 added, 1 changed, 0 unchanged.\n"
    assert imported.stderr == (
        "1 meter of these routes is in the cycle, and not in the file: G9\n"
        "1 row would be set aside:\n"
        "  line 4: Invalid dials 'x': use a whole number from 1 to 12\n"
    )
    assert imported.returncode == 3
    assert set(tmp_path.iterdir()) == files
    with SqliteStore(database_path) as store:
        assert dump(store) == before


def test_a_dry_run_needs_no_database_and_makes_none(write, import_routes, database_path):
    imported = import_routes(write("meter,route\nG1,North\n"), "--dry-run")

    assert (imported.returncode, imported.stdout) == (
        0,
        f"Cycle {CYCLE} would have: 1 added, 0 changed, 0 unchanged.\n",
    )
    assert not database_path.exists()


# --- what may be a mistake


def test_a_new_cycle_that_is_named_unlike_the_others_is_warned_of(write, import_routes):
    path = write("meter,route\nG1,North\n")
    import_routes(path, cycle="2026-11")

    imported = import_routes(write("meter,route\nG2,North\n"), cycle="12-2026")

    assert imported.returncode == 0
    assert imported.stderr == "Warning: the new cycle 12-2026 is named unlike the others, such as 2026-11\n"


def test_meters_that_are_in_another_open_cycle_are_warned_of(write, import_routes):
    import_routes(write("meter,route\nG1,North\nG2,North\n"), cycle="2026-10")

    imported = import_routes(write("meter,route\nG1,North\nG2,North\nG3,North\n"))

    assert imported.returncode == 0
    assert imported.stderr == "Warning: 2 meters of the file are to be read in 2026-10, too, which is open\n"


def test_a_job_that_was_read_stays_what_it_was(carol, write, import_routes, database_path):
    import_routes(write("meter,route,address\nG1,North,1 Hill Lane\n"))
    with SqliteStore(database_path) as store:
        Steps(store).record(make_reading("G1"))
        before = dump(store)

    imported = import_routes(write("meter,route,address\nG1,North,2 Hill Lane\n"))

    assert imported.stdout == (f"Cycle {CYCLE}: 0 added, 0 changed, 0 unchanged, 1 read already and left as it was.\n")
    with SqliteStore(database_path) as store:
        moved = make_place("G1", "North", 1, dials=None, address="2 Hill Lane")
        assert dump(store) == before | {"places": [moved]}


def test_meters_of_the_routes_that_are_not_in_the_file_are_told_up_to_ten(write, import_routes):
    import_routes(write(many_rows(20) + "W1,South\n"))

    imported = import_routes(write("meter,route,dials\nG0,North,\nG1,North,five\n"))

    names = ", ".join(f"G{number}" for number in range(2, 12))
    assert imported.stderr.splitlines()[0] == (
        f"18 meters of these routes are in the cycle, and not in the file: {names}, …"
    )


# --- the progress bar

MANY = 10_000


def many_rows(number):
    return "meter,route\n" + "".join(f"G{i},North\n" for i in range(number))


@pytest.fixture
def seen_when_importing(database_path):
    """Import a file in a terminal; return all that was seen there."""

    def seen_when_importing(path):
        arguments = ["routes", "import", str(path), "--cycle", CYCLE, "--database", str(database_path)]
        terminal = {**os.environ, "TERM": "xterm"}
        with warm.spawn(str(METERMT), arguments, env=terminal, encoding="utf-8", timeout=DEADLINE) as child:
            child.expect(pexpect.EOF)
            seen = child.before
        assert child.exitstatus == 0, seen
        return seen

    return seen_when_importing


def test_a_large_import_shows_its_progress_in_a_terminal(write, seen_when_importing):
    seen = seen_when_importing(write(many_rows(MANY)))

    assert "Importing" in seen
    assert "100%" in seen
    assert seen.endswith(f"Cycle {CYCLE}: {MANY} added, 0 changed, 0 unchanged.\r\n")


def test_a_small_import_shows_no_progress(write, seen_when_importing):
    seen = seen_when_importing(write(many_rows(MANY - 1)))

    assert seen == f"Cycle {CYCLE}: {MANY - 1} added, 0 changed, 0 unchanged.\r\n"


def test_a_large_import_from_a_pipe_shows_no_progress_where_nobody_watches(metermt):
    imported = metermt("routes", "import", "/dev/stdin", "--cycle", CYCLE, stdin=many_rows(MANY))

    assert imported.returncode == 0, imported.stderr
    assert imported.stdout == f"Cycle {CYCLE}: {MANY} added, 0 changed, 0 unchanged.\n"


def test_a_large_import_from_a_file_shows_no_progress_where_nobody_watches(write, import_routes):
    assert import_routes(write(many_rows(MANY))).stderr == ""
