"""The steps of a transaction that are about what hangs where; see `metermt.store.groups`."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from metermt.model import Place
from metermt.rules.history import Read


class Places(ABC):
    """Where meters hang, and what these have shown. A place is known by the number of the meter that hangs there."""

    @abstractmethod
    def find(self, meters: Iterable[str]) -> dict[str, Place]:
        """Return those of these places that there are, by the number of the meter."""

    @abstractmethod
    def put(self, places: Iterable[Place]) -> None:
        """Add places; one whose meter is there already is brought up to date. No meter comes twice."""

    @abstractmethod
    def active(self) -> list[Place]:
        """Return the places of all active meters, by route, sequence and meter."""

    @abstractmethod
    def add_history(self, reads: Iterable[tuple[str, Read]]) -> None:
        """Add what meters of these numbers have shown, each of which there is; of the same day it replaces the old."""

    @abstractmethod
    def history(self, meters: Iterable[str], but_not: str = "") -> dict[str, list[Read]]:
        """Return what is known to have been shown at the places of these meters, in any order, by their numbers.

        What was read in the cycle `but_not` is left out. Days are those of this machine's time zone.
        """
