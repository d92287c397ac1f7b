"""What the field tells the office besides readings, in the store in memory."""

from collections.abc import Iterable
from dataclasses import replace

from msgspec import structs

from metermt.fieldnotes import Found, Note, Reason
from metermt.store.facts import Facts, found_in
from metermt.store.sites import Notes


class MemoryNotes(Notes):
    """Reasons, notes, and meters that were found."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def reasons(self) -> list[Reason]:
        return [reason for _, reason in self._facts.reasons.items()]

    def put_reasons(self, reasons: Iterable[Reason]) -> None:
        for reason in reasons:
            self._facts.undo.put(self._facts.reasons, reason.code, reason)

    def add(self, notes: Iterable[Note]) -> None:
        facts = self._facts
        for note in notes:
            facts.undo.append(facts.notes, note)
            facts.undo.put(facts.latest_notes, note.meter, note.text)
            for cycle in facts.cycles.values():
                if note.meter in cycle.ids and cycle.readings[note.meter] is None:
                    job_id = cycle.ids[note.meter]
                    facts.undo.put(facts.jobs, job_id, structs.replace(facts.jobs[job_id], note=note.text))

    def latest(self, meters: Iterable[str]) -> dict[str, str]:
        return found_in(self._facts.latest_notes, meters)

    def all(self, most: int, skip: int = 0) -> list[Note]:
        return self._facts.notes[skip : skip + most]

    def add_found(self, found: Iterable[Found]) -> None:
        there = self._facts.found
        for one in found:
            if not any(replace(other, found_at=one.found_at) == one for other in there):
                self._facts.undo.append(there, one)

    def found(self, most: int, after: int = 0) -> list[Found]:
        there = self._facts.found[after : after + most]
        return [replace(one, id=number) for number, one in enumerate(there, after + 1)]
