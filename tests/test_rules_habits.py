"""What a meter is likely to use, and how a town moves with the season."""

from datetime import timedelta
from math import cos, exp, log, pi

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meterfacts import FIRST, limits_for, next_day, read_monthly

from metermt.rules.habits import EXPERIENCE, Habit, chance
from metermt.rules.history import Read, history_of
from metermt.rules.limits import limits_of, usual_use
from metermt.rules.seasons import YEAR, Season, season_of
from metermt.rules.town import Town, town_of

STEADY = read_monthly(*[12, 14, 11, 13, 12, 12, 13, 11, 12, 14, 12, 13])


def habit_of_uses(*uses):
    return limits_for(read_monthly(*uses)).habit


def units(habit, days=30):
    return exp(habit.rate) * days


@settings(max_examples=40)
@given(st.floats(-4, 2), st.floats(0.05, 1), st.floats(0, 1), st.integers(1, 60))
def test_the_chances_of_all_uses_add_up_to_one(rate, spread, idle, days):
    habit = Habit(rate, spread, idle)
    most = int(exp(min(rate + log(days) + 8 * spread, 9))) + 2
    total = sum(chance(habit, use, days, 0.03) for use in range(most))
    assert 0.99 * (rate + log(days) + 8 * spread < 9) < total < 1.000001


def test_no_use_is_below_zero():
    assert chance(Habit(0.0, 0.2), -1, 30, 0.03) == 0


def test_a_far_use_has_a_small_chance_but_has_one():
    habit = Habit(0.0, 0.1)
    assert 0 < chance(habit, 30 * 50, 30, 0.0) < chance(habit, 30 * 5, 30, 0.0) < 1e-6


def test_one_odd_period_moves_a_habit_little():
    assert units(habit_of_uses(*[12] * 11, 70)) == pytest.approx(12, rel=0.15)


def test_a_new_habit_is_followed():
    uses = [units(habit_of_uses(*[12] * 12, *[30] * months)) for months in (1, 3, 6, 12)]
    assert uses == sorted(uses)
    assert uses[-1] > 25


def test_a_steady_meter_has_a_narrower_habit_than_an_unsteady_one():
    assert habit_of_uses(*[40, 41, 39] * 4).spread < habit_of_uses(*[40, 80, 20] * 4).spread


def test_of_a_short_history_less_is_concluded():
    spreads = [habit_of_uses(*[40] * months).spread for months in (1, 2, 12)]
    assert spreads[0] > 1.4 * spreads[1]
    assert spreads[1] > 2 * spreads[2]


def test_small_users_may_use_twice_as_much():
    least, most = usual_use(
        limits_for(read_monthly(*[2, 1, 2, 2, 3, 1, 2, 2, 2, 1, 2, 2])), FIRST + timedelta(days=390)
    )
    assert least == 0
    assert most >= 4


def test_a_spell_without_use_is_expected_to_go_on():
    assert habit_of_uses(*[12] * 12).idle < 0.01
    assert habit_of_uses(*[12] * 12, 0).idle > 0.2
    assert habit_of_uses(*[12] * 12, 0, 0, 0).idle > 0.5


def test_the_same_season_of_earlier_years_counts_more():
    summers = [28 if month % 12 in (5, 6, 7) else 20 for month in range(36)]
    spring, first_summer_month, last_one, autumn = (
        units(habit_of_uses(*summers, *summers[:months])) for months in (4, 5, 7, 8)
    )
    assert first_summer_month > spring + 0.9
    assert autumn < last_one - 0.9


def test_what_is_five_years_old_says_nothing_any_more():
    old = [Read(FIRST + timedelta(days=30 * month), 50 * month) for month in range(12)]
    new = [Read(FIRST + timedelta(days=3000 + 30 * month), 600 + 12 * month) for month in range(8)]
    assert limits_for(history_of(old + new)).habit.rate == pytest.approx(log(12 / 30), abs=0.02)


# --- the town


def wave(months):
    """Histories of 30 meters, read monthly, that use 3 times as much in January as in July."""
    town = []
    for meter in range(30):
        reads, value = [], 0.0
        for month in range(months + 1):
            on = FIRST + timedelta(days=round(month * YEAR / 12))
            reads.append(Read(on, round(value)))
            value += (20 + meter) * exp(log(3) / 2 * cos(2 * pi * (month + 0.5) / 12))
        town.append(history_of(reads))
    return town


def test_a_town_teaches_its_season():
    histories = wave(30)
    months = season_of(histories, next_day(histories[0])).months
    assert months[0] - months[6] == pytest.approx(log(3), rel=0.2)
    assert sum(months) == pytest.approx(0, abs=0.01)


def test_of_a_part_of_a_year_no_season_is_learned():
    histories = wave(8)
    assert season_of(histories, next_day(histories[0])) == Season()
    assert season_of([], FIRST) == Season()


def test_a_meter_without_a_year_of_its_own_moves_with_the_town():
    histories, opened = wave(29), FIRST + timedelta(days=round(30 * YEAR / 12))
    season = season_of(histories, opened)
    newcomer = history_of([read for read in reads_of(histories[0]) if read.on > FIRST + timedelta(days=820)])

    with_town = limits_of(newcomer, town_of(histories, opened, season), opened).habit
    alone = limits_of(newcomer, Town(), opened).habit
    assert with_town.rate < alone.rate - 0.05  # it gets warmer


def reads_of(history):
    value, reads = 0, []
    for period in history.periods:
        value += period.use
        reads.append(Read(period.ended, value))
    return reads


def test_a_meter_of_which_nothing_is_known_is_taken_for_one_of_the_town():
    histories = [read_monthly(*[use] * 12) for use in (6, 10, 11, 12, 12, 13, 14, 15, 16, 40)]
    opened = next_day(histories[0])
    town = town_of(histories, opened, Season())
    newcomer = history_of([Read(opened - timedelta(days=30), 7)])

    limits = limits_of(newcomer, town, opened)
    assert units(limits.habit) == pytest.approx(12, rel=0.1)
    assert limits.habit.spread == pytest.approx(0.3)
    assert limits.known_until is None


def test_a_town_without_histories_is_not_known():
    assert town_of([history_of([Read(FIRST, 1)])], FIRST, Season()) == Town()
    assert limits_for(history_of([Read(FIRST, 1)])).habit is None


def test_the_usual_use_lies_around_the_habit():
    limits = limits_for(STEADY)
    least, most = usual_use(limits, next_day(STEADY))
    assert 0 < least < 11
    assert 14 < most < 40
    assert usual_use(limits, next_day(STEADY) + timedelta(days=30))[1] > most
    assert usual_use(limits, next_day(STEADY), sensitivity=5.0)[1] < most
    assert usual_use(limits_for(history_of([Read(FIRST, 1)])), FIRST) is None
    assert 0 < EXPERIENCE.away < 0.1
