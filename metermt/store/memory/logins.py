"""Who is logged in, in the store in memory."""

from collections.abc import Iterable, Mapping

from metermt.model import Session
from metermt.store.memory.tables import Login, Tables, found_in
from metermt.store.steps.people import Sessions


class MemorySessions(Sessions):
    """Logins."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def find(self, keys: Iterable[str]) -> dict[str, Session]:
        return {
            key: Session(key, self._tables.accounts[login.username].user, login.used_at, login.server, login.walk)
            for key, login in self._living(keys)
        }

    def add(self, sessions: Iterable[Session]) -> None:
        for session in sessions:
            self._put(session.key, Login(session.username, session.used_at, session.server, ended=False))
            self._tables.logins_of.add(session.username, session.key)

    def note(self, used: Mapping[str, float], server: str) -> None:
        for key, login in self._living(used):
            self._put(key, login._replace(used_at=used[key], server=server))

    def leave(self, keys: Iterable[str], server: str) -> None:
        for key, login in self._living(keys):
            if login.server == server:
                self._put(key, login._replace(server=None))

    def leave_all(self, server: str) -> None:
        self.leave(self._tables.logins, server)

    def end(self, keys: Iterable[str]) -> None:
        for key, login in self._living(keys):
            self._put(key, login._replace(server=None, ended=True))

    def of(self, usernames: Iterable[str]) -> list[str]:
        tables = self._tables
        keys = sorted(key for username in set(usernames) for key in tables.logins_of.of(username))
        return [key for key in keys if not tables.logins[key].ended or tables.held_by.of(key)]

    def but_latest(self, username: str, most: int) -> list[str]:
        living = self._living(self._tables.logins_of.of(username))
        latest_first = sorted(living, key=lambda one: (-one[1].used_at, one[0]))
        return [key for key, _ in latest_first[most:]]

    def set_back(self, after: float, to: float) -> None:
        for key, login in self._tables.logins.items():
            if login.used_at > after:
                self._put(key, login._replace(used_at=to))

    def forget(self, idle_since: float) -> None:
        for key, login in self._tables.logins.items():
            if (login.ended or login.used_at < idle_since) and not self._tables.held_by.of(key):
                self._tables.undo.drop(self._tables.logins, key)
                self._tables.logins_of.discard(login.username, key)

    def _living(self, keys: Iterable[str]) -> list[tuple[str, Login]]:
        return [(key, login) for key, login in found_in(self._tables.logins, keys).items() if not login.ended]

    def _put(self, key: str, login: Login) -> None:
        self._tables.undo.put(self._tables.logins, key, login)
