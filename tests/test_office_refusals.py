"""Whatever the office is refused is told why, and nothing is kept of it."""

import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
from conftest import CYCLE, NOW, make_job, make_place
from databases import limited_file_size, raw
from readers import Reader, as_office, open_with_past

from metermt.calls import (
    accounts,
    audit,
    batches,
    cycles,
    erasing,
    estimating,
    exchanges,
    found,
    meters,
    opening,
    places,
    progress,
    report,
    review,
    routes,
    unread,
    walks,
)
from metermt.calls.batches import Batching, Lines, Scope
from metermt.calls.cycles import Closing, Cycle
from metermt.calls.desk import Desk
from metermt.calls.estimating import Estimating
from metermt.calls.exchanges import MeterExchange
from metermt.calls.found import Accepting, Dismissing
from metermt.calls.meters import Moving, Named, Switching
from metermt.calls.opening import Opening
from metermt.calls.review import Correction, Decisions, Said
from metermt.calls.table import CALLS
from metermt.decisions import Verdict
from metermt.errors import (
    CannotEstimate,
    ConfirmReading,
    DecisionError,
    InvalidReport,
    MeterExchanged,
    RoleError,
    RouteError,
    StoreError,
    StoreRefused,
    UnknownMeter,
    UserError,
)
from metermt.model import Role

CLOSED, TODAY = "2026-10", NOW.date()
DAYS_AGO, TOMORROW, YEAR_1 = TODAY - timedelta(days=2), TODAY + timedelta(days=1), date(1, 1, 1)
NOT_READ = "the register of M3 goes from 0 to 99999"
BIG, NO_NUMBER = 10**30, "No database has such a number or text in it"


@pytest.fixture
def town(sqlite_store, clock, demo_accounts, hasher):
    """A desk with a closed cycle and an open one, in which some was decided, and some waits for that.

    M0 is billed, M1 is odd and waits, M2 was odd and is approved, M3 is unread, M4 was exchanged for N4, Z5 was missed.
    """
    sqlite_store.write(lambda tx: tx.accounts.put(demo_accounts))
    desk = Desk(sqlite_store, clock=clock)
    as_office(desk, routes.import_jobs, routes.Import(CLOSED, [make_job("Z5", CLOSED, "Old")]))
    as_office(desk, cycles.close_cycle, Closing(CLOSED, force=True))
    as_office(desk, meters.switch_meter, Switching("Z5", active=False))
    open_with_past(desk, {f"M{n}": 1_000 for n in range(5)})
    as_office(desk, exchanges.exchange_meter, MeterExchange("M4", "N4", 1_150, 10, DAYS_AGO))
    carol = Reader(desk)
    carol.submit("M0", 1_150)
    for meter in ("M1", "M2"):
        with pytest.raises(ConfirmReading):
            carol.submit(meter, 1_500)
        carol.submit(meter, 1_500)
    as_office(desk, review.decide, Decisions([Said(3, Verdict.APPROVE)]))
    for number in ("X1", "X2"):
        carol.ask(found.report_found, found.FoundMeter(number, "E", 5, 90_000, "in the barn"))
    as_office(desk, found.dismiss_found, Dismissing(2, "a water butt"))
    as_office(desk, batches.make_batch, Batching("csv", "name = 'csv'"))
    return desk


def correct(meter, value=1_200, why="why", cycle=None, on=None):
    return review.correct_reading, Correction(meter, value, why, cycle, on)


def decide(reading, verdict, value=None, why=""):
    return review.decide, Decisions([Said(reading, verdict, value, why)])


def estimate(*readings, cycle=CYCLE, meters=(), on=None):
    return estimating.estimate_readings, Estimating([*readings], cycle, [*meters], on)


def exchange(old="M3", new="N3", final=1_150, initial=0, on=TODAY, dials=None, multiplier=None):
    return exchanges.exchange_meter, MeterExchange(old, new, final, initial, on, dials, multiplier)


