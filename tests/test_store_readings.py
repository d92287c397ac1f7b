"""What every store promises: what was read."""

import random
from datetime import timedelta

import pytest
from conftest import (
    CYCLE,
    LEASED_UNTIL,
    NOW,
    OTHER_CYCLE,
    add_readers,
    dump,
    import_jobs,
    make_job,
    make_jobs,
    make_reading,
)
from msgspec.structs import replace
from steps import record

from metermt.model import JobState, Status
from metermt.progress import RouteProgress


@pytest.fixture
def two_cycles(crew):
    """The crew, and the same meters to be read in another cycle too."""
    import_jobs(crew.store, OTHER_CYCLE, make_jobs(5, OTHER_CYCLE))
    return crew


def values(found):
    """Return which values are on record, and whether they count."""
    return [(reading.answer.value, reading.counts) for _, reading in found]


def by_key(steps, *keys):
    """Return the readings under these keys, but for whether they count, which means nothing there."""
    return {key: replace(reading, counts=True) for key, reading in steps.readings.by_key(keys).items()}


# --- what is on record


@pytest.mark.parametrize(
    ("value", "reason"), [(100, ""), (0, ""), (999_999_999_999, "meter is new"), (None, "dog 🐕"), (None, "")]
)
@pytest.mark.parametrize("key", [None, "key-1 🔑"])
def test_every_field_of_a_reading_is_kept(crew, value, reason, key):
    reading = make_reading(
        "M00001",
        value=value,
        reason=reason,
        key=key,
        when=NOW - timedelta(hours=3, microseconds=7),
        recorded_at=NOW + timedelta(microseconds=1),
    )
    crew.record(reading)
    assert crew.readings.all(CYCLE) == [(make_jobs(2)[1], reading)]
    assert crew.readings.all(None)[0][1].answer.when.tzinfo is not None


def test_readings_come_by_cycle_place_and_time_of_arrival(two_cycles):
    for value, (meter, cycle) in enumerate(
        [
            ("M00002", OTHER_CYCLE),
            ("M00000", CYCLE),
            ("M00000", OTHER_CYCLE),
            ("M00000", CYCLE),
            ("M00001", CYCLE),
            ("M00000", OTHER_CYCLE),
        ]
    ):
        two_cycles.record(make_reading(meter, cycle=cycle, value=value, recorded_at=NOW - timedelta(minutes=value)))
    told = [(reading.cycle, job.meter.number, reading.answer.value) for job, reading in two_cycles.readings.all(None)]
    assert told == [
        (CYCLE, "M00000", 1),
        (CYCLE, "M00000", 3),
        (CYCLE, "M00001", 4),
        (OTHER_CYCLE, "M00000", 2),
        (OTHER_CYCLE, "M00000", 5),
        (OTHER_CYCLE, "M00002", 0),
    ]
    assert all(job.cycle == reading.cycle for job, reading in two_cycles.readings.all(None))
    assert two_cycles.readings.all(CYCLE) == two_cycles.readings.all(None)[:3]
    assert two_cycles.readings.all("2020-01") == []


def test_readings_come_in_the_order_of_the_walk(steps):
    add_readers(steps.store, "carol")
    walk = [
        make_job("Z9", CYCLE, "", 9),
        make_job("Z1", CYCLE, "North", 3),
        make_job("A-1", CYCLE, "North", 20),
        make_job("A9", CYCLE, "North", 20),
        make_job("B1", CYCLE, "South", 0),
        make_job("A0", CYCLE, "north", 0),
        make_job("A9", OTHER_CYCLE, "East", 0),
    ]
    shuffled = random.Random(1).sample(walk, len(walk))
    for cycle in (OTHER_CYCLE, CYCLE):
        import_jobs(steps.store, cycle, [job for job in shuffled if job.cycle == cycle])
    for job in shuffled:
        steps.record(make_reading(job.meter.number, cycle=job.cycle))
    assert [job for job, _ in steps.readings.all(None)] == walk
    assert [job for job, _ in steps.readings.all(CYCLE)] == walk[:-1]


