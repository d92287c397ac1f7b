"""The steps of a transaction that are about who is at work now; see `metermt.store.steps`."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import datetime

from metermt.progress import Holding


class Overview(ABC):
    """What readers do. Nothing here costs more the more jobs there are."""

    @abstractmethod
    def holdings(self, now: float) -> list[Holding]:
        """Return how many jobs of which route readers hold, sorted; a lease whose time is over is none."""

    @abstractmethod
    def connected(self) -> set[str]:
        """Return the user names of those who are connected to a server."""

    @abstractmethod
    def read_since(self, usernames: Iterable[str], since: datetime) -> dict[str, list[datetime]]:
        """Return when these users stood at meters, by user name, for what has come since then; in the order of coming.

        What the office has put is not meant. Only the last 2,000 of each are looked through: nobody reads more a day.
        """
