"""How far the work is, in the store in memory."""

from collections.abc import Iterable

from metermt.progress import ClosedCounts, RouteCounts, RouteProgress
from metermt.store.memory.tables import Tables
from metermt.store.steps.progress import Progress


class MemoryProgress(Progress):
    """Jobs, and the readings that count there."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

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

    def open_routes(self) -> list[RouteProgress]:
        tallies: dict[tuple[str, str], list[int]] = {}
        for name, cycle in self._tables.open_cycles():
            for meter, reading in cycle.readings.items():
                if route := self._tables.jobs[cycle.ids[meter]].route:
                    tally = tallies.setdefault((name, route), [0, 0])
                    tally[0] += reading is not None
                    tally[1] += 1
        return [RouteProgress(*place, *tally) for place, tally in sorted(tallies.items())]
