"""What the field tells the office besides readings, in the store in memory."""

from collections.abc import Iterable

from msgspec.structs import replace

from metermt.fieldnotes import Note, Reason
from metermt.store.memory.office import no_office
from metermt.store.memory.tables import Tables, found_in
from metermt.store.steps.sites import Notes


class MemoryNotes(Notes):
    """Reasons and notes."""

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
                    tables.undo.put(tables.jobs, job_id, replace(tables.jobs[job_id], note=note.text))

    def latest(self, meters: Iterable[str]) -> dict[str, str]:
        return found_in(self._tables.latest_notes, meters)

    def all(self, most: int, skip: int = 0) -> list[Note]:
        return self._tables.notes[skip : skip + most]

    def about(self, meter: str) -> list[Note]:  # noqa: ARG002 - only the office asks
        raise no_office()
