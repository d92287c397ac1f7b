"""What is to be read, as the office says it."""

from datetime import date

import pytest
from conftest import CYCLE, dump, import_jobs, make_job, make_jobs
from readers import as_office, readings_in

from metermt.calls import cycles, places, routes
from metermt.calls.routes import ImportCount
from metermt.errors import RouteError, UnknownMeter
from metermt.model import Answer, JobState
from metermt.progress import RouteProgress


def import_(desk, jobs, cycle=CYCLE):
    return as_office(desk, routes.import_jobs, routes.Import(cycle, jobs))


def job_of(desk, meter, cycle=CYCLE):
    return desk.store.read(lambda tx: tx.jobs.find(cycle, [meter])).get(meter)


def states(desk, *meters):
    found = desk.store.read(lambda tx: tx.rounds.standings(meters))
    return {standing.meter: standing.state for standing in found}


# --- importing


def test_jobs_are_added_to_a_new_cycle_and_to_one_that_is_open(desk):
    assert import_(desk, [make_job("G1", "2026-12")], "2026-12") == ImportCount(added=1)
    assert import_(desk, [make_job("G2"), make_job("G3")]) == ImportCount(added=2)
    assert as_office(desk, routes.list_routes) == [
        RouteProgress(CYCLE, "North", 0, 7),
        RouteProgress("2026-12", "North", 0, 1),
    ]


def test_importing_again_changes_nothing(desk):
    import_(desk, make_jobs(1))
    assert import_(desk, make_jobs(5)) == ImportCount(unchanged=5)
    before = dump(desk.store)
    assert import_(desk, make_jobs(5)) == ImportCount(unchanged=5)
    assert dump(desk.store) == before


