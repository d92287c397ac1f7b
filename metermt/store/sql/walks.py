"""Who walks which route, in SQL."""

from collections.abc import Iterable, Mapping

from metermt.model import Assignment, Walk
from metermt.store.sql.dialect import Steps
from metermt.store.steps.rounds import Walks

_COLUMNS = ("route", "username", "reverse")
_NOW = (
    "SELECT sessions.username, sessions.route, sessions.reverse, sessions.assigned FROM sessions"
    " WHERE sessions.ended = 0 AND sessions.route IS NOT NULL AND sessions.used_at >= ?"
    " AND (SELECT disabled FROM users WHERE users.username = sessions.username) = 0"
)


class SqlWalks(Steps, Walks):
    """The table `assignments`, and the walks in `sessions`."""

    def assignments(self) -> list[Assignment]:
        rows = self._sql.rows("SELECT route, username, reverse FROM assignments ORDER BY route, username")
        return [Assignment(route, username, bool(reverse)) for route, username, reverse in rows]

    def assign(self, assignments: Iterable[Assignment]) -> None:
        rows = {(one.route, one.username): int(one.reverse) for one in assignments}
        then = "ON CONFLICT (route, username) DO UPDATE SET reverse = excluded.reverse"
        self._sql.insert("assignments", _COLUMNS, [(*key, reverse) for key, reverse in rows.items()], then)

    def unassign(self, assignments: Iterable[tuple[str, str]]) -> None:
        for route, username in assignments:
            self._sql.rows("DELETE FROM assignments WHERE route = ? AND username = ?", route, username)

    def now(self, used_since: float) -> list[tuple[str, Walk]]:
        return [(username, walk_of(*walk)) for username, *walk in self._sql.rows(_NOW, used_since)]

    def go(self, walks: Mapping[str, Walk]) -> None:
        rows = [(walk.route, int(walk.reverse), int(walk.assigned), key) for key, walk in walks.items()]
        self._sql.update("sessions", ("route", "reverse", "assigned"), ("key",), rows)

    def stop_all(self) -> None:
        self._sql.rows("UPDATE sessions SET route = NULL WHERE route IS NOT NULL")


def walk_of(route: str, reverse: int, assigned: int) -> Walk:
    """Make a walk of its columns."""
    return Walk(route, bool(reverse), bool(assigned))
