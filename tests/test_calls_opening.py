"""Cycles are opened from what is known of meters, and closed."""

from datetime import date

import pytest
from conftest import CYCLE, NOW, OTHER_CYCLE, make_job, make_place
from msgspec.structs import replace
from readers import Reader, as_office, readings_in

from metermt.calls import cycles, limits, opening, places, rounds, routes
from metermt.calls.cycles import Closing, Cycle, CycleProgress
from metermt.calls.desk import Desk
from metermt.calls.limits import Disagreement, Renewed
from metermt.calls.opening import Opened, Opening
from metermt.calls.places import Past, Places, Shown
from metermt.errors import ConfirmReading, InvalidTime, RouteError
from metermt.progress import RouteCounts
from metermt.quality import Cause, Flag
from metermt.store.sql.places import SqlPlaces

DUE = date(2026, 11, 15)


@pytest.fixture
def town(desk_of_readers):
    """A desk with three meters on two routes, and no cycle."""
    known = [
        make_place("M1", "North", 1),
        make_place("M2", "North", 2),
        make_place("M3", "South", 1),
        make_place("M4", "South", 2, active=False),
    ]
    as_office(desk_of_readers, places.import_places, Places(known))
    return desk_of_readers


def open_(desk, cycle=CYCLE, routes=(), due=None):
    return as_office(desk, opening.open_cycle, Opening(cycle, list(routes), due))


def test_a_cycle_has_one_job_of_every_active_meter(town):
    assert open_(town, due=DUE) == Opened(added=3, there=0, without_history=3)
    assert as_office(town, cycles.list_cycles) == [
        CycleProgress(
            CYCLE, True, date(2026, 11, 1), DUE, [RouteCounts("North", 0, 0, 0, 2), RouteCounts("South", 0, 0, 0, 1)]
        )
    ]
    assert Reader(town).meters(9) == ["M1", "M2", "M3"]


def test_a_cycle_is_opened_route_by_route(town):
    assert open_(town, routes=["South"]) == Opened(1, 0, 1)
    assert open_(town, routes=["South", "North"]) == Opened(2, 1, 2)
    assert open_(town) == Opened(0, 3, 0)


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"cycle": "no cycle"}, "Invalid cycle"),
        ({"routes": ["West"]}, "There is no route .West. with an active meter; there are North, South"),
        ({"due": date(2026, 10, 31)}, "cannot be due on 2026-10-31: it begins on 2026-11-01"),
    ],
)
def test_what_cannot_be_opened_changes_nothing(town, asked, error):
    with pytest.raises(RouteError, match=error):
        open_(town, **asked)
    assert as_office(town, cycles.list_cycles) == []


def test_without_meters_nothing_is_opened(desk_of_readers):
    with pytest.raises(RouteError, match="There are no active meters: import their routes first"):
        open_(desk_of_readers)


def test_a_closed_cycle_is_not_opened_by_the_way(town):
    open_(town)
    as_office(town, cycles.close_cycle, Closing(CYCLE, force=True))
    with pytest.raises(RouteError, match=r"is closed: open a new one, or reopen it"):
        open_(town)


def test_a_cycle_with_unread_meters_is_closed_by_force_only(town):
    open_(town)
    reader = Reader(town)
    reader.submit("M1", 5)
    with pytest.raises(RouteError, match=r"^2 meters are not read in 2026-11: read them first, or"):
        as_office(town, cycles.close_cycle, Closing(CYCLE))
    assert as_office(town, cycles.close_cycle, Closing(CYCLE, force=True)) == 2
    with pytest.raises(RouteError, match=r"^Cycle 2026-11 is closed already$"):
        as_office(town, cycles.close_cycle, Closing(CYCLE, force=True))
    assert as_office(town, cycles.reopen_cycle, Cycle(CYCLE)) == 2
    for meter in ("M2", "M3"):
        reader.submit(meter, 5)
    assert as_office(town, cycles.close_cycle, Closing(CYCLE)) == 0


def test_the_last_accepted_reading_is_the_previous_one_of_the_next_cycle(town):
    open_(town)
    reader = Reader(town)
    for value in (5, 7):  # a correction
        reader.submit("M1", value)
    reader.submit("M2", None, "dog")
    as_office(town, cycles.close_cycle, Closing(CYCLE, force=True))
    open_(town, OTHER_CYCLE)
    first, second, third = reader.ask(rounds.get_jobs, rounds.JobsWanted(9))
    assert (first.previous, first.previous_date) == (7, NOW.astimezone().date())
    assert (second.previous, second.previous_date, third.previous) == (None, None, None)


