"""Where meters hang, and what these have shown, in SQL."""

from collections.abc import Collection, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from metermt.model import ONE, Meter, Place
from metermt.quality import Quality
from metermt.rules.consumption import Exchange, over_exchanges
from metermt.rules.history import Read
from metermt.rules.times import day_of
from metermt.store.sql.dialect import Row, Sql, Steps
from metermt.store.steps.sites import Places

METER = ("meter", "kind", "dials", "address", "instructions", "multiplier", "active")
"""The columns that `meter_of` makes a meter of."""
_COLUMNS = (*METER, "route", "sequence")
_PLACES = f"SELECT {', '.join(_COLUMNS)} FROM places"
_FIND = f"{_PLACES} WHERE meter {{among}}"
_ACTIVE = f"{_PLACES} WHERE active = 1 ORDER BY route, sequence, meter"
_ROUTES = "SELECT DISTINCT route FROM places WHERE active = 1 ORDER BY route"
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
    "SELECT jobs.cycle, places.meter, jobs.meter, readings.read_at, readings.value, readings.quality"
    " FROM places CROSS JOIN jobs CROSS JOIN readings WHERE jobs.place = places.id AND readings.id = jobs.reading"
    " AND places.meter {among} AND readings.value IS NOT NULL"
)
# Found by the database: nobody else may write meanwhile, and it may be the past of a whole town.
_MOST_SHOWN = tuple(
    f"SELECT places.meter, max({value}) FROM places CROSS JOIN {there} AND places.meter {{among}}"
    f" AND {value} IS NOT NULL GROUP BY places.meter"
    for value, there in (
        ("history.value", "history WHERE history.place = places.id"),
        ("readings.value", "jobs CROSS JOIN readings WHERE jobs.place = places.id AND readings.id = jobs.reading"),
        ("exchanges.final", "exchanges WHERE exchanges.place = places.id"),
        ("exchanges.initial", "exchanges WHERE exchanges.place = places.id"),
    )
)
EXCHANGE = (
    *("read_on", "old_meter", "final", "initial", "dials", "multiplier"),
    *("new_meter", "username", "made_at"),
)
"""The columns that `exchange_of` makes an exchange of."""
MADE = ", ".join(f"exchanges.{column}" for column in EXCHANGE)
"""These, where other tables are joined."""
_HUNG = "SELECT id, meter, multiplier FROM places WHERE meter {among}"
_EXCHANGES = f"SELECT exchanges.place, {MADE} FROM exchanges WHERE exchanges.place {{among}}"
_IN_CYCLE = (
    "SELECT DISTINCT places.meter FROM places CROSS JOIN jobs"
    " WHERE jobs.place = places.id AND places.meter {among} AND jobs.cycle = ?"
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

    def routes(self) -> list[str]:
        return [route for (route,) in self._sql.rows(_ROUTES)]

    def add_history(self, reads: Iterable[tuple[str, Read]]) -> None:
        shown = list(reads)
        ids: dict[str, int] = dict(self._sql.rows_among(_IDS, {meter for meter, _ in shown}))
        latest = {(ids[meter], read.on.isoformat(), int(read.exchanged)): read for meter, read in shown}
        rows = [(*key, read.value, int(read.estimated)) for key, read in latest.items()]
        self._sql.insert("history", ("place", "read_on", "exchanged", "value", "estimated"), rows, _OF_THAT_DAY)

    def history(self, meters: Iterable[str], but_not: Collection[str] = ()) -> dict[str, list[Read]]:
        asked = list(meters)
        shown: dict[str, list[Read]] = {}
        read: dict[str, list[tuple[str, Read]]] = {}
        for meter, read_on, value, exchanged, estimated in self._sql.rows_among(_SHOWN, asked):
            seen = Read(date.fromisoformat(read_on), value, bool(exchanged), bool(estimated))
            shown.setdefault(meter, []).append(seen)
        rows = sorted(row for row in self._sql.rows_among(_READ, asked) if row[0] not in but_not)  # by the cycle
        for _, meter, device, read_at, value, quality in rows:
            day = day_of(datetime.fromisoformat(read_at))
            read.setdefault(meter, []).append((device, Read(day, value, estimated=quality == Quality.ESTIMATED)))
        exchanged = exchanges_at(self._sql, asked)
        nothing: tuple[Decimal, list[Exchange]] = (ONE, [])
        found: dict[str, list[Read]] = {}
        for meter in shown.keys() | read.keys() | exchanged.keys():
            multiplier, exchanges = exchanged.get(meter, nothing)
            found[meter] = over_exchanges(shown.get(meter, ()), read.get(meter, ()), exchanges, multiplier)
        return found

    def most_shown(self, meters: Iterable[str]) -> dict[str, int]:
        asked = list(meters)
        found: dict[str, int] = {}
        for sql in _MOST_SHOWN:
            for meter, value in self._sql.rows_among(sql, asked):
                found[meter] = max(value, found.get(meter, value))
        return found

    def in_cycle(self, cycle: str, meters: Iterable[str]) -> set[str]:
        return {meter for (meter,) in self._sql.rows_among(_IN_CYCLE, meters, cycle)}


def exchanges_at(sql: Sql, meters: Iterable[str]) -> dict[str, tuple[Decimal, list[Exchange]]]:
    """Return the multiplier of each meter at whose place devices were exchanged, and these exchanges, in order."""
    hung = {place: (meter, multiplier) for place, meter, multiplier in sql.rows_among(_HUNG, meters)}
    found: dict[str, tuple[Decimal, list[Exchange]]] = {}
    for place, *made in sql.rows_among(_EXCHANGES, hung):
        meter, multiplier = hung[place]
        found.setdefault(meter, (Decimal(multiplier), []))[1].append(exchange_of(*made))
    for _, exchanges in found.values():
        exchanges.sort(key=_on)
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


def _on(exchange: Exchange) -> date:
    return exchange.on


def exchange_of(*columns: Any) -> Exchange:
    """Make an exchange of the columns `EXCHANGE`."""
    read_on, old_meter, final, initial, dials, multiplier, new_meter, username, made_at = columns
    how = (old_meter, final, initial, dials, Decimal(multiplier), new_meter, username)
    return Exchange(date.fromisoformat(read_on), *how, datetime.fromisoformat(made_at))


def _place_of(*row: Any) -> Place:
    return Place(meter_of(*row[:7]), *row[7:])