CHANGES = {
    "route": {"route": "South"},
    "sequence": {"sequence": 9},
    "kind": {"kind": "W"},
    "dials": {"dials": 7},
    "address": {"address": "7 Hill Road"},
    "instructions": {"instructions": "dog"},
    "previous": {"previous": 7},
    "previous date": {"previous_date": date(2026, 10, 31)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_newer_file_brings_a_job_up_to_date(desk, change):
    newer = make_job("M00000", **CHANGES[change])
    assert import_(desk, [newer, *make_jobs(5)[1:]]) == ImportCount(changed=1, unchanged=4)
    assert job_of(desk, "M00000") == newer


def test_who_holds_a_changed_job_keeps_it(desk, carol):
    carol.meter()
    newer = make_job("M00000", route="South", address="7 Hill Road")
    import_(desk, [newer])
    assert carol.meter() == "M00000"
    assert job_of(desk, "M00000") == newer


def test_a_job_that_was_read_stays_what_it_was(desk, carol):
    carol.submit("M00000")
    newer = make_job("M00000", route="South", address="7 Hill Road", previous=7)
    assert import_(desk, [newer, *make_jobs(2), newer]) == ImportCount(unchanged=2, kept=2)
    assert job_of(desk, "M00000") == make_jobs(1)[0]
    assert states(desk, "M00000") == {"M00000": JobState.DONE}


def test_a_day_before_there_were_meters_is_refused(desk):
    assert import_(desk, [make_job("G0")]) == ImportCount(added=1)
    before = dump(desk.store)
    job = make_job("G1", previous=7, previous_date=date(1, 1, 1))
    with pytest.raises(RouteError, match="Invalid previous_date of G1, 0001-01-01: it lies before 1970"):
        import_(desk, [job])
    assert dump(desk.store) == before
    (refused,) = as_office(desk, places.import_history, places.Past([places.Shown("G0", date(1969, 12, 31), 3)]))
    assert str(refused).startswith("Invalid date 1969-12-31: it lies before 1970")


def test_a_dry_run_tells_the_same_and_changes_nothing(desk, carol):
    carol.submit("M00000")
    jobs = [make_job("M00000", address="7 Hill Road"), make_job("M00001", address="7 Hill Road"), make_job("G1")]
    before = dump(desk.store)
    told = as_office(desk, routes.import_jobs, routes.Import(CYCLE, jobs, dry_run=True))
    assert told == ImportCount(added=1, changed=1, kept=1)
    new = [make_job("G1", "2026-12"), make_job("M00001", "2026-12")]
    told = as_office(desk, routes.import_jobs, routes.Import("2026-12", new, dry_run=True))
    assert told == ImportCount(added=2, elsewhere={CYCLE: 1})
    assert dump(desk.store) == before
    assert import_(desk, jobs) == ImportCount(added=1, changed=1, kept=1)


def test_meters_of_other_open_cycles_are_told_by_cycle(desk):
    import_jobs(desk.store, "2026-09", [make_job("M00000", "2026-09")])
    as_office(desk, cycles.close_cycle, cycles.Closing("2026-09", force=True))
    import_jobs(desk.store, "2026-10", [make_job("M00001", "2026-10")])
    count = import_(desk, make_jobs(3, "2026-12"), "2026-12")
    assert count == ImportCount(added=3, elsewhere={"2026-10": 1, CYCLE: 3})
    assert count + ImportCount(kept=1, elsewhere={CYCLE: 2}) == ImportCount(
        added=3, kept=1, elsewhere={"2026-10": 1, CYCLE: 5}
    )


def test_the_meters_of_routes_are_told_in_the_order_of_the_walk(desk, carol):
    import_(desk, [make_job("A1", sequence=9), make_job("S1", route="South"), make_job("E1", route="East")])
    carol.submit("M00000")
    north = [*(job.meter.number for job in make_jobs(5)), "A1"]
    assert as_office(desk, routes.list_meters, routes.Routes(CYCLE, ["South", "North", "West"])) == [*north, "S1"]
    with pytest.raises(RouteError, match="There is no cycle '2026-12': only 2026-11"):
        as_office(desk, routes.list_meters, routes.Routes("2026-12", ["North"]))


def test_a_meter_that_stands_twice_in_one_import_is_the_last_of_them(desk):
    first, last = make_job("G1", sequence=1), make_job("G1", sequence=2)
    assert import_(desk, [first, last, last]) == ImportCount(added=1, changed=1, unchanged=1)
    assert job_of(desk, "G1") == last
    again = make_job("M00000", sequence=9)
    assert import_(desk, [again, make_jobs(1)[0]]) == ImportCount(changed=2)
    assert job_of(desk, "M00000") == make_jobs(1)[0]


@pytest.mark.parametrize(
    ("jobs", "cycle", "words"),
    [
        ([make_job("G1", "2026-09")], "2026-09", "Cycle 2026-09 is closed: import into a new one, or open it again"),
        ([make_job("G1"), make_job("G2", "2026-12")], CYCLE, "Meter G2 is to be read in 2026-12, not in 2026-11"),
        ([], "Nov 2026", "Invalid cycle 'Nov 2026': write it like 2026-11"),
    ],
    ids=["a closed cycle", "a job of another cycle", "no cycle"],
)
def test_what_cannot_be_imported_changes_nothing(desk, jobs, cycle, words):
    import_jobs(desk.store, "2026-09", [make_job("W1", "2026-09")])
    as_office(desk, cycles.close_cycle, cycles.Closing("2026-09", force=True))
    before = dump(desk.store)
    with pytest.raises(RouteError, match=f"^{words}$"):
        import_(desk, jobs, cycle)
    assert dump(desk.store) == before


# --- removing


def test_a_removed_meter_is_handed_out_no_more_and_its_reading_is_refused(desk, carol):
    assert carol.meter() == "M00000"
    as_office(desk, routes.remove_jobs, routes.Removal(CYCLE, ["M00000", "M00003"]))
    assert isinstance(carol.submit_many([Answer("M00000", 5)])[0], UnknownMeter)
    assert carol.meters(9) == ["M00001", "M00002", "M00004"]


@pytest.mark.parametrize(
    ("meters", "cycle", "words"),
    [
        (["M00001", "M00000"], CYCLE, "Meter M00000 was read in 2026-11, by carol: it stays in the cycle"),
        (["M00001", "G9"], CYCLE, "There is no meter 'G9' in cycle 2026-11"),
        (["M00001"], "2026-09", "Cycle 2026-09 is closed, and stays what it was"),
        (["M00001"], "2026-10", "There is no cycle '2026-10': there are 2026-09, 2026-11"),
    ],
    ids=["read", "no such meter", "closed", "no such cycle"],
)
def test_what_cannot_be_removed_changes_nothing(desk, carol, meters, cycle, words):
    carol.submit("M00000")
    import_jobs(desk.store, "2026-09", [make_job("M00001", "2026-09")])
    as_office(desk, cycles.close_cycle, cycles.Closing("2026-09", force=True))
    before = dump(desk.store)
    with pytest.raises(RouteError) as caught:
        as_office(desk, routes.remove_jobs, routes.Removal(cycle, meters))
    assert str(caught.value) == words
    assert dump(desk.store) == before


# --- reopening


def test_what_was_missed_is_handed_out_again_when_a_cycle_is_reopened(desk, carol):
    carol.submit("M00000")
    as_office(desk, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    assert (carol.meter(), carol.status().total) == (None, 0)
    assert as_office(desk, cycles.reopen_cycle, cycles.Cycle(CYCLE)) == 4
    assert (carol.meter(), carol.status().total) == ("M00001", 1)


@pytest.mark.parametrize(
    ("cycle", "words"),
    [(CYCLE, "Cycle 2026-11 is open already"), ("2026-10", "There is no cycle '2026-10': only 2026-11")],
)
def test_only_a_closed_cycle_can_be_reopened(desk, cycle, words):
    with pytest.raises(RouteError, match=f"^{words}$"):
        as_office(desk, cycles.reopen_cycle, cycles.Cycle(cycle))


# --- closing


def test_what_was_not_read_when_a_cycle_is_closed_is_missed(desk, carol, adam):
    carol.submit("M00000")
    adam.meter()
    assert as_office(desk, cycles.close_cycle, cycles.Closing(CYCLE, force=True)) == 4
    assert adam.meter() is None
    assert as_office(desk, routes.list_routes) == []
    assert [reading.answer.meter for reading in readings_in(desk.store)] == ["M00000"]


def test_closing_one_cycle_leaves_the_others(desk, carol):
    import_(desk, [make_job("M00000", "2026-12")], "2026-12")
    as_office(desk, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    assert carol.meter() == "M00000"
    assert carol.submit_many([Answer("M00000", 5), Answer("M00001", 5)])[0] is None
    assert as_office(desk, routes.list_routes) == [RouteProgress("2026-12", "North", 1, 1)]


@pytest.mark.parametrize(
    ("cycle", "words"),
    [
        ("2026-10", "There is no cycle '2026-10': there are 2026-09, 2026-11"),
        ("2026-09", "Cycle 2026-09 is closed already"),
    ],
)
def test_only_an_open_cycle_can_be_closed(desk, cycle, words):
    import_jobs(desk.store, "2026-09", [make_job("W1", "2026-09")])
    as_office(desk, cycles.close_cycle, cycles.Closing("2026-09", force=True))
    before = dump(desk.store)
    with pytest.raises(RouteError, match=f"^{words}$"):
        as_office(desk, cycles.close_cycle, cycles.Closing(cycle, force=True))
    assert dump(desk.store) == before
