"""What is to be read, in the store in memory."""

from collections.abc import Iterable
from itertools import count

from metermt.model import Job, JobState, RouteProgress, Standing, Unread
from metermt.safedict import ThreadSafeDict, _MeterDict
from metermt.store.facts import Cycle, Facts, found_in
from metermt.store.gathered import KnownJob
from metermt.store.groups import LOOKS_BACK, Jobs
from metermt.store.undo import Ordered


class MemoryJobs(Jobs):
    """Cycles and their jobs."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._ids = count(1)

    def cycles(self) -> dict[str, bool]:
        return {name: cycle.is_open for name, cycle in sorted(self._facts.cycles.items())}

    def open_cycle(self, cycle: str) -> None:
        if cycle not in self._facts.cycles:
            there = Cycle(True, ThreadSafeDict(), _MeterDict(), [], Ordered(self._facts.undo))
            self._facts.undo.put(self._facts.cycles, cycle, there)

    def close_cycle(self, cycle: str) -> int:
        facts = self._facts
        there = facts.cycles.get(cycle)
        if there is None or not there.is_open:
            return 0
        for job_id in facts.leases:
            if facts.jobs[job_id].cycle == cycle:
                facts.end_lease(job_id)
        facts.undo.put(facts.cycles, cycle, there._replace(is_open=False))
        return self._number_unread(there)

    def reopen_cycle(self, cycle: str) -> int:
        there = self._facts.cycles.get(cycle)
        if there is None or there.is_open:
            return 0
        self._facts.undo.put(self._facts.cycles, cycle, there._replace(is_open=True))
        return self._number_unread(there)

    def find(self, cycle: str, meters: Iterable[str]) -> dict[str, Job]:
        there = self._facts.cycles.get(cycle)
        found = found_in(there.ids, meters) if there else {}
        return {meter: self._facts.jobs[job_id] for meter, job_id in found.items()}

    def add(self, jobs: Iterable[Job]) -> None:
        facts = self._facts
        for job in jobs:
            cycle, job_id = facts.cycles[job.cycle], next(self._ids)
            facts.undo.put(facts.jobs, job_id, job)
            facts.undo.put(cycle.ids, job.meter.number, job_id)
            facts.undo.put(cycle.readings, job.meter.number, None)
            cycle.free.add(job.place)

    def change(self, jobs: Iterable[Job]) -> None:
        facts = self._facts
        for job in jobs:
            cycle = facts.cycles[job.cycle]
            job_id = cycle.ids[job.meter.number]
            old = facts.jobs[job_id]
            facts.undo.put(facts.jobs, job_id, job)
            if old.place in cycle.free:
                cycle.free.discard(old.place)
                cycle.free.add(job.place)

    def remove(self, jobs: Iterable[int]) -> None:
        facts = self._facts
        for job_id in jobs:
            job = facts.jobs[job_id]
            cycle = facts.cycles[job.cycle]
            facts.end_lease(job_id)
            cycle.free.discard(job.place)
            facts.undo.drop(cycle.readings, job.meter.number)
            facts.undo.drop(cycle.ids, job.meter.number)
            facts.undo.drop(facts.jobs, job_id)

    def on_routes(self, cycle: str, routes: Iterable[str]) -> list[str]:
        asked, there = set(routes), self._facts.cycles.get(cycle)
        jobs = [self._facts.jobs[job_id] for job_id in there.ids.values()] if there else []
        return [meter for *_, meter in sorted(job.place for job in jobs if job.route in asked)]

    def unread(self, cycle: str, most: int, after: tuple[str, int, str] = ("", -1, "")) -> list[Unread]:
        there = self._facts.cycles.get(cycle)
        ids = [there.ids[meter] for meter, reading in there.readings.items() if reading is None] if there else []
        places = sorted((self._facts.jobs[job_id].place[1:], job_id) for job_id in ids)
        return [self._unread(job_id) for place, job_id in places if place > after][:most]

    def standings(self, meters: Iterable[str]) -> list[Standing]:
        asked = list(meters)
        return [
            self._standing(job_id)
            for _, cycle in self._facts.open_cycles()
            for job_id in found_in(cycle.ids, asked).values()
        ]

    def closed_hands(self, meters: Iterable[str]) -> dict[tuple[str, str], str]:
        asked, handed_to = list(meters), self._facts.handed_to
        closed = [(name, cycle) for name, cycle in sorted(self._facts.cycles.items()) if not cycle.is_open]
        latest: dict[tuple[str, str], str] = {}
        for name, cycle in closed[-LOOKS_BACK:]:
            for meter, job_id in found_in(cycle.ids, asked).items():
                latest[meter, handed_to.get(job_id, "")] = latest[meter, ""] = name
        return latest

    def free(self, most: int) -> list[KnownJob]:
        facts = self._facts
        free: list[KnownJob] = []
        for _, cycle in facts.open_cycles():
            ids = [cycle.ids[meter] for *_, meter in cycle.free.first(most - len(free))]
            free += [KnownJob(job_id, facts.jobs[job_id]) for job_id in ids]
        return free

    def progress(self) -> list[RouteProgress]:
        tallies: dict[tuple[str, str], list[int]] = {}
        for name, cycle in self._facts.open_cycles():
            for meter, reading in cycle.readings.items():
                if route := self._facts.jobs[cycle.ids[meter]].route:
                    tally = tallies.setdefault((name, route), [0, 0])
                    tally[0] += reading is not None
                    tally[1] += 1
        return [RouteProgress(*place, *tally) for place, tally in sorted(tallies.items())]

    def _number_unread(self, cycle: Cycle) -> int:
        return len(cycle.readings) - cycle.readings.status("")[1]

    def _unread(self, job_id: int) -> Unread:
        job, lease = self._facts.jobs[job_id], self._facts.leases.get(job_id)
        held = (lease.username, lease.until) if lease else (None, 0.0)
        return Unread(*job.place, job.meter.address, *held)

    def _standing(self, job_id: int) -> Standing:
        job, lease = self._facts.jobs[job_id], self._facts.leases.get(job_id)
        reading = self._facts.cycles[job.cycle].readings[job.meter.number]
        return Standing(
            job=job_id,
            meter=job.meter.number,
            cycle=job.cycle,
            dials=job.meter.dials,
            state=JobState.DONE if reading else JobState.OPEN,
            read_by=reading.username if reading else None,
            leased_to=lease.username if lease else None,
            leased_until=lease.until if lease else 0.0,
            handed_to=self._facts.handed_to.get(job_id),
        )
