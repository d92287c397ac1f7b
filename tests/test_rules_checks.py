"""The checks at the meter, each at its boundary, just below and just above."""

from datetime import timedelta
from math import exp, inf

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from meterfacts import FIRST, limits_for, next_day, read_monthly
from msgspec.structs import replace

from metermt.errors import SettingError
from metermt.quality import Cause, Flag, Judgement
from metermt.rules.checks import doubt, judge
from metermt.rules.habits import Habit
from metermt.rules.history import Read, history_of
from metermt.rules.limits import (
    SENSITIVITY,
    JobLimits,
    Limits,
    check_sensitivity,
    likely_by,
    limits_of,
    with_neighbours,
)
from metermt.rules.registers import step_to_reading
from metermt.rules.town import Town
from metermt.wire import from_text, to_text

USES = [12, 14, 11, 13, 12, 12, 13, 11, 12, 14, 12, 13]
STEADY = read_monthly(*USES, start=10_462)  # the last reading is 10,611
LIMITS, DUE, LAST = limits_for(STEADY), next_day(STEADY), 10_611
GOOD = Judgement()


def judged(value, limits=LIMITS, on=DUE, dials=5, **how):
    return judge(value, on, limits, dials, **how)


def flags(value, *given, **how):
    return set(judged(value, *given, **how).flags)


def boundary(limits=LIMITS, on=DUE, start=LAST + 12, step=1, **how):
    """The last value that passes, going from a good one in steps."""
    value = start
    assert not judged(value, limits, on, **how).confirm
    while not judged(value + step, limits, on, **how).confirm:
        value += step
    return value


def test_a_usual_reading_passes():
    assert STEADY.last.value == LAST
    assert judged(LAST + 12) == GOOD


# --- high and low


def test_high_is_asked_about_from_a_boundary_on():
    last = boundary()
    assert LAST + 14 < last < LAST + 40
    assert judged(last) == GOOD
    assert judged(last + 1).flags == (Flag.HIGH,)
    assert judged(last + 1).confirm
    assert all(judged(last + more).confirm for more in (10, 50, 500, 5_000, 50_000))


def test_low_is_asked_about_from_a_boundary_on():
    last = boundary(step=-1)
    assert LAST < last < LAST + 11
    assert judged(last) == GOOD
    below = judged(last - 1)
    assert below.confirm
    assert below.flags in ((Flag.LOW,), (Flag.ZERO,))


def test_what_one_misread_digit_explains_is_asked_about_sooner_than_what_takes_two():
    assert judged(10_629).cause is Cause.MISREAD  # 10,623
    assert judged(10_630) == GOOD


def test_high_and_low_go_by_the_days_since_the_last_reading():
    assert judged(LAST + 24).confirm
    assert judged(LAST + 24, on=DUE + timedelta(days=30)) == GOOD
    assert judged(LAST + 12, on=FIRST) == judged(LAST + 12, on=STEADY.last.on)  # a clock that is off is no crash


def test_more_sensitive_asks_about_more():
    bounds = [boundary(sensitivity=setting) for setting in (0.1, SENSITIVITY, 5.0)]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] > bounds[-1]


@pytest.mark.parametrize("setting", [0.01, 1.0, 100.0])
def test_a_setting_within_bounds_is_taken(setting):
    assert check_sensitivity(setting) == setting


@pytest.mark.parametrize("setting", [0.0099, 100.01, -1.0, 0.0, float("nan"), float("inf")])
def test_a_setting_beyond_its_bounds_is_refused(setting):
    with pytest.raises(SettingError, match=r"Invalid sensitivity .*: use 0\.01 to 100; 1 is as shipped"):
        check_sensitivity(setting)


@settings(max_examples=60)
@given(st.integers(0, 99_999), st.sampled_from([0.2, 1.0, 3.0]))
def test_what_is_asked_about_is_what_is_doubtful(value, sensitivity):
    asked = judged(value, sensitivity=sensitivity).confirm
    assert asked == (doubt(value, DUE, LIMITS, 5) * sensitivity > 1)


@settings(max_examples=300)
@given(
    st.builds(Habit, st.floats(-4, 6), st.floats(0.02, 1.1), st.floats(0, 0.5)),
    st.integers(0, 10**6),
    st.floats(0.2, 4),
    st.sampled_from([None, 6, 12]),
    st.booleans(),
)
def test_whatever_is_usual_a_value_is_asked_about_from_the_point_on_where_it_is_doubtful(
    habit, last, times, dials, alone
):
    """The plain formula is the judge of those ways that save looking at every value a slip may come from."""
    limits = replace(LIMITS, previous=last, habit=habit, beside=() if alone else LIMITS.beside)
    value = last + round(times * exp(habit.rate) * (DUE - limits.previous_on).days)
    odds = doubt(value, DUE, limits, dials)
    assume(0 < odds < inf)
    below, above = (judge(value, DUE, limits, dials, sensitivity=near / odds).confirm for near in (0.999, 1.001))
    assert (below, above) == (False, True)


