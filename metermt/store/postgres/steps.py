"""The steps that PostgreSQL takes in a way of its own: in few statements, and without keeping other servers waiting.

Nothing that another server may want is locked between two statements but free jobs, which it skips.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from psycopg import errors

from metermt.audit import SealedEntry
from metermt.model import Account, Job, Lease, Reading
from metermt.quality import Look
from metermt.rules.handout import Wish
from metermt.store.base import Tx
from metermt.store.gathered import Facts, Key
from metermt.store.postgres.cycles import PostgresCycles
from metermt.store.postgres.keeping import Keeping
from metermt.store.postgres.rounds import PostgresLeases, PostgresReadings, PostgresRounds
from metermt.store.postgres.sql import CLOSING, SEALING, PostgresSql, as_json
from metermt.store.sql import accounts as in_accounts
from metermt.store.sql.accounts import SqlAccounts
from metermt.store.sql.audit import SqlAudit
from metermt.store.sql.batches import SqlBatches
from metermt.store.sql.billing import SqlBilling
from metermt.store.sql.devices import SqlDevices
from metermt.store.sql.failures import SqlFailures
from metermt.store.sql.finds import SqlFinds
from metermt.store.sql.jobs import JOB, SqlJobs, job_of
from metermt.store.sql.notes import SqlNotes
from metermt.store.sql.office import SqlOffice
from metermt.store.sql.overview import SqlOverview
from metermt.store.sql.places import SqlPlaces
from metermt.store.sql.progress import SqlProgress
from metermt.store.sql.servers import SqlServers
from metermt.store.sql.sessions import SqlSessions
from metermt.store.sql.settings import SqlSettings
from metermt.store.sql.walks import SqlWalks


def transaction_on(sql: PostgresSql) -> Tx:
    """Return the steps in one transaction."""
    return PostgresTx(sql)


class PostgresTx(Tx):
    """Steps that go to the database together where they can."""

    def __init__(self, sql: PostgresSql) -> None:
        self._sql = sql
        self._keeping = Keeping(sql)
        lock = " FOR NO KEY UPDATE OF {}" if sql.writes else ""
        super().__init__(
            accounts=PostgresAccounts(sql),
            sessions=SqlSessions(sql, " ORDER BY users.username FOR SHARE OF users" if sql.writes else ""),
            failures=SqlFailures(sql),
            cycles=PostgresCycles(sql),
            jobs=PostgresJobs(sql),
            rounds=PostgresRounds(sql, self._keeping),
            progress=SqlProgress(sql),
            leases=PostgresLeases(sql, self._keeping),
            readings=PostgresReadings(sql, self._keeping),
            servers=SqlServers(sql),
            places=SqlPlaces(sql),
            devices=SqlDevices(sql),
            walks=SqlWalks(sql),
            notes=SqlNotes(sql),
            finds=SqlFinds(sql),
            settings=SqlSettings(sql),
            office=SqlOffice(sql, lock.format("jobs")),
            billing=SqlBilling(sql, lock.format("jobs")),
            batches=SqlBatches(sql, lock.format("batches")),
            audit=PostgresAudit(sql),
            overview=SqlOverview(sql),
            changes=sql.changes,
        )

    def alone(self) -> None:
        self._sql.take(CLOSING)

    def foresee(self, steps: Callable[[], object]) -> None:
        with self._sql.ahead():
            steps()

    def gather(
        self,
        now: float,
        keys: Collection[Key] = (),
        meters: Collection[str] = (),
        wishes: Sequence[Wish] = (),
        *,
        reasons: bool = False,
    ) -> Facts:
        gather = partial(super().gather, now, keys, meters, wishes, reasons=reasons)
        with self._sql.ahead() as asked:
            gather()
        facts = gather()
        self._sql.forget(asked)  # such as skipped jobs, if there are others: that holds no more once something is kept
        return facts

    def keep(
        self,
        readings: Sequence[tuple[int, Reading]] = (),
        done: Mapping[tuple[str, str], int] = MappingProxyType({}),
        leases: Sequence[Lease] = (),
        looks: Mapping[int, Look | None] = MappingProxyType({}),
    ) -> None:
        if looks:
            self.readings.ask_again(looks)
        self._keeping.keep(readings, done, leases)


class PostgresAccounts(SqlAccounts):
    """Accounts that other servers change, too."""

    def __init__(self, sql: PostgresSql) -> None:
        super().__init__(sql)
        self._missing: set[str] = set()
        self._disabled: dict[str, bool] = {}  # as it was changed here, perhaps after it was foreseen
        self._find = f"{in_accounts.FIND} ORDER BY username FOR NO KEY UPDATE" if sql.writes else in_accounts.FIND
        # What is decided about users who are not disabled is kept before they are.
        self._look = f"{_STATES} ORDER BY username FOR SHARE" if sql.writes else _STATES

    def find(self, usernames: Iterable[str]) -> dict[str, Account]:
        asked = set(usernames)
        found = {row[0]: in_accounts.account_of(row) for row in self._sql.rows_among(self._find, asked)}
        self._missing |= asked - found.keys()
        return found

    def disabled(self, usernames: Iterable[str]) -> set[str]:
        asked = set(usernames)
        found = {username for username, disabled in self._sql.rows_among(self._look, asked) if disabled}
        return {username for username in asked if self._disabled.get(username, username in found)}

    def there(self, usernames: Iterable[str]) -> set[str]:
        return {username for username, _ in self._sql.rows_among(self._look, set(usernames))}

    def put(self, accounts: Iterable[Account]) -> None:
        there = list(accounts)
        # One that was looked for and not found may have been added since: that is for a rule to say, so run it again.
        new = [in_accounts.row_of(one) for one in there if one.user.username in self._missing]
        self._sql.insert("users", in_accounts.COLUMNS, new)
        super().put(one for one in there if one.user.username not in self._missing)
        self._disabled |= {one.user.username: one.user.disabled for one in there}
        self._missing -= {one.user.username for one in there}


_STATES = "SELECT username, disabled FROM users WHERE username {among}"


class PostgresJobs(SqlJobs):
    """Jobs that other servers lease and read, too."""

    def __init__(self, sql: PostgresSql) -> None:
        super().__init__(sql)
        self._postgres = sql

    def find(self, cycle: str, meters: Iterable[str]) -> dict[str, Job]:
        return {row[0]: job_of(*row) for row in self._sql.rows(_FIND, list(meters), cycle)}

    def remove(self, jobs: Iterable[int]) -> None:
        ids = list(jobs)
        self._postgres.take(CLOSING)
        if len(self._sql.rows_among(_STILL_UNREAD, ids)) < len(ids):
            raise errors.SerializationFailure("a job has been read or removed meanwhile")
        super().remove(ids)


# One after the other, as an import asks for thousands, of a cycle that was empty when this was planned. OFFSET 0, or it
# would be made a join, which may begin with the jobs.
_FIND = f"""
    SELECT found.* FROM unnest(?::text[]) AS wanted(meter)
    CROSS JOIN LATERAL (SELECT {JOB} FROM jobs WHERE cycle = ? AND meter = wanted.meter OFFSET 0) AS found
