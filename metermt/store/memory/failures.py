"""Who has failed to log in, in the store in memory."""

import sys
from collections.abc import Iterable
from itertools import count
from math import inf

from metermt.store.memory.tables import Tables
from metermt.store.memory.undo import Groups, Ordered
from metermt.store.steps.people import Failures, Origin

_Failure = tuple[float, int, str, str]
"""When, which, name, address."""


class MemoryFailures(Failures):
    """Failed logins."""

    def __init__(self, tables: Tables) -> None:
        self._all: Ordered[_Failure] = Ordered(tables.undo)
        self._by_origin: Groups[Origin, tuple[float, int]] = Groups(tables.undo)
        self._ids = count(1)  # tell apart what happened at the same time

    def of(self, username: str, address: str, since: float) -> list[float]:
        return [at for at, _ in sorted(self._by_origin.of((username, address))) if at > since]

    def since(self, since: float) -> dict[Origin, list[float]]:
        found: dict[Origin, list[float]] = {}
        for at, _, username, address in self._after(since):
            found.setdefault((username, address), []).append(at)
        return found

    def forget(self, usernames: Iterable[str]) -> None:
        names = set(usernames)
        self._forget(failure for failure in self._after(-inf) if failure[2] in names)

    def forget_after(self, at: float) -> None:
        self._forget(self._after(at))

    def add(self, username: str, address: str, at: float, forget_before: float) -> None:
        self._forget(self._all.before((forget_before, 0, "", "")))
        number = next(self._ids)
        self._all.add((at, number, username, address))
        self._by_origin.add((username, address), (at, number))

    def _after(self, at: float) -> list[_Failure]:
        return self._all.after((at, sys.maxsize, "", ""))

    def _forget(self, failures: Iterable[_Failure]) -> None:
        for failure in failures:
            self._all.discard(failure)
            self._by_origin.discard(failure[2:], failure[:2])
