"""Who was handed what, in SQL."""

from collections.abc import Iterable, Mapping
from functools import partial
from operator import attrgetter

from metermt.model import Job, Lease
from metermt.store.gathered import KnownJob
from metermt.store.sql.dialect import Steps
from metermt.store.sql.jobs import JOB, job_of
from metermt.store.steps.rounds import Leases

_COLUMNS = ("job", "username", "session", "until")
_REPLACE = (
    "ON CONFLICT (job) DO UPDATE SET username = excluded.username, session = excluded.session, until = excluded.until"
)
_HAND = "UPDATE jobs SET leased = 1, handed_to = ? WHERE id = ? AND (leased = 0 OR handed_to IS DISTINCT FROM ?)"
# Only open jobs are leased: this need not ask how a job or its cycle is.
_HELD = "SELECT session, job FROM leases WHERE session = ? ORDER BY job LIMIT ?"
_HELD_BY = "SELECT session, job FROM leases WHERE session {among} ORDER BY session, job LIMIT ?"
_JOB = f"SELECT {JOB} FROM jobs WHERE id = ?"
_OF_ROUTES = (
    "SELECT leases.job FROM leases JOIN jobs ON jobs.id = leases.job WHERE jobs.route {among} ORDER BY leases.job"
)
_HOLDERS = (
    "SELECT holder, count(*) FROM"
    " (SELECT CASE WHEN until > ? THEN username ELSE '' END AS holder FROM leases) AS held GROUP BY holder"
)
_LEFT = (
    "SELECT username, key FROM sessions WHERE username {among} AND server IS NULL"
    " AND EXISTS (SELECT 1 FROM leases WHERE leases.session = sessions.key)"
)


class SqlLeases(Steps, Leases):
    """The table `leases`.

    `jobs.leased` tells that there is one, for the index of free jobs, and `jobs.handed_to` whose the last one was.
    """

    def end_expired(self, now: float) -> None:
        self.end(job for (job,) in self._sql.rows("SELECT job FROM leases WHERE until <= ?", now))

    def held(self, most: Mapping[str, int]) -> dict[str, list[KnownJob]]:
        enough = sum(most.values()) + 1
        rows = self._sql.rows_among(_HELD_BY, most, enough)
        if len(rows) == enough:  # one of them has many jobs ahead, and the others were not reached
            rows = self._sql.rows_for_each(_HELD, most.items())
        held: dict[str, list[KnownJob]] = {}
        for session, job in rows:
            jobs = held.setdefault(session, [])
            if len(jobs) < most[session]:
                jobs.append(KnownJob(job, partial(self._job, job)))
        return held

    def _job(self, job_id: int) -> Job:
        """Look a job up: of what is held, nearly all is answered in the same turn, and nobody looks at it."""
        (columns,) = self._sql.rows(_JOB, job_id)
        return job_of(*columns)

    def holders(self, now: float) -> dict[str, int]:
        return {username: int(jobs) for username, jobs in self._sql.rows(_HOLDERS, now)}

    def left(self, most: Mapping[str, int]) -> dict[str, list[KnownJob]]:
        sessions = self._sql.rows_among(_LEFT, most)
        if not sessions:  # as nearly always
            return {}
        held = self.held({key: most[username] for username, key in sessions})
        left: dict[str, list[KnownJob]] = {}
        for username, key in sessions:
            if key in held:
                left[username] = sorted(left.get(username, []) + held[key], key=attrgetter("id"))[: most[username]]
        return left

    def put(self, leases: Iterable[Lease]) -> None:
        rows = [(lease.job, lease.username, lease.session, lease.until) for lease in leases]
        self._sql.insert("leases", _COLUMNS, rows, _REPLACE)
        self._sql.rows_for_each(_HAND, [(username, job, username) for job, username, *_ in rows])

    def shorten(self, after: float, to: float) -> None:
        self._sql.rows("UPDATE leases SET until = ? WHERE until > ?", to, after)

    def of_routes(self, routes: Iterable[str]) -> list[int]:
        return [job for (job,) in self._sql.rows_among(_OF_ROUTES, routes)]

    def end(self, jobs: Iterable[int]) -> None:
        if ids := list(jobs):
            self._sql.delete("leases", "job", ids)
            self._sql.update("jobs", ("leased",), ("id",), [(0, job) for job in ids])

    def end_of(self, sessions: Iterable[str]) -> None:
        self.end(job for (job,) in self._sql.rows_among("SELECT job FROM leases WHERE session {among}", sessions))
