"""A town whose registers are known: what every one of them shows at any time."""

import random
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from bench.year.figures import (
    AWAY,
    EXCHANGED_A_YEAR,
    KINDS,
    LEAKS,
    NOISE,
    TOLD_BEFORE,
    TOLD_LATE,
    TRANSFORMERS,
    Kind,
    Size,
    winter,
)
from metermt.model import Meter
from metermt.model import Place as Stop

YEAR = 2027
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def month_of(number: int) -> date:
    """Return the first day of a month of the year, from 1; those before are 0, -1 …"""
    return date(YEAR + (number - 1) // 12, (number - 1) % 12 + 1, 1)


def cycle_of(month: int) -> str:
    """Return the name of the cycle of a month."""
    return f"{month_of(month):%Y-%m}"


def at(day: date, hour: float) -> datetime:
    """Return an hour of a day, in UTC, in which the whole town lives."""
    return datetime.combine(day, time(), UTC) + timedelta(hours=hour)


@dataclass(frozen=True, slots=True)
class Swap:
    """One device is taken down and another one put up, in a month; the office is `told` before, during or after it."""

    month: int
    when: datetime
    old: str
    new: str
    final: int
    initial: int
    told: str


@dataclass(slots=True)
class Place:
    """Where a meter hangs, and what it truly uses. `number` is its place in the town."""

    number: int
    kind: Kind
    multiplier: Decimal
    start: int
    """What the register showed at the beginning."""
    sums: list[float]
    """What was used up to the first day of each month, from the beginning on."""
    first_month: int
    swaps: list[Swap] = field(default_factory=list)

    def used(self, when: datetime) -> int:
        """Return how many whole units were used from the beginning on, `start` included."""
        month = (when.year - YEAR) * 12 + when.month
        first, after = month_of(month), month_of(month + 1)
        part = (when - at(first, 0)) / timedelta(days=(after - first).days)
        index = month - self.first_month
        return self.start + int(self.sums[index] + part * (self.sums[index + 1] - self.sums[index]))

    def shows(self, when: datetime) -> int:
        """Return what the register that hangs there shows."""
        done = bisect_right(self.swaps, when, key=lambda swap: swap.when)
        if not done:
            return self.used(when) % self.size
        last = self.swaps[done - 1]
        return (last.initial + self.used(when) - self.used(last.when)) % self.size

    @property
    def size(self) -> int:
        """How many values the register has."""
        return int(10**self.kind.dials)

    @property
    def usual(self) -> float:
        """What it uses in a month, on average."""
        return self.sums[-1] / (len(self.sums) - 1)

    @property
    def meter(self) -> str:
        """The number of its first device."""
        return f"{self.kind.letter}{self.number:06}"


class Town:
    """All places, in the order of the walks: as many routes as there are readers."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.places = [self._place(number) for number in range(size.meters)]
        for place in self.places:
            self._plan_swaps(place)

    def of(self, meter: str) -> Place:
        """Return where a device hangs, or hung."""
        return self.places[int(meter[1:7])]

    def route_of(self, number: int) -> int:
        """Return the route of a place."""
        return number * self.size.readers // self.size.meters

    def route(self, number: int) -> str:
        """Return the name of a route."""
        return f"Route {number + 1:02}"

    def stops(self) -> list[Stop]:
        """Return the places as they are imported."""
        return [
            Stop(
                Meter(
                    place.meter,
                    place.kind.letter,
                    place.kind.dials,
                    f"{place.number} Station Road",
                    multiplier=place.multiplier,
                ),
                self.route(self.route_of(place.number)),
                place.number,
            )
            for place in self.places
        ]

    def read_before(self, number: int, month: int) -> datetime:
        """Return when a place was read in a month before the year: its route took four days, from the eighth on."""
        first = self.route_of(number) * self.size.meters // self.size.readers
        part = (number - first) * self.size.readers / self.size.meters
        return at(month_of(month) + timedelta(days=7 + min(int(part * 4), 3)), 12)

    def swaps(self, month: int) -> list[tuple[Place, Swap]]:
        """Return the exchanges of a month."""
        return [(place, swap) for place in self.places for swap in place.swaps if swap.month == month]

    def _chance(self, *what: object) -> random.Random:
        return random.Random(f"{self.size.seed} {what}")

    def _place(self, number: int) -> Place:
        chance = self._chance("place", number)
        kind = chance.choices(KINDS, [kind.share for kind in KINDS])[0]
        base = kind.month * chance.lognormvariate(0, 0.5)
        sums, first = [0.0], 1 - self.size.past
        for month in range(first, self.size.months + 2):
            use = base * (1 + kind.season * (2 * winter((month - 1) % 12 + 1) - 1)) * chance.lognormvariate(0, NOISE)
            odd = chance.random()
            use *= 0.05 if odd < AWAY else 4 if odd < AWAY + LEAKS else 1
            sums.append(sums[-1] + use)
        multiplier = Decimal(40 if kind.letter == "E" and chance.random() < TRANSFORMERS else 1)
        return Place(number, kind, multiplier, chance.randrange(int(0.97 * 10**kind.dials)), sums, first)

    def _plan_swaps(self, place: Place) -> None:
        chance = self._chance("swaps", place.number)
        for month in range(1, self.size.months + 1):
            if chance.random() >= EXCHANGED_A_YEAR * self.size.often / 12 or len(place.swaps) > 20:
                continue
            told = chance.random()
            when = at(month_of(month) + timedelta(days=chance.randrange(1, 5)), 10)
            self._add_swap(
                place,
                month,
                when,
                chance.choice((0, 0, 0, 1, 2)),
                "before" if told < TOLD_BEFORE else "late" if told < TOLD_BEFORE + TOLD_LATE else "during",
            )

    @staticmethod
    def _add_swap(place: Place, month: int, when: datetime, initial: int, told: str) -> None:
        old = place.swaps[-1].new if place.swaps else place.meter
        new = f"{place.meter}-{_LETTERS[len(place.swaps)]}"
        place.swaps.append(Swap(month, when, old, new, place.shows(when), initial, told))
