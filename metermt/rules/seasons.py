"""How a whole town moves with the season: by how much its use lies above its mean in each month. Pure functions."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from math import log

from metermt.rules.history import History, Period

YEAR = 365.2425
"""Days."""
_MONTH = YEAR / 12
_NEW_YEAR = date(2000, 1, 1).toordinal()
_YEARS = 3 * YEAR  # days of the past that count: towns change
_LONGEST = 200  # days; a longer period says nothing of a season
_LEANS = 10.0  # periods; with fewer in a month the month counts for less than half
_WHOLE = 0.4  # of what the months have on average; when one has less the year is not whole yet
_SWEEPS = 8  # of fitting meters and months by turns; more change nothing that matters
_FAR = 1.0  # of a logarithm; a period that lies farther from what was expected counts as if it lay so far: robust

Parts = tuple[tuple[int, float], ...]
"""The months, from 0, that a time covers, with their parts of it."""


@dataclass(frozen=True, slots=True)
class Season:
    """The natural logarithm of a town's use in each twelfth of the year, from January, less its mean over the year."""

    months: tuple[float, ...] = (0.0,) * 12

    def over(self, middle: float, days: float) -> float:
        """Return its mean over a time of so many days, whose middle is given in days (`date.toordinal`)."""
        months, mean = self.months, 0.0
        for month, part in _parts(middle, days):  # a loop, as it is asked for each period of each meter
            mean += months[month] * part
        return mean


def season_of(histories: Iterable[History], opened: date) -> Season:
    """Learn the season of a town from the last three years before a cycle that is opened on a day.

    Some 2,000 meters, drawn evenly, are enough to know a town.

    log(use a day) = meter + the months that the period covers, fitted by turns, each to what the other leaves. A month
    that n periods tell of is believed as n / (n + 10). There is none as long as some month of the year was hardly read.
    """
    places: dict[Parts, int] = {}  # of what covers the same parts of months, as most periods of a town do
    told = [found for history in histories if (found := _told(history.periods, opened, places))]
    counts = Counter(place for meter in told for _, place in meter)
    seen = _by_month((parts, counts[place]) for parts, place in places.items())
    if min(seen) <= _WHOLE * sum(seen) / 12:
        return Season()
    months = [0.0] * 12
    for _ in range(_SWEEPS):
        over = [sum(months[month] * part for month, part in parts) for parts in places]
        offs = [0.0] * len(places)
        for meter in told:
            rests = [rate - over[place] for rate, place in meter]
            level = sum(rests) / len(rests)
            for rest, (_, place) in zip(rests, meter, strict=True):
                offs[place] += min(max(rest - level, -_FAR), _FAR)
        above = _by_month(zip(places, offs, strict=True))
        months = [(month * n + a) / (n + _LEANS) for month, a, n in zip(months, above, seen, strict=True)]
        mean = sum(months) / 12
        months = [round(month - mean, 4) for month in months]
    return Season(tuple(months))


def _told(periods: Sequence[Period], opened: date, places: dict[Parts, int]) -> list[tuple[float, int]]:
    """Return the logarithm of the use a day in each period of a meter, and the place of what it covers in `places`."""
    since = opened.toordinal() - _YEARS
    return [
        (log(period.use / period.days), places.setdefault(_parts(period.middle, period.days), len(places)))
        for period in periods
        if period.use > 0 and period.days <= _LONGEST and since < period.middle < opened.toordinal()
    ]


def _by_month(amounts: Iterable[tuple[Parts, float]]) -> list[float]:
    """Return how much of some amounts belongs to each month."""
    found = [0.0] * 12
    for parts, amount in amounts:
        for month, part in parts:
            found[month] += amount * part
    return found


@lru_cache(maxsize=4096)  # the periods of a town are much the same
def _parts(middle: float, days: float) -> Parts:
    """Return months and the parts that they have of a time, which add up to 1; between two months both have some."""
    steps = max(round(days / _MONTH), 1)
    found = []
    for step in range(min(steps, 12)):
        place = ((middle - _NEW_YEAR + (step - (steps - 1) / 2) * _MONTH) / _MONTH - 0.5) % 12
        month, beyond = int(place), place % 1
        found += [(month % 12, (1 - beyond) / min(steps, 12)), ((month + 1) % 12, beyond / min(steps, 12))]
    return tuple(found)
