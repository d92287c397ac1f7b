"""What every store promises: what is to be read."""

import random
from datetime import date

import pytest
from conftest import (
    CYCLE,
    LEASED_UNTIL,
    MANY,
    OTHER_CYCLE,
    dump,
    import_jobs,
    make_job,
    make_jobs,
    make_reading,
)
from steps import Failure

from metermt.model import JobState, Standing
from metermt.progress import RouteProgress, Unread

WHOLE = {
    "kind": "E",
    "dials": 7,
    "address": "Hill Road 7, Überlingen",
    "instructions": "dog 🐕",
    "route": "South",
    "sequence": 9,
    "previous": 77,
    "previous_date": date(2026, 10, 20),
}
EMPTY = {"kind": "", "dials": None, "address": "", "instructions": "", "route": "", "sequence": 0}


def states(steps, *meters):
    return {standing.meter: standing.state for standing in steps.rounds.standings(meters)}


# --- adding


@pytest.mark.parametrize("fields", [WHOLE, EMPTY], ids=["whole", "empty"])
def test_every_field_of_a_job_is_kept(steps, fields):
    job = make_job("E445691/2", **fields)
    import_jobs(steps.store, CYCLE, [job])
    assert steps.jobs.find(CYCLE, ["E445691/2"]) == {"E445691/2": job}
    assert [known.job for known in steps.free_jobs()[:1]] == [job]


def test_jobs_are_found_by_cycle_and_meter(crew):
    import_jobs(crew.store, OTHER_CYCLE, [make_job("M00001", OTHER_CYCLE, address="New Road")])
    one, two = make_jobs(3)[1:]
    assert crew.jobs.find(CYCLE, ["M00002", "M00001", "M9", "m00000", "M00001"]) == {"M00001": one, "M00002": two}
    assert crew.jobs.find(OTHER_CYCLE, ["M00002", "M00001"]) == {
        "M00001": make_job("M00001", OTHER_CYCLE, address="New Road")
    }
    assert crew.jobs.find("2020-01", ["M00001"]) == {}
    ids = {one.meter: one.job for one in crew.rounds.standings(["M00001", "M00002"]) if one.cycle == CYCLE}
    assert crew.jobs.ids(CYCLE, ["M00002", "M00001", "M9"]) == ids


def test_a_new_job_is_open_and_in_nobodys_hands(crew):
    (known,) = crew.free_jobs()[:1]
    assert crew.rounds.standings(["M00000"]) == [
        Standing(known.id, "M00000", CYCLE, 5, JobState.OPEN, read_by=None, leased_to=None, leased_until=0)
    ]


def test_ids_are_given_in_the_order_of_import(crew):
    later = import_jobs(crew.store, OTHER_CYCLE, [make_job("B", OTHER_CYCLE), make_job("A", OTHER_CYCLE)])
    again = import_jobs(crew.store, CYCLE, [make_job("C"), make_job("A")])
    ids = [standing.job for meter in ("M00000", "M00004") for standing in crew.rounds.standings([meter])]
    ids += [later["B"], later["A"], again["C"], again["A"]]
    assert ids == sorted(set(ids))


def test_one_meter_has_a_job_in_each_cycle(crew):
    import_jobs(crew.store, OTHER_CYCLE, make_jobs(5, OTHER_CYCLE))
    assert [known.job for known in crew.free_jobs()] == make_jobs(5) + make_jobs(5, OTHER_CYCLE)


# --- changing


@pytest.mark.parametrize("field", WHOLE)
def test_every_field_of_a_job_can_be_changed(crew, field):
    changed = make_job("M00000", **{field: WHOLE[field]})
    crew.jobs.change([changed])
    assert crew.jobs.find(CYCLE, ["M00000", "M00001"]) == {"M00000": changed, "M00001": make_jobs(2)[1]}


@pytest.mark.parametrize("field", EMPTY)
def test_every_field_of_a_job_can_be_emptied(steps, field):
    import_jobs(steps.store, CYCLE, [make_job("M1", **WHOLE)])
    changed = make_job("M1", **WHOLE | {field: EMPTY[field]})
    steps.jobs.change([changed])
    assert steps.jobs.find(CYCLE, ["M1"]) == {"M1": changed}


def test_a_job_is_changed_in_its_own_cycle_only(crew):
    import_jobs(crew.store, OTHER_CYCLE, make_jobs(1, OTHER_CYCLE))
    crew.jobs.change([make_job("M00000", OTHER_CYCLE, address="New Road")])
    assert crew.jobs.find(CYCLE, ["M00000"]) == {"M00000": make_jobs(1)[0]}


