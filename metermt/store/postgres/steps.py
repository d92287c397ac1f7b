"""The steps that PostgreSQL takes in a way of its own: in few statements, and without keeping other servers waiting.

Nothing that another server may want is locked between two statements but free jobs, which it skips. What was gathered
may have changed by the time that something is kept: then all of it is taken back, and the work is run again.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from metermt.model import Account, Job, Lease, Reading, Standing
from metermt.rules.handout import Wish
from metermt.store.base import Key, KnownJob, Offer, Tx, wanted
from metermt.store.postgres.sql import CLOSING, PostgresSql, as_json
from metermt.store.sql import accounts as in_accounts
from metermt.store.sql import jobs as in_sql
from metermt.store.sql.accounts import SqlAccounts
from metermt.store.sql.jobs import JOB, SqlJobs, job_of
from metermt.store.sql.leases import SqlLeases
from metermt.store.sql.readings import COLUMNS, READING, SqlReadings, reading_of, row_of
from metermt.store.sql.servers import SqlServers
from metermt.store.sql.sessions import SqlSessions

_FEW = 100  # jobs; of more, those that sessions hold are looked up before free ones are looked for
_PAGE = 2000  # jobs of an export that are read at once: a snapshot that is kept open makes all that is written slower


def transaction_on(sql: PostgresSql) -> Tx:
    """Return the steps in one transaction."""
    return PostgresTx(sql)


class PostgresTx(Tx):
    """Steps that go to the database together where they can."""

    def __init__(self, sql: PostgresSql) -> None:
        gathered: Gathered = {}
        self._sql = sql
        self.accounts = PostgresAccounts(sql)
        self.sessions = SqlSessions(sql)
        self.jobs = PostgresJobs(sql, gathered)
        self.leases = PostgresLeases(sql, gathered)
        self.readings = PostgresReadings(sql, gathered)
        self.servers = SqlServers(sql)

    def facts_of(self, keys: Collection[Key], meters: Collection[str]) -> tuple[dict[Key, Reading], list[Standing]]:
        with self._sql.ahead():
            super().facts_of(keys, meters)
        return super().facts_of(keys, meters)

    def offer(self, wishes: Sequence[Wish], now: float) -> Offer:
        sessions, users = wanted(wishes, lambda wish: wish.session), wanted(wishes, lambda wish: wish.username)
        most = sum(sessions.values())
        if most > _FEW:
            return super().offer(wishes, now)
        self.leases.end_expired(now)
        with self._sql.ahead():  # more free ones than are missing, perhaps: the next who looks for some skips them
            self.leases.held(sessions)
            self.leases.left(users)
            self.jobs.free(most)
            self.readings.tallies(users)  # whoever wants a job will want to know
        return Offer(self.leases.held(sessions), self.leases.left(users), self.jobs.free(most))


class PostgresAccounts(SqlAccounts):
    """Accounts that other servers change, too."""

    def __init__(self, sql: PostgresSql) -> None:
        super().__init__(sql)
        self._missing: set[str] = set()
        self._find = f"{in_accounts.FIND} ORDER BY username FOR NO KEY UPDATE" if sql.writes else in_accounts.FIND

    def find(self, usernames: Iterable[str]) -> dict[str, Account]:
        asked = set(usernames)
        found = {row[0]: in_accounts.account_of(row) for row in self._sql.rows_among(self._find, asked)}
        self._missing |= asked - found.keys()
        return found

    def put(self, accounts: Iterable[Account]) -> None:
        there = list(accounts)
        # One that was looked for and not found may have been added since: that is for a rule to say, so run it again.
        new = [in_accounts.row_of(one) for one in there if one.user.username in self._missing]
        self._sql.insert("users", in_accounts.COLUMNS, new)
        super().put(one for one in there if one.user.username not in self._missing)
        self._missing -= {one.user.username for one in there}


Gathered = dict[int, tuple[int | None, int]]
"""Of each job that was asked about, its reading and whether it was leased."""


class PostgresJobs(SqlJobs):
    """Jobs that other servers lease and read, too."""

    def __init__(self, sql: PostgresSql, gathered: Gathered) -> None:
        super().__init__(sql)
        self._gathered = gathered
        self._lock = " FOR UPDATE OF jobs SKIP LOCKED" if sql.writes else ""

    def close_cycle(self, cycle: str) -> int:
        self._sql.rows("SELECT pg_advisory_xact_lock(?)", CLOSING)
        return super().close_cycle(cycle)

    def standings(self, meters: Iterable[str]) -> list[Standing]:
        found = []
        for reading, leased, *standing in self._sql.rows_among(_STANDINGS, meters):
            found.append(in_sql.standing_of(*standing))
            self._gathered[found[-1].job] = reading, leased
        return found

    def free(self, most: int) -> list[KnownJob]:
        # Written out, as PostgreSQL would plan for some tenth of all jobs where it is not told how many are wanted.
        limited = in_sql.FREE.replace("LIMIT ?", f"LIMIT {most:d}")
        return [KnownJob(row[0], job_of(*row[1:])) for row in self._sql.rows(limited + self._lock)]


_STANDINGS = in_sql.STANDINGS.replace("SELECT ", "SELECT jobs.reading, jobs.leased, ", 1)


class PostgresLeases(SqlLeases):
    """Leases that other servers end, too."""

    def __init__(self, sql: PostgresSql, gathered: Gathered) -> None:
        super().__init__(sql)
        self._postgres = sql
        self._gathered = gathered

    def end_expired(self, now: float) -> None:
        self._gathered.clear()  # what this transaction changes itself is not what it has gathered any more
        self._postgres.keep(_END_EXPIRED, now)

    def end_of(self, sessions: Iterable[str]) -> None:
        self._gathered.clear()
        super().end_of(sessions)

    def held(self, most: Mapping[str, int]) -> dict[str, list[KnownJob]]:
        held: dict[str, list[KnownJob]] = {}
        rows = self._sql.rows(_HELD, as_json(("session", "most"), sorted(most.items()))) if most else []
        for session, job_id, *job in rows:
            held.setdefault(session, []).append(KnownJob(job_id, job_of(*job)))
        return held

    def left(self, most: Mapping[str, int]) -> dict[str, list[KnownJob]]:
        left: dict[str, list[KnownJob]] = {}
        rows = self._sql.rows(_LEFT, as_json(("username", "most"), sorted(most.items()))) if most else []
        for username, job_id, *job in rows:
            left.setdefault(username, []).append(KnownJob(job_id, job_of(*job)))
        return {username: jobs[: most[username]] for username, jobs in left.items()}

    def put(self, leases: Iterable[Lease]) -> None:
        self._gathered.clear()
        told = as_json(("job", "username", "session", "until"), map(_row_of_lease, leases))
        if told:
            self._postgres.keep(_PUT, told)


_END_EXPIRED = """
    WITH ended AS (
        DELETE FROM leases WHERE job IN (SELECT job FROM leases WHERE until <= ? FOR UPDATE SKIP LOCKED) RETURNING job
    )
    UPDATE jobs SET leased = 0 FROM ended WHERE jobs.id = ended.job
