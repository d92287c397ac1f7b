"""Whether a meter can have been read when its reader's clock says."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from conftest import NOW

from metermt.errors import InvalidTime
from metermt.rules.times import EARLY, OLD, _day_of_quarter, check_time, day_of

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


@pytest.fixture(params=["UTC", "Europe/Berlin", "America/Havana", "Pacific/Kiritimati", "Asia/Kathmandu"])
def zone(request, monkeypatch):
    """Be in a time zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        _day_of_quarter.cache_clear()
        yield request.param
    time.tzset()
    _day_of_quarter.cache_clear()


@pytest.mark.usefixtures("zone")
def test_a_day_is_that_of_the_local_time_also_when_clocks_are_changed():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for hour in (*range(60 * 24, 90 * 24), *range(298 * 24, 308 * 24)):  # clocks go forward, and back
        for when in (start + timedelta(hours=hour), start + timedelta(hours=hour) - timedelta(microseconds=1)):
            assert day_of(when) == when.astimezone().date(), when
