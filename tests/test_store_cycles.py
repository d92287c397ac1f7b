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
    return {standing.meter: standing.state for standing in steps.jobs.standings(meters)}


def test_cycles_are_told_in_order_with_whether_they_are_open(steps):
    for cycle in ("2026-11", "2026-9", "2025-12", "a", "B"):
        steps.jobs.open_cycle(cycle)
    steps.jobs.close_cycle("2026-11")
    told = [("2025-12", True), ("2026-11", False), ("2026-9", True), ("B", True), ("a", True)]
    assert list(steps.jobs.cycles().items()) == told
    assert all(type(is_open) is bool for is_open in steps.jobs.cycles().values())


def test_a_cycle_that_is_there_already_stays_as_it_is(crew):
    before = dump(crew.store)
    crew.jobs.open_cycle(CYCLE)
    assert dump(crew.store) == before
    crew.jobs.close_cycle(CYCLE)
    crew.jobs.open_cycle(CYCLE)
    assert crew.jobs.cycles() == {CYCLE: False}


def test_what_a_town_does_is_kept_with_its_cycle(steps):
    steps.jobs.open_cycle(CYCLE)
    steps.jobs.open_cycle(OTHER_CYCLE)
    for text in ("{}", '{"a": 1}'):
        steps.jobs.set_seasons(CYCLE, text)
    steps.jobs.open_cycle(CYCLE)
    steps.jobs.close_cycle(CYCLE)
    assert steps.jobs.seasons() == {CYCLE: '{"a": 1}'}


def test_closing_a_cycle_tells_how_many_jobs_were_left_unread(crew):
    crew.record(make_reading("M00000"))
    crew.lease("carol-1", "M00001", until=LEASED_UNTIL)
    assert crew.jobs.close_cycle(CYCLE) == 4


def test_a_cycle_that_was_read_completely_misses_nothing(crew):
    crew.record(*(make_reading(job.meter.number) for job in make_jobs(5)))
    assert crew.jobs.close_cycle(CYCLE) == 0


def test_a_cycle_without_jobs_can_be_closed(steps):
    steps.jobs.open_cycle(CYCLE)
    assert steps.jobs.close_cycle(CYCLE) == 0
    assert steps.jobs.cycles() == {CYCLE: False}


def test_a_closed_cycle_is_over(crew):
    import_jobs(crew.store, OTHER_CYCLE, [make_job("X1", OTHER_CYCLE)])
    crew.lease("carol-1", "M00001", "X1", until=LEASED_UNTIL)
    crew.lease("adam-1", "M00002", until=LEASED_UNTIL)
    crew.record(make_reading("M00000"))
    crew.jobs.close_cycle(CYCLE)
    assert crew.jobs.cycles() == {CYCLE: False, OTHER_CYCLE: True}
    assert crew.free() == []
    assert crew.held("carol-1", "adam-1") == {"carol-1": ["X1"]}
    assert states(crew, "M00000", "M00001", "X1") == {"X1": JobState.OPEN}
    assert crew.jobs.progress() == [RouteProgress(OTHER_CYCLE, "North", 0, 1)]


def test_jobs_of_a_closed_cycle_are_left_to_nobody(crew):
    crew.lease("carol-1", "M00001", until=LEASED_UNTIL)
    crew.sessions.end(["carol-1"])
    crew.jobs.close_cycle(CYCLE)
    assert crew.left("carol") == {}


def test_jobs_of_a_closed_cycle_are_still_found(crew):
    crew.jobs.close_cycle(CYCLE)
    assert crew.jobs.find(CYCLE, ["M00001"]) == {"M00001": make_jobs(2)[1]}


def test_a_reopened_cycle_is_as_it_was_before_it_was_closed_but_for_leases(crew):
    crew.record(make_reading("M00000"))
    crew.lease("carol-1", "M00001", until=LEASED_UNTIL)
    crew.leases.end_of(["carol-1"])
    before = dump(crew.store)
    crew.lease("carol-1", "M00001", until=LEASED_UNTIL)
    crew.jobs.close_cycle(CYCLE)
    assert crew.jobs.reopen_cycle(CYCLE) == 4
    assert dump(crew.store) == before
    assert crew.free() == ["M00001", "M00002", "M00003", "M00004"]
    assert crew.standing("M00001").state is JobState.OPEN


def test_reopening_leaves_open_and_other_cycles_as_they_are(crew):
    import_jobs(crew.store, OTHER_CYCLE, [make_job("X1", OTHER_CYCLE)])
    crew.jobs.close_cycle(OTHER_CYCLE)
    crew.lease("carol-1", "M00001", until=LEASED_UNTIL)
    before = dump(crew.store)
    assert crew.jobs.reopen_cycle(CYCLE) == 0
    assert crew.jobs.reopen_cycle("2020-01") == 0
    assert dump(crew.store) == before
