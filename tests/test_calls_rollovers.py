"""A register that went over its top is billed, shown and learned from as it was judged, however much was used."""

from datetime import date

import pytest
from billing_town import NEXT_CYCLE, export, open_next
from conftest import CYCLE
from readers import Reader, as_office, open_with_past

from metermt.calls import estimating, exchanges, meters, report, review
from metermt.calls.cycles import Cycle
from metermt.calls.desk import Desk
from metermt.calls.estimating import Estimating
from metermt.calls.exchanges import MeterExchange
from metermt.calls.meters import Named
from metermt.calls.review import Correction, Decisions, Reviewed, Said
from metermt.cli.reviewing import described
from metermt.decisions import Verdict
from metermt.errors import ConfirmReading, DecisionError, InvalidReport
from metermt.model import Answer
from metermt.quality import Flag
from metermt.rules.registers import step_after_estimates

BEFORE, TODAY = date(2026, 11, 10), date(2026, 11, 20)


@pytest.fixture
def town(sqlite_store, clock, demo_accounts, hasher):
    """A desk with a register of two digits that showed 88 54 days ago, and counts 12 in 30 days: more than a tenth."""
    sqlite_store.write(lambda tx: tx.accounts.put(demo_accounts))
    desk = Desk(sqlite_store, clock=clock)
    open_with_past(desk, {"M0": 40, "M1": 40}, first=date(2026, 5, 30), months=5, also={"M0": {"dials": 2}})
    return desk


def uses(desk, cycle=None):
    return {line[0]: line[5] for line in export(desk, cycle)}


def waiting(desk):
    return as_office(desk, review.list_waiting, Reviewed()).waiting


def approve_all(desk):
    as_office(desk, review.decide, Decisions([Said(one.reading, Verdict.APPROVE) for one in waiting(desk)]))


def correct(desk, value, cycle=None, on=None):
    as_office(desk, review.correct_reading, Correction("M0", value, "why", cycle, on))


def estimate(desk, cycle, on=None):
    (made,) = as_office(desk, estimating.estimate_readings, Estimating([], cycle, ["M0"], on))
    return made.made


def test_a_rollover_that_nobody_was_asked_about_is_billed_shown_and_summed_as_one(town):
    Reader(town).submit("M0", 9)
    (one,) = waiting(town)
    assert (one.flags, one.use, one.expected) == ((Flag.ROLLOVER,), 21, 10)
    assert "  previous 88 on 2026-09-27, use 21" in described(one)
    approve_all(town)
    assert uses(town) == {"M0": 21}
    (route,) = as_office(town, report.make_report, Cycle(CYCLE)).routes
    assert (route.use, route.meters) == (21, 1)
    shown = as_office(town, meters.show_meter, Named("M0"))
    assert shown.seen[-1].use == 21
    assert (shown.periods[-1].use, len(shown.periods)) == (21, 5)


def test_what_the_office_puts_over_the_top_is_billed_as_that(town):
    Reader(town).submit("M0", 9)
    (one,) = waiting(town)
    as_office(town, review.decide, Decisions([Said(one.reading, Verdict.EDIT, 10, "why", sure=False)]))
    assert uses(town) == {"M0": 22}
    correct(town, 7)
    assert uses(town) == {"M0": 19}
    with pytest.raises(ConfirmReading, match=r"a use of -30$"):
        as_office(town, review.correct_reading, Correction("M0", 58, "why", sure=False))


def test_a_register_that_fell_too_far_for_its_meter_is_billed_as_lower(town):
    carol = Reader(town)
    with pytest.raises(ConfirmReading):
        carol.submit("M0", 70)
    carol.submit("M0", 70)
    assert (waiting(town)[0].flags, waiting(town)[0].use) == ((Flag.NEGATIVE,), -18)
    approve_all(town)
    assert uses(town) == {"M0": -18}


def test_a_later_reading_goes_over_the_top_as_soon_as_the_one_before_it_is_corrected(town, clock):
    """It was judged as lower, from a misread value."""
    Reader(town).submit_many([Answer("M0", 38, verified=True)])
    open_next(town, clock)
    Reader(town).submit_many([Answer("M0", 10, verified=True)])
    assert [one.flags for one in waiting(town)] == [(Flag.NEGATIVE,), (Flag.NEGATIVE,)]
    correct(town, 99, CYCLE)
    approve_all(town)
    assert uses(town) == {"M0": 11}


@pytest.mark.parametrize(
    ("value", "use", "is_shown"), [(2, -8, True), (97, -13, True), (15, 5, True), (45, 35, True), (80, -30, False)]
)
def test_what_is_read_after_an_estimate_over_the_top_is_counted_from_what_was_read_before_it(
    town, clock, value, use, is_shown
):
    assert estimate(town, CYCLE).value == 10
    assert uses(town) == {"M0": 22}
    open_next(town, clock)
    Reader(town).submit_many([Answer("M0", value, verified=True)])
    approve_all(town)
    assert uses(town) == {"M0": use}
    shown = as_office(town, meters.show_meter, Named("M0"))
    assert [one.use for one in shown.seen[-2:]] == [22, use if is_shown else None]


@pytest.mark.parametrize(
    ("read", "accepted", "value", "step"),
    [
        (9_000, 9_900, 300, 400),  # not over the top by the estimate, but since
        (9_000, 9_900, 3_000, None),
        (9_000, 600, 500, -100),
        (9_000, 600, 4_000, 3_400),
        (9_000, 600, 8_990, None),
        (9_000, 600, 9_100, -1_500),
        (100, 150, 90, None),
    ],
)
def test_where_nothing_is_known_of_a_meter_the_estimate_tells_whether_it_went_over_its_top(read, accepted, value, step):
    assert step_after_estimates([read, accepted], value, 4) == step


def test_an_estimate_below_what_was_corrected_since_is_lower_and_has_not_gone_over_the_top(town, clock):
    assert estimate(town, CYCLE).value == 10
    open_next(town, clock)
    assert estimate(town, NEXT_CYCLE).value == 20
    correct(town, 30, CYCLE)
    assert [line[4:6] for line in export(town)] == [(30, 42), (20, -10)]


def test_a_device_that_went_over_its_top_is_taken_down_and_what_it_has_counted_is_billed(town):
    for final in (60, 88 - 1):
        with pytest.raises(InvalidReport, match="M0 had 88 on 2026-09-27 already"):
            exchange(town, final)
    exchange(town, 5)
    Reader(town).submit("N0", 4)
    approve_all(town)
    assert uses(town) == {"N0": 17 + 4}


def test_a_device_is_not_taken_down_below_an_estimate_whichever_way_round(town):
    assert estimate(town, CYCLE, BEFORE).value == 6
    for final in (98, 5):
        with pytest.raises(InvalidReport, match="M0 had 6 on 2026-11-10 already; if that estimate is wrong"):
            exchange(town, final, TODAY)
    exchange(town, 9, TODAY)
    assert uses(town) == {"M0": 18}
    with pytest.raises(DecisionError, match="it cannot have shown 40 before"):
        correct(town, 40)
    correct(town, 3)
    assert uses(town) == {"M0": 15}


def exchange(desk, final, on=BEFORE):
    as_office(desk, exchanges.exchange_meter, MeterExchange("M0", "N0", final, 0, on))
