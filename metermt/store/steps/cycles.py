"""The steps of a transaction that are about cycles; see `metermt.store.steps`."""

from abc import ABC, abstractmethod
from datetime import date


class Cycles(ABC):
    """Which cycles there are."""

    @abstractmethod
    def all(self) -> dict[str, bool]:
        """Return all cycles by name, in order, and whether each is open."""

    @abstractmethod
    def open(self, cycle: str, first_day: date | None = None, due: date | None = None) -> None:
        """Add a cycle: its first day, and the day by which it is to be read. One that is there keeps its first day."""

    @abstractmethod
    def days(self) -> dict[str, tuple[date | None, date | None]]:
        """Return the first day of each cycle, and the day by which it is to be read, as far as they are known."""

    @abstractmethod
    def seasons(self) -> dict[str, str]:
        """Return how the town moves through the year, as it was known for each cycle, as far as that was kept."""

    @abstractmethod
    def set_seasons(self, cycle: str, seasons: str) -> None:
        """Say how the town moves through the year for a cycle that there is, as `metermt.calls.towns` writes it."""

    @abstractmethod
    def close(self, cycle: str) -> int:
        """Close a cycle: its open jobs are missed, and leased to nobody. Return how many these are."""

    @abstractmethod
    def reopen(self, cycle: str) -> int:
        """Open a closed cycle again: its missed jobs are open. Return how many these are."""

    @abstractmethod
    def remove(self, cycle: str) -> None:
        """Remove a cycle that has no jobs."""
