"""Who has to wait after wrong passwords."""

import pytest

from metermt.rules.clocks import AHEAD
from metermt.rules.lockout import locked_until

NOW = 10_000.0


def until(*failures):
    return locked_until(failures, NOW, most=3, window=900)


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ((), None),
        ((9_998, 9_999), None),
        ((9_500, 9_998, 9_999), 10_400),
        ((9_100, 9_998, 9_999), None),
        ((9_101, 9_998, 9_999), 10_001),
        ((9_200, 9_300, 9_400, 9_500), 10_200),
    ],
    ids=str,
)
def test_so_many_within_the_window_are_too_many(failures, expected):
    assert until(*failures) == expected


def test_what_cannot_have_been_yet_does_not_count():
    year = 365 * 86_400
    assert until(*[NOW + year] * 10) is None
    assert until(9_500, 9_600, NOW + AHEAD + 1) is None
    assert until(9_500, 9_600, 9_700, NOW + year, NOW + year) == 10_400


def test_nobody_waits_for_longer_than_the_window_though_clocks_differ():
    assert until(*[NOW + AHEAD] * 3) == NOW + 900
