"""The steps of a transaction that are about places, and what is said of them; see `metermt.store.steps`."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from metermt.fieldnotes import Found, Note, Reason
from metermt.model import Job, Meter, Place
from metermt.rules.consumption import Exchange
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
    def routes(self) -> list[str]:
        """Return the routes that active meters are on, sorted; the empty name stands for none."""

    @abstractmethod
    def add_history(self, reads: Iterable[tuple[str, Read]]) -> None:
        """Add what meters of these numbers have shown, each of which there is; of the same day it replaces the old."""

    @abstractmethod
    def history(self, meters: Iterable[str], but_not: Collection[str] = ()) -> dict[str, list[Read]]:
        """Return what is known to have been shown at the places of these meters, by their numbers.

        The days are in any order, and are those of this machine's time zone; what was shown on one day is in the order
        in which it was shown. What was read in the cycles `but_not` is left out.
        """

    def most_shown(self, meters: Iterable[str]) -> dict[str, int]:
        """Return the highest value of the `history` of each of these meters that has any, by their numbers."""
        return {meter: max(read.value for read in reads) for meter, reads in self.history(meters).items()}

    @abstractmethod
    def in_cycle(self, cycle: str, meters: Iterable[str]) -> set[str]:
        """Return those of these meters whose places have a job in a cycle, perhaps of an earlier device."""


class Devices(ABC):
    """Which device hangs at which place, and which one did: what was exchanged."""

    @abstractmethod
    def exchange(self, exchange: Exchange, new: Meter) -> None:
        """Hang another device up where `exchange.old_meter` is, which names a place; the new number names none.

        The place keeps its history.
        """

    @abstractmethod
    def rehang(self, jobs: Mapping[int, Job]) -> None:
        """Make jobs, by id, those of another device; who holds them, and their notes, stay."""

    @abstractmethod
    def all_exchanges(self, most: int, skip: int = 0) -> list[Exchange]:
        """Return so many exchanges in the order in which they were told, but for the first ones."""

    @abstractmethod
    def exchanges(self, meters: Iterable[str]) -> dict[str, list[Exchange]]:
        """Return the exchanges at the places of these meters that had any, by their numbers, oldest first."""

    @abstractmethod
    def taken_down(self, meters: Iterable[str]) -> dict[str, Exchange]:
        """Return the last exchange that took a meter down, by its number, for those of them that hang nowhere now."""

    @abstractmethod
    def outdated(self, cycle: str) -> dict[int, tuple[str, str]]:
        """Return the unread jobs of a cycle whose device hangs at their place no more, by id, and that which does."""

    @abstractmethod
    def last_read(self, meters: Iterable[str]) -> dict[str, datetime]:
        """Return when these devices were read last where they hang, in UTC, by number; an estimate is no reading."""


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
    def about(self, meter: str) -> list[Note]:
        """Return all notes about the place of a meter, oldest first."""


class Finds(ABC):
    """Meters that readers have found, and that are on no list."""

    @abstractmethod
    def add(self, found: Iterable[Found]) -> None:
        """Add meters that were found, but for what the same reader has said in the same words before."""

    @abstractmethod
    def undecided(self, most: int, after: int = 0) -> list[Found]:
        """Return so many of these that nobody has decided on, in the order of their arrival, from after a number."""

    @abstractmethod
    def by_id(self, number: int) -> tuple[Found, str] | None:
        """Return a report of a meter that was found, by its id, and what was decided on it, empty for nothing yet."""

    @abstractmethod
    def settle(self, found: Found, verdict: str, why: str, username: str, now: datetime) -> None:
        """Say what was decided on a report of a meter; of accepted ones it is decided on all of that number."""
