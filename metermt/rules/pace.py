"""How fast somebody works. Pure functions over the times at which they stood at meters."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from metermt.rules.times import day_of

PAUSE = timedelta(minutes=15)
"""Whoever has sent nothing for longer was not reading: they had a rest, or went elsewhere."""
MOST_A_DAY = 1_700
"""Stops of one reader in one day, the most on record; on foot 300 to 580 are usual."""
MOST_A_MINUTE = 20
"""More meters within a minute cannot be found, read and typed by one person: these are three seconds each, which is
what a row of meters in one cellar takes at best."""


class Pace(NamedTuple):
    """How fast somebody was."""

    an_hour: float | None
    """Stops an hour while at work; None where there are not two of them."""
    most_a_day: int
    busiest_day: date | None
    """In the time zone of this machine."""
    most_a_minute: int

    @property
    def is_beyond_people(self) -> bool:
        """Whether no person can be that fast."""
        return self.most_a_day > MOST_A_DAY or self.most_a_minute > MOST_A_MINUTE


def pace_of(times: Sequence[datetime]) -> Pace:
    """Return how fast somebody was who stood at meters at these times, in any order."""
    ordered = sorted(times)
    days = Counter(day_of(when) for when in ordered)
    busiest, most = max(days.items(), key=lambda day: day[1], default=(None, 0))
    return Pace(an_hour(ordered), most, busiest, _most_within(ordered, timedelta(minutes=1)))


def an_hour(ordered: Sequence[datetime]) -> float | None:
    """Return how many stops an hour that is, for times in order: those that followed within `PAUSE` on another one.

    None if none did, or all came at one moment.
    """
    steps = [step for earlier, later in pairwise(ordered) if (step := later - earlier) <= PAUSE]
    worked = sum(steps, timedelta()).total_seconds()
    return len(steps) / worked * 3600 if worked else None


def _most_within(ordered: Sequence[datetime], span: timedelta) -> int:
    """Return the largest number of times that lie within less than a span."""
    most = first = 0
    for place, when in enumerate(ordered):
        while when - ordered[first] >= span:
            first += 1
        most = max(most, place - first + 1)
    return most
