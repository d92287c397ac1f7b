"""What is to be read, in SQL."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from metermt.model import Job, JobState, Meter, RouteProgress, Standing, Unread
from metermt.store.gathered import KnownJob
from metermt.store.groups import LOOKS_BACK, Jobs
from metermt.store.sql.dialect import Row, Steps

_COLUMNS = (
    *("meter", "kind", "dials", "address", "instructions"),
    *("cycle", "route", "sequence", "previous", "previous_date"),
)
JOB = ", ".join(f"jobs.{column}" for column in _COLUMNS)
"""The ten columns that `job_of` makes a job of."""
_FIND = f"SELECT {JOB} FROM jobs WHERE meter {{among}} AND cycle = ?"
_STATES = {state.value: state for state in JobState}

# CROSS JOIN, as SQLite keeps the order of its tables: the few open cycles come first, and their index gives the order.
_OPEN_CYCLES = "FROM cycles CROSS JOIN jobs"
STANDINGS = (
    "SELECT jobs.id, jobs.meter, jobs.cycle, jobs.dials, jobs.state, readings.username, leases.username, leases.until,"
    " jobs.handed_to"
    f" {_OPEN_CYCLES} LEFT JOIN readings ON readings.id = jobs.reading LEFT JOIN leases ON leases.job = jobs.id"
    " WHERE cycles.closed = 0 AND jobs.cycle = cycles.cycle AND jobs.meter {among} ORDER BY cycles.cycle"
)
_CLOSED_HANDS = (
    "SELECT jobs.cycle, jobs.meter, coalesce(jobs.handed_to, '') FROM jobs"
    f" WHERE jobs.cycle IN (SELECT cycle FROM cycles WHERE closed = 1 ORDER BY cycle DESC LIMIT {LOOKS_BACK})"
    " AND jobs.meter {among}"
)
# A subquery for each row, as a database might begin with any table of a join, and then had to sort all that are free.
FREE = (
    f"SELECT jobs.id, {JOB} FROM jobs WHERE jobs.state = 'open' AND jobs.leased = 0"
    " AND (SELECT closed FROM cycles WHERE cycles.cycle = jobs.cycle) = 0"
    " ORDER BY jobs.cycle, jobs.route, jobs.sequence, jobs.meter LIMIT ?"
)
_ON_ROUTES = "SELECT meter FROM jobs WHERE route {among} AND cycle = ? ORDER BY route, sequence, meter"
_UNREAD = (
    "SELECT jobs.cycle, jobs.route, jobs.sequence, jobs.meter, jobs.address, leases.username, coalesce(leases.until, 0)"
    " FROM jobs LEFT JOIN leases ON leases.job = jobs.id WHERE jobs.cycle = ? AND jobs.reading IS NULL"
    " AND (jobs.route, jobs.sequence, jobs.meter) > (?, ?, ?) ORDER BY jobs.route, jobs.sequence, jobs.meter LIMIT ?"
)
_PROGRESS = (
    "SELECT jobs.cycle, jobs.route, count(*) FILTER (WHERE jobs.state = 'done'), count(*)"
    f" {_OPEN_CYCLES} WHERE cycles.closed = 0 AND jobs.cycle = cycles.cycle AND jobs.route <> ''"
    " GROUP BY jobs.cycle, jobs.route ORDER BY jobs.cycle, jobs.route"
)


class SqlJobs(Steps, Jobs):
    """The tables `cycles` and `jobs`."""

    def cycles(self) -> dict[str, bool]:
        return {
            cycle: not closed for cycle, closed in self._sql.rows("SELECT cycle, closed FROM cycles ORDER BY cycle")
        }

    def open_cycle(self, cycle: str) -> None:
        self._sql.insert("cycles", ("cycle",), [(cycle,)], "ON CONFLICT (cycle) DO NOTHING")

    def close_cycle(self, cycle: str) -> int:
        sql = self._sql
        [(missed,)] = sql.rows("SELECT count(*) FROM jobs WHERE cycle = ? AND state = 'open'", cycle)
        sql.rows("DELETE FROM leases WHERE (SELECT cycle FROM jobs WHERE id = leases.job) = ?", cycle)
        sql.rows("UPDATE jobs SET state = 'missed', leased = 0 WHERE cycle = ? AND state = 'open'", cycle)
        sql.rows("UPDATE cycles SET closed = 1 WHERE cycle = ?", cycle)
        return int(missed)

    def reopen_cycle(self, cycle: str) -> int:
        sql = self._sql
        [(missed,)] = sql.rows("SELECT count(*) FROM jobs WHERE cycle = ? AND state = 'missed'", cycle)
        sql.rows("UPDATE jobs SET state = 'open' WHERE cycle = ? AND state = 'missed'", cycle)
        sql.rows("UPDATE cycles SET closed = 0 WHERE cycle = ?", cycle)
        return int(missed)

    def find(self, cycle: str, meters: Iterable[str]) -> dict[str, Job]:
        return {row[0]: job_of(*row) for row in self._sql.rows_among(_FIND, meters, cycle)}

    def add(self, jobs: Iterable[Job]) -> None:
        self._sql.insert("jobs", _COLUMNS, map(_row_of, jobs))

    def change(self, jobs: Iterable[Job]) -> None:
        rows = ((*_row_of(job), job.cycle, job.meter.number) for job in jobs)
        self._sql.update("jobs", _COLUMNS, ("cycle", "meter"), rows)

    def remove(self, jobs: Iterable[int]) -> None:
        ids = list(jobs)
        self._sql.delete("leases", "job", ids)
        self._sql.delete("jobs", "id", ids)

    def on_routes(self, cycle: str, routes: Iterable[str]) -> list[str]:
        return [meter for (meter,) in self._sql.rows_among(_ON_ROUTES, routes, cycle)]

    def unread(self, cycle: str, most: int, after: tuple[str, int, str] = ("", -1, "")) -> list[Unread]:
        return [Unread(*row) for row in self._sql.rows(_UNREAD, cycle, *after, most)]

    def standings(self, meters: Iterable[str]) -> list[Standing]:
        return [standing_of(*row) for row in self._sql.rows_among(STANDINGS, meters)]

    def closed_hands(self, meters: Iterable[str]) -> dict[tuple[str, str], str]:
        latest: dict[tuple[str, str], str] = {}
        for cycle, meter, username in sorted(self._sql.rows_among(_CLOSED_HANDS, meters)):
            latest[meter, username] = latest[meter, ""] = cycle
        return latest

    def free(self, most: int) -> list[KnownJob]:
        return [KnownJob(row[0], job_of(*row[1:])) for row in self._sql.rows(FREE, most)]

    def progress(self) -> list[RouteProgress]:
        return [RouteProgress(*row) for row in self._sql.rows(_PROGRESS)]


def standing_of(*columns: Any) -> Standing:
    """Make a standing of the columns of `STANDINGS`."""
    job, meter, cycle, dials, state, read_by, leased_to, until, handed_to = columns
    return Standing(job, meter, cycle, dials, _STATES[state], read_by, leased_to, until or 0.0, handed_to)


def job_of(*columns: Any) -> Job:
    """Make a job of the columns `JOB`."""
    number, kind, dials, address, instructions, cycle, route, sequence, previous, since = columns
    meter = Meter(number, kind, dials, address, instructions)
    return Job(meter, cycle, route, sequence, previous, since and date.fromisoformat(since))


def _row_of(job: Job) -> Row:
    meter, since = job.meter, job.previous_date
    return (
        *(meter.number, meter.kind, meter.dials, meter.address, meter.instructions),
        *(job.cycle, job.route, job.sequence, job.previous, since and since.isoformat()),
    )