def test_a_job_that_moved_is_free_at_its_new_place_and_keeps_its_id(crew):
    before = {known.job.meter.number: known.id for known in crew.free_jobs()}
    crew.jobs.change([make_job("M00000", sequence=99), make_job("M00003", route="A")])
    assert crew.free() == ["M00003", "M00001", "M00002", "M00004", "M00000"]
    assert {known.job.meter.number: known.id for known in crew.free_jobs()} == before


def test_a_held_job_that_changed_is_still_held(crew):
    crew.lease("carol-1", "M00000", until=LEASED_UNTIL)
    crew.jobs.change([make_job("M00000", sequence=99)])
    assert crew.held("carol-1") == {"carol-1": ["M00000"]}
    assert crew.free() == ["M00001", "M00002", "M00003", "M00004"]
    crew.leases.end_of(["carol-1"])
    assert crew.free() == ["M00001", "M00002", "M00003", "M00004", "M00000"]


def test_a_done_job_that_changed_keeps_its_reading(crew):
    crew.record(make_reading("M00000"))
    changed = make_job("M00000", route="South", address="New Road 1")
    crew.jobs.change([changed])
    assert crew.readings.all(CYCLE) == [(changed, make_reading("M00000"))]
    assert crew.standing("M00000").state is JobState.DONE
    assert crew.progress.open_routes() == [RouteProgress(CYCLE, "North", 0, 4), RouteProgress(CYCLE, "South", 1, 1)]
    assert "M00000" not in crew.free()


# --- removing


def test_a_removed_job_is_gone_with_its_lease_and_can_be_added_again(crew):
    before = dump(crew.store)
    crew.lease("carol-1", "M00001", until=LEASED_UNTIL)
    ids = [crew.standing(meter).job for meter in ("M00001", "M00003")]
    crew.jobs.remove(ids)
    assert crew.free() == ["M00000", "M00002", "M00004"]
    assert crew.held("carol-1") == {}
    assert crew.rounds.standings(["M00001", "M00003"]) == []
    assert crew.jobs.find(CYCLE, ["M00001", "M00000"]) == {"M00000": make_jobs(1)[0]}
    assert crew.progress.open_routes() == [RouteProgress(CYCLE, "North", 0, 3)]
    crew.jobs.add([make_jobs(4)[1], make_jobs(4)[3]])
    assert dump(crew.store) == before


def test_the_job_of_a_meter_in_another_cycle_stays_when_one_is_removed(crew):
    import_jobs(crew.store, OTHER_CYCLE, make_jobs(1, OTHER_CYCLE))
    crew.jobs.remove([crew.rounds.standings(["M00000"])[0].job])
    assert [standing.cycle for standing in crew.rounds.standings(["M00000"])] == [OTHER_CYCLE]


def test_a_removal_in_a_transaction_that_fails_has_not_happened(crew):
    crew.lease("carol-1", "M00000", until=LEASED_UNTIL)
    before = dump(crew.store)
    job = crew.standing("M00000").job

    def work(tx):
        tx.jobs.remove([job])
        raise Failure

    with pytest.raises(Failure):
        crew.store.write(work)
    assert dump(crew.store) == before


# --- which are not read


def test_unread_jobs_come_in_the_order_of_the_walk_with_who_holds_them(crew):
    import_jobs(crew.store, CYCLE, [make_job("A1", route="South", address="2 Hill Lane"), make_job("Z1", route="")])
    crew.record(make_reading("M00000"))
    crew.lease("adam-1", "M00002", until=LEASED_UNTIL)
    walk = [
        Unread(CYCLE, "", 0, "Z1", ""),
        Unread(CYCLE, "North", 1, "M00001", ""),
        Unread(CYCLE, "North", 2, "M00002", "", "adam", LEASED_UNTIL),
        Unread(CYCLE, "North", 3, "M00003", ""),
        Unread(CYCLE, "North", 4, "M00004", ""),
        Unread(CYCLE, "South", 0, "A1", "2 Hill Lane"),
    ]
    assert crew.jobs.unread(CYCLE, MANY) == walk
    for number in range(len(walk)):
        assert crew.jobs.unread(CYCLE, number) == walk[:number]
        assert crew.jobs.unread(CYCLE, MANY, walk[number].place[1:]) == walk[number + 1 :]
    crew.cycles.close(CYCLE)
    assert [one.meter for one in crew.jobs.unread(CYCLE, MANY)] == [one.meter for one in walk]
    assert all(one.leased_to is None for one in crew.jobs.unread(CYCLE, MANY))
    assert crew.jobs.unread("2020-01", MANY) == []


