"""Where meters hang, and what these have shown, in SQL."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from metermt.model import ONE, Meter, Place
from metermt.quality import Quality
from metermt.rules.history import Read
from metermt.store.sites import Places
from metermt.store.sql.dialect import Row, Steps

METER = ("meter", "kind", "dials", "address", "instructions", "multiplier", "active")
"""The columns that `meter_of` makes a meter of."""
_COLUMNS = (*METER, "route", "sequence")
_PLACES = f"SELECT {', '.join(_COLUMNS)} FROM places"
_FIND = f"{_PLACES} WHERE meter {{among}}"
_ACTIVE = f"{_PLACES} WHERE active = 1 ORDER BY route, sequence, meter"
_REPLACE = "ON CONFLICT (meter) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])
_IDS = "SELECT meter, id FROM places WHERE meter {among}"
_OF_THAT_DAY = (
    "ON CONFLICT (place, read_on, exchanged) DO UPDATE SET value = excluded.value, estimated = excluded.estimated"
)
# CROSS JOIN, as SQLite keeps the order of its tables then: the meters that are asked for come first.
_SHOWN = (
    "SELECT places.meter, history.read_on, history.value, history.exchanged, history.estimated FROM places"
    " CROSS JOIN history WHERE history.place = places.id AND places.meter {among}"
)
_READ = (
    "SELECT places.meter, readings.read_at, readings.value, readings.quality"
    " FROM places CROSS JOIN jobs CROSS JOIN readings WHERE jobs.place = places.id AND readings.id = jobs.reading"
    " AND places.meter {among} AND jobs.cycle <> ? AND readings.value IS NOT NULL"
)


class SqlPlaces(Steps, Places):
    """The tables `places` and `history`, and what was read for jobs."""

    def find(self, meters: Iterable[str]) -> dict[str, Place]:
        return {row[0]: _place_of(*row) for row in self._sql.rows_among(_FIND, meters)}

    def put(self, places: Iterable[Place]) -> None:
        rows = [(*row_of(place.meter), place.route, place.sequence) for place in places]
        self._sql.insert("places", _COLUMNS, rows, _REPLACE)

    def active(self) -> list[Place]:
        return [_place_of(*row) for row in self._sql.rows(_ACTIVE)]

    def add_history(self, reads: Iterable[tuple[str, Read]]) -> None:
        shown = list(reads)
        ids: dict[str, int] = dict(self._sql.rows_among(_IDS, {meter for meter, _ in shown}))
        latest = {(ids[meter], read.on.isoformat(), int(read.exchanged)): read for meter, read in shown}
        rows = [(*key, read.value, int(read.estimated)) for key, read in latest.items()]
        self._sql.insert("history", ("place", "read_on", "exchanged", "value", "estimated"), rows, _OF_THAT_DAY)

    def history(self, meters: Iterable[str], but_not: str = "") -> dict[str, list[Read]]:
        asked = list(meters)
        found: dict[str, list[Read]] = {}
        for meter, read_on, value, *how in self._sql.rows_among(_SHOWN, asked):
            found.setdefault(meter, []).append(Read(date.fromisoformat(read_on), value, *map(bool, how)))
        for meter, read_at, value, quality in self._sql.rows_among(_READ, asked, but_not):
            day = datetime.fromisoformat(read_at).astimezone().date()
            found.setdefault(meter, []).append(Read(day, value, estimated=quality == Quality.ESTIMATED))
        return found


def meter_of(*columns: Any) -> Meter:
    """Make a meter of the columns `METER`."""
    number, kind, dials, address, instructions, multiplier, active = columns
    factor = ONE if multiplier == "1" else Decimal(multiplier)
    return Meter(number, kind, dials, address, instructions, factor, bool(active))


def row_of(meter: Meter) -> Row:
    """Return the columns `METER` of a meter."""
    return (
        *(meter.number, meter.kind, meter.dials, meter.address, meter.instructions),
        *(str(meter.multiplier), int(meter.active)),
    )


def _place_of(*row: Any) -> Place:
    return Place(meter_of(*row[:7]), *row[7:])
