"""What a meter shows that nobody could read."""

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from meterfacts import FIRST, MONTH, read_monthly

from metermt.errors import CannotEstimate
from metermt.rules.estimates import Method, estimate
from metermt.rules.habits import FLAT
from metermt.rules.history import History, Read, history_of
from metermt.rules.registers import step_onward
from metermt.rules.seasons import Season

STEADY = read_monthly(*[12] * 6)
YEAR = [12, 12, 12, 12, 20, 30, 40, 30, 20, 12, 12, 12]


def estimated(history, days=30, dials=None, season=FLAT, **known):
    return estimate(history, history.accepted.on + timedelta(days=days), dials, season, **known)


def test_a_meter_goes_on_as_it_did():
    made = estimated(STEADY)
    assert (made.value, made.use, made.method) == (1_084, 12, Method.MEAN)
    assert made.text == (
        "0.4 a day for 30 days, by what was read up to 2025-06-30: "
        "the mean of its use, in which the last periods count most"
    )
    assert estimated(STEADY, days=61).use == 24


def test_the_same_season_of_an_earlier_year_counts_twice_more():
    before, again = estimated(read_monthly(*YEAR[:6])), estimated(read_monthly(*YEAR, *YEAR[:6]))
    assert (before.method, again.method) == (Method.MEAN, Method.SAME_MONTH)
    assert before.use + 5 < again.use <= 40  # in July it was 40
    assert again.text.endswith("up to 2026-06-25: its last use, and that of the same season of earlier years")


def test_a_meter_that_is_new_goes_with_the_season_of_the_town():
    summer = Season(tuple(0.5 if month in (5, 6, 7) else -0.1667 for month in range(12)))
    assert estimated(read_monthly(12, 12, 12, 12, 12), season=summer).use > 15


def test_one_period_of_a_burst_pipe_moves_little():
    assert estimated(read_monthly(*[12] * 6, 400, 12)).use < 16


@pytest.mark.parametrize(("dials", "value"), [(5, 4), (6, 100_004), (None, 100_004)])
def test_a_register_goes_over_its_top(dials, value):
    made = estimated(read_monthly(*[12] * 6, start=99_920), dials=dials)
    assert (made.value, made.use) == (value, 12)


def test_a_register_that_would_go_over_its_top_by_half_of_it_or_more_cannot_be_estimated():
    """Billing would take the shorter way round: for a device that was read lower."""
    most = estimated(read_monthly(*[12] * 6, start=16), days=122, dials=2)
    assert (most.value, most.use) == (37, 49)
    with pytest.raises(CannotEstimate, match=r"^It cannot be estimated: 52 in 130 days is half of what its register"):
        estimated(read_monthly(*[12] * 6, start=16), days=130, dials=2)
    assert estimated(read_monthly(*[12] * 2, start=0), days=150, dials=2).value == 84, "not over its top"


def test_estimates_in_a_row_go_on_from_each_other_and_teach_nothing():
    reads = [Read(FIRST + month * MONTH, 1_000 + 12 * month) for month in range(7)]
    far = history_of([*reads, Read(FIRST + 7 * MONTH, 2_000, estimated=True)])
    assert (estimated(far).value, estimated(far).use) == (2_012, 12)


def test_a_meter_that_stood_still_for_two_periods_is_taken_to_stand_still():
    still = estimated(read_monthly(*[12] * 6, 0, 0))
    assert (still.use, still.method) == (0, Method.STOOD_STILL)
    assert still.text == "no use, as there was none since 2025-06-30"
    assert estimated(read_monthly(*[12] * 6, 0)).use == 12
    assert estimated(read_monthly(0)).method is Method.STOOD_STILL


def test_a_summer_house_is_known_by_its_last_summer():
    house = [0, 0, 0, 0, 9, 12, 14, 12, 0, 0, 0, 0]
    assert estimated(read_monthly(*house, *house[:5])).use >= 9
    assert estimated(read_monthly(*house, 0, 0, 0, 0)).use >= 9  # spring comes
    autumn = estimated(read_monthly(*house, *house[:9]))
    assert (autumn.use, autumn.method) == (0, Method.STOOD_STILL)


def test_a_few_days_without_use_are_no_standstill():
    days = [Read(FIRST + timedelta(days=on), 1_000 + min(on, 40)) for on in range(43)]
    assert estimated(history_of(days)).use > 20


def test_an_inactive_meter_uses_nothing():
    made = estimated(STEADY, active=False)
    assert (made.value, made.use, made.method) == (1_072, 0, Method.NOT_IN_USE)


def test_a_place_whose_meter_was_exchanged_uses_what_it_did():
    on = STEADY.last.on + timedelta(days=1)
    assert estimated(History(Read(on, 3, exchanged=True), STEADY.periods)).value == 15


@pytest.mark.parametrize(
    ("history", "days", "words"),
    [
        (history_of([]), None, "there is no reading of it to go on from; have it read"),
        (STEADY, 0, "for 2025-06-30: its last accepted reading is of 2025-06-30"),
        (history_of([Read(FIRST, 5)]), 30, "its use was never read, as that takes two readings"),
        (history_of([Read(FIRST, 5), Read(FIRST + MONTH, 9, estimated=True)]), 30, "its use was never read"),
        (history_of([Read(FIRST, 5), Read(FIRST + timedelta(days=13), 9)]), 30, "its use is known of 13 days only"),
        (STEADY, 731, "what it uses was last read on 2025-06-30"),
    ],
)
def test_what_too_little_is_known_of_cannot_be_estimated(history, days, words):
    with pytest.raises(CannotEstimate, match=f"^It cannot be estimated:? {words}"):
        estimated(history, days) if days is not None else estimate(history, FIRST, 5, FLAT)


@settings(max_examples=100)
@given(st.lists(st.integers(0, 9_999), min_size=1, max_size=30), st.integers(1, 730), st.sampled_from([4, 5, None]))
def test_no_estimate_is_below_the_last_reading_or_beyond_the_register(uses, days, dials):
    top = 10 ** (dials or 12)
    reads = [Read(FIRST + month * MONTH, sum(uses[:month]) % top) for month in range(len(uses) + 1)]
    history = history_of(reads, dials)
    assume(history.periods and (history.last.on - history.periods[-1].ended).days + days <= 730)
    with suppress(CannotEstimate):  # half of what a register can show, or more
        made = estimated(history, days, dials)
        assert made.use == step_onward(history.last.value, made.value, dials) >= 0
        assert 0 <= made.value < top
        assert made.value == (history.last.value + made.use) % top
