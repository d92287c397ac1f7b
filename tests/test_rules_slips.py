"""Which values a typed one may be a slip of."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metermt.rules.slips import SLIPS, Cause


def made(cause, value):
    """What a slip makes of a true value, each with its chance; equal digits swapped are no mistake."""
    text = str(value)
    places = range(len(text))
    match cause:
        case Cause.SWAPPED:
            every = [text[:i] + text[i + 1] + text[i] + text[i + 2 :] for i in places[:-1]]
        case Cause.DOUBLED:
            every = [text[: i + 1] + text[i:] for i in places]
        case Cause.DROPPED:
            every = [text[:i] + text[i + 1 :] for i in places]
        case Cause.MISREAD:
            every = [text[:i] + d + text[i + 1 :] for i in places for d in "0123456789" if d != text[i]]
    return [(typed, Fraction(1, len(every))) for typed in every if typed != text]


@settings(max_examples=60)
@given(st.integers(10, 99_999), st.sampled_from(sorted(SLIPS)), st.randoms(use_true_random=False))
def test_every_slip_leads_back_to_the_true_value_with_its_chance(true, cause, chance):
    typed, _ = chance.choice(made(cause, true) or [("", 0)])
    if not typed or typed[0] == "0":
        return  # nothing can slip, or the typed value is shorter than the digits that were
    there = sum(part for text, part in made(cause, true) if text == typed)
    back = sum(part for value, part in SLIPS[cause](typed) if value == true)
    assert back == pytest.approx(float(there))


def test_a_single_digit_can_be_misread_and_have_lost_another():
    assert dict(SLIPS[Cause.SWAPPED]("7")) == {}
    assert dict(SLIPS[Cause.DOUBLED]("7")) == {}
    assert set(dict(SLIPS[Cause.MISREAD]("7"))) == set(range(10)) - {7}
    assert set(dict(SLIPS[Cause.DROPPED]("7"))) == {*range(17, 100, 10), *range(70, 80)}
