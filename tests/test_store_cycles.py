"""Cycles that are open, closed, and open again, in every store."""

from conftest import (
    CYCLE,
    LEASED_UNTIL,
    OTHER_CYCLE,
    dump,
    import_jobs,
    make_job,
    make_jobs,
    make_reading,
)

from metermt.model import JobState
from metermt.progress import RouteProgress


def states(steps, *meters):
    return {standing.meter: standing.state for standing in steps.rounds.standings(meters)}


def test_cycles_are_told_in_order_with_whether_they_are_open(steps):
    for cycle in ("2026-11", "2026-9", "2025-12", "a", "B"):
        steps.cycles.open(cycle)
    steps.cycles.close("2026-11")
    told = [("2025-12", True), ("2026-11", False), ("2026-9", True), ("B", True), ("a", True)]
    assert list(steps.cycles.all().items()) == told
    assert all(type(is_open) is bool for is_open in steps.cycles.all().values())


def test_a_cycle_that_is_there_already_stays_as_it_is(crew):
    before = dump(crew.store)
    crew.cycles.open(CYCLE)
    assert dump(crew.store) == before
    crew.cycles.close(CYCLE)
    crew.cycles.open(CYCLE)
    assert crew.cycles.all() == {CYCLE: False}


def test_what_a_town_does_is_kept_with_its_cycle(steps):
    steps.cycles.open(CYCLE)
    steps.cycles.open(OTHER_CYCLE)
    for text in ("{}", '{"a": 1}'):
        steps.cycles.set_seasons(CYCLE, text)
    steps.cycles.open(CYCLE)
    steps.cycles.close(CYCLE)
    assert steps.cycles.seasons() == {CYCLE: '{"a": 1}'}


def test_closing_a_cycle_tells_how_many_jobs_were_left_unread(crew):
    crew.record(make_reading("M00000"))
    crew.lease("carol-1", "M00001", until=LEASED_UNTIL)
    assert crew.cycles.close(CYCLE) == 4


def test_a_cycle_that_was_read_completely_misses_nothing(crew):
    crew.record(*(make_reading(job.meter.number) for job in make_jobs(5)))
    assert crew.cycles.close(CYCLE) == 0


def test_a_cycle_without_jobs_can_be_closed(steps):
    steps.cycles.open(CYCLE)
    assert steps.cycles.close(CYCLE) == 0
    assert steps.cycles.all() == {CYCLE: False}


def test_a_closed_cycle_is_over(crew):
    import_jobs(crew.store, OTHER_CYCLE, [make_job("X1", OTHER_CYCLE)])
    crew.lease("carol-1", "M00001", "X1", until=LEASED_UNTIL)
    crew.lease("adam-1", "M00002", until=LEASED_UNTIL)
    crew.record(make_reading("M00000"))
    crew.cycles.close(CYCLE)
    assert crew.cycles.all() == {CYCLE: False, OTHER_CYCLE: True}
    assert crew.free() == []
    assert crew.held("carol-1", "adam-1") == {"carol-1": ["X1"]}
    assert states(crew, "M00000", "M00001", "X1") == {"X1": JobState.OPEN}
    assert crew.progress.open_routes() == [RouteProgress(OTHER_CYCLE, "North", 0, 1)]


def test_jobs_of_a_closed_cycle_are_left_to_nobody(crew):
    crew.lease("carol-1", "M00001", until=LEASED_UNTIL)
    crew.sessions.end(["carol-1"])
    crew.cycles.close(CYCLE)
    assert crew.left("carol") == {}


def test_jobs_of_a_closed_cycle_are_still_found(crew):
    crew.cycles.close(CYCLE)
    assert crew.jobs.find(CYCLE, ["M00001"]) == {"M00001": make_jobs(2)[1]}


def test_a_reopened_cycle_is_as_it_was_before_it_was_closed_but_for_leases(crew):
    crew.record(make_reading("M00000"))
    crew.lease("carol-1", "M00001", until=LEASED_UNTIL)
    crew.leases.end_of(["carol-1"])
    before = dump(crew.store)
    crew.lease("carol-1", "M00001", until=LEASED_UNTIL)
    crew.cycles.close(CYCLE)
    assert crew.cycles.reopen(CYCLE) == 4
    assert dump(crew.store) == before
    assert crew.free() == ["M00001", "M00002", "M00003", "M00004"]
    assert crew.standing("M00001").state is JobState.OPEN


def test_reopening_leaves_open_and_other_cycles_as_they_are(crew):
    import_jobs(crew.store, OTHER_CYCLE, [make_job("X1", OTHER_CYCLE)])
    crew.cycles.close(OTHER_CYCLE)
    crew.lease("carol-1", "M00001", until=LEASED_UNTIL)
    before = dump(crew.store)
    assert crew.cycles.reopen(CYCLE) == 0
    assert crew.cycles.reopen("2020-01") == 0
    assert dump(crew.store) == before


def test_a_cycle_without_jobs_can_be_removed_and_opened_anew(crew):
    crew.record(make_reading("M00000"))
    before = dump(crew.store)
    crew.cycles.open(OTHER_CYCLE)
    crew.cycles.set_seasons(OTHER_CYCLE, "{}")
    crew.cycles.close(OTHER_CYCLE)
    crew.cycles.remove(OTHER_CYCLE)
    assert dump(crew.store) == before
    crew.cycles.open(OTHER_CYCLE)
    assert crew.cycles.all() == {CYCLE: True, OTHER_CYCLE: True}
    assert crew.cycles.seasons() == {}
