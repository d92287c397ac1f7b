"""Which cycles there are, in the store in memory."""

from datetime import date

from metermt.safedict import ThreadSafeDict, _MeterDict
from metermt.store.memory.tables import Cycle, Tables
from metermt.store.memory.undo import Ordered
from metermt.store.steps.cycles import Cycles


class MemoryCycles(Cycles):
    """Cycles."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def all(self) -> dict[str, bool]:
        return {name: cycle.is_open for name, cycle in sorted(self._tables.cycles.items())}

    def open(self, cycle: str, first_day: date | None = None, due: date | None = None) -> None:
        there = self._tables.cycles.get(cycle)
        if there is None:
            there = Cycle(True, (first_day, due), ThreadSafeDict(), _MeterDict(), [], Ordered(self._tables.undo))
        elif due is not None:
            there = there._replace(days=(there.days[0], due))
        self._tables.undo.put(self._tables.cycles, cycle, there)

    def days(self) -> dict[str, tuple[date | None, date | None]]:
        return {name: cycle.days for name, cycle in sorted(self._tables.cycles.items())}

    def seasons(self) -> dict[str, str]:
        return {name: cycle.seasons for name, cycle in sorted(self._tables.cycles.items()) if cycle.seasons}

    def set_seasons(self, cycle: str, seasons: str) -> None:
        there = self._tables.cycles[cycle]
        self._tables.undo.put(self._tables.cycles, cycle, there._replace(seasons=seasons))

    def close(self, cycle: str) -> int:
        tables = self._tables
        there = tables.cycles.get(cycle)
        if there is None or not there.is_open:
            return 0
        for job_id in tables.leases:
            if tables.jobs[job_id].cycle == cycle:
                tables.end_lease(job_id)
        for job_id in tables.skipped:
            if tables.jobs[job_id].cycle == cycle:
                tables.undo.drop(tables.skipped, job_id)
        tables.undo.put(tables.cycles, cycle, there._replace(is_open=False))
        return _number_unread(there)

    def reopen(self, cycle: str) -> int:
        there = self._tables.cycles.get(cycle)
        if there is None or there.is_open:
            return 0
        self._tables.undo.put(self._tables.cycles, cycle, there._replace(is_open=True))
        return _number_unread(there)

    def remove(self, cycle: str) -> None:
        self._tables.undo.drop(self._tables.cycles, cycle)


def _number_unread(cycle: Cycle) -> int:
    return len(cycle.readings) - cycle.readings.status("")[1]