# --- zero, negative, rollover


def test_no_use_is_asked_about_where_some_is_usual():
    assert judged(LAST) == Judgement((Flag.ZERO,), Cause.REPEATED, confirm=True)
    assert Flag.ZERO not in flags(LAST + 1)
    assert Flag.ZERO not in flags(LAST - 1)


def test_no_use_passes_where_it_is_usual():
    idle = limits_for(read_monthly(*[12] * 9, 0, 0, 0))
    assert judge(idle.previous, DUE, idle, 5) == GOOD


@pytest.mark.parametrize(("idle", "asked"), [(0.143, True), (0.147, False)])
def test_no_use_stops_being_odd_where_it_is_usual_in_one_period_of_seven(idle, asked):
    limits = replace(LIMITS, habit=replace(LIMITS.habit, idle=idle))
    assert judged(LAST, limits).confirm is asked


def test_no_use_passes_on_an_inactive_meter():
    assert judged(LAST, active=False) == GOOD


def test_a_register_that_fell_is_asked_about():
    below = judged(LAST - 1)
    assert below.confirm
    assert below.flags == (Flag.NEGATIVE,)
    assert not judged(LAST + 12).confirm


TOP = limits_for(read_monthly(*USES, start=99_842))  # the last reading is 99,991


@pytest.mark.parametrize("dials", [5, 6, None])
def test_only_a_register_at_its_top_goes_over_it(dials):
    assert TOP.previous == 99_991
    over = judge(3, DUE, TOP, dials)
    if dials == 5:
        assert over == Judgement((Flag.ROLLOVER,), Cause.ROLLOVER, confirm=False)
    else:
        assert over.flags == (Flag.NEGATIVE,)
        assert over.confirm


@settings(max_examples=100)
@given(
    st.builds(Habit, st.floats(0, 8), st.floats(0.05, 0.8), st.floats(0, 0.5)),
    st.integers(5_000, 9_999),
    st.integers(0, 9_999),
    st.sampled_from([0.01, 1.0, 100.0]),
)
def test_what_is_taken_as_a_rollover_is_counted_as_one_however_much_it_is(habit, previous, value, sensitivity):
    limits = replace(LIMITS, previous=previous, habit=habit)
    if Flag.ROLLOVER in flags(value, limits, dials=4, sensitivity=sensitivity):
        text = JobLimits(limits, sensitivity=sensitivity).as_text()
        is_likely = likely_by(text, (DUE - limits.previous_on).days)
        assert step_to_reading(previous, value, 4, is_likely) == value - previous + 10_000


def test_a_register_goes_over_its_top_up_to_the_high_limit():
    over = boundary(TOP, start=3)
    assert over < 40
    assert flags(over, TOP) == {Flag.ROLLOVER}
    assert flags(over + 1, TOP) == {Flag.NEGATIVE}
    assert judged(over + 1, TOP).confirm
    assert judged(99_999, TOP) == GOOD


def test_a_register_in_the_middle_of_its_range_does_not_go_over_its_top():
    assert flags(5) == {Flag.NEGATIVE}


# --- inactive meters, no history


def test_use_on_an_inactive_meter_is_flagged():
    assert judged(LAST + 12, active=False) == Judgement((Flag.INACTIVE_USE,))
    assert Flag.INACTIVE_USE in flags(LAST + 1, active=False)
    assert Flag.INACTIVE_USE not in flags(LAST, active=False)
    assert Flag.INACTIVE_USE not in flags(LAST - 1, active=False)


def test_without_a_last_reading_there_is_no_history():
    assert judge(5, DUE, Limits(), 5) == Judgement((Flag.NO_HISTORY,))


def test_without_a_period_of_use_only_a_register_that_fell_is_asked_about():
    first = limits_for(history_of([Read(FIRST, 500)]))
    assert judge(9_000, DUE, first, 5) == Judgement((Flag.NO_HISTORY,))
    assert judge(500, DUE, first, 5) == Judgement((Flag.NO_HISTORY,))
    assert judge(499, DUE, first, 5) == Judgement((Flag.NEGATIVE, Flag.NO_HISTORY), Cause.EXCHANGED, confirm=True)
    assert Flag.INACTIVE_USE in judge(501, DUE, first, 5, active=False).flags