def test_who_stops_listening_to_readings_hinders_nobody(crew):
    crew.record(make_reading("M00000"), make_reading("M00001"))
    assert crew.store.read(lambda tx: next(tx.readings.all(None))[1]) == make_reading("M00000")
    crew.record(make_reading("M00002"))
    assert len(crew.readings.all(None)) == 3


# --- what a reading does


def test_a_job_that_was_read_is_done_and_its_lease_has_ended(crew):
    crew.lease("carol-1", "M00000", "M00001", until=LEASED_UNTIL)
    crew.record(make_reading("M00000"))
    standing = crew.standing("M00000")
    assert (standing.state, standing.read_by) == (JobState.DONE, "carol")
    assert (standing.leased_to, standing.leased_until) == (None, 0)
    assert crew.held("carol-1") == {"carol-1": ["M00001"]}
    assert crew.free() == ["M00002", "M00003", "M00004"]


def test_a_reading_ends_the_lease_of_whoever_held_the_job(crew):
    crew.lease("adam-1", "M00000", until=LEASED_UNTIL)
    crew.record(make_reading("M00000", "carol"))
    assert crew.held("adam-1") == {}
    assert "M00000" not in crew.free()


def test_a_job_can_be_read_without_being_handed_out(crew):
    crew.record(make_reading("M00004"))
    assert crew.free() == ["M00000", "M00001", "M00002", "M00003"]


def test_a_job_of_one_cycle_that_was_read_is_not_read_in_the_other(two_cycles):
    two_cycles.record(make_reading("M00000", cycle=OTHER_CYCLE))
    states = [(standing.cycle, standing.state) for standing in two_cycles.rounds.standings(["M00000"])]
    assert states == [(CYCLE, JobState.OPEN), (OTHER_CYCLE, JobState.DONE)]


def test_the_newer_reading_of_a_job_counts_and_both_are_on_record(crew):
    crew.record(make_reading("M00000", value=100, key="a"))
    crew.record(make_reading("M00000", value=200, key="b"))
    assert values(crew.readings.all(CYCLE)) == [(100, False), (200, True)]
    assert crew.progress.open_routes() == [RouteProgress(CYCLE, "North", 1, 5)]


def test_of_two_readings_for_one_job_in_one_step_the_last_counts(crew):
    crew.record(
        make_reading("M00000", value=1), make_reading("M00001", value=2), make_reading("M00000", value=3, reason="new")
    )
    assert values(crew.readings.all(CYCLE)) == [(1, False), (3, True), (2, True)]
    assert crew.readings.tallies(["carol"]) == {"carol": Status(2, 2)}


def test_of_readings_of_several_readers_for_the_same_jobs_in_one_step_the_last_count(crew):
    crew.record(
        make_reading("M00000", "carol", value=1, key="k"),
        make_reading("M00001", "carol", value=2),
        make_reading("M00000", "adam", value=3, key="k"),
        make_reading("M00001", "adam", value=4),
        make_reading("M00001", "carol", value=5),
    )
    assert values(crew.readings.all(CYCLE)) == [(1, False), (3, True), (2, False), (4, False), (5, True)]
    assert [crew.standing(meter).read_by for meter in ("M00000", "M00001")] == ["adam", "carol"]
    assert crew.readings.tallies(["adam", "carol"]) == {"adam": Status(1, 2), "carol": Status(1, 2)}


def test_the_same_reading_twice_is_two_of_which_the_last_counts(crew):
    crew.record(make_reading("M00000"), make_reading("M00000"))
    crew.record(make_reading("M00000"))
    assert [counts for _, counts in values(crew.readings.all(CYCLE))] == [False, False, True]


def test_a_reading_counts_whatever_it_says_of_that_itself(crew):
    crew.record(make_reading("M00000", counts=False))
    assert values(crew.readings.all(CYCLE)) == [(100, True)]


