"""What is not read yet, and who holds it, as supervisors ask."""

import pytest
from conftest import CYCLE, LEASED_UNTIL, OTHER_CYCLE, dump, import_jobs, make_job, make_jobs
from readers import Reader, as_office
from steps import free_jobs, meters_of

from metermt.calls import cycles
from metermt.calls.unread import Missing, Release, list_missing, release_jobs
from metermt.errors import CallError, Error, RouteError, UserError
from metermt.progress import Unread


def missing(desk, cycle=None, after=None):
    return as_office(desk, list_missing, Missing(cycle, after))


def release(desk, **what):
    return as_office(desk, release_jobs, Release(**what))


# --- what is missing


def test_meters_that_are_not_read_are_told_with_who_holds_them(desk, carol, adam):
    carol.submit("M00000")
    adam.meter()
    assert missing(desk) == [
        Unread(CYCLE, "North", 1, "M00001", "", "adam", LEASED_UNTIL),
        *(Unread(CYCLE, "North", number, f"M{number:05}", "") for number in (2, 3, 4)),
    ]


def test_nobody_holds_a_meter_whose_time_is_over(desk, carol, clock):
    carol.meter()
    clock.move(minutes=30)
    assert missing(desk)[0] == Unread(CYCLE, "North", 0, "M00000", "")


def test_all_open_cycles_are_told_of_unless_one_is_named(desk, carol):
    import_jobs(desk.store, OTHER_CYCLE, [make_job("X1", OTHER_CYCLE)])
    import_jobs(desk.store, "2026-10", [make_job("W1", "2026-10")])
    as_office(desk, cycles.close_cycle, cycles.Closing("2026-10", force=True))
    assert [one.meter for one in missing(desk)] == [*(job.meter.number for job in make_jobs(5)), "X1"]
    assert [one.meter for one in missing(desk, OTHER_CYCLE)] == ["X1"]
    assert [one.meter for one in missing(desk, "2026-10")] == ["W1"]
    with pytest.raises(RouteError, match="There is no cycle '2020-01': there are 2026-10, 2026-11, 2026-12"):
        missing(desk, "2020-01")


def test_thousands_are_told_part_by_part(desk):
    import_jobs(desk.store, OTHER_CYCLE, make_jobs(1500, OTHER_CYCLE))
    parts, after = [], None
    while part := missing(desk, after=after):
        parts.append(part)
        after = part[-1]
    assert [len(part) for part in parts] == [1000, 505]
    assert [(one.cycle, one.meter) for part in parts for one in part] == [
        (job.cycle, job.meter.number) for job in (*make_jobs(5), *make_jobs(1500, OTHER_CYCLE))
    ]


# --- releasing


@pytest.fixture
def crew(desk, carol, adam):
    """Carol, who holds S1 of a short route, and M00000 and M00001 of the next; Adam, who holds M00004 at its end."""
    import_jobs(desk.store, CYCLE, [make_job("S1", route="A")])
    assert carol.meters(3) == ["S1", "M00000", "M00001"]
    assert adam.meter() == "M00004"


@pytest.mark.parametrize(
    ("what", "count", "free"),
    [
        ({"route": "North"}, 3, ["M00000", "M00001", "M00002", "M00003", "M00004"]),
        ({"route": "A"}, 1, ["S1", "M00002", "M00003"]),
        ({"meter": "M00001"}, 1, ["M00001", "M00002", "M00003"]),
        ({"meter": "M00003"}, 0, ["M00002", "M00003"]),
        ({"username": "carol"}, 3, ["S1", "M00000", "M00001", "M00002", "M00003"]),
        ({"username": "eric"}, 0, ["M00002", "M00003"]),
    ],
    ids=str,
)
def test_what_is_released_is_free(desk, crew, what, count, free):
    assert release(desk, **what) == count
    assert meters_of(desk.store.read(free_jobs)) == free


def test_a_readers_sessions_that_are_over_hold_nothing_after_a_release(desk, carol):
    carol.meter()
    carol.hang_up()
    assert release(desk, username="carol") == 1
    assert Reader(desk, "adam").meters(9) == ["M00004", "M00003", "M00002", "M00001", "M00000"]


def test_who_held_a_released_meter_may_send_its_reading_all_the_same(desk, carol):
    meter = carol.meter()
    release(desk, meter=meter)
    carol.submit(meter)
    assert missing(desk)[0].meter == "M00001"


@pytest.mark.parametrize(
    ("what", "error", "words"),
    [
        ({"route": "West"}, RouteError, "There is no route 'West' in the open cycles"),
        ({"meter": "X1"}, RouteError, "There is no meter 'X1' in the open cycles"),
        ({"username": "dora"}, UserError, "There is no user 'dora'"),
        ({}, CallError, "Name a route, a meter or a user, and one of these only"),
        ({"route": "North", "meter": "M00001"}, CallError, "Name a route, a meter or a user, and one of these only"),
    ],
    ids=str,
)
def test_what_cannot_be_released_changes_nothing(desk, crew, what, error, words):
    before = dump(desk.store)
    with pytest.raises(Error) as caught:
        release(desk, **what)
    assert (type(caught.value), str(caught.value)) == (error, words)
    assert dump(desk.store) == before
