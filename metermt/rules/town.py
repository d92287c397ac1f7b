"""What a whole town of meters used. Pure functions over histories."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from statistics import median

from metermt.rules.habits import EXPERIENCE, FLAT, TO_SCALE, Experience, Habit, habit_of
from metermt.rules.history import History
from metermt.rules.seasons import Season

_FEW = 10  # meters; of fewer the spread cannot be told
_SPREAD, _LEAST_SPREAD = 1.0, 0.3  # of the use of meters, as a scale of its logarithm: of few meters, and of any number
_LATEST = 730.0  # days; meters not read for longer say nothing of the town


@dataclass(frozen=True, slots=True)
class Town:
    """What all meters of one kind have in common.

    `meter` is the habit of one of which nothing is known, its rate that of the mean over the year; None if there is
    none. `season` is how the town moves through the year.
    """

    meter: Habit | None = None
    season: Season = FLAT


def middle_of(history: History, opened: date) -> tuple[float, int]:
    """Return the middle of the time since the last reading, in days (`date.toordinal`), and how many days it has.

    `opened` is the first day of the cycle, or the day of the reading where that is known.
    """
    end = opened.toordinal()
    start = history.last.on.toordinal() if history.last else end - 1
    days = max(end - start, 1)
    return end - days / 2, days


def town_of(histories: Iterable[History], opened: date, season: Season, experience: Experience = EXPERIENCE) -> Town:
    """Look at the histories of all meters of one kind when a cycle is opened; `season` is their `season_of`.

    Some 2,000, drawn evenly, are enough. Only earlier cycles are known then, nothing of the one at hand. The rate is
    the median of the meters' rates, the spread that of a meter drawn at random: 1.4826 times the median distance from
    it is the standard deviation.
    """
    known = [history for history in histories if history.periods and _is_read(history, opened)]
    rates = []
    for history in known:
        middle, days = middle_of(history, opened)
        habit = habit_of(history.periods, middle, days, experience, season=season)
        if habit is not None:
            rates.append(habit.rate - season.over(middle, days))
    if not rates:
        return Town()
    rate = median(rates)
    far = 1.4826 * median(abs(one - rate) for one in rates)
    return Town(Habit(rate, _SPREAD if len(rates) < _FEW else max(TO_SCALE * far, _LEAST_SPREAD)), season)


def _is_read(history: History, opened: date) -> bool:
    return opened.toordinal() - history.periods[-1].middle <= _LATEST
