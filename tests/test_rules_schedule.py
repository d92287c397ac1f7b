"""A cycle, and a route of it, is late or not by its days."""

from datetime import UTC, date, datetime, timedelta

import pytest

from metermt.rules.pace import MOST_A_DAY, pace_of
from metermt.rules.schedule import is_behind, is_late

FIRST, DUE = date(2026, 11, 1), date(2026, 11, 20)
MORNING = datetime(2026, 11, 20, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("done", "day", "behind"),
    [
        (0, 1, False),  # nothing is over yet
        (4, 2, True),  # of 100, where 5 should be done
        (5, 2, False),
        (49, 11, True),
        (50, 11, False),
        (99, 20, False),
        (99, 21, True),  # it was due yesterday
        (100, 21, False),
    ],
)
def test_a_cycle_is_behind_if_less_is_done_than_days_are_over(done, day, behind):
    assert is_behind(done, 100, FIRST, DUE, date(2026, 11, day)) is behind


def test_without_a_day_nobody_can_tell():
    assert is_behind(0, 100, FIRST, None, DUE) is None
    assert is_behind(0, 100, None, DUE, DUE) is None
    assert is_late(0, 5, None, None) is None


def test_a_route_is_late_only_while_the_whole_cycle_is():
    assert is_late(0, 5, True, False) is False
    assert is_late(0, 5, True, True) is True
    assert is_late(4, 5, False, True) is False
    assert is_late(5, 5, False, True) is False


def test_a_pace_leaves_rests_out():
    times = [MORNING + timedelta(minutes=2 * n) for n in range(31)]
    rested = times + [when + timedelta(hours=3) for when in times]
    assert pace_of(rested[::-1]).an_hour == pytest.approx(30)
    assert pace_of(rested).most_a_day == 62
    assert pace_of([MORNING]).an_hour is None
    assert pace_of([]).most_a_day == 0


def test_a_pace_beyond_people_is_told():
    at_once = [MORNING + timedelta(seconds=2 * n) for n in range(30)]
    assert (pace_of(at_once).most_a_minute, pace_of(at_once).is_beyond_people) == (30, True)
    whole_day = [MORNING + timedelta(seconds=5 * n) for n in range(MOST_A_DAY + 1)]
    assert pace_of(whole_day[:-1]).is_beyond_people is False
    assert pace_of(whole_day).is_beyond_people is True
