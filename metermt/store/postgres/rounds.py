"""What readers are handed and send, while those at other servers are, too."""

from collections.abc import Iterable, Mapping, Sequence

from psycopg import errors

from metermt.model import Lease, Reading, Standing, Walk
from metermt.store.gathered import KnownJob
from metermt.store.postgres.keeping import Keeping
from metermt.store.postgres.sql import PostgresSql, as_json
from metermt.store.sql.jobs import JOB, known_of
from metermt.store.sql.leases import SqlLeases
from metermt.store.sql.readings import SqlReadings
from metermt.store.sql.rounds import STANDINGS, SqlRounds, free_on, standing_of


class PostgresRounds(SqlRounds):
    """Jobs that other servers hand out, too."""

    def __init__(self, sql: PostgresSql, keeping: Keeping) -> None:
        super().__init__(sql)
        self._postgres = sql
        self._keeping = keeping

    def standings(self, meters: Iterable[str]) -> list[Standing]:
        found = []
        for reading, leased, *standing in self._sql.rows_among(_STANDINGS, meters):
            found.append(standing_of(*standing))
            self._keeping.gathered[found[-1].job] = reading, leased
        return found

    def free(self, most: Mapping[Walk, int]) -> dict[Walk, list[KnownJob]]:
        if not self._postgres.writes:
            return super().free(most)
        found: dict[Walk, list[KnownJob]] = {walk: [] for walk in most}
        for state in ("open", "skipped"):
            self._add_free(found, most, state)
        short = {walk: number for walk, number in most.items() if len(found[walk]) < number}
        if short and self._postgres.may_want_more:
            there = super().free(short)
            if any(len(there[walk]) > len(found[walk]) for walk in short):
                raise errors.SerializationFailure("the last free jobs are locked, by who may not take them")
        return found

    def _add_free(self, found: dict[Walk, list[KnownJob]], most: Mapping[Walk, int], state: str) -> None:
        """Add free jobs in a state, and lock them, for those walks that have not as many as they want."""
        for reverse in (False, True):
            wanted = [
                (number, walk.route, most[walk] - len(found[walk]))
                for number, walk in enumerate(most)
                if walk.reverse is reverse and len(found[walk]) < most[walk]
            ]
            if not wanted:
                continue
            walks = list(most)
            for number, *job in self._sql.rows(_FREE[state, reverse], as_json(("n", "route", "most"), wanted)):
                found[walks[number]].append(known_of(*job))


_FREE = {
    (state, reverse): f"""
        SELECT wanted.n, found.* FROM json_to_recordset(?) AS wanted(n BIGINT, route TEXT, most BIGINT)
        CROSS JOIN LATERAL (
            {free_on(state, "wanted.route", "wanted.most", reverse=reverse)} FOR UPDATE OF jobs SKIP LOCKED
        ) AS found ORDER BY wanted.n
    """
    for state in ("open", "skipped")
    for reverse in (False, True)
}
_STANDINGS = STANDINGS.replace("SELECT ", "SELECT jobs.reading, jobs.leased, ", 1)


class PostgresLeases(SqlLeases):
    """Leases that other servers end, too."""

    def __init__(self, sql: PostgresSql, keeping: Keeping) -> None:
        super().__init__(sql)
        self._keeping = keeping

    def end_expired(self, now: float) -> None:
        self._keeping.gathered.clear()
        self._sql.rows(_END_EXPIRED, now)

    def end(self, jobs: Iterable[int]) -> None:
        self._keeping.gathered.clear()
        super().end(jobs)

    def held(self, most: Mapping[str, int]) -> dict[str, list[KnownJob]]:
        held: dict[str, list[KnownJob]] = {}
        rows = self._sql.rows(_HELD, as_json(("session", "most"), sorted(most.items()))) if most else []
        for session, *job in rows:
            held.setdefault(session, []).append(known_of(*job))
        return held

    def left(self, most: Mapping[str, int]) -> dict[str, list[KnownJob]]:
        left: dict[str, list[KnownJob]] = {}
        rows = self._sql.rows(_LEFT, as_json(("username", "most"), sorted(most.items()))) if most else []
        for username, *job in rows:
            left.setdefault(username, []).append(known_of(*job))
        return {username: jobs[: most[username]] for username, jobs in left.items()}

    def put(self, leases: Iterable[Lease]) -> None:
        self._keeping.keep(leases=list(leases))


_END_EXPIRED = """
    WITH ended AS (
        DELETE FROM leases WHERE job IN (SELECT job FROM leases WHERE until <= ? FOR UPDATE SKIP LOCKED) RETURNING job
    )
    UPDATE jobs SET leased = 0 FROM ended WHERE jobs.id = ended.job
"""
# BETWEEN and not =, with which PostgreSQL may walk through all leases by their jobs, as these are in order already.
_HELD_BY = (
    f"SELECT leases.job, {JOB} FROM leases JOIN jobs ON jobs.id = leases.job"
    " WHERE leases.session BETWEEN {session} AND {session} ORDER BY leases.session, leases.job LIMIT wanted.most"
)
_HELD = f"""
    SELECT wanted.session, found.* FROM json_to_recordset(?) AS wanted(session TEXT, most BIGINT)
    CROSS JOIN LATERAL ({_HELD_BY.format(session="wanted.session")}) AS found ORDER BY wanted.session, found.job
"""
_LEFT = f"""
    SELECT wanted.username, found.* FROM json_to_recordset(?) AS wanted(username TEXT, most BIGINT)
    JOIN sessions ON sessions.username = wanted.username AND sessions.server IS NULL
    CROSS JOIN LATERAL ({_HELD_BY.format(session="sessions.key")}) AS found ORDER BY wanted.username, found.job
"""


class PostgresReadings(SqlReadings):
    """Readings of jobs that other servers lease and read, too."""

    def __init__(self, sql: PostgresSql, keeping: Keeping) -> None:
        super().__init__(sql)
        self._keeping = keeping

    def add(self, readings: Sequence[tuple[int, Reading]]) -> None:
        self._keeping.keep(readings)

    def count(self, more: Mapping[tuple[str, str], int]) -> None:
        self._keeping.keep(done=more)
