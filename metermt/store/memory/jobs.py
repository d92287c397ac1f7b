"""What is to be read, in the store in memory."""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import count

from msgspec.structs import replace

from metermt.model import Job, JobState, Standing, Walk
from metermt.progress import ClosedCounts, RouteCounts, RouteProgress, Unread
from metermt.rules.finding import is_meant
from metermt.store.gathered import KnownJob
from metermt.store.memory.tables import Tables, found_in
from metermt.store.steps.rounds import LOOKS_BACK, Jobs

_FIRST = (-1, "")  # before all sequences and meters of a route


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

    def standings(self, meters: Iterable[str]) -> list[Standing]:
        asked = list(meters)
        return [
            self._standing(job_id)
            for _, cycle in self._tables.open_cycles()
            for job_id in found_in(cycle.ids, asked).values()
        ]

    def closed_hands(self, meters: Iterable[str]) -> dict[tuple[str, str], str]:
        asked, handed_to = list(meters), self._tables.handed_to
        closed = [(name, cycle) for name, cycle in sorted(self._tables.cycles.items()) if not cycle.is_open]
        latest: dict[tuple[str, str], str] = {}
        for name, cycle in closed[-LOOKS_BACK:]:
            for meter, job_id in found_in(cycle.ids, asked).items():
                latest[meter, handed_to.get(job_id, "")] = latest[meter, ""] = name
        return latest

    def free(self, most: Mapping[Walk, int]) -> dict[Walk, list[KnownJob]]:
        return {walk: list(map(self._tables.known_job, self._free(walk, number))) for walk, number in most.items()}

    def routes_left(self, most: int) -> dict[str, int]:  # noqa: ARG002 - it need not go through jobs to count them
        left: Counter[str] = Counter()
        for name, cycle in self._tables.open_cycles():
            first = cycle.free.first_from((name, "", *_FIRST))
            while first:
                route = first[1]
                following = (name, f"{route}\0", *_FIRST)  # no other text is between the two
                left[route] += cycle.free.number_between((name, route, *_FIRST), following)
                first = cycle.free.first_from(following)
        return dict(left)

    def skip(self, jobs: Iterable[int]) -> None:
        for job_id in jobs:
            self._tables.end_lease(job_id)
            self._tables.undo.put(self._tables.skipped, job_id, None)

    def _free(self, walk: Walk, most: int) -> list[int]:
        """Return the ids of the next jobs on a walk that are leased to nobody, those that were skipped last."""
        ahead: list[int] = []
        skipped: list[int] = []
        for name, cycle in self._tables.open_cycles()[:: -1 if walk.reverse else 1]:
            ends = (name, walk.route, *_FIRST), (name, f"{walk.route}\0", *_FIRST)
            for *_, meter in cycle.free.between(*ends, reverse=walk.reverse):
                job_id = cycle.ids[meter]
                (skipped if job_id in self._tables.skipped else ahead).append(job_id)
                if len(ahead) == most:
                    return ahead
        return (ahead + skipped)[:most]

    def search(self, text: str, most: int, route: str | None = None) -> list[KnownJob]:
        tables = self._tables
        known = [tables.known_job(id_) for _, cycle in tables.open_cycles() for _, id_ in cycle.ids.items()]
        meant = [one for one in known if route in (None, one.job.route) and is_meant(text, one.job)]
        return sorted(meant, key=lambda one: one.job.place)[:most]

    def routes(self, cycle: str, only: str | None = None) -> list[RouteCounts]:
        counts: dict[str, list[int]] = {}
        if cycle not in self._tables.cycles:
            return []
        there = self._tables.cycles[cycle]
        for meter, reading in there.readings.items():
            job_id = there.ids[meter]
            of_route = counts.setdefault(self._tables.jobs[job_id].route, [0, 0, 0, 0])
            if reading is None:
                of_route[2 if job_id in self._tables.skipped else 3] += 1
            else:
                of_route[reading.answer.value is None] += 1
        return [RouteCounts(route, *counts[route]) for route in sorted(counts) if only in (None, route)]

    def closed(self, cycles: Iterable[str]) -> dict[str, ClosedCounts]:
        found = {}
        for cycle in cycles:
            routes = self.routes(cycle)
            read, no_access = sum(one.read for one in routes), sum(one.no_access for one in routes)
            found[cycle] = ClosedCounts(read, no_access, sum(one.left + one.skipped for one in routes), 0)
        return found

    def progress(self) -> list[RouteProgress]:
        tallies: dict[tuple[str, str], list[int]] = {}
        for name, cycle in self._tables.open_cycles():
            for meter, reading in cycle.readings.items():
                if route := self._tables.jobs[cycle.ids[meter]].route:
                    tally = tallies.setdefault((name, route), [0, 0])
                    tally[0] += reading is not None
                    tally[1] += 1
        return [RouteProgress(*place, *tally) for place, tally in sorted(tallies.items())]

    def _unread(self, job_id: int) -> Unread:
        job, lease = self._tables.jobs[job_id], self._tables.leases.get(job_id)
        held = (lease.username, lease.until) if lease else (None, 0.0)
        return Unread(*job.place, job.meter.address, *held)

    def _standing(self, job_id: int) -> Standing:
        job, lease = self._tables.jobs[job_id], self._tables.leases.get(job_id)
        reading = self._tables.cycles[job.cycle].readings[job.meter.number]
        return Standing(
            job=job_id,
            meter=job.meter.number,
            cycle=job.cycle,
            dials=job.meter.dials,
            state=JobState.DONE if reading else JobState.SKIPPED if job_id in self._tables.skipped else JobState.OPEN,
            read_by=reading.username if reading else None,
            leased_to=lease.username if lease else None,
            leased_until=lease.until if lease else 0.0,
            handed_to=self._tables.handed_to.get(job_id),
            limits=self._tables.limits.get(job_id),
            look=self._tables.looks.get(job_id),
            value=reading.answer.value if reading else None,
            reason=reading.answer.reason if reading else "",
        )
