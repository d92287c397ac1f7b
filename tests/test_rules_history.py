"""From readings to periods of use."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meterfacts import FIRST, read_monthly

from metermt.rules.history import Period, Read, history_of, known_until


def day(number):
    return FIRST + timedelta(days=number)


def periods(*reads, dials=None):
    return [(period.days, period.use) for period in history_of(reads, dials).periods]


def test_a_period_is_what_was_used_between_two_readings_whatever_their_order():
    history = history_of([Read(day(61), 130), Read(day(0), 100), Read(day(30), 112)])

    assert history.periods == (Period(day(30), 30, 12), Period(day(61), 31, 18))
    assert history.last == Read(day(61), 130)
    assert history.periods[0].middle == date.toordinal(day(15))


def test_a_missing_reading_makes_a_longer_period():
    assert periods(Read(day(0), 100), Read(day(90), 136)) == [(90, 36)]


def test_no_period_reaches_over_an_exchange():
    assert periods(Read(day(0), 900), Read(day(30), 0, exchanged=True), Read(day(60), 12)) == [(30, 12)]
    assert periods(Read(day(0), 900), Read(day(30), 930, exchanged=True), Read(day(60), 942)) == [(30, 12)]
    assert periods(Read(day(0), 900), Read(day(30), 3), Read(day(60), 12)) == [(30, 9)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(99_990, 5, [(30, 15)]), (99_990, 9_989, [(30, 9_999)]), (99_990, 9_990, []), (50_000, 5, [])],
)
def test_a_register_goes_over_its_top_by_less_than_a_tenth_of_it(before, after, expected):
    assert periods(Read(day(0), before), Read(day(30), after), dials=5) == expected


def test_of_two_readings_on_one_day_the_later_one_counts():
    assert periods(Read(day(0), 100), Read(day(30), 211), Read(day(30), 112)) == [(30, 12)]
    assert periods(Read(day(0), 900), Read(day(30), 0, exchanged=True), Read(day(30), 1)) == []


def test_the_last_period_of_an_old_device_ends_on_the_day_on_which_a_new_one_was_put_up():
    exchange = [Read(day(30), 912), Read(day(30), 0, exchanged=True)]
    assert periods(Read(day(0), 900), *exchange, Read(day(60), 15)) == [(30, 12), (30, 15)]
    assert periods(Read(day(0), 900), Read(day(30), 910), *exchange, Read(day(30), 1)) == [(30, 12)]
    assert history_of([Read(day(0), 900), *exchange]).last == Read(day(30), 0, exchanged=True)


def test_a_period_of_a_device_with_another_multiplier_is_told_in_units_of_the_one_that_hangs_there_now():
    old = [Read(day(on), value, worth=Decimal(40)) for on, value in ((0, 900), (30, 903))]
    assert periods(*old, Read(day(30), 0, exchanged=True), Read(day(60), 110)) == [(30, 120), (30, 110)]


def test_an_estimate_begins_and_ends_no_period():
    read = [Read(day(0), 100), Read(day(30), 150, estimated=True), Read(day(61), 124)]
    assert periods(*read) == [(61, 24)]
    assert history_of(read).accepted == Read(day(61), 124)


def test_what_was_estimated_after_the_last_reading_is_accepted_and_is_no_reading():
    estimates = [Read(day(60), 124, estimated=True), Read(day(90), 136, estimated=True)]
    history = history_of([*estimates, Read(day(0), 100), Read(day(30), 112)])
    assert (history.last, history.accepted) == (Read(day(30), 112), estimates[1])
    assert history.periods == (Period(day(30), 30, 12),)
    assert history_of(estimates).last is None


@pytest.mark.parametrize("turn", [1, -1])
def test_what_was_read_on_the_day_of_an_estimate_counts_whatever_their_order(turn):
    both = [Read(day(30), 112), Read(day(30), 150, estimated=True)][::turn]
    history = history_of([Read(day(0), 100), *both])
    assert (history.accepted, history.periods) == (Read(day(30), 112), (Period(day(30), 30, 12),))


def test_no_history_is_known_before_there_is_a_period_of_use():
    assert known_until(history_of([])) is None
    assert known_until(history_of([Read(day(0), 100)])) is None


def test_a_history_is_known_until_three_cycles_are_missing():
    history = read_monthly(10, 10, 10)
    assert known_until(history) - history.last.on == timedelta(days=105)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 999)), max_size=12), st.sampled_from([None, 3]))
def test_no_period_is_empty_or_below_zero(reads, dials):
    history = history_of([Read(day(on), value) for on, value in reads], dials)
    assert all(period.days > 0 <= period.use for period in history.periods)
    assert len(history.periods) < max(len({on for on, _ in reads}), 1)
