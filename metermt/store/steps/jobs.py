"""The steps of a transaction that are about jobs; see `metermt.store.steps`."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping

from metermt.model import Job
from metermt.progress import Unread


class Jobs(ABC):
    """What is to be read."""

    @abstractmethod
    def find(self, cycle: str, meters: Iterable[str]) -> dict[str, Job]:
        """Return those jobs of a cycle that there are, by the number of the meter."""

    @abstractmethod
    def ids(self, cycle: str, meters: Iterable[str]) -> dict[str, int]:
        """Return the ids of those jobs of a cycle that there are, by the number of the meter."""

    @abstractmethod
    def add(self, jobs: Iterable[Job]) -> None:
        """Add open jobs for meters that have none in that cycle, which there is; at their places, if there are any."""

    @abstractmethod
    def change(self, jobs: Iterable[Job]) -> None:
        """Replace what is known of jobs; the note about their place, and who holds or has read them, is kept."""

    @abstractmethod
    def limits(self, cycle: str, meters: Iterable[str]) -> dict[str, str]:
        """Return by what the values of these meters are judged in a cycle, by number, as far as there is anything."""

    @abstractmethod
    def set_limits(self, limits: Mapping[int, str]) -> None:
        """Say by what the values of jobs are judged, by id, as `metermt.rules.limits` writes it."""

    @abstractmethod
    def remove(self, jobs: Iterable[int]) -> None:
        """Remove jobs that have no readings, by id, whoever holds them."""

    @abstractmethod
    def on_routes(self, cycle: str, routes: Iterable[str]) -> list[str]:
        """Return the numbers of the meters on some routes of a cycle, by route, sequence and meter."""

    @abstractmethod
    def unread(self, cycle: str, most: int, after: tuple[str, int, str] = ("", -1, "")) -> list[Unread]:
        """Return the first jobs of a cycle without a reading, by route, sequence and meter, from after such a place.

        A lease whose time is over still is one, until `Leases.end_expired`.
        """
