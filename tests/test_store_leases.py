"""What every store promises: who was handed what."""

import pytest
from conftest import CYCLE, LEASED_UNTIL, SERVER, T0, dump, import_jobs, make_job, make_jobs, make_lease
from steps import meters_of

from metermt.model import JobState


@pytest.fixture
def backwards(crew):
    """The crew, and jobs whose places are in the opposite order of their import: Z9 to Z0."""
    import_jobs(crew.store, CYCLE, [make_job(f"Z{9 - n}", route="Z", sequence=9 - n) for n in range(10)])
    return crew


# --- handing out


def test_a_job_that_was_leased_is_held_and_no_longer_free(crew):
    crew.lease("carol-1", "M00001", "M00003", until=LEASED_UNTIL)
    assert crew.held("carol-1", "carol-2", "adam-1") == {"carol-1": ["M00001", "M00003"]}
    assert crew.free() == ["M00000", "M00002", "M00004"]
    standing = crew.standing("M00001")
    assert (standing.state, standing.leased_to, standing.leased_until) == (JobState.OPEN, "carol", LEASED_UNTIL)


def test_held_jobs_are_told_whole_with_their_ids(crew):
    job = make_job("A1", route="A", address="Hill Road 7", instructions="dog", previous=7)
    ids = import_jobs(crew.store, CYCLE, [job])
    crew.lease("carol-1", "A1", until=LEASED_UNTIL)
    crew.lease("adam-1", "M00000", until=LEASED_UNTIL)
    crew.sessions.leave(["carol-1"], SERVER)
    for (known,) in (crew.leases.held({"carol-1": 5})["carol-1"], crew.leases.left({"carol": 5})["carol"]):
        assert (known.id, known.job) == (ids["A1"], job)


def test_many_sessions_are_handed_jobs_in_one_step(crew):
    ids = {known.job.meter.number: known.id for known in crew.free_jobs()}
    crew.leases.put(
        [
            make_lease(ids["M00000"], "carol"),
            make_lease(ids["M00003"], "adam", "adam-2"),
            make_lease(ids["M00001"], "carol", until=T0 + 60),
        ]
    )
    assert crew.held("adam-1", "adam-2", "carol-1") == {"adam-2": ["M00003"], "carol-1": ["M00000", "M00001"]}
    assert crew.standing("M00001").leased_until == T0 + 60


def test_a_job_that_is_leased_again_is_its_holders_for_longer(crew):
    crew.lease("carol-1", "M00000", until=T0 + 60)
    crew.lease("carol-1", "M00000", until=T0 + 120)
    crew.leases.end_expired(T0 + 119)
    assert crew.held("carol-1") == {"carol-1": ["M00000"]}
    crew.leases.end_expired(T0 + 120)
    assert crew.held("carol-1") == {}


def test_a_job_goes_over_to_the_session_of_its_reader_that_is_handed_it_last(crew):
    crew.lease("carol-1", "M00000", "M00001", until=T0 + 60)
    crew.lease("carol-2", "M00000", until=LEASED_UNTIL)
    assert crew.held("carol-1", "carol-2") == {"carol-1": ["M00001"], "carol-2": ["M00000"]}
    crew.leases.end_of(["carol-1"])
    assert crew.held("carol-1", "carol-2") == {"carol-2": ["M00000"]}
    assert crew.free() == ["M00001", "M00002", "M00003", "M00004"]


# --- what is held


def test_held_jobs_come_in_the_order_of_their_import(backwards):
    backwards.lease("carol-1", "Z3", "Z7", "M00004", "Z5", until=LEASED_UNTIL)
    backwards.lease("carol-1", "Z9", until=T0 + 60)
    assert backwards.held("carol-1") == {"carol-1": ["M00004", "Z9", "Z7", "Z5", "Z3"]}


