"""What is to be read, in the store in memory."""

from collections.abc import Iterable, Mapping
from itertools import count

from msgspec.structs import replace

from metermt.model import Job
from metermt.progress import Unread
from metermt.store.memory.tables import Tables, found_in
from metermt.store.steps.jobs import Jobs


class MemoryJobs(Jobs):
    """Jobs."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._ids = count(1)

    def find(self, cycle: str, meters: Iterable[str]) -> dict[str, Job]:
        return {meter: self._tables.jobs[job_id] for meter, job_id in self.ids(cycle, meters).items()}

    def ids(self, cycle: str, meters: Iterable[str]) -> dict[str, int]:
        there = self._tables.cycles.get(cycle)
        return found_in(there.ids, meters) if there else {}

    def add(self, jobs: Iterable[Job]) -> None:
        tables = self._tables
        for job in jobs:
            cycle, job_id = tables.cycles[job.cycle], next(self._ids)
            tables.undo.put(tables.jobs, job_id, job)
            tables.undo.put(cycle.ids, job.meter.number, job_id)
            tables.undo.put(cycle.readings, job.meter.number, None)
            cycle.free.add(job.place)

    def change(self, jobs: Iterable[Job]) -> None:
        tables = self._tables
        for job in jobs:
            cycle = tables.cycles[job.cycle]
            job_id = cycle.ids[job.meter.number]
            old = tables.jobs[job_id]
            tables.undo.put(tables.jobs, job_id, replace(job, note=old.note))
            if old.place in cycle.free:
                cycle.free.discard(old.place)
                cycle.free.add(job.place)

    def limits(self, cycle: str, meters: Iterable[str]) -> dict[str, str]:
        ids, limits = self.ids(cycle, meters), self._tables.limits
        return {meter: limits[job_id] for meter, job_id in ids.items() if job_id in limits}

    def set_limits(self, limits: Mapping[int, str]) -> None:
        for job_id, text in limits.items():
            self._tables.undo.put(self._tables.limits, job_id, text)

    def remove(self, jobs: Iterable[int]) -> None:
        tables = self._tables
        for job_id in jobs:
            job = tables.jobs[job_id]
            cycle = tables.cycles[job.cycle]
            tables.end_lease(job_id)
            cycle.free.discard(job.place)
            tables.undo.drop(cycle.readings, job.meter.number)
            tables.undo.drop(cycle.ids, job.meter.number)
            tables.undo.drop(tables.jobs, job_id)
            if job_id in tables.skipped:
                tables.undo.drop(tables.skipped, job_id)
            if job_id in tables.limits:
                tables.undo.drop(tables.limits, job_id)
            if job_id in tables.looks:
                tables.undo.drop(tables.looks, job_id)

    def on_routes(self, cycle: str, routes: Iterable[str]) -> list[str]:
        asked, there = set(routes), self._tables.cycles.get(cycle)
        jobs = [self._tables.jobs[job_id] for job_id in there.ids.values()] if there else []
        return [meter for *_, meter in sorted(job.place for job in jobs if job.route in asked)]

    def unread(self, cycle: str, most: int, after: tuple[str, int, str] = ("", -1, "")) -> list[Unread]:
        there = self._tables.cycles.get(cycle)
        ids = [there.ids[meter] for meter, reading in there.readings.items() if reading is None] if there else []
        places = sorted((self._tables.jobs[job_id].place[1:], job_id) for job_id in ids)
        return [self._unread(job_id) for place, job_id in places if place > after][:most]

    def _unread(self, job_id: int) -> Unread:
        job, lease = self._tables.jobs[job_id], self._tables.leases.get(job_id)
        held = (lease.username, lease.until) if lease else (None, 0.0)
        return Unread(*job.place, job.meter.address, *held)
