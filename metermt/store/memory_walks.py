"""Who walks which route, in the store in memory."""

from collections.abc import Iterable, Mapping

from metermt.model import Assignment, Walk
from metermt.store.facts import Facts, found_in
from metermt.store.groups import Walks


class MemoryWalks(Walks):
    """Assignments, and the walks of sessions."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def assignments(self) -> list[Assignment]:
        return [assignment for _, assignment in sorted(self._facts.assignments.items())]

    def assign(self, assignments: Iterable[Assignment]) -> None:
        for one in assignments:
            self._facts.undo.put(self._facts.assignments, (one.route, one.username), one)

    def unassign(self, assignments: Iterable[tuple[str, str]]) -> None:
        for key in found_in(self._facts.assignments, assignments):
            self._facts.undo.drop(self._facts.assignments, key)

    def now(self, used_since: float) -> list[tuple[str, Walk]]:
        facts = self._facts
        return [
            (login.username, login.walk)
            for login in facts.logins.values()
            if login.walk and not login.ended and login.used_at >= used_since
            if not facts.accounts[login.username].user.disabled
        ]

    def go(self, walks: Mapping[str, Walk]) -> None:
        self._put(walks)

    def stop_all(self) -> None:
        self._put(dict.fromkeys(self._facts.logins))

    def _put(self, walks: Mapping[str, Walk | None]) -> None:
        for key, login in found_in(self._facts.logins, walks).items():
            self._facts.undo.put(self._facts.logins, key, login._replace(walk=walks[key]))