# --- which are free


def test_free_jobs_come_by_cycle_route_sequence_and_number(steps):
    walk = [
        make_job("Z9", "2026-10", "South", 7),
        make_job("Z1", CYCLE, "", 9),
        make_job("B2", CYCLE, "North", 3),
        make_job("A-1", CYCLE, "North", 20),
        make_job("A9", CYCLE, "North", 20),
        make_job("C1", CYCLE, "North", 20),
        make_job("B1", CYCLE, "South", 0),
        make_job("B4", CYCLE, "north", 0),
        make_job("B3", CYCLE, "\U0001f40b", 0),
    ]
    shuffled = random.Random(1).sample(walk, len(walk))
    for cycle in (CYCLE, "2026-10"):
        import_jobs(steps.store, cycle, [job for job in shuffled if job.cycle == cycle])
    assert [known.job for known in steps.free_jobs()] == walk
    for most in range(len(walk) + 1):
        assert [known.job for known in steps.free_jobs()[:most]] == walk[:most]


def test_jobs_that_are_done_or_leased_are_not_free(crew):
    crew.lease("carol-1", "M00000", "M00003", until=LEASED_UNTIL)
    crew.record(make_reading("M00001"))
    assert crew.free() == ["M00002", "M00004"]
    assert [known.job.meter.number for known in crew.free_jobs()[:1]] == ["M00002"]


def test_a_job_whose_lease_is_over_is_free_once_that_has_ended(crew):
    crew.lease("carol-1", "M00000", until=10)
    assert "M00000" not in crew.free()
    crew.leases.end_expired(10)
    assert crew.free()[0] == "M00000"


# --- what is on a route


def test_the_meters_of_routes_come_in_the_order_of_the_walk_read_or_not(crew):
    import_jobs(crew.store, CYCLE, [make_job("A1", sequence=9), make_job("A2", route="East"), make_job("A3", route="")])
    import_jobs(crew.store, OTHER_CYCLE, [make_job("X1", OTHER_CYCLE)])
    crew.record(make_reading("M00001"))
    north = [*(job.meter.number for job in make_jobs(5)), "A1"]
    assert crew.jobs.on_routes(CYCLE, ["North"]) == north
    assert crew.jobs.on_routes(CYCLE, ["North", "West", "East", "North"]) == ["A2", *north]
    assert crew.jobs.on_routes(CYCLE, []) == crew.jobs.on_routes("2020-01", ["North"]) == []
    crew.cycles.close(CYCLE)
    assert crew.jobs.on_routes(CYCLE, ["North"]) == north


# --- how far routes are


def test_routes_are_told_in_order_with_what_is_done(crew):
    import_jobs(crew.store, CYCLE, [make_job("A1", route="Überlingen"), make_job("A2", route="East")])
    import_jobs(crew.store, "2026-10", [make_job("A1", "2026-10", "North")])
    crew.record(make_reading("M00001"))
    crew.record(make_reading("M00001", value=101), make_reading("M00003", "adam"))
    assert crew.progress.open_routes() == [
        RouteProgress("2026-10", "North", 0, 1),
        RouteProgress(CYCLE, "East", 0, 1),
        RouteProgress(CYCLE, "North", 2, 5),
        RouteProgress(CYCLE, "Überlingen", 0, 1),
    ]


# --- sets of none and of many


def test_steps_about_no_jobs_are_harmless(crew):
    before = dump(crew.store)
    crew.jobs.add([])
    crew.jobs.change([])
    crew.jobs.remove([])
    assert crew.jobs.find(CYCLE, []) == {}
    assert crew.rounds.standings([]) == []
    assert crew.free_jobs()[:0] == []
    assert dump(crew.store) == before


def test_thousands_of_jobs_are_one_step(steps):
    jobs = make_jobs(2000)
    numbers = [job.meter.number for job in jobs]
    ids = import_jobs(steps.store, CYCLE, jobs)
    assert [ids[number] for number in numbers] == sorted(ids.values())
    steps.jobs.change(make_job(number, dials=7, sequence=place) for place, number in enumerate(numbers))
    assert {job.meter.dials for job in steps.jobs.find(CYCLE, numbers).values()} == {7}
    assert [known.id for known in steps.free_jobs()] == sorted(ids.values())