def test_of_each_session_so_many_are_told_as_are_asked_for(backwards):
    backwards.lease("carol-1", "Z3", "Z7", "Z5", until=LEASED_UNTIL)
    backwards.lease("adam-1", "Z4", "Z2", "Z9", until=LEASED_UNTIL)
    backwards.lease("adam-2", "Z1", until=LEASED_UNTIL)
    found = backwards.leases.held({"carol-1": 2, "adam-1": 1, "adam-2": 5, "carol-2": 3, "never added": 1})
    told = {key: meters_of(jobs) for key, jobs in found.items()}
    assert told == {"carol-1": ["Z7", "Z5"], "adam-1": ["Z9"], "adam-2": ["Z1"]}


# --- what is left


def test_only_jobs_of_sessions_that_nobody_is_connected_with_are_left(crew):
    crew.lease("carol-1", "M00000", until=LEASED_UNTIL)
    crew.lease("carol-2", "M00001", until=LEASED_UNTIL)
    crew.lease("adam-1", "M00002", until=LEASED_UNTIL)
    assert crew.left("adam", "carol") == {}
    crew.sessions.leave(["carol-2", "adam-1"], SERVER)
    assert crew.left("adam", "carol", "eric") == {"adam": ["M00002"], "carol": ["M00001"]}
    assert crew.held("carol-2") == {"carol-2": ["M00001"]}


def test_left_jobs_of_several_sessions_come_in_the_order_of_their_import(backwards):
    backwards.lease("carol-1", "Z3", "Z7", until=LEASED_UNTIL)
    backwards.lease("carol-2", "Z5", "Z9", until=LEASED_UNTIL)
    backwards.sessions.end(["carol-1"])
    backwards.sessions.leave(["carol-2"], SERVER)
    assert backwards.left("carol") == {"carol": ["Z9", "Z7", "Z5", "Z3"]}
    assert backwards.left("carol", most=3) == {"carol": ["Z9", "Z7", "Z5"]}


def test_a_left_job_that_is_taken_over_is_left_no_more(crew):
    crew.lease("carol-1", "M00000", until=LEASED_UNTIL)
    crew.sessions.end(["carol-1"])
    crew.lease("carol-2", "M00000", until=LEASED_UNTIL)
    assert crew.left("carol") == {}
    assert crew.held("carol-1", "carol-2") == {"carol-2": ["M00000"]}


# --- the end


def test_leases_end_when_their_time_is_over(crew):
    crew.lease("carol-1", "M00000", until=T0 + 60)
    crew.lease("carol-1", "M00002", until=T0 + 61)
    crew.lease("adam-1", "M00001", until=T0 + 59.5)
    crew.leases.end_expired(T0 + 59)
    assert crew.held("adam-1", "carol-1") == {"adam-1": ["M00001"], "carol-1": ["M00000", "M00002"]}
    crew.leases.end_expired(T0 + 60)
    assert crew.held("adam-1", "carol-1") == {"carol-1": ["M00002"]}
    assert crew.free() == ["M00000", "M00001", "M00003", "M00004"]
    standing = crew.standing("M00000")
    assert (standing.leased_to, standing.leased_until) == (None, 0)


def test_a_lease_whose_time_is_over_is_told_until_it_has_ended(crew):
    crew.lease("carol-1", "M00000", until=T0 - 60)
    assert crew.held("carol-1") == {"carol-1": ["M00000"]}
    assert (crew.standing("M00000").leased_to, crew.standing("M00000").leased_until) == ("carol", T0 - 60)


def test_leases_that_end_after_a_time_are_shortened(crew):
    crew.lease("carol-1", "M00000", "M00001", until=T0 + 1000)
    crew.lease("adam-1", "M00002", until=T0 + 500)
    crew.leases.shorten(T0 + 500, T0 + 60)
    assert [crew.standing(f"M0000{number}").leased_until for number in range(3)] == [T0 + 60, T0 + 60, T0 + 500]
    assert crew.held("carol-1", "adam-1") == {"carol-1": ["M00000", "M00001"], "adam-1": ["M00002"]}
    assert crew.free() == ["M00003", "M00004"]
    crew.leases.end_expired(T0 + 60)
    assert crew.free() == ["M00000", "M00001", "M00003", "M00004"]


