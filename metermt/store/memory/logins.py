"""Who is logged in, and who has failed to, in memory."""

import sys
from collections.abc import Iterable, Mapping
from itertools import count
from math import inf

from metermt.model import Session
from metermt.store.memory.tables import Login, Tables, found_in
from metermt.store.memory.undo import Groups, Ordered
from metermt.store.steps.people import Origin, Sessions

_Failure = tuple[float, int, str, str]
"""When, which, name, address."""


class MemorySessions(Sessions):
    """Logins, and failed ones."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._failures: Ordered[_Failure] = Ordered(tables.undo)
        self._failures_of: Groups[Origin, tuple[float, int]] = Groups(tables.undo)
        self._failure_ids = count(1)  # tell apart what happened at the same time

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

    def last_used(self, usernames: Iterable[str]) -> dict[str, float]:
        tables = self._tables
        keys = {username: tables.logins_of.of(username) for username in usernames}
        return {name: max(tables.logins[key].used_at for key in of_name) for name, of_name in keys.items() if of_name}

    def forget(self, idle_since: float) -> None:
        for key, login in self._tables.logins.items():
            if (login.ended or login.used_at < idle_since) and not self._tables.held_by.of(key):
                self._tables.undo.drop(self._tables.logins, key)
                self._tables.logins_of.discard(login.username, key)

    def failures(self, username: str, address: str, since: float) -> list[float]:
        return [at for at, _ in sorted(self._failures_of.of((username, address))) if at > since]

    def failed_since(self, since: float) -> dict[Origin, list[float]]:
        found: dict[Origin, list[float]] = {}
        for at, _, username, address in self._failures_after(since):
            found.setdefault((username, address), []).append(at)
        return found

    def forget_failures(self, usernames: Iterable[str]) -> None:
        names = set(usernames)
        self._forget(failure for failure in self._failures_after(-inf) if failure[2] in names)

    def forget_failures_after(self, at: float) -> None:
        self._forget(self._failures_after(at))

    def add_failure(self, username: str, address: str, at: float, forget_before: float) -> None:
        self._forget(self._failures.before((forget_before, 0, "", "")))
        number = next(self._failure_ids)
        self._failures.add((at, number, username, address))
        self._failures_of.add((username, address), (at, number))

    def _failures_after(self, at: float) -> list[_Failure]:
        return self._failures.after((at, sys.maxsize, "", ""))

    def _forget(self, failures: Iterable[_Failure]) -> None:
        for failure in failures:
            self._failures.discard(failure)
            self._failures_of.discard(failure[2:], failure[:2])

    def _living(self, keys: Iterable[str]) -> list[tuple[str, Login]]:
        return [(key, login) for key, login in found_in(self._tables.logins, keys).items() if not login.ended]

    def _put(self, key: str, login: Login) -> None:
        self._tables.undo.put(self._tables.logins, key, login)
