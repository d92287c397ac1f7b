"""A made-up town: its streets, its meters, and what these have shown. The same in every run, but for the dates.

Pure functions: nothing is kept here.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from itertools import islice
from math import cos, exp, log10, pi

from metermt.model import Meter, Place
from metermt.rules.history import Read

_MONTHS = 13  # of use in the past of each meter: a year, and the month that is a year before the one to be read
_MONTH = timedelta(days=30.44)
_YEAR = 365.2425  # days
_COLDEST = date(2000, 1, 20).toordinal()
_BEGINS, _A_DAY = 8, 20  # the day of the month on which a walk begins, and its stops a day
_VARIES = 0.1  # standard deviation of the natural logarithm of a month's use
_AWAY = 0.04  # the share of months in which a household was away for a part
_DIALS = {"G": 5, "E": 6}
_HIGHEST_NUMBER = {"G": 99_999, "E": 999_999}
_LOWEST_NUMBER = 40_000
_LEAST_OLD, _MOST_OLD = 20, 400  # months; how long registers have been counting


@dataclass(frozen=True, slots=True)
class TownMeter:
    """A meter of the town.

    `last` is what it showed when it was read last. `a_month` is what it uses on the mean over the year, and `winter` by
    which share that is more in January and less in July.
    """

    number: str
    address: str
    where: str
    last: int
    a_month: float
    winter: float = 0.0
    route: str = ""
    sequence: int = 0

    @property
    def dials(self) -> int:
        """How many digits the register has."""
        return _DIALS[self.number[0]]

    def usual(self, since: date, until: date) -> float:
        """Return the use that is usual between two days, which are some weeks apart."""
        middle = (since.toordinal() + until.toordinal()) / 2
        season = 1 + self.winter * cos(2 * pi * (middle - _COLDEST) / _YEAR)
        return self.a_month * season * ((until - since) / _MONTH)

    def past(self, month: date) -> list[Read]:
        """Return what it has shown in the months before one that begins on a day, the latest first."""
        chance = random.Random(self.number)  # noqa: S311 - nothing is kept secret by it
        value, until = self.last, self._read_in(month, 1)
        reads = [Read(until, value)]
        for ago in range(2, _MONTHS + 2):
            since = self._read_in(month, ago)
            part = chance.uniform(0.3, 0.8) if chance.random() < _AWAY else 1.0
            use = self.usual(since, until) * part * exp(chance.gauss(0, _VARIES))
            value, until = (value - round(use)) % 10**self.dials, since
            reads.append(Read(until, value))
        return reads

    def place(self, last: Read, today: date) -> Place:
        """Return where it hangs, with a hint at what it shows today, after what it has shown last."""
        words = f"{self.where} {self._hint(last, today)}"
        meter = Meter(self.number, self.number[0], self.dials, self.address, words)
        return Place(meter, self.route, self.sequence)

    def _hint(self, last: Read, today: date) -> str:
        if not self.a_month:
            return f"Nobody lives here: last time it showed {last.value:0{self.dials}}."
        used = self.usual(last.on, today)
        about = _rounded(last.value, max(_power_of_ten(used / 2), 10))  # no farther off than half of what was used
        return f"Last time about {about:,}, some {_rounded(used, max(_power_of_ten(used) // 10, 1)):,} used since."

    def _read_in(self, month: date, ago: int) -> date:
        """Return the day on which it was read so many months ago."""
        months = month.year * 12 + month.month - 1 - ago
        return date(months // 12, months % 12 + 1, _BEGINS + self.sequence // _A_DAY)


@dataclass(frozen=True, slots=True)
class _Use:
    """What meters of a kind use: from the least to the most a month; where they hang, and in what if it has a name."""

    kind: str
    least: int
    most: int
    winter: float
    where: tuple[str, ...]
    names: tuple[str, ...] = ()


_CUPBOARDS = (
    "In the cupboard under the stairs.",
    "In the hall, behind the coats.",
    "In the porch, on the left.",
    "In the garage: ring first.",
)
_CELLARS = (
    "In the cellar: mind your head.",
    "In the cellar, beside the boiler.",
    "Outside: white box by the gate.",
    "At the back: dog on a chain.",
)
_KITCHENS = ("In the kitchen, under the sink.", "In the kitchen, beside the cooker.", "In the larder, top left.")
_METER_ROOM = ("In the cellar, board at the end.", "On the landing.", "Meter room: key above the door.")
_COUNTERS = ("Behind the counter.", "Store room: ask for the key.", "At the back, through the yard.")

_SHOPS = ("Bakery", "Café", "Bookshop", "Fishmonger", "Hairdresser", "Ironmonger", "Launderette", "Inn")

_FAMILY = _Use("E", 240, 420, 0.2, _CUPBOARDS)
_COUPLE = _Use("E", 130, 220, 0.2, _CUPBOARDS)
_FLAT = _Use("E", 60, 140, 0.15, _METER_ROOM)
_LITTLE = _Use("E", 14, 28, 0.1, _METER_ROOM)
_SHOP = _Use("E", 900, 2400, 0.1, _COUNTERS, _SHOPS)
_HEATING = _Use("G", 110, 200, 0.75, _CELLARS)
_FLAT_HEATING = _Use("G", 60, 100, 0.7, _KITCHENS)
_COOKING = _Use("G", 16, 32, 0.1, _KITCHENS)

_Building = tuple[_Use, ...]
_HOUSE, _COTTAGE, _ALL_ELECTRIC = (_FAMILY, _HEATING), (_COUPLE, _HEATING), (_FAMILY,)
_FLATS, _SMALL_FLATS = (_FLAT, _FLAT_HEATING) * 3, (_FLAT, _LITTLE, _FLAT, _LITTLE)
_OLD_FLATS, _CORNER_SHOP = (_FLAT, _COOKING) * 2, (_SHOP,)

_ROUTES = {
    "Harbour": (("Harbour Street", "Net Loft Lane", "Quay Side"), (_FLATS, _SMALL_FLATS, _COTTAGE, _CORNER_SHOP)),
    "Mill Hill": (("Mill Lane", "Orchard Close", "Station Road"), (_HOUSE, _HOUSE, _COTTAGE, _ALL_ELECTRIC)),
    "Old Town": (
        ("Church Walk", "Market Square", "Saddler Street"),
        (_OLD_FLATS, _COTTAGE, _CORNER_SHOP, _SMALL_FLATS),
    ),
}
_ON_A_STREET = 17  # meters
_ON_A_ROUTE = 50

_FIRST = (
    TownMeter("G72168", "1 Harbour Street", "Outside: white box by the gate.", 5_902, 78, 0.1),
    TownMeter("E432365", "1 Harbour Street", "In the cupboard under the stairs.", 8_513, 250, 0.15),
    TownMeter("E445691", "3 Harbour Street, flat 1", "Meter room: key above the door.", 23_207, 105, 0.15),
    TownMeter("E445692", "3 Harbour Street, flat 2", "Meter room: key above the door.", 12_408, 0),
    TownMeter("E445693", "3 Harbour Street, flat 3", "Meter room: key above the door.", 4_061, 18, 0.1),
    TownMeter("G58114", "5 Harbour Street", "In the cellar: soon at 00000 again.", 99_924, 280, 0.1),
    TownMeter("E60233", "7 Harbour Street, Chandlery", "Behind the counter.", 146_350, 1_700, 0.1),
)
"""The first stops of the first route: a house, flats of which one is empty and one is used little, a shop."""


@cache
def stops() -> tuple[TownMeter, ...]:
    """Return all meters of the town, in the order of the walk."""
    draw = random.Random(4)  # noqa: S311 - nothing is kept secret by it
    numbers = {stop.number for stop in _FIRST}
    found: list[TownMeter] = []
    for route, (streets, buildings) in _ROUTES.items():
        walk = [] if found else list(_FIRST)
        for nth, street in enumerate(streets, 1):
            side = _along(street, 9 if walk == list(_FIRST) else 1, buildings, draw, numbers)
            walk += islice(side, min(_ON_A_STREET * nth, _ON_A_ROUTE) - len(walk))
        found += [replace(stop, route=route, sequence=place) for place, stop in enumerate(walk, 1)]
    return tuple(found)


def _along(
    street: str, house: int, buildings: tuple[_Building, ...], draw: random.Random, numbers: set[str]
) -> Iterator[TownMeter]:
    """Yield the meters on one side of a street, from a house on, for ever; add their `numbers`, which are new ones."""
    while True:
        building = draw.choice(buildings)
        where = {use: draw.choice(use.where) for use in building}
        has_flats = len({use.kind for use in building}) < len(building)
        flats: Counter[str] = Counter()
        for use in building:
            flats[use.kind] += 1
            name = f"flat {flats[use.kind]}" if has_flats else draw.choice(use.names) if use.names else ""
            last = draw.randint(_LEAST_OLD * use.most, _MOST_OLD * use.most)
            a_month = draw.uniform(use.least, use.most)
            address = f"{house} {street}, {name}" if name else f"{house} {street}"
            yield TownMeter(_new_number(use.kind, draw, numbers), address, where[use], last, a_month, use.winter)
        house += 2


def _new_number(kind: str, draw: random.Random, numbers: set[str]) -> str:
    while (number := f"{kind}{draw.randint(_LOWEST_NUMBER, _HIGHEST_NUMBER[kind])}") in numbers:
        pass
    numbers.add(number)
    return number


def _power_of_ten(use: float) -> int:
    """Return what the first digit of a use stands for: 100 for 345. It is 1 or more."""
    return int(10 ** int(log10(max(use, 1))))


def _rounded(value: float, step: int) -> int:
    return round(value / step) * step