"""
_LEASED_JOBS = f"SELECT leases.job, {JOB} FROM leases JOIN jobs ON jobs.id = leases.job WHERE leases.session ="
_HELD = f"""
    SELECT wanted.session, found.* FROM json_to_recordset(?) AS wanted(session TEXT, most BIGINT)
    CROSS JOIN LATERAL ({_LEASED_JOBS} wanted.session ORDER BY leases.job LIMIT wanted.most) AS found
    ORDER BY wanted.session, found.job
"""
_LEFT = f"""
    SELECT wanted.username, found.* FROM json_to_recordset(?) AS wanted(username TEXT, most BIGINT)
    JOIN sessions ON sessions.username = wanted.username AND sessions.server IS NULL
    CROSS JOIN LATERAL ({_LEASED_JOBS} sessions.key ORDER BY leases.job LIMIT wanted.most) AS found
    ORDER BY wanted.username, found.job
"""
_PUT = """
    WITH new AS (SELECT DISTINCT ON (job) * FROM json_populate_recordset(NULL::leases, ?) ORDER BY job),
    put AS (
        INSERT INTO leases SELECT * FROM new
        ON CONFLICT (job) DO UPDATE
        SET username = excluded.username, session = excluded.session, until = excluded.until
    ),
    leased AS (
        UPDATE jobs SET leased = 1 FROM new WHERE jobs.id = new.job AND jobs.state = 'open' RETURNING jobs.id
    )
    SELECT check_none_is_missing((SELECT count(*) FROM new) - (SELECT count(*) FROM leased))
