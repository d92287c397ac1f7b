"""What readers may be handed, in SQL."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from metermt.model import JobState, Standing, Walk
from metermt.quality import Look
from metermt.rules.finding import is_meant
from metermt.store.gathered import KnownJob
from metermt.store.sql.dialect import Steps
from metermt.store.sql.jobs import IS_OPEN, JOB, OPEN_CYCLES, ROUTE, known_of
from metermt.store.steps.rounds import LOOKS_BACK, Rounds

_STATES = {state.value: state for state in JobState}
STANDINGS = (
    "SELECT jobs.id, jobs.meter, jobs.cycle, jobs.dials, jobs.state,"
    " CASE readings.quality WHEN 'E' THEN NULL WHEN 'F' THEN '' ELSE readings.username END,"
    " leases.username, leases.until,"
    " jobs.handed_to, limits.limits, looks.username, looks.value, looks.key,"
    " readings.value, readings.reason"
    f" {OPEN_CYCLES} LEFT JOIN readings ON readings.id = jobs.reading LEFT JOIN leases ON leases.job = jobs.id"
    " LEFT JOIN limits ON limits.job = jobs.id LEFT JOIN looks ON looks.job = jobs.id"
    " WHERE cycles.closed = 0 AND jobs.cycle = cycles.cycle AND jobs.meter {among} ORDER BY cycles.cycle"
)
_CLOSED_HANDS = (
    "SELECT jobs.cycle, jobs.meter, coalesce(jobs.handed_to, '') FROM jobs"
    f" WHERE jobs.cycle IN (SELECT cycle FROM cycles WHERE closed = 1 ORDER BY cycle DESC LIMIT {LOOKS_BACK})"
    " AND jobs.meter {among}"
)


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
_ROUTE = 1 + ROUTE  # in a row of these
_WILD = 50  # times as many are looked at where a text has letters that databases do not write small
_SEARCH = {
    on: f"SELECT jobs.id, {JOB} FROM jobs WHERE jobs.cycle = ? AND jobs.route {on}"
    " AND (lower(jobs.meter) LIKE ? ESCAPE '!' OR lower(jobs.address) LIKE ? ESCAPE '!')"
    " ORDER BY jobs.cycle, jobs.route, jobs.sequence, jobs.meter LIMIT ?"
    for on in ("= ?", ">= ?")
}


class SqlRounds(Steps, Rounds):
    """The table `jobs`, and what else is known of those in the open cycles."""

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

    def search(self, text: str, most: int, route: str | None = None) -> list[KnownJob]:
        pattern, wanted = _pattern_of(text), most if text.isascii() else most * _WILD
        on, name = (">= ?", "") if route is None else ("= ?", route)
        found: list[KnownJob] = []
        for (cycle,) in self._sql.rows("SELECT cycle FROM cycles WHERE closed = 0 ORDER BY cycle"):
            rows = self._sql.rows(_SEARCH[on], cycle, name, pattern, pattern, wanted)
            known = (known_of(*row) for row in rows)
            found += [one for one in known if is_meant(text, one.job)]
        return found[:most]

    def skip(self, jobs: Iterable[int]) -> None:
        ids = list(jobs)
        self._sql.delete("leases", "job", ids)
        self._sql.update("jobs", ("state", "leased"), ("id",), [("skipped", 0, job) for job in ids])


def standing_of(*columns: Any) -> Standing:
    """Make a standing of the columns of `STANDINGS`."""
    job, meter, cycle, dials, state, read_by, leased_to, until, handed_to, limits, asked, *rest = columns
    doubted, key, value, reason = rest
    look = Look(asked, doubted, key) if asked else None
    held = (leased_to, until or 0.0, handed_to)
    return Standing(job, meter, cycle, dials, _STATES[state], read_by, *held, limits, look, value, reason or "")


def _pattern_of(text: str) -> str:
    """Return a pattern that all those fit which are meant by a text, and perhaps others.

    Databases do not agree on which letters but those of ASCII have small ones: any other fits any letter.
    """
    return "%" + "".join(f"!{one}" if one in "!%_" else one if one.isascii() else "_" for one in text.lower()) + "%"