@pytest.mark.parametrize(("days", "known"), [(104, True), (105, True), (106, False)])
def test_with_three_cycles_missing_there_is_no_history(days, known):
    on = STEADY.last.on + timedelta(days=days)
    assert (Flag.NO_HISTORY not in flags(LAST + round(12.4 * days / 30), on=on)) is known


# --- neighbours and causes


@pytest.fixture
def beside():
    """The limits of the meter, with stops whose last readings are 10,600 and 10,631."""
    stops = [limits_for(read_monthly(*[5] * 12, start=start)) for start in (10_540, 10_571)]
    assert [stop.previous for stop in stops] == [10_600, 10_631]
    return limits_for(STEADY, stops=stops)


def test_a_value_that_fits_the_neighbour_much_better_is_asked_about(beside):
    assert judge(10_636, DUE, LIMITS, 5).cause is not Cause.NEIGHBOUR
    assert judge(10_636, DUE, beside, 5) == Judgement((Flag.HIGH, Flag.NEIGHBOUR), Cause.NEIGHBOUR, confirm=True)
    assert judge(10_605, DUE, beside, 5) == Judgement((Flag.NEGATIVE, Flag.NEIGHBOUR), Cause.NEIGHBOUR, confirm=True)


def test_the_previous_reading_of_the_neighbour_is_known_again(beside):
    assert judge(10_600, DUE, beside, 5).cause is Cause.NEIGHBOUR
    assert judge(10_631, DUE, beside, 5).cause is Cause.NEIGHBOUR
    assert doubt(10_631, DUE, beside, 5) > 10 * doubt(10_631, DUE, LIMITS, 5)


@pytest.mark.parametrize("fits", [range(10_600, 10_602), range(10_604, 10_608), [10_631], range(10_635, 10_639)])
def test_only_what_a_neighbour_shows_or_showed_is_taken_for_its_reading(beside, fits):
    for value in range(fits[0] - 1, fits[-1] + 2):
        assert (Flag.NEIGHBOUR in judge(value, DUE, beside, 5).flags) is (value in fits)


def test_a_value_that_fits_its_own_meter_passes_whatever_the_neighbour_has(beside):
    assert judge(LAST + 12, DUE, beside, 5) == GOOD
    stop = limits_for(read_monthly(*[12] * 12, start=10_467))
    assert judge(LAST + 12, DUE, limits_for(STEADY, stops=[stop]), 5) == GOOD


@pytest.mark.parametrize(
    ("typed", "cause"),
    [
        (10_263, Cause.SWAPPED),  # 10,623
        (16_023, Cause.SWAPPED),
        (1_623, Cause.DROPPED),
        (10_63, Cause.DROPPED),
        (110_623, Cause.DOUBLED),
        (106_223, Cause.DOUBLED),
        (10_823, Cause.MISREAD),
        (70_623, Cause.MISREAD),
        (10_611, Cause.REPEATED),
        (7, Cause.EXCHANGED),
        (47_811, None),
    ],
)
def test_what_may_lie_behind_a_value_is_named(typed, cause):
    judgement = judge(typed, DUE, LIMITS, 6)
    assert judgement.confirm
    assert judgement.cause is cause


def test_618_typed_as_168_is_asked_about_as_swapped():
    limits = limits_for(read_monthly(*[8, 9, 7, 8, 8, 9, 10, 8], start=542))
    assert judge(168, limits.previous_on + timedelta(days=31), limits, 5) == Judgement(
        (Flag.NEGATIVE,), Cause.SWAPPED, confirm=True
    )


def test_limits_are_stored_as_a_short_text(beside):
    text = to_text(beside)
    assert from_text(Limits, text) == beside
    assert len(text) < 400
    assert from_text(Limits, to_text(Limits())) == Limits()


@settings(max_examples=80)
@given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 10**6)), max_size=6),
    st.integers(0, 10**12),
    st.integers(-400, 4_000),
    st.sampled_from([None, 3, 6, 12]),
    st.booleans(),
)
def test_any_value_of_any_meter_on_any_day_is_judged(reads, value, days, dials, active):
    history = history_of([Read(FIRST + timedelta(days=on), shown) for on, shown in reads], dials)
    on = FIRST + timedelta(days=days)
    town = Town(Habit(-1.0, 0.5))
    limits = with_neighbours(limits_of(history, town, on), [LIMITS, limits_of(history, Town(), on)])

    judgement = judge(value, on, limits, dials, active=active)
    assert from_text(Limits, to_text(limits)) == limits
    assert not judgement.confirm or judgement.flags
    assert doubt(value, on, limits, dials) >= 0
    if history.last and value >= history.last.value:
        assert not {Flag.ROLLOVER, Flag.NEGATIVE} & set(judgement.flags)