def test_a_previous_in_the_file_that_disagrees_is_told_and_not_taken(town):
    as_office(town, places.import_history, Past([Shown("M1", date(2026, 10, 1), 100)]))
    jobs = [
        make_job("M1", previous=90, previous_date=date(2026, 10, 1)),
        make_job("M2", previous=40, previous_date=date(2026, 10, 1)),
    ]
    as_office(town, routes.import_jobs, routes.Import(CYCLE, jobs))
    ours = Disagreement("M1", 90, 100, date(2026, 10, 1))
    assert as_office(town, limits.renew_limits, limits.Renewal(CYCLE)) == Renewed(2, 2, 1, [ours])
    assert as_office(town, limits.renew_limits, limits.Renewal(CYCLE)) == Renewed(2, 2, 0, [])
    reader = Reader(town)
    assert [job.previous for job in reader.ask(rounds.get_jobs, rounds.JobsWanted(9))] == [100, 40]
    for meter, value in (("M1", 99), ("M2", 39)):
        with pytest.raises(ConfirmReading, match="is lower than the last one"):
            reader.submit(meter, value)


ESTIMATED = [
    *(Shown("M1", date(2026, month, 1), 100 + 10 * month) for month in range(1, 10)),  # 190 in September
    *(Shown("M1", date(2026, month, 1), value, estimated=True) for month, value in ((10, 215), (11, 240))),
]


def test_a_reading_after_estimates_is_judged_against_the_last_actual_one(town):
    as_office(town, places.import_history, Past(ESTIMATED))
    open_(town)
    reader = Reader(town)
    (job,) = reader.ask(rounds.get_jobs, rounds.JobsWanted(1))
    assert (job.previous, job.previous_date) == (240, date(2026, 11, 1))  # what billing goes on from
    for value, odd in ((189, "lower than the last one"), (300, "high")):
        with pytest.raises(ConfirmReading, match=f"is {odd}"):
            reader.submit("M1", value)
    reader.submit("M1", 217)
    assert readings_in(town.store)[0].flags == ()


def test_nothing_is_read_before_the_day_of_an_estimate(town):
    as_office(town, places.import_history, Past(ESTIMATED))
    open_(town)
    with pytest.raises(InvalidTime, match="lies before the last reading of M1"):
        Reader(town).submit("M1", 217, when="2026-10-30T12:00:00Z")


def test_limits_that_come_too_late_leave_a_reading_and_what_was_moved_as_they_are(town, monkeypatch):
    open_(town)
    reader, computed = Reader(town), limits.judged_by

    def then_the_others_go_on(*facts):
        judged = computed(*facts)
        reader.submit("M1", 5)
        moved = [make_job("M2", route="West", previous=40, previous_date=date(2026, 10, 1))]
        as_office(town, routes.import_jobs, routes.Import(CYCLE, moved))
        return judged

    past = Past([Shown(f"M{n}", date(2026, 10, 1), 4 + n) for n in (1, 2, 3)])
    as_office(town, places.import_history, past)
    monkeypatch.setattr(limits, "judged_by", then_the_others_go_on)
    assert as_office(town, limits.renew_limits, limits.Renewal(CYCLE)).jobs == 2
    jobs = town.store.read(lambda tx: tx.jobs.find(CYCLE, ["M1", "M2", "M3"]))
    assert [(jobs[meter].previous, jobs[meter].route) for meter in ("M1", "M2", "M3")] == [
        (None, "North"),
        (6, "West"),
        (7, "South"),
    ]


def test_a_stop_that_is_read_is_still_the_one_before_when_limits_are_computed_anew(town):
    past = [Shown(f"M{n}", date(2026, month, 1), 1_000 * n + 12 * month) for n in (1, 2) for month in range(1, 11)]
    as_office(town, places.import_history, Past(past))
    open_(town)
    reader = Reader(town)
    reader.submit("M1", 1_132)
    as_office(town, limits.renew_limits, limits.Renewal(CYCLE))
    with pytest.raises(ConfirmReading) as error:
        reader.submit("M2", 1_132)
    assert error.value.details["cause"] == Cause.NEIGHBOUR