"""
_STILL_UNREAD = "SELECT id FROM jobs WHERE id {among} AND reading IS NULL"


class PostgresAudit(SqlAudit):
    """The record, to which other servers add, too, and that one of them seals."""

    def __init__(self, sql: PostgresSql) -> None:
        super().__init__(sql)
        self._postgres = sql

    def may_seal(self) -> bool:
        [(may,)] = self._sql.rows("SELECT pg_try_advisory_xact_lock(?)", SEALING)
        return bool(may)

    def seal(self, links: Sequence[SealedEntry], waited: Sequence[int]) -> None:
        # What is there already does not cross again. One with a lower number may have been kept since, and waits on.
        places = [(id_, link.place, link.who, link.whom, link.hash) for id_, link in zip(waited, links, strict=True)]
        self._postgres.keep(_SEAL, as_json(("id", "place", "who", "whom", "hash"), places))

    def erase(self, username: str, pseudonym: Account) -> None:
        # Whoever seals has seen the name in what waits, and would put it among the names after it was erased there.
        self._postgres.take(SEALING)
        super().erase(username, pseudonym)


_SEAL = """
    WITH moved AS (
        DELETE FROM unsealed
        USING json_to_recordset(?) AS sealed(id BIGINT, place BIGINT, who BIGINT, whom BIGINT, hash TEXT)
        WHERE unsealed.id = sealed.id
        RETURNING place, at, sealed.who, address, what, about, sealed.whom, before, after, hash
    )
    INSERT INTO audit (place, at, who, address, what, about, whom, before, after, hash) SELECT * FROM moved
"""
