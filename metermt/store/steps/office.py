"""The steps of a transaction that are about what the office decides; see `metermt.store.steps`."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping

from metermt.decisions import Decision, Result
from metermt.model import Reading
from metermt.quality import Billing


class Office(ABC):
    """Results, and what was decided on them. In a transaction that keeps something, what was looked up stays so."""

    @abstractmethod
    def waiting(self, most: int, after: int = 0) -> list[Result]:
        """Return the first results that wait for a decision, in the order of their jobs' ids, from after such an id."""

    @abstractmethod
    def results(self, readings: Iterable[int]) -> dict[int, Result]:
        """Return how the jobs of these readings stand now, by the reading's id; another one may count by now."""

    @abstractmethod
    def of_meters(self, meters: Iterable[str]) -> list[Result]:
        """Return how all jobs of these meters stand, in the order of the cycles."""

    @abstractmethod
    def add(self, decisions: Iterable[Decision]) -> None:
        """Add decisions; nothing is ever removed."""

    @abstractmethod
    def decisions(self, jobs: Iterable[int]) -> list[Decision]:
        """Return what was decided on jobs, by id, oldest first."""

    @abstractmethod
    def move(self, jobs: Mapping[int, Billing]) -> None:
        """Say how far the results of jobs are on their way to billing."""

    @abstractmethod
    def send_again(self, jobs: Mapping[int, str]) -> None:
        """Open done jobs again, by id, each with a note for who goes there; no reading of theirs counts."""

    @abstractmethod
    def counted_for(self, jobs: Iterable[int]) -> dict[int, str]:
        """Return by whom jobs were read since they were last sent again, by id; what the office put is nobody's."""

    @abstractmethod
    def sent_back(self, jobs: Iterable[int]) -> dict[int, Reading]:
        """Return what jobs had been read as when they were last sent again, by id."""

    @abstractmethod
    def at_place(self, meter: str) -> list[Result]:
        """Return how all jobs at the place of a meter stand, also those of earlier devices, in the order of cycles."""