def test_what_readers_hold_is_counted_and_what_is_over_apart(crew):
    assert crew.leases.holders(T0) == {}
    crew.lease("carol-1", "M00000", until=LEASED_UNTIL)
    crew.lease("carol-2", "M00001", until=LEASED_UNTIL)
    crew.lease("adam-1", "M00002", until=LEASED_UNTIL)
    crew.lease("adam-2", "M00003", until=10)
    assert crew.leases.holders(9.5) == {"carol": 2, "adam": 2}
    assert crew.leases.holders(10) == {"carol": 2, "adam": 1, "": 1}
    crew.leases.end_expired(10)
    assert crew.leases.holders(10) == {"carol": 2, "adam": 1}


def test_all_leases_of_sessions_can_be_ended(crew):
    crew.lease("carol-1", "M00000", "M00003", until=LEASED_UNTIL)
    crew.lease("carol-2", "M00001", until=LEASED_UNTIL)
    crew.lease("adam-1", "M00002", until=LEASED_UNTIL)
    crew.leases.end_of(["carol-1", "adam-1", "adam-2", "never added", "carol-1"])
    assert crew.held("adam-1", "carol-1", "carol-2") == {"carol-2": ["M00001"]}
    assert crew.free() == ["M00000", "M00002", "M00003", "M00004"]


def test_what_is_left_by_sessions_that_have_ended_can_be_ended_too(crew):
    crew.lease("carol-1", "M00000", until=LEASED_UNTIL)
    crew.sessions.end(["carol-1"])
    crew.leases.end_of(["carol-1"])
    assert crew.left("carol") == {}
    assert crew.free()[0] == "M00000"


def test_the_leases_of_jobs_can_be_ended(crew):
    crew.lease("carol-1", "M00000", "M00003", until=LEASED_UNTIL)
    crew.lease("adam-1", "M00002", until=LEASED_UNTIL)
    crew.leases.end([crew.standing(meter).job for meter in ("M00001", "M00002", "M00003")])
    assert crew.held("adam-1", "carol-1") == {"carol-1": ["M00000"]}
    assert crew.free() == ["M00001", "M00002", "M00003", "M00004"]


def test_leased_jobs_are_found_by_their_routes(crew):
    ids = import_jobs(crew.store, CYCLE, [make_job("S1", route="South"), make_job("E1", route="East")])
    crew.lease("carol-1", "M00003", "S1", until=LEASED_UNTIL)
    crew.lease("adam-1", "M00000", "E1", until=T0 - 60)
    north = sorted(crew.standing(meter).job for meter in ("M00000", "M00003"))
    assert crew.leases.of_routes(["North"]) == north
    assert crew.leases.of_routes(["South", "North", "West", "South"]) == [*north, ids["S1"]]
    assert crew.leases.of_routes([]) == []


def test_a_job_that_was_free_again_can_be_leased_again(crew):
    for session in ("carol-1", "adam-1", "carol-2"):
        crew.lease(session, "M00000", until=T0 + 60)
        assert crew.held(session) == {session: ["M00000"]}
        crew.leases.end_expired(T0 + 60)
    assert crew.free() == [job.meter.number for job in make_jobs(5)]


# --- sets of none and of many


def test_steps_about_no_leases_are_harmless(crew):
    crew.lease("carol-1", "M00000", until=LEASED_UNTIL)
    before = dump(crew.store)
    crew.leases.put([])
    crew.leases.end_of([])
    crew.leases.end([])
    crew.leases.end_expired(0)
    assert crew.leases.held({}) == {}
    assert crew.leases.left({}) == {}
    assert crew.leases.held({"carol-1": 0}) == {}
    assert dump(crew.store) == before


def test_thousands_of_leases_are_one_step(crew):
    ids = import_jobs(crew.store, CYCLE, [make_job(f"Z{n:05}", sequence=n) for n in range(2000)])
    crew.leases.put(make_lease(job, "carol", f"carol-{1 + job % 2}") for job in ids.values())
    held = crew.leases.held({"carol-1": 1500, "carol-2": 1500})
    assert sorted(known.id for jobs in held.values() for known in jobs) == sorted(ids.values())
    crew.leases.end_of(["carol-1"])
    assert len(crew.free_jobs()) == 1005
    crew.leases.end_expired(LEASED_UNTIL)
    assert len(crew.free_jobs()) == 2005