def refusals():
    """Yield what the office may ask for, and what it is told."""
    no_cycle = RouteError, r"There is no cycle '2020-01': there are 2026-10, 2026-11"
    no_meter = UnknownMeter, "Unknown meter 'M9': check the number on the meter"
    no_route = RouteError, "There is no route 'West' in 2026-1"
    taken_down = MeterExchanged, "Meter M4 was exchanged for N4 on 2026-11-18: read that one"

    # review
    yield decide(9, Verdict.APPROVE), DecisionError, "There is no result 9"
    yield decide(BIG, Verdict.APPROVE), StoreRefused, NO_NUMBER
    yield decide(1, Verdict.APPROVE), DecisionError, "M0 in 2026-11 waits for no decision: to change it say metermt"
    yield decide(3, Verdict.EDIT, 1_200, "why"), DecisionError, "M2 in 2026-11 was approved already: look at what waits"
    yield decide(2, Verdict.EDIT, 1_200), DecisionError, "Say why: it stays on record beside the value"
    yield decide(2, Verdict.EDIT, None, "why"), DecisionError, "An edit wants the value that counts"
    yield decide(2, Verdict.EDIT, -1, "why"), DecisionError, "Invalid value -1: the register of M1 goes from 0 to 99999"
    yield decide(2, Verdict.REREAD, None, "a\nb"), DecisionError, "control characters in it"
    yield decide(2, Verdict.REREAD, None, "a" * 201), DecisionError, "has 201 characters: 200 are allowed"
    yield decide(2, Verdict.ESTIMATE), DecisionError, "Estimates are made by estimate_readings"
    many = Decisions([Said(2, Verdict.APPROVE)] * 1_001)
    yield (review.decide, many), DecisionError, "Decide on at most 1000 results at once"
    yield correct("M9"), *no_meter
    yield correct("M0", cycle="2020-01"), DecisionError, "M0 has no job in cycle '2020-01'; it has one in 2026-11"
    yield correct("M0", why=" "), DecisionError, "Say why"
    yield correct("M3", 100_000), DecisionError, f"Invalid value 100000: {NOT_READ}"
    yield correct("M3", BIG), DecisionError, NOT_READ
    yield correct("M3", on=TOMORROW), DecisionError, "2026-11-21 lies in the future: say on which day it was read"
    yield correct("M3", on=YEAR_1), DecisionError, "0001-01-01 is before 2026-09-27, when the meter was read last"
    yield correct("Z5", on=YEAR_1), DecisionError, "0001-01-01 is too long ago: look at the year"
    yield correct("Z5"), DecisionError, "Z5 was missed in 2026-10: say with --on on which day it was read"
    yield correct("N4", 5), DecisionError, "N4 showed 10 when it was put up on 2026-11-18: it cannot show 5 now"

    # estimating
    yield estimate(9), DecisionError, "There is no result 9"
    yield estimate(1), DecisionError, "M0 in 2026-11 waits for no decision"
    yield estimate(3), DecisionError, "M2 in 2026-11 was approved already"
    yield estimate(cycle="2020-01", meters=["M3"]), *no_cycle
    yield estimate(cycle=None, meters=["M3"]), DecisionError, "Say of which cycle the meters are that nobody has read"
    yield estimate(meters=["M9"]), DecisionError, "There is no meter 'M9' in cycle 2026-11"
    yield estimate(meters=["M0"]), DecisionError, "M0 has a result in 2026-11"
    yield estimate(meters=["M3"], on=TOMORROW), DecisionError, "2026-11-21 lies in the future: nothing is estimated"
    yield estimate(meters=["M3"], on=YEAR_1), DecisionError, "0001-01-01 is too long ago: look at the year"
    yield estimate(cycle=CLOSED, meters=["Z5"]), CannotEstimate, "Z5: It cannot be estimated: there is no reading of it"
    yield estimate(*range(1_001)), DecisionError, "Estimate at most 1000 values at once"

    # exchanges
    yield exchange("M9"), *no_meter
    yield exchange("M4", "N5"), *taken_down
    yield exchange(new="M3"), InvalidReport, "M3 cannot be exchanged for itself: give the number of the new device"
    yield exchange(new="M1"), InvalidReport, "Meter M1 hangs on route 'North': check the number of the new device"
    yield exchange(new="n 3"), RouteError, "Invalid meter number 'n 3'"
    yield exchange(final=1_100), InvalidReport, "Invalid final reading 1100: M3 had 1132 on 2026-09-27 already"
    yield exchange(final=BIG), InvalidReport, f"Invalid final reading {BIG}: {NOT_READ}"
    yield exchange(initial=-1), InvalidReport, "Invalid initial reading -1: the register of N3 goes from 0 to 99999"
    yield exchange(on=date(2026, 9, 1)), InvalidReport, "Invalid date 2026-09-01: the last reading of M3 is of 2026-09"
    yield exchange(on=TOMORROW), InvalidReport, "Invalid date 2026-11-21: it lies in the future"
    yield exchange(on=YEAR_1), InvalidReport, "Invalid date 0001-01-01: it is more than a year ago"
    yield exchange("N4", "P4", 20, on=DAYS_AGO), InvalidReport, "the next exchange is on a later day"
    yield exchange(dials=13), RouteError, "Invalid dials 13: a register has 1 to 12 digits"
    yield exchange(multiplier=Decimal(0)), RouteError, "Invalid multiplier 0: use a number above 0"
    yield (exchanges.list_exchanges, exchanges.Exchanges(BIG)), StoreRefused, NO_NUMBER

    # meters, and those that were found
    for call, request in ((meters.show_meter, Named), (meters.switch_meter, lambda meter: Switching(meter, False))):
        yield (call, request("M9")), *no_meter
        yield (call, request("M4")), *taken_down
    yield (meters.show_meter, Named("\ud800")), StoreRefused, NO_NUMBER
    yield (meters.move_meter, Moving("M9", "West", 1)), *no_meter
    yield (meters.move_meter, Moving("M3", "West", -1)), RouteError, "Invalid sequence -1: use a whole number from 0"
    yield (meters.move_meter, Moving("M3", "W\n", 1)), RouteError, "has control characters in it"
    yield (meters.add_meter, make_place("M3", "West")), RouteError, "M3 is known already, on route 'North' at 3"
    for call, request in ((found.accept_found, Accepting), (found.dismiss_found, lambda id_: Dismissing(id_, "why"))):
        yield (call, request(9)), DecisionError, "There is no report 9 of a meter"
        yield (call, request(2)), DecisionError, "Report 2, of X2, was dismissed already"
        yield (call, request(BIG)), StoreRefused, NO_NUMBER
    yield (found.dismiss_found, Dismissing(1, "")), DecisionError, "Say why"
    yield (found.accept_found, Accepting(1, dials=4)), RouteError, "Invalid dials 4: X1 showed 90000 when it was found"
    yield (found.accept_found, Accepting(1, kind="Q")), RouteError, "Invalid kind 'Q'"
    yield (found.accept_found, Accepting(1, multiplier=Decimal("NaN"))), RouteError, "Invalid multiplier NaN"

    # billing
    for call, request in ((batches.make_batch, lambda *scope: Batching("csv", "", *scope)), (batches.held_back, Scope)):
        yield (call, request("2020-01")), *no_cycle
        yield (call, request(None, "West")), *no_route
        yield (call, request(CYCLE, "Old")), RouteError, "There is no route 'Old' in 2026-11"
    yield (batches.make_batch, Batching("csv", "", CLOSED)), DecisionError, "There is nothing new for billing"
    for call in (batches.batch_lines, batches.batch_layout):
        yield (call, Lines(2)), DecisionError, "There is no batch 2: there are 1 to 1"
    yield (batches.batch_lines, Lines(1, BIG)), StoreRefused, NO_NUMBER

    # cycles, what is to be read in them and by whom, and what became of them
    for call in (report.make_report, cycles.reopen_cycle):
        yield (call, Cycle("2020-01")), *no_cycle
    yield (progress.show_progress, progress.ProgressOf("2020-01")), *no_cycle
    yield (
        (progress.show_progress, progress.ProgressOf(CLOSED)),
        RouteError,
        "2026-10 is closed: 'metermt report",
    )
    yield (cycles.close_cycle, Closing("2020-01")), *no_cycle
    yield (cycles.close_cycle, Closing(CLOSED)), RouteError, "Cycle 2026-10 is closed already"
    yield (cycles.close_cycle, Closing(CYCLE)), RouteError, "2 meters are not read in 2026-11: read them first, or"
    yield (cycles.reopen_cycle, Cycle(CYCLE)), RouteError, "Cycle 2026-11 is open already"
    yield (cycles.remove_cycle, Cycle("2020-01")), *no_cycle
    yield (
        (cycles.remove_cycle, Cycle(CYCLE)),
        RouteError,
        "Cycle 2026-11 stays, as 3 meters have readings in it (3 read): one that is over is closed",
    )
    yield (opening.open_cycle, Opening(CLOSED)), RouteError, "Cycle 2026-10 is closed: open a new one, or reopen it"
    yield (opening.open_cycle, Opening("2026-12", ["West"])), RouteError, "There is no route 'West' with an active"
    yield (opening.open_cycle, Opening("2026-12", due=TODAY)), RouteError, "cannot be due on 2026-11-20: it begins on"
    yield (unread.list_missing, unread.Missing(CYCLE, route="West")), *no_route
    yield (unread.release_jobs, unread.Release("West")), RouteError, "There is no route 'West' in the open cycles"
    yield (unread.release_jobs, unread.Release(username="zoe")), UserError, "There is no user 'zoe'"
    yield (
        (walks.assign_route, walks.Assigning("West", ["carol"])),
        RouteError,
        "There is no route 'West' with an active",
    )
    yield (walks.assign_route, walks.Assigning("North", ["zoe"])), UserError, "There is no user 'zoe'"

    # the record, and who is on it
    yield (audit.list_entries, audit.Entries(BIG)), StoreRefused, NO_NUMBER
    yield (erasing.erase_user, accounts.Username("zoe")), UserError, "There is no user 'zoe'"
    yield (erasing.erase_user, accounts.Username("carol")), UserError, "carol may log in: disable them first"


