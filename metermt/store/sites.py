"""The steps of a transaction that are about places, and what is said of them; see `metermt.store.groups`."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from metermt.fieldnotes import Found, Note, Reason
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


class Notes(ABC):
    """What the field tells the office besides readings, and the words that it has for that."""

    @abstractmethod
    def reasons(self) -> list[Reason]:
        """Return all reasons that were ever put, in the order in which each was put first."""

    @abstractmethod
    def put_reasons(self, reasons: Iterable[Reason]) -> None:
        """Add reasons; one whose code is there already replaces it, at its place. No code comes twice."""

    @abstractmethod
    def add(self, notes: Iterable[Note]) -> None:
        """Add notes about places, each of which there is; the jobs there that are not read have the last one."""

    @abstractmethod
    def latest(self, meters: Iterable[str]) -> dict[str, str]:
        """Return the last note about each of these places that has any, by the number of the meter."""

    @abstractmethod
    def all(self, most: int, skip: int = 0) -> list[Note]:
        """Return so many notes in the order of their arrival, but for the first ones."""

    @abstractmethod
    def add_found(self, found: Iterable[Found]) -> None:
        """Add meters that were found, but for what the same reader has said in the same words before."""

    @abstractmethod
    def found(self, most: int, skip: int = 0) -> list[Found]:
        """Return so many of these in the order of their arrival, but for the first ones."""