def test_limits_are_computed_anew_on_some_routes_only(town):
    open_(town)
    as_office(town, places.import_history, Past([Shown(f"M{n}", date(2026, 10, 1), 5) for n in (1, 3)]))
    assert as_office(town, limits.renew_limits, limits.Renewal(CYCLE, ["South"])) == Renewed(1, 1, 0, [])
    assert [job.previous for job in Reader(town).ask(rounds.get_jobs, rounds.JobsWanted(9))] == [None, None, 5]


def test_a_route_file_tells_of_meters_and_of_what_is_to_be_read(town):
    moved = make_job("M1", route="West", sequence=3)
    as_office(town, routes.import_jobs, routes.Import(CYCLE, [moved, make_job("NEW", route="West")]))
    assert open_(town, OTHER_CYCLE).added == 4
    assert Reader(town).meters(9) == ["NEW", "M1", "NEW", "M1", "M2", "M3"]


def test_what_is_used_on_an_inactive_meter_is_flagged(town):
    job = make_job("M4", route="South", previous=5, previous_date=date(2026, 10, 1))
    asleep = replace(job, meter=replace(job.meter, active=False))
    as_office(town, routes.import_jobs, routes.Import(CYCLE, [asleep]))
    as_office(town, limits.renew_limits, limits.Renewal(CYCLE))
    Reader(town).submit("M4", 6)
    assert readings_in(town.store)[0].flags == (Flag.INACTIVE_USE, Flag.NO_HISTORY)


@pytest.mark.parametrize(
    ("shown", "error"),
    [
        (Shown("NONE", date(2026, 10, 1), 5), "There is no meter 'NONE': import its route first"),
        (Shown("M1", date(2026, 10, 1), 100_000), "Invalid value 100000: the register of M1 goes from 0 to 99999"),
        (Shown("M1", date(2026, 10, 1), -1), "Invalid value -1"),
        (Shown("M1", date(2026, 12, 24), 5), "Invalid date 2026-12-24: it lies in the future"),
    ],
)
def test_a_past_that_cannot_be_is_told_of_and_the_rest_is_kept(town, shown, error):
    good = Shown("M2", date(2026, 10, 1), 5)
    wrong, fine = as_office(town, places.import_history, Past([shown, good]))
    assert str(wrong).startswith(error)
    assert fine is None
    assert set(town.store.read(lambda tx: tx.places.history(["M1", "M2"]))) == {"M2"}


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("call", [places.import_places, routes.import_jobs], ids=lambda call: call.name)
def test_a_register_cannot_have_fewer_digits_than_what_it_has_shown(town, call, dry_run):
    as_office(town, places.import_history, Past([Shown("M1", date(2026, 9, 30), 12_345), Shown("M2", DUE, 99)]))
    if call is places.import_places:
        told = Places([make_place("M2", dials=2), make_place("M1", dials=4)], dry_run)
    else:
        told = routes.Import(CYCLE, [make_job("M2", dials=2), make_job("M1", dials=4)], dry_run)
    words = "^Invalid dials 4: M1 showed 12345 on 2026-09-30; put the right ones, or correct that reading first"
    with pytest.raises(RouteError, match=words):
        as_office(town, call, told)
    assert open_(town).added == 3
    assert Reader(town).ask(rounds.next_job).previous == 12_345


def test_only_the_past_of_meters_that_have_shown_too_much_is_read_for_what_counts_of_it(sqlite_store, monkeypatch):
    town = Desk(sqlite_store)
    as_office(town, places.import_places, Places([make_place(meter) for meter in ("M1", "M2", "M3")]))
    past = [("M1", date(2025, 8, 31), 12_345), ("M1", date(2025, 9, 30), 7), ("M2", date(2025, 9, 30), 99)]
    as_office(town, places.import_history, Past([Shown(*shown) for shown in past]))
    history, asked = SqlPlaces.history, []

    def watched(steps, meters):
        asked.extend(meters)
        return history(steps, meters)

    monkeypatch.setattr(SqlPlaces, "history", watched)
    told = [make_place(meter, dials=4) for meter in ("M1", "M2", "M3")]
    as_office(town, places.import_places, Places(told))  # no more than 7 counts
    assert asked == ["M1"]


def test_a_job_that_cannot_go_on_from_the_last_reading_names_its_meter(town):
    as_office(town, places.import_history, Past([Shown("M1", date(2026, 9, 30), 12_345)]))
    town.store.write(lambda tx: tx.places.put([make_place("M1", dials=4)]))
    with pytest.raises(RouteError, match=r"^Invalid previous 12345: the register of M1 goes from 0 to 9999"):
        open_(town)