def refused(desk, call, request, role=Role.ADMIN):
    """Return the error that a call raises, or tells of the first thing that it was asked for; else what it returns."""
    try:
        outcome = as_office(desk, call, request, role)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
        return error
    first = outcome[0] if isinstance(outcome, list) and outcome else outcome
    return getattr(first, "error", first)


def everything(desk):
    """Return all rows of all tables."""
    with raw(desk.store.path) as connection:
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
        return {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for (name,) in names}


def test_each_refusal_of_the_office_says_why_and_changes_nothing(town):
    before = everything(town)
    for (call, request), kind, words in refusals():
        error = refused(town, call, request)
        assert (type(error), bool(re.search(re.escape(words), str(error)))) == (kind, True), (call.name, error, words)
        now = everything(town)
        assert [table for table in now if now[table] != before[table]] == [], (call.name, request)


def test_a_long_name_is_not_told_back_whole(town):
    long = "X" * 1_000
    for call, request in (
        (accounts.find_user, accounts.Username(long)),
        (erasing.erase_user, accounts.Username(long)),
        (walks.assign_route, walks.Assigning("North", [long])),
        (walks.assign_route, walks.Assigning(long, ["carol"])),
        (unread.release_jobs, unread.Release(username=long)),
        (unread.release_jobs, unread.Release(meter=long)),
        (unread.release_jobs, unread.Release(long)),
        (routes.remove_jobs, routes.Removal(CYCLE, [long])),
        (opening.open_cycle, Opening("2026-12", [long])),
        (places.import_history, places.Past([places.Shown(long, TODAY, 1)])),
        (meters.show_meter, Named(long)),
        (cycles.close_cycle, Closing(long)),
    ):
        error = refused(town, call, request)
        assert "XXX…" in str(error), call.name
        assert len(str(error)) < 200


def test_each_call_of_the_office_is_refused_to_whoever_has_the_role_below(town):
    before = everything(town)
    below = {Role.SUPERVISOR: Role.READER, Role.ADMIN: Role.SUPERVISOR}
    of_office = [call for call in CALLS.values() if call.least in below]
    for call in of_office:
        error = refused(town, call, None, below[call.least])
        whom = "an admin" if call.least is Role.ADMIN else "a supervisor or more"
        assert (type(error), str(error)) == (RoleError, f"{call.name} is for {whom}, and you are a {below[call.least]}")
    assert len(of_office) > 40
    assert everything(town) == before


def test_a_full_disk_is_told_and_nothing_is_kept_of_a_decision_or_an_export(town):
    as_office(town, *correct("M3"))
    before = everything(town)
    size = town.store.path.with_name(f"{town.store.path.name}-wal").stat().st_size
    for call, request in (correct("M0", 1_152), decide(2, Verdict.APPROVE), (batches.make_batch, Batching("csv", ""))):
        with limited_file_size(size):
            error = refused(town, call, request)
        assert (type(error), str(town.store.path) in str(error)) == (StoreError, True), error
        assert everything(town) == before, call.name
    assert as_office(town, batches.make_batch, Batching("csv", "")).lines == 1
