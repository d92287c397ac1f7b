"""The steps of a transaction that are about how far the work is; see `metermt.store.steps`."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from metermt.progress import ClosedCounts, RouteCounts, RouteProgress


class Progress(ABC):
    """How far the work is, counted when it is asked for."""

    @abstractmethod
    def routes(self, cycle: str, only: str | None = None) -> list[RouteCounts]:
        """Return how far each route of a cycle is, and the jobs on no route, sorted; or only one of these."""

    @abstractmethod
    def closed(self, cycles: Iterable[str]) -> dict[str, ClosedCounts]:
        """Return what became of the jobs of these cycles, which are closed."""

    @abstractmethod
    def open_routes(self) -> list[RouteProgress]:
        """Return how far each route of the open cycles is, sorted."""
