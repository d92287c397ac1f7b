"""What the field tells the office besides readings, in the store in memory."""

from collections.abc import Iterable
from dataclasses import replace

from msgspec import structs

from metermt.fieldnotes import Found, Note, Reason
from metermt.store.memory.tables import Tables, found_in
from metermt.store.steps.sites import Notes


class MemoryNotes(Notes):
    """Reasons, notes, and meters that were found."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def reasons(self) -> list[Reason]:
        return [reason for _, reason in self._tables.reasons.items()]

    def put_reasons(self, reasons: Iterable[Reason]) -> None:
        for reason in reasons:
            self._tables.undo.put(self._tables.reasons, reason.code, reason)

    def add(self, notes: Iterable[Note]) -> None:
        tables = self._tables
        for note in notes:
            tables.undo.append(tables.notes, note)
            tables.undo.put(tables.latest_notes, note.meter, note.text)
            for cycle in tables.cycles.values():
                if note.meter in cycle.ids and cycle.readings[note.meter] is None:
                    job_id = cycle.ids[note.meter]
                    tables.undo.put(tables.jobs, job_id, structs.replace(tables.jobs[job_id], note=note.text))

    def latest(self, meters: Iterable[str]) -> dict[str, str]:
        return found_in(self._tables.latest_notes, meters)

    def all(self, most: int, skip: int = 0) -> list[Note]:
        return self._tables.notes[skip : skip + most]

    def add_found(self, found: Iterable[Found]) -> None:
        there = self._tables.found
        for one in found:
            if not any(replace(other, found_at=one.found_at) == one for other in there):
                self._tables.undo.append(there, one)

    def found(self, most: int, after: int = 0) -> list[Found]:
        there = self._tables.found[after : after + most]
        return [replace(one, id=number) for number, one in enumerate(there, after + 1)]
