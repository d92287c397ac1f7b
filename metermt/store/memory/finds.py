"""Meters that readers have found, in the store in memory."""

from collections.abc import Iterable
from dataclasses import replace

from metermt.fieldnotes import Found
from metermt.store.memory.office import NoOffice
from metermt.store.memory.tables import Tables


class MemoryFinds(NoOffice):
    """What there is of `Finds`: the office decides nothing here."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, found: Iterable[Found]) -> None:
        there = self._tables.found
        for one in found:
            if not any(replace(other, found_at=one.found_at) == one for other in there):
                self._tables.undo.append(there, one)

    def undecided(self, most: int, after: int = 0) -> list[Found]:
        there = self._tables.found[after : after + most]
        return [replace(one, id=number) for number, one in enumerate(there, after + 1)]
