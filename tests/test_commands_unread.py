"""`metermt routes missing`, `release`, `reopen` and `remove`: what is not read yet."""

import time

import pytest
from commands import LISTED, assert_done, assert_refused, dump_of
from conftest import CYCLE, OTHER_CYCLE, import_jobs, make_job, make_reading
from steps import Steps

from metermt.store.sqlite.store import SqliteStore

RELEASED = "Released 1 meter: anybody may be handed what was held.\n"
NOT_HELD = "Nothing to release: nobody holds any of it.\n"


@pytest.fixture
def busy_database(crew_database):
    """Two routes of three meters: carol has read one, and holds one."""
    with SqliteStore(crew_database) as store:
        import_jobs(store, CYCLE, [make_job("W1", kind="W", route="Old Town", sequence=10, address="2 Hill Lane")])
        steps = Steps(store)
        steps.record(make_reading("G1"))
        steps.lease("carol-1", "W1", until=time.time() + 600)
    return crew_database


def test_meters_that_are_missing_are_listed_with_who_holds_them(metermt, busy_database):
    finished = metermt("routes", "missing")

    assert finished.stdout == (
        "cycle    route     sequence  meter  held by  address\n"
        "2026-11  North            1  G2\n"
        "2026-11  Old Town        10  W1     carol    2 Hill Lane\n"
    )
    assert (finished.returncode, finished.stderr) == (0, "2 meters are not read.\n")


def test_when_no_meter_is_missing_the_list_is_empty(invoke, sqlite_store):
    sqlite_store.write(lambda tx: tx.cycles.open(CYCLE))

    finished = invoke("routes", "missing")

    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "0 meters are not read.\n")


def test_what_a_closed_cycle_has_missed_is_listed_by_its_name(invoke, busy_database):
    invoke("cycles", "close", CYCLE, "--force")

    assert_refused(invoke("routes", "missing"), f"No cycle is open; closed are {CYCLE}: name one")
    assert invoke("routes", "list").stderr == f"No cycle is open; closed are {CYCLE}.\n"
    assert [line.split()[-1] for line in invoke("routes", "missing", "--cycle", CYCLE).stdout.splitlines()] == [
        *("address", "G2", "Lane")
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("Old Town",), RELEASED),
        (("w1",), RELEASED),
        (("--user", "carol"), RELEASED),
        (("Old Town", "--cycle", CYCLE), RELEASED),
        (("w1", "--cycle", CYCLE), RELEASED),
        (("--user", "carol", "--cycle", CYCLE), RELEASED),
        (("Old Town", "--cycle", OTHER_CYCLE), NOT_HELD),
        (("w1", "--cycle", OTHER_CYCLE), NOT_HELD),
        (("--user", "carol", "--cycle", OTHER_CYCLE), NOT_HELD),
        (("North",), NOT_HELD),
    ],
)
def test_what_somebody_holds_can_be_released(invoke, busy_database, arguments, words):
    with SqliteStore(busy_database) as store:
        import_jobs(store, OTHER_CYCLE, [make_job("W1", OTHER_CYCLE, kind="W", route="Old Town")])

    assert_done(invoke("routes", "release", *arguments), words)

    held = "carol" in invoke("routes", "missing").stdout
    assert held is (words == NOT_HELD)


@pytest.mark.parametrize("arguments", [(), ("Old Town", "--user", "carol")], ids=["nothing", "two"])
def test_one_thing_is_released_at_a_time(invoke, busy_database, arguments):
    finished = invoke("routes", "release", *arguments)

    assert finished.returncode == 2
    assert finished.stderr.endswith("Error: Name a route or a meter, or a reader with --user\n")


def test_a_closed_cycle_is_reopened(invoke, busy_database):
    invoke("cycles", "close", CYCLE, "--force")

    assert_done(invoke("cycles", "reopen", CYCLE), f"Cycle {CYCLE} is open again; 2 meters are to be read.\n")
    assert invoke("routes", "list").stdout == LISTED + "2026-11  North        1     2\n2026-11  Old Town     0     1\n"


def test_a_meter_that_was_not_read_is_removed(invoke, busy_database):
    assert_done(invoke("routes", "remove", "g2", "--cycle", CYCLE), f"Meter G2 is not to be read in {CYCLE}.\n")
    assert invoke("routes", "list").stdout == LISTED + "2026-11  North        1     1\n2026-11  Old Town     0     1\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("missing", "--cycle", "2025-11"), "There is no cycle '2025-11': only 2026-11"),
        (("release", "West"), "There is no route and no meter 'West' in the open cycles"),
        (("release", "North", "--cycle", "2025-11"), "There is no cycle '2025-11': only 2026-11"),
        (("release", "--user", "dora"), "There is no user 'dora'"),
        (("remove", "G1", "--cycle", CYCLE), "Meter G1 was read in 2026-11, by carol: it stays in the cycle"),
        (("remove", "G9", "--cycle", CYCLE), "There is no meter 'G9' in cycle 2026-11"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_changes_nothing(invoke, busy_database, arguments, words):
    before = dump_of(busy_database)

    assert_refused(invoke("routes", *arguments), words)

    assert dump_of(busy_database) == before


def test_a_cycle_is_closed_once(invoke, busy_database):
    assert invoke("cycles", "close", CYCLE, "--force").returncode == 0
    before = dump_of(busy_database)

    assert_refused(invoke("cycles", "close", CYCLE, "--force"), f"Cycle {CYCLE} is closed already")
    held = invoke("routes", "release", "North", "--cycle", CYCLE)
    assert_refused(held, f"Cycle {CYCLE} is closed: nobody holds a meter in it")

    assert dump_of(busy_database) == before


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ([], "Missing argument 'CYCLE'."),
        ([CYCLE, OTHER_CYCLE], f"Got unexpected extra argument ({OTHER_CYCLE})"),
    ],
    ids=["none", "two"],
)
def test_one_cycle_is_reopened_at_a_time(invoke, busy_database, named, words):
    finished = invoke("cycles", "reopen", *named)

    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr.endswith(f"Error: {words}\n")
