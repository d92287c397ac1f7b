"""How far the work is, in SQL."""

from collections.abc import Iterable

from metermt.progress import ClosedCounts, RouteCounts, RouteProgress
from metermt.store.sql.dialect import Steps
from metermt.store.sql.jobs import OPEN_CYCLES
from metermt.store.steps.progress import Progress

_ROUTES = (
    "SELECT jobs.route, count(readings.value), count(readings.id) - count(readings.value),"
    " count(*) FILTER (WHERE jobs.state = 'skipped'), count(*) FILTER (WHERE jobs.state IN ('open', 'missed')),"
    " count(*) FILTER (WHERE readings.quality = 'E')"
    " FROM jobs LEFT JOIN readings ON readings.id = jobs.reading WHERE jobs.cycle = ? AND jobs.route "
)
_IN_GROUPS = " GROUP BY jobs.route ORDER BY jobs.route"
_ALL_ROUTES, _ONE_ROUTE = (f"{_ROUTES}{which}{_IN_GROUPS}" for which in (">= ''", "= ?"))
# By indexes of what is rare in them, as no closed cycle is to be gone through.
_ALL_OF = "SELECT cycle, count(*) FROM jobs WHERE cycle {among} GROUP BY cycle"
_MISSED_OF = "SELECT cycle, count(*) FROM jobs WHERE state = 'missed' AND cycle {among} GROUP BY cycle"
_UNUSUAL_OF = (
    "SELECT jobs.cycle, count(*) - count(readings.value), count(*) FILTER (WHERE readings.quality = 'E')"
    " FROM readings CROSS JOIN jobs WHERE (readings.value IS NULL OR readings.quality = 'E')"
    " AND jobs.id = readings.job AND jobs.reading = readings.id AND jobs.cycle {among} GROUP BY jobs.cycle"
)
_PROGRESS = (
    "SELECT jobs.cycle, jobs.route, count(*) FILTER (WHERE jobs.state = 'done'), count(*)"
    f" {OPEN_CYCLES} WHERE cycles.closed = 0 AND jobs.cycle = cycles.cycle AND jobs.route <> ''"
    " GROUP BY jobs.cycle, jobs.route ORDER BY jobs.cycle, jobs.route"
)


class SqlProgress(Steps, Progress):
    """The table `jobs`, and the readings that count there."""

    def routes(self, cycle: str, only: str | None = None) -> list[RouteCounts]:
        rows = self._sql.rows(_ALL_ROUTES, cycle) if only is None else self._sql.rows(_ONE_ROUTE, cycle, only)
        return [RouteCounts(*row) for row in rows]

    def closed(self, cycles: Iterable[str]) -> dict[str, ClosedCounts]:
        asked = list(cycles)
        missed: dict[str, int] = dict(self._sql.rows_among(_MISSED_OF, asked))
        unusual = {cycle: counts for cycle, *counts in self._sql.rows_among(_UNUSUAL_OF, asked)}
        found = dict.fromkeys(asked, ClosedCounts(0, 0, 0, 0))
        for cycle, jobs in self._sql.rows_among(_ALL_OF, asked):
            no_access, estimated = unusual.get(cycle, (0, 0))
            not_read = missed.get(cycle, 0)
            found[cycle] = ClosedCounts(jobs - not_read - no_access, no_access, not_read, estimated)
        return found

    def open_routes(self) -> list[RouteProgress]:
        return [RouteProgress(*row) for row in self._sql.rows(_PROGRESS)]
