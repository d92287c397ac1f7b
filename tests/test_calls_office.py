"""What is to be read, as the office says it."""

from datetime import date

import pytest
from conftest import CYCLE, dump, import_jobs, make_job, make_jobs
from readers import as_office, readings_in

from metermt.calls import office
from metermt.errors import RouteError
from metermt.model import Answer, ImportCount, JobState, RouteProgress


def import_(desk, jobs, cycle=CYCLE):
    return as_office(desk, office.import_jobs, office.Import(cycle, jobs))


def job_of(desk, meter, cycle=CYCLE):
    return desk.store.read(lambda tx: tx.jobs.find(cycle, [meter])).get(meter)


def states(desk, *meters):
    found = desk.store.read(lambda tx: tx.jobs.standings(meters))
    return {standing.meter: standing.state for standing in found}


# --- importing


def test_jobs_are_added_to_a_new_cycle_and_to_one_that_is_open(desk):
    assert import_(desk, [make_job("G1", "2026-12")], "2026-12") == ImportCount(added=1)
    assert import_(desk, [make_job("G1"), make_job("G2")]) == ImportCount(added=2)
    assert as_office(desk, office.list_routes) == [
        RouteProgress(CYCLE, "North", 0, 7),
        RouteProgress("2026-12", "North", 0, 1),
    ]


def test_importing_again_changes_nothing(desk):
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


def test_who_holds_or_has_read_a_changed_job_is_kept(desk, carol, adam):
    carol.meter()
    adam.submit("M00001")
    import_(desk, [make_job(meter, route="A", address="7 Hill Road") for meter in ("M00000", "M00001")])
    assert carol.meter() == "M00000"
    assert states(desk, "M00000", "M00001") == {"M00000": JobState.OPEN, "M00001": JobState.DONE}
    assert as_office(desk, office.list_routes) == [RouteProgress(CYCLE, "A", 1, 2), RouteProgress(CYCLE, "North", 0, 3)]


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
        ([make_job("G1", "2026-09")], "2026-09", "Cycle 2026-09 is closed: import into a new one"),
        ([make_job("G1"), make_job("G2", "2026-12")], CYCLE, "Meter G2 is to be read in 2026-12, not in 2026-11"),
        ([], "Nov 2026", "Invalid cycle 'Nov 2026': write it like 2026-11"),
    ],
    ids=["a closed cycle", "a job of another cycle", "no cycle"],
)
def test_what_cannot_be_imported_changes_nothing(desk, jobs, cycle, words):
    import_jobs(desk.store, "2026-09", [make_job("W1", "2026-09")])
    as_office(desk, office.close_cycle, office.Cycle("2026-09"))
    before = dump(desk.store)
    with pytest.raises(RouteError, match=f"^{words}$"):
        import_(desk, jobs, cycle)
    assert dump(desk.store) == before


# --- closing


def test_what_was_not_read_when_a_cycle_is_closed_is_missed(desk, carol, adam):
    carol.submit("M00000")
    adam.meter()
    assert as_office(desk, office.close_cycle, office.Cycle(CYCLE)) == 4
    assert adam.meter() is None
    assert as_office(desk, office.list_routes) == []
    assert [reading.answer.meter for reading in readings_in(desk.store)] == ["M00000"]


def test_closing_one_cycle_leaves_the_others(desk, carol):
    import_(desk, [make_job("M00000", "2026-12")], "2026-12")
    as_office(desk, office.close_cycle, office.Cycle(CYCLE))
    assert carol.meter() == "M00000"
    assert carol.submit_many([Answer("M00000", 5), Answer("M00001", 5)])[0] is None
    assert as_office(desk, office.list_routes) == [RouteProgress("2026-12", "North", 1, 1)]


@pytest.mark.parametrize("cycle", ["2026-10", "2026-09", ""])
def test_only_an_open_cycle_can_be_closed(desk, cycle):
    import_jobs(desk.store, "2026-09", [make_job("W1", "2026-09")])
    as_office(desk, office.close_cycle, office.Cycle("2026-09"))
    before = dump(desk.store)
    with pytest.raises(RouteError, match=f"There is no open cycle '{cycle}'"):
        as_office(desk, office.close_cycle, office.Cycle(cycle))
    assert dump(desk.store) == before