# --- keys


def test_readings_are_found_by_reader_and_key(crew):
    first = make_reading("M00000", key="k", value=1)
    crew.record(first, make_reading("M00001", key="other"), make_reading("M00002", "adam", key="k"))
    assert by_key(crew, ("carol", "k"), ("carol", "K"), ("eric", "k"), ("carol", "k")) == {("carol", "k"): first}
    assert by_key(crew, ("adam", "k")) == {("adam", "k"): make_reading("M00002", "adam", key="k")}


def test_a_key_stands_for_its_reading_also_after_a_correction(crew):
    first = make_reading("M00000", key="a", value=100)
    crew.record(first)
    crew.record(make_reading("M00000", key="b", value=200))
    assert by_key(crew, ("carol", "a")) == {("carol", "a"): first}


def test_a_key_from_a_closed_cycle_is_still_known(crew):
    reading = make_reading("M00000", key="k")
    crew.record(reading)
    crew.cycles.close(CYCLE)
    assert by_key(crew, ("carol", "k")) == {("carol", "k"): reading}


def test_readings_without_a_key_are_never_taken_for_one_another(crew):
    crew.record(make_reading("M00000"), make_reading("M00001"))
    assert by_key(crew, ("carol", ""), ("carol", "None")) == {}


# --- tallies


def test_readings_are_tallied_for_their_reader_and_for_all(crew):
    crew.record(make_reading("M00000"), make_reading("M00001", value=None, reason="dog"))
    crew.record(make_reading("M00002", "adam"))
    assert crew.readings.tallies(["carol", "adam", "nobody", "carol"]) == {
        "adam": Status(1, 3),
        "carol": Status(2, 3),
        "nobody": Status(0, 3),
    }
    assert crew.readings.tallies(["nobody"]) == {"nobody": Status(0, 3)}


def test_the_tally_is_over_all_open_cycles(two_cycles):
    two_cycles.record(make_reading("M00000", "adam"), make_reading("M00001", "adam"))
    two_cycles.record(
        make_reading("M00000", "carol", cycle=OTHER_CYCLE), make_reading("M00001", "adam", cycle=OTHER_CYCLE)
    )
    assert two_cycles.readings.tallies(["adam", "carol"]) == {"adam": Status(3, 4), "carol": Status(1, 4)}
    two_cycles.cycles.close(CYCLE)
    assert two_cycles.readings.tallies(["adam", "carol"]) == {"adam": Status(1, 2), "carol": Status(1, 2)}


def test_readings_of_a_closed_cycle_stay_on_record_and_are_tallied_no_longer(crew):
    crew.record(make_reading("M00000"))
    crew.cycles.close(CYCLE)
    assert crew.readings.tallies(["carol"]) == {"carol": Status(0, 0)}
    assert values(crew.readings.all(CYCLE)) == [(100, True)]


# --- sets of none and of many


def test_steps_about_no_readings_are_harmless(crew):
    crew.record(make_reading("M00000"))
    before = dump(crew.store)
    crew.readings.add([])
    crew.readings.count({})
    assert crew.readings.by_key([]) == {}
    assert crew.readings.tallies([]) == {}
    assert dump(crew.store) == before


def test_thousands_of_readings_are_one_step(crew):
    numbers = [f"Z{number:05}" for number in range(2000)]
    import_jobs(crew.store, CYCLE, [make_job(number, sequence=place) for place, number in enumerate(numbers)])
    readings = [make_reading(number, ("adam", "carol")[place % 2], key=number) for place, number in enumerate(numbers)]
    crew.store.write(lambda tx: record(tx, readings))
    assert [reading for _, reading in crew.readings.all(None)] == readings
    keys = [(reading.username, reading.answer.key) for reading in readings]
    assert by_key(crew, *keys) == dict(zip(keys, readings, strict=True))
    assert crew.readings.tallies(["adam"]) == {"adam": Status(1000, 2000)}
