"""The readings of one half of a town as they came: what was known when each cycle was opened, what was read, what could
be typed instead.
"""

import random
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, timedelta

from bench.mistakes import Mistake, plant
from bench.townfile import Town, reads_of
from metermt.rules.habits import Experience
from metermt.rules.history import History, Read, history_of
from metermt.rules.limits import Limits, limits_of, with_neighbours
from metermt.rules.seasons import Season, season_of
from metermt.rules.town import Town as TownFacts
from metermt.rules.town import town_of

LEAD = 10
"""Days from the opening of a cycle to a reading: what was read later than that is not known."""
_SAME_CYCLE = 15  # days by which the readings of neighbours may lie apart
_STILL_READ = 200  # days; a stop without a reading for longer is not on the walk any more


@dataclass(frozen=True)
class Case:
    """A true reading that has at least one period of use before it, and the mistakes planted into it."""

    on: date
    opened: date
    true: int
    history: History
    beside: tuple[History, ...]
    mistakes: tuple[Mistake, ...]

    @property
    def previous(self) -> Read:
        """The reading before."""
        assert self.history.last is not None
        return self.history.last

    @property
    def use(self) -> int:
        """What the register says was used; below zero after an exchange that nobody flagged."""
        return self.true - self.previous.value


class Meters:
    """Some meters of a town, as if they were all of it."""

    def __init__(self, town: Town) -> None:
        self.walk = [Past(list(reads_of(rows))) for rows in town.values()]
        self._seasons: dict[date, Season] = {}

    def season(self, known: date) -> Season:
        """Return what was known on a day of how they move."""
        if known not in self._seasons:
            self._seasons[known] = season_of([meter.until(known) for meter in self.walk], known)
        return self._seasons[known]


class Half(Meters):
    """Half of the meters with their readings, and mistakes planted into these."""

    def __init__(self, town: Town, chance: random.Random) -> None:
        super().__init__(town)
        self.cases = [case for at, meter in enumerate(self.walk) for case in self._cases(at, meter, chance)]

    def limits(self, experience: Experience, neighbours: bool = True) -> list[Limits]:
        """Compute the limits of all cases, with their neighbours or without."""
        towns: dict[date, TownFacts] = {}
        found = []
        for case in self.cases:
            known = case.opened.replace(day=1)  # the town is looked at once a month: that saves time, and knows less
            if known not in towns:
                towns[known] = self._town(known, experience)
            town = towns[known]
            stops = case.beside if neighbours else ()
            own, *others = (limits_of(one, town, case.opened, experience) for one in (case.history, *stops))
            found.append(with_neighbours(own, others))
        return found

    def _town(self, known: date, experience: Experience) -> TownFacts:
        return town_of([meter.until(known) for meter in self.walk], known, self.season(known), experience)

    def _cases(self, at: int, meter: "Past", chance: random.Random) -> list[Case]:
        found = []
        beside = [self.walk[i] for i in (at - 1, at + 1) if 0 <= i < len(self.walk)]
        for before, read in zip(meter.reads, meter.reads[1:], strict=False):
            history = meter.until(before.on)
            if not history.periods or read.exchanged:
                continue
            opened = max(read.on - timedelta(days=LEAD), before.on + timedelta(days=1))
            typed = [one.value for one in (stop.nearest(read.on) for stop in beside) if one is not None]
            stops = [stop.until(opened) for stop in beside]
            on_walk = tuple(
                stop for stop in stops if stop.last is not None and (opened - stop.last.on).days <= _STILL_READ
            )
            mistakes = plant(read.value, before.value, typed, chance)
            found.append(Case(read.on, opened, read.value, history, on_walk, tuple(mistakes)))
        return found


class Past:
    """The readings of a meter, by time."""

    def __init__(self, reads: list[Read]) -> None:
        self._periods = history_of(reads).periods
        self._ended = [period.ended for period in self._periods]
        self.reads = list({read.on: read for read in reads}.values())
        self._days = [read.on for read in self.reads]

    def until(self, day: date) -> History:
        """Return what was known on a day."""
        read = bisect_right(self._days, day)
        return History(self.reads[read - 1] if read else None, self._periods[: bisect_right(self._ended, day)])

    def nearest(self, day: date) -> Read | None:
        """Return the reading of the same cycle, if there is one."""
        near = min(self.reads, key=lambda read: abs((read.on - day).days), default=None)
        return near if near is not None and abs((near.on - day).days) <= _SAME_CYCLE else None
