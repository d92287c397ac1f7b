"""Who is logged in, in SQL."""

from collections.abc import Iterable, Mapping

from metermt.model import Session
from metermt.store.sql.accounts import user_of
from metermt.store.sql.dialect import Sql, Steps
from metermt.store.sql.walks import walk_of
from metermt.store.steps.people import Sessions

_COLUMNS = ("key", "username", "used_at", "server")
_FIND = (
    "SELECT sessions.key, used_at, server, route, reverse, assigned,"
    " users.username, full_name, disabled, role FROM sessions CROSS JOIN users"
    " WHERE sessions.key {among} AND ended = 0 AND users.username = sessions.username"
)
_OF = (
    "SELECT key FROM sessions WHERE username {among}"
    " AND (ended = 0 OR EXISTS (SELECT 1 FROM leases WHERE leases.session = sessions.key)) ORDER BY key"
)
# By an expression, or they might be found by when they were used, among all there are.
_BUT_LATEST = (
    "SELECT key FROM sessions WHERE username = ? AND ended = 0 ORDER BY -used_at, key LIMIT 1000000000 OFFSET ?"
)
_HOLDS_NOTHING = "NOT EXISTS (SELECT 1 FROM leases WHERE leases.session = sessions.key)"
_FORGET_IDLE = f"DELETE FROM sessions WHERE used_at < ? AND {_HOLDS_NOTHING}"
_FORGET_ENDED = f"DELETE FROM sessions WHERE ended = 1 AND {_HOLDS_NOTHING}"


class SqlSessions(Steps, Sessions):
    """The table `sessions`. `lock` ends a statement for sessions of users who may be changed."""

    def __init__(self, sql: Sql, lock: str = "") -> None:
        super().__init__(sql)
        self._find = _FIND + lock

    def find(self, keys: Iterable[str]) -> dict[str, Session]:
        rows = self._sql.rows_among(self._find, keys)
        return {
            key: Session(key, user_of(*user), used_at, server, None if route is None else walk_of(route, *how))
            for key, used_at, server, route, *how, user in ((*row[:6], row[6:]) for row in rows)
        }

    def add(self, sessions: Iterable[Session]) -> None:
        rows = [(session.key, session.username, session.used_at, session.server) for session in sessions]
        self._sql.insert("sessions", _COLUMNS, rows)

    def note(self, used: Mapping[str, float], server: str) -> None:
        rows = [(used_at, server, key, 0) for key, used_at in used.items()]
        self._sql.update("sessions", ("used_at", "server"), ("key", "ended"), rows)

    def leave(self, keys: Iterable[str], server: str) -> None:
        self._sql.update("sessions", ("server",), ("key", "server"), [(None, key, server) for key in keys])

    def leave_all(self, server: str) -> None:
        self._sql.rows("UPDATE sessions SET server = NULL WHERE server = ?", server)

    def end(self, keys: Iterable[str]) -> None:
        self._sql.update("sessions", ("ended", "server"), ("key",), [(1, None, key) for key in keys])

    def of(self, usernames: Iterable[str]) -> list[str]:
        return [key for (key,) in self._sql.rows_among(_OF, usernames)]

    def but_latest(self, username: str, most: int) -> list[str]:
        return [key for (key,) in self._sql.rows(_BUT_LATEST, username, most)]

    def set_back(self, after: float, to: float) -> None:
        self._sql.rows("UPDATE sessions SET used_at = ? WHERE used_at > ?", to, after)

    def forget(self, idle_since: float) -> None:
        self._sql.rows(_FORGET_IDLE, idle_since)
        self._sql.rows(_FORGET_ENDED)
