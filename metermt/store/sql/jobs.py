"""What is to be read, in SQL."""

from collections.abc import Iterable, Mapping
from datetime import date
from functools import partial
from typing import Any, Final

from metermt.model import Job
from metermt.progress import Unread
from metermt.store.gathered import KnownJob
from metermt.store.sql.dialect import Row, Steps
from metermt.store.sql.places import METER, meter_of, row_of
from metermt.store.steps.jobs import Jobs

_COLUMNS = (*METER, "cycle", "route", "sequence", "previous", "previous_date")
_WITH_NOTE = (*_COLUMNS, "note")
WIDE: Final = len(_WITH_NOTE)
"""How many columns `JOB` has."""
JOB = ", ".join(f"jobs.{column}" for column in _WITH_NOTE)
"""The columns that `job_of` makes a job of."""
ROUTE: Final = _WITH_NOTE.index("route")
"""Which of them is the route."""
# CROSS JOIN, as SQLite keeps the order of its tables: the few open cycles come first, and their index gives the order.
OPEN_CYCLES: Final = "FROM cycles CROSS JOIN jobs"
# A subquery for each row, as a database might begin with any table of a join, and then had to sort all that are free.
IS_OPEN: Final = "(SELECT closed FROM cycles WHERE cycles.cycle = jobs.cycle) = 0"
_FIND = f"SELECT {JOB} FROM jobs WHERE meter {{among}} AND cycle = ?"
_ON_ROUTES = "SELECT meter FROM jobs WHERE route {among} AND cycle = ? ORDER BY route, sequence, meter"
_UNREAD = (
    "SELECT jobs.cycle, jobs.route, jobs.sequence, jobs.meter, jobs.address, leases.username, coalesce(leases.until, 0)"
    " FROM jobs LEFT JOIN leases ON leases.job = jobs.id WHERE jobs.cycle = ? AND jobs.reading IS NULL"
    " AND (jobs.route, jobs.sequence, jobs.meter) > (?, ?, ?) ORDER BY jobs.route, jobs.sequence, jobs.meter LIMIT ?"
)
_LIMITS = (
    "SELECT jobs.meter, limits.limits FROM jobs JOIN limits ON limits.job = jobs.id"
    " WHERE jobs.meter {among} AND jobs.cycle = ?"
)
_TO_PLACES = (
    "UPDATE jobs SET place = (SELECT id FROM places WHERE places.meter = jobs.meter) WHERE meter {among} AND cycle = ?"
)


class SqlJobs(Steps, Jobs):
    """The table `jobs`."""

    def find(self, cycle: str, meters: Iterable[str]) -> dict[str, Job]:
        return {row[0]: job_of(*row) for row in self._sql.rows_among(_FIND, meters, cycle)}

    def add(self, jobs: Iterable[Job]) -> None:
        cycles: dict[str, list[str]] = {}
        rows = []
        for job in jobs:
            rows.append((*_row_of(job), job.note))
            cycles.setdefault(job.cycle, []).append(job.meter.number)
        self._sql.insert("jobs", _WITH_NOTE, rows)
        for cycle, meters in cycles.items():
            self._sql.rows_among(_TO_PLACES, meters, cycle)

    def change(self, jobs: Iterable[Job]) -> None:
        rows = ((*_row_of(job), job.cycle, job.meter.number) for job in jobs)
        self._sql.update("jobs", _COLUMNS, ("cycle", "meter"), rows)

    def limits(self, cycle: str, meters: Iterable[str]) -> dict[str, str]:
        return dict(self._sql.rows_among(_LIMITS, meters, cycle))

    def ids(self, cycle: str, meters: Iterable[str]) -> dict[str, int]:
        return dict(self._sql.rows_among("SELECT meter, id FROM jobs WHERE meter {among} AND cycle = ?", meters, cycle))

    def set_limits(self, limits: Mapping[int, str]) -> None:
        then = "ON CONFLICT (job) DO UPDATE SET limits = excluded.limits"
        self._sql.insert("limits", ("job", "limits"), limits.items(), then)

    def remove(self, jobs: Iterable[int]) -> None:
        ids = list(jobs)
        for table in ("leases", "limits", "looks"):
            self._sql.delete(table, "job", ids)
        self._sql.delete("jobs", "id", ids)

    def on_routes(self, cycle: str, routes: Iterable[str]) -> list[str]:
        return [meter for (meter,) in self._sql.rows_among(_ON_ROUTES, routes, cycle)]

    def unread(self, cycle: str, most: int, after: tuple[str, int, str] = ("", -1, "")) -> list[Unread]:
        return [Unread(*row) for row in self._sql.rows(_UNREAD, cycle, *after, most)]


def job_of(*columns: Any) -> Job:
    """Make a job of the columns `JOB`."""
    cycle, route, sequence, previous, since, note = columns[7:]
    return Job(meter_of(*columns[:7]), cycle, route, sequence, previous, date_of(since), note)


def known_of(job_id: int, *columns: Any) -> KnownJob:
    """Make a job with its id, of that and the columns `JOB`."""
    return KnownJob(job_id, partial(job_of, *columns))


def _row_of(job: Job) -> Row:
    since = job.previous_date
    return (*row_of(job.meter), job.cycle, job.route, job.sequence, job.previous, since and since.isoformat())


def date_of(text: str | None) -> date | None:
    """Make a date of a column that may have none."""
    return date.fromisoformat(text) if text else None
