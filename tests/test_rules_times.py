"""Whether a meter can have been read when its reader's clock says."""

from datetime import timedelta

import pytest
from conftest import NOW

from metermt.errors import InvalidTime
from metermt.rules.times import EARLY, OLD, check_time

SECOND = timedelta(seconds=1)
LAST = NOW - timedelta(days=30)
OPENED = NOW - timedelta(days=5)


def check(when, last=LAST, opened=OPENED):
    check_time("G1", when, NOW, last, opened)


@pytest.mark.parametrize("when", [NOW, OPENED, OPENED - EARLY])
def test_a_time_within_the_cycle_is_good(when):
    check(when)


def test_nothing_is_read_before_its_last_reading():
    last = NOW - timedelta(hours=2)
    check(last, last=last)
    check(last + SECOND, last=last)
    with pytest.raises(InvalidTime, match=r"lies before the last reading of G1, of .*check the clock of your device"):
        check(last - SECOND, last=last)


def test_nothing_is_read_long_before_its_cycle():
    check(OPENED - EARLY + SECOND)
    with pytest.raises(InvalidTime, match="more than 10 days before the cycle, which begins on"):
        check(OPENED - EARLY - SECOND)


def test_nothing_was_read_years_ago():
    check(NOW - OLD, last=None, opened=None)
    with pytest.raises(InvalidTime, match=r"more than a year ago \(the server has .*check the clock"):
        check(NOW - OLD - SECOND, last=None, opened=None)
