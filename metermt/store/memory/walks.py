"""Who walks which route, in the store in memory."""

from collections.abc import Iterable, Mapping

from metermt.model import Assignment, Walk
from metermt.store.memory.tables import Tables, found_in
from metermt.store.steps.rounds import Walks


class MemoryWalks(Walks):
    """Assignments, and the walks of sessions."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def assignments(self) -> list[Assignment]:
        return [assignment for _, assignment in sorted(self._tables.assignments.items())]

    def assign(self, assignments: Iterable[Assignment]) -> None:
        for one in assignments:
            self._tables.undo.put(self._tables.assignments, (one.route, one.username), one)

    def unassign(self, assignments: Iterable[tuple[str, str]]) -> None:
        for key in found_in(self._tables.assignments, assignments):
            self._tables.undo.drop(self._tables.assignments, key)

    def now(self, used_since: float) -> list[tuple[str, Walk]]:
        tables = self._tables
        return [
            (login.username, login.walk)
            for login in tables.logins.values()
            if login.walk and not login.ended and login.used_at >= used_since
            if not tables.accounts[login.username].user.disabled
        ]

    def go(self, walks: Mapping[str, Walk]) -> None:
        self._put(walks)

    def stop_all(self) -> None:
        self._put(dict.fromkeys(self._tables.logins))

    def _put(self, walks: Mapping[str, Walk | None]) -> None:
        for key, login in found_in(self._tables.logins, walks).items():
            self._tables.undo.put(self._tables.logins, key, login._replace(walk=walks[key]))
