"""Where meters hang, and what these have shown, in the store in memory."""

from collections.abc import Collection, Iterable
from datetime import datetime

from metermt.model import Place
from metermt.quality import Quality
from metermt.rules.history import Read
from metermt.rules.times import day_of
from metermt.store.memory.tables import Tables, found_in
from metermt.store.steps.sites import Places


class MemoryPlaces(Places):
    """Places and their histories."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def find(self, meters: Iterable[str]) -> dict[str, Place]:
        return found_in(self._tables.places, meters)

    def put(self, places: Iterable[Place]) -> None:
        for place in places:
            self._tables.undo.put(self._tables.places, place.meter.number, place)

    def active(self) -> list[Place]:
        places = [place for place in self._tables.places.values() if place.meter.active]
        return sorted(places, key=lambda place: (place.route, place.sequence, place.meter.number))

    def routes(self) -> list[str]:
        return sorted({place.route for place in self._tables.places.values() if place.meter.active})

    def add_history(self, reads: Iterable[tuple[str, Read]]) -> None:
        for meter, read in reads:
            self._tables.undo.put(self._tables.shown, (meter, read.on, read.exchanged), read)

    def history(self, meters: Iterable[str], but_not: Collection[str] = ()) -> dict[str, list[Read]]:
        tables, asked = self._tables, set(meters) & set(self._tables.places)
        found: dict[str, list[Read]] = {}
        for (meter, _, _), read in sorted(tables.shown.items(), key=lambda pair: pair[1].exchanged):
            if meter in asked:
                found.setdefault(meter, []).append(read)
        for _, cycle in sorted((name, cycle) for name, cycle in tables.cycles.items() if name not in but_not):
            for meter, reading in found_in(cycle.readings, asked).items():
                if reading and reading.answer.value is not None:
                    assert isinstance(reading.answer.when, datetime)
                    day = day_of(reading.answer.when)
                    estimated = reading.quality is Quality.ESTIMATED
                    found.setdefault(meter, []).append(Read(day, reading.answer.value, estimated=estimated))
        return found

    def in_cycle(self, cycle: str, meters: Iterable[str]) -> set[str]:
        there = self._tables.cycles.get(cycle)
        return set(meters) & there.ids.keys() if there else set()
