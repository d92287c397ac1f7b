"""Supervisors see how far the open cycles are, and who is at it."""

from datetime import date, timedelta

import pytest
from conftest import CYCLE, NOW, OTHER_CYCLE, make_place
from readers import Reader, as_office

from metermt.calls import cycles, opening, places, progress, walks
from metermt.calls.desk import Desk
from metermt.errors import RoleError, RouteError
from metermt.model import Reading, Role
from metermt.progress import ClosedCounts, ReaderWork, RouteCounts
from metermt.quality import Quality


@pytest.fixture(params=["sqlite_store", "shared_postgres_store"])
def town(request, clock, demo_accounts, hasher):
    """A desk with six meters on two routes, in an open cycle that is due."""
    store = request.getfixturevalue(request.param)
    store.write(lambda tx: tx.accounts.put(demo_accounts))
    desk = Desk(store, clock=clock)
    there = [make_place(f"M{n}", route="North" if n < 4 else "South", sequence=n) for n in range(6)]
    as_office(desk, places.import_places, places.Places(there))
    as_office(desk, opening.open_cycle, opening.Opening(CYCLE, due=date(2026, 11, 30)))
    return desk


def show(desk, cycle=None):
    return as_office(desk, progress.show_progress, progress.ProgressOf(cycle), Role.SUPERVISOR)


def estimate(desk, meter):
    """Have the office estimate a meter that was read."""

    def work(tx):
        (result,) = tx.office.of_meters([meter])
        reading = Reading(result.reading.answer, "", CYCLE, NOW, quality=Quality.ESTIMATED)
        tx.readings.add([(result.id, reading)])

    desk.store.write(work)


def test_each_route_is_told_with_who_holds_it_and_who_is_given_it(town):
    as_office(town, walks.assign_route, walks.Assigning("South", ["adam"]))
    carol = Reader(town)
    for minutes in (1, 2, 3):
        carol.submit(carol.meter(), 5, when=NOW - timedelta(minutes=9 - 2 * minutes))
    carol.submit(carol.meter(), None, "dog", when=NOW)
    estimate(town, "M0")
    Reader(town, "adam").meters(1)
    (cycle,) = show(town).cycles
    north, south = cycle.routes
    assert (cycle.cycle, cycle.due, cycle.late) == (CYCLE, date(2026, 11, 30), False)
    assert (north.counts, north.late) == (RouteCounts("North", 3, 1, 0, 0, estimated=1), False)
    assert (south.counts, south.given_to, south.held_by) == (RouteCounts("South", 0, 0, 0, 2), ["adam"], {"adam": 1})


def test_readers_are_told_with_their_pace_of_today_and_when_they_were_seen(town, clock):
    carol = Reader(town)
    for meter, minutes in (("M0", 30), ("M1", 6), ("M2", 4), ("M3", 2)):
        carol.submit(meter, 5, when=NOW - timedelta(minutes=minutes))
    carol.hang_up()
    adam = Reader(town, "adam")
    adam.meter()
    told = {one.username: one for one in show(town).readers}
    assert told["carol"] == ReaderWork("carol", 4, pytest.approx(30), NOW, is_connected=False)
    assert (told["adam"].today, told["adam"].an_hour, told["adam"].is_connected) == (0, None, True)
    assert told["adam"].route == "South"
    clock.move(hours=26)  # past a midnight
    assert {one.today for one in show(town).readers} == {0}


def test_whoever_reads_was_seen_at_the_last_meter(town, clock):
    carol = Reader(town)
    carol.submit("M0", 5, when=NOW)
    clock.move(minutes=5)
    carol.submit("M1", 5, when=NOW + timedelta(minutes=5))
    (seen,) = [one.last_seen for one in show(town).readers if one.username == "carol"]
    assert seen == NOW + timedelta(minutes=5)


def test_what_became_of_a_closed_cycle_is_told_too(town):
    carol = Reader(town)
    for meter in ("M0", "M1", "M2"):
        carol.submit(meter)
    carol.submit("M3", None, "dog")
    estimate(town, "M0")
    as_office(town, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    (closed,) = as_office(town, cycles.list_cycles)
    assert (closed.is_open, closed.routes, closed.closed) == (False, [], ClosedCounts(3, 1, 2, 1))


def test_what_cannot_be_shown_is_told(town):
    with pytest.raises(RouteError, match=f"There is no cycle '{OTHER_CYCLE}': only {CYCLE}"):
        show(town, OTHER_CYCLE)
    as_office(town, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    with pytest.raises(RouteError, match=f"Cycle {CYCLE} is closed: 'metermt report {CYCLE}' tells"):
        show(town, CYCLE)
    with pytest.raises(RouteError, match="No cycle is open; closed are"):
        show(town)
    with pytest.raises(RoleError):
        Reader(town).ask(progress.show_progress, progress.ProgressOf())
