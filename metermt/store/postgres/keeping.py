"""Keeping what was decided, in one statement, if what it was decided on is still true.

What was gathered may have changed by then: the transaction is taken back, and the work is run again.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from metermt.model import Lease, Reading
from metermt.rules.review import billing_of
from metermt.store.postgres.sql import PostgresSql, as_json
from metermt.store.sql.readings import COLUMNS, row_of


class Keeping:
    """What one transaction has gathered of jobs, and what it keeps of them."""

    def __init__(self, sql: PostgresSql) -> None:
        self.gathered: dict[int, tuple[int | None, int]] = {}
        """Of each job that was asked about, its reading and whether it was leased; not after it was changed here."""
        self._sql = sql

    def keep(
        self,
        readings: Sequence[tuple[int, Reading]] = (),
        done: Mapping[tuple[str, str], int] = MappingProxyType({}),
        leases: Sequence[Lease] = (),
    ) -> None:
        """Do what `Tx.keep` does, at the latest when the transaction ends."""
        if not (readings or done or leases):
            return
        new = [
            (*row_of(job, reading), billing_of(reading), *self.gathered.get(job, (None, None)))
            for job, reading in readings
        ]
        lent = {lease.job: (lease.job, lease.username, lease.session, lease.until) for lease in leases}
        self._sql.keep(
            _KEEP,
            as_json((*COLUMNS, "billing", "was", "was_leased"), new),
            as_json(("job", "username", "session", "until"), lent.values()),
            as_json(("cycle", "username", "count"), [(*key, number) for key, number in done.items()]),
        )
        self.gathered.clear()


_KEEP = """
    WITH new AS MATERIALIZED (
        SELECT nextval('readings_id_seq') AS id, * FROM json_to_recordset(?) AS new(
            job BIGINT, username TEXT, value BIGINT, reason TEXT, read_at TEXT, recorded_at TEXT, key TEXT,
            quality TEXT, flags TEXT, cause TEXT, code TEXT, billing TEXT, was BIGINT,
            was_leased INTEGER
        )
    ),
    lent AS MATERIALIZED (SELECT * FROM json_populate_recordset(NULL::leases, ?)),
    added AS (
        INSERT INTO readings (id, job, username, value, reason, read_at, recorded_at, key, quality, flags, cause, code)
        SELECT id, job, username, value, reason, read_at, recorded_at, key, quality, flags, cause, code FROM new
    ),
    counted AS (
        INSERT INTO tallies SELECT * FROM json_populate_recordset(NULL::tallies, ?)
        ON CONFLICT (cycle, username) DO UPDATE SET count = tallies.count + excluded.count
    ),
    ended AS (DELETE FROM leases USING new WHERE leases.job = new.job),
    put AS (
        INSERT INTO leases SELECT * FROM lent
        ON CONFLICT (job) DO UPDATE
        SET username = excluded.username, session = excluded.session, until = excluded.until
        WHERE leases.username = excluded.username
        RETURNING job
    ),
    done AS (
        UPDATE jobs SET reading = latest.id, state = 'done', leased = 0, billing = latest.billing
        FROM (SELECT DISTINCT ON (job) job, id, billing, was, was_leased FROM new ORDER BY job, id DESC) AS latest
        WHERE jobs.id = latest.job
          AND (latest.was_leased IS NULL
               OR (jobs.reading IS NOT DISTINCT FROM latest.was AND jobs.leased = latest.was_leased))
        RETURNING jobs.id
    ),
    leased AS (
        UPDATE jobs SET leased = 1, handed_to = lent.username FROM lent WHERE jobs.id = lent.job RETURNING jobs.state
    )
    SELECT check_none_is_missing(
        (SELECT count(DISTINCT job) FROM new) - (SELECT count(*) FROM done)
        + (SELECT count(*) FROM lent) - (SELECT count(*) FROM put)
        + (SELECT count(*) FROM lent) - (SELECT count(*) FROM leased WHERE state IN ('open', 'skipped'))
    )
"""