"""


class PostgresReadings(SqlReadings):
    """Readings of jobs that other servers lease and read, too."""

    def __init__(self, sql: PostgresSql, gathered: Gathered) -> None:
        super().__init__(sql)
        self._postgres = sql
        self._gathered = gathered

    def add(self, readings: Sequence[tuple[int, Reading]]) -> None:
        rows = [(*row_of(job, reading), *self._gathered.get(job, (None, None))) for job, reading in readings]
        told = as_json((*COLUMNS, "was", "leased"), rows)
        if told:
            self._postgres.keep(_ADD, told)
            self._gathered.clear()

    def all(self, cycle: str | None) -> Iterator[tuple[Job, Reading]]:
        last = ("", "")
        while True:
            rows = self._sql.rows(_PAGE_OF_CYCLE if cycle else _PAGE_OF_ALL, *last, *([cycle] if cycle else []))
            if not rows:
                return
            if not self._postgres.writes:
                self._postgres.end()  # and with it the snapshot: whoever is given these rows may take their time
            for counts, *columns in rows:
                yield job_of(*columns[:10]), reading_of(*columns[10:], counts=bool(counts))
            *_, (_, *job_and_reading) = rows
            last = job_and_reading[5], job_and_reading[0]


_ADD = """
    WITH new AS MATERIALIZED (
        SELECT nextval('readings_id_seq') AS id, * FROM json_to_recordset(?) AS new(
            job BIGINT, username TEXT, value BIGINT, reason TEXT, read_at TEXT, recorded_at TEXT, key TEXT,
            was BIGINT, leased INTEGER
        )
    ),
    added AS (
        INSERT INTO readings (id, job, username, value, reason, read_at, recorded_at, key)
        SELECT id, job, username, value, reason, read_at, recorded_at, key FROM new
    ),
    ended AS (DELETE FROM leases USING new WHERE leases.job = new.job),
    changed AS (
        UPDATE jobs SET reading = latest.id, state = 'done', leased = 0
        FROM (SELECT DISTINCT ON (job) job, id, was, leased FROM new ORDER BY job, id DESC) AS latest
        WHERE jobs.id = latest.job
          AND (latest.leased IS NULL
               OR (jobs.reading IS NOT DISTINCT FROM latest.was AND jobs.leased = latest.leased))
        RETURNING jobs.id
    )
    SELECT check_none_is_missing((SELECT count(DISTINCT job) FROM new) - (SELECT count(*) FROM changed))
"""
_PAGE_OF_ALL = f"""
    SELECT jobs.reading = readings.id, {JOB}, {READING} FROM (
        SELECT * FROM jobs WHERE (cycle, meter) > (?, ?) AND reading IS NOT NULL ORDER BY cycle, meter LIMIT {_PAGE}
    ) AS jobs JOIN readings ON readings.job = jobs.id ORDER BY jobs.cycle, jobs.meter, readings.id
"""
_PAGE_OF_CYCLE = _PAGE_OF_ALL.replace("reading IS NOT NULL", "reading IS NOT NULL AND cycle = ?")


def _row_of_lease(lease: Lease) -> tuple[object, ...]:
    return lease.job, lease.username, lease.session, lease.until
