"""Who is at work now, in SQL."""

from collections.abc import Iterable
from datetime import UTC, datetime

from metermt.progress import Holding
from metermt.store.sql.dialect import Steps
from metermt.store.steps.overview import Overview

_HOLDINGS = (
    "SELECT jobs.cycle, jobs.route, leases.username, count(*) FROM leases CROSS JOIN jobs"
    " WHERE jobs.id = leases.job AND leases.until > ? GROUP BY jobs.cycle, jobs.route, leases.username"
    " ORDER BY jobs.cycle, jobs.route, leases.username"
)
_CONNECTED = "SELECT DISTINCT username FROM sessions WHERE server IS NOT NULL AND ended = 0"
# From a user to the same one: so PostgreSQL takes the index of this order, whoever has sent how many.
_SINCE = """
    SELECT username, read_at FROM (
        SELECT username, read_at, recorded_at, quality FROM readings WHERE username >= ? AND username <= ?
        ORDER BY username DESC, id DESC LIMIT 2000
    ) AS latest WHERE recorded_at >= ? AND quality IN ('A', 'V')
"""


class SqlOverview(Steps, Overview):
    """The tables `leases`, `sessions` and `readings`."""

    def holdings(self, now: float) -> list[Holding]:
        return [Holding(*row) for row in self._sql.rows(_HOLDINGS, now)]

    def connected(self) -> set[str]:
        return {username for (username,) in self._sql.rows(_CONNECTED)}

    def read_since(self, usernames: Iterable[str], since: datetime) -> dict[str, list[datetime]]:
        text = since.astimezone(UTC).isoformat()
        found: dict[str, list[datetime]] = {}
        for username, read_at in self._sql.rows_for_each(_SINCE, [(name, name, text) for name in usernames]):
            found.setdefault(username, []).append(datetime.fromisoformat(read_at))
        return {username: times[::-1] for username, times in found.items()}
