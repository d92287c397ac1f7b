"""The calls of the office as methods, for whatever makes calls: a client of a server, or a command on a database."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TypeVar

from metermt.calls import office, unread
from metermt.calls.table import Call
from metermt.model import RouteProgress, Unread

Q = TypeVar("Q")
R = TypeVar("R")


class OfficeCalls(ABC):
    """What supervisors and admins can have done. Each raises `RoleError` for whoever may not."""

    @abstractmethod
    def call(self, call: Call[Q, R], request: Q) -> R:
        """Make any call of the table (see `metermt.calls`), and return its result."""

    # --- for supervisors

    def list_routes(self) -> list[RouteProgress]:
        """Return how far each route of the open cycles is, sorted."""
        return self.call(office.list_routes, None)

    def list_missing(self, cycle: str | None = None, route: str | None = None) -> list[Unread]:
        """Return the meters that are not read, or were missed, by cycle, route, sequence and number.

        Those of all open cycles, or of one cycle, open or closed; of all routes, or of one. Raises `RouteError` if
        there is no such cycle or route.
        """
        found: list[Unread] = []
        while part := self.call(unread.list_missing, unread.Missing(cycle, found[-1] if found else None, route)):
            found += part
        return found

    def release_jobs(self, *, route: str | None = None, meter: str | None = None, username: str | None = None) -> int:
        """Let others read what somebody holds of a route, one meter, or all that a reader holds: name one of the three.

        Returns how many jobs there were. Who held one may send its reading all the same, until somebody else is handed
        it. Raises `RouteError`, `UserError`, or `CallError` unless one is named.
        """
        return self.call(unread.release_jobs, unread.Release(route, meter, username))

    # --- for admins

    def close_cycle(self, cycle: str) -> int:
        """Close a cycle: what was not read is missed, and handed out no more. Returns how many jobs were missed.

        Raises `RouteError` if there is no such open cycle.
        """
        return self.call(office.close_cycle, office.Cycle(cycle))

    def reopen_cycle(self, cycle: str) -> int:
        """Open a closed cycle again: what was missed is to be read. Returns how many jobs are open again.

        Raises `RouteError` if there is no such cycle, or it is open.
        """
        return self.call(office.reopen_cycle, office.Cycle(cycle))

    def remove_jobs(self, cycle: str, meters: Iterable[str]) -> None:
        """Take meters that were not read out of an open cycle, whoever holds them; a reading sent later is refused.

        Raises `RouteError`, and removes nothing, if the cycle is closed, or one of them was read or is not in it.
        """
        self.call(office.remove_jobs, office.Removal(cycle, list(meters)))
