"""What is to be read, in SQL."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from functools import partial
from typing import Any, Final

from metermt.model import Job, JobState, Standing, Walk
from metermt.progress import ClosedCounts, RouteCounts, RouteProgress, Unread
from metermt.quality import Look
from metermt.rules.finding import is_meant
from metermt.store.gathered import KnownJob
from metermt.store.sql.dialect import Row, Steps
from metermt.store.sql.places import METER, meter_of, row_of
from metermt.store.steps.rounds import LOOKS_BACK, Jobs

_COLUMNS = (*METER, "cycle", "route", "sequence", "previous", "previous_date")
_WITH_NOTE = (*_COLUMNS, "note")
WIDE: Final = len(_WITH_NOTE)
"""How many columns `JOB` has."""
JOB = ", ".join(f"jobs.{column}" for column in _WITH_NOTE)
"""The columns that `job_of` makes a job of."""
_FIND = f"SELECT {JOB} FROM jobs WHERE meter {{among}} AND cycle = ?"
_STATES = {state.value: state for state in JobState}

# CROSS JOIN, as SQLite keeps the order of its tables: the few open cycles come first, and their index gives the order.
_OPEN_CYCLES = "FROM cycles CROSS JOIN jobs"
STANDINGS = (
    "SELECT jobs.id, jobs.meter, jobs.cycle, jobs.dials, jobs.state,"
    " CASE readings.quality WHEN 'E' THEN NULL WHEN 'F' THEN '' ELSE readings.username END,"
    " leases.username, leases.until,"
    " jobs.handed_to, limits.limits, looks.username, looks.value, looks.key,"
    " readings.value, readings.reason"
    f" {_OPEN_CYCLES} LEFT JOIN readings ON readings.id = jobs.reading LEFT JOIN leases ON leases.job = jobs.id"
    " LEFT JOIN limits ON limits.job = jobs.id LEFT JOIN looks ON looks.job = jobs.id"
    " WHERE cycles.closed = 0 AND jobs.cycle = cycles.cycle AND jobs.meter {among} ORDER BY cycles.cycle"
)
_CLOSED_HANDS = (
    "SELECT jobs.cycle, jobs.meter, coalesce(jobs.handed_to, '') FROM jobs"
    f" WHERE jobs.cycle IN (SELECT cycle FROM cycles WHERE closed = 1 ORDER BY cycle DESC LIMIT {LOOKS_BACK})"
    " AND jobs.meter {among}"
)
# A subquery for each row, as a database might begin with any table of a join, and then had to sort all that are free.
IS_OPEN: Final = "(SELECT closed FROM cycles WHERE cycles.cycle = jobs.cycle) = 0"


def _routes_left(state: str) -> str:
    """Return a statement for how many jobs in a state are leased to nobody, by open cycle and route.

    From route to route by an index, in which so many of each are counted at most.
    """
    free = f"jobs.state = '{state}' AND jobs.leased = 0"
    return (
        f"WITH RECURSIVE found(route) AS (SELECT min(route) FROM jobs WHERE {free} UNION ALL"
        f" SELECT (SELECT min(route) FROM jobs WHERE {free} AND jobs.route > found.route) FROM found"
        " WHERE found.route IS NOT NULL)"
        " SELECT cycles.cycle, found.route, (SELECT count(*) FROM (SELECT 1 FROM jobs"
        f" WHERE {free} AND jobs.route = found.route AND jobs.cycle = cycles.cycle LIMIT ?) AS first)"
        " FROM cycles CROSS JOIN found WHERE cycles.closed = 0 AND found.route IS NOT NULL"
    )


def free_on(state: str, route: str, most: str, *, reverse: bool) -> str:
    """Return a statement for the next jobs on a route that are in a state and leased to nobody."""
    way = " DESC" if reverse else ""
    return (
        f"SELECT jobs.id, {JOB} FROM jobs WHERE jobs.state = '{state}' AND jobs.leased = 0 AND jobs.route = {route}"
        f" AND {IS_OPEN} ORDER BY jobs.cycle{way}, jobs.sequence{way}, jobs.meter{way} LIMIT {most}"
    )


_ROUTES_LEFT = [_routes_left(state) for state in ("open", "skipped")]
_FREE = {
    (state, reverse): free_on(state, "?", "?", reverse=reverse)
    for state in ("open", "skipped")
    for reverse in (False, True)
}
_ROUTE = 1 + _WITH_NOTE.index("route")  # in a row of these
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
_WILD = 50  # times as many are looked at where a text has letters that databases do not write small
_SEARCH = {
    on: f"SELECT jobs.id, {JOB} FROM jobs WHERE jobs.cycle = ? AND jobs.route {on}"
    " AND (lower(jobs.meter) LIKE ? ESCAPE '!' OR lower(jobs.address) LIKE ? ESCAPE '!')"
    " ORDER BY jobs.cycle, jobs.route, jobs.sequence, jobs.meter LIMIT ?"
    for on in ("= ?", ">= ?")
}
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
    f" {_OPEN_CYCLES} WHERE cycles.closed = 0 AND jobs.cycle = cycles.cycle AND jobs.route <> ''"
    " GROUP BY jobs.cycle, jobs.route ORDER BY jobs.cycle, jobs.route"
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

    def standings(self, meters: Iterable[str]) -> list[Standing]:
        return [standing_of(*row) for row in self._sql.rows_among(STANDINGS, meters)]

    def closed_hands(self, meters: Iterable[str]) -> dict[tuple[str, str], str]:
        latest: dict[tuple[str, str], str] = {}
        for cycle, meter, username in sorted(self._sql.rows_among(_CLOSED_HANDS, meters)):
            latest[meter, username] = latest[meter, ""] = cycle
        return latest

    def free(self, most: Mapping[Walk, int]) -> dict[Walk, list[KnownJob]]:
        wanted: dict[tuple[str, bool], int] = {}  # an assigned walk goes the same way as one that is not
        for walk, number in most.items():
            way = walk.route, walk.reverse
            wanted[way] = max(number, wanted.get(way, 0))
        found: dict[tuple[str, bool], list[KnownJob]] = {way: [] for way in wanted}
        for (_, reverse), statement in _FREE.items():
            ways = [(way, number - len(found[way])) for way, number in wanted.items() if way[1] is reverse]
            short = [(route, missing) for (route, _), missing in ways if missing > 0]
            for row in self._sql.rows_for_each(statement, short) if short else ():
                found[row[_ROUTE], reverse].append(known_of(*row))
        return {walk: found[walk.route, walk.reverse][:number] for walk, number in most.items()}

    def routes_left(self, most: int) -> dict[str, int]:
        left: Counter[tuple[str, str]] = Counter()
        for statement in _ROUTES_LEFT:
            for cycle, route, jobs in self._sql.rows(statement, most):
                left[cycle, route] += jobs
        routes: Counter[str] = Counter()
        for (_, route), jobs in sorted(left.items()):
            if jobs:
                routes[route] += jobs
        return dict(routes)

    def skip(self, jobs: Iterable[int]) -> None:
        ids = list(jobs)
        self._sql.delete("leases", "job", ids)
        self._sql.update("jobs", ("state", "leased"), ("id",), [("skipped", 0, job) for job in ids])

    def search(self, text: str, most: int, route: str | None = None) -> list[KnownJob]:
        pattern, wanted = _pattern_of(text), most if text.isascii() else most * _WILD
        on, name = (">= ?", "") if route is None else ("= ?", route)
        found: list[KnownJob] = []
        for (cycle,) in self._sql.rows("SELECT cycle FROM cycles WHERE closed = 0 ORDER BY cycle"):
            rows = self._sql.rows(_SEARCH[on], cycle, name, pattern, pattern, wanted)
            known = (known_of(*row) for row in rows)
            found += [one for one in known if is_meant(text, one.job)]
        return found[:most]

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

    def progress(self) -> list[RouteProgress]:
        return [RouteProgress(*row) for row in self._sql.rows(_PROGRESS)]


def standing_of(*columns: Any) -> Standing:
    """Make a standing of the columns of `STANDINGS`."""
    job, meter, cycle, dials, state, read_by, leased_to, until, handed_to, limits, asked, *rest = columns
    doubted, key, value, reason = rest
    look = Look(asked, doubted, key) if asked else None
    held = (leased_to, until or 0.0, handed_to)
    return Standing(job, meter, cycle, dials, _STATES[state], read_by, *held, limits, look, value, reason or "")


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


def _pattern_of(text: str) -> str:
    """Return a pattern that all those fit which are meant by a text, and perhaps others.

    Databases do not agree on which letters but those of ASCII have small ones: any other fits any letter.
    """
    return "%" + "".join(f"!{one}" if one in "!%_" else one if one.isascii() else "_" for one in text.lower()) + "%"


def date_of(text: str | None) -> date | None:
    """Make a date of a column that may have none."""
    return date.fromisoformat(text) if text else None
