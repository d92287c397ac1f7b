"""The steps of a transaction that are about what billing is given; see `metermt.store.steps`."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from metermt.billing import BatchHead
from metermt.decisions import Result
from metermt.rules.consumption import Chain, Span


class Line(NamedTuple):
    """A line of a batch as it is stored: `text` is a `metermt.billing.BillingLine`."""

    number: int
    job: int
    reading: int
    kind: str
    text: str


class Unfinished(NamedTuple):
    """A batch that is not whole."""

    head: BatchHead
    """It has as many lines as were added by now."""
    key: str | None
    """The client's id for having it made."""
    worked_at: float
    """When it was worked on last, in seconds since 1970."""


class Held(NamedTuple):
    """How many results of a cycle billing is not given, and why."""

    cycle: str
    waiting: int
    """For a decision."""
    again: int
    """They are to be read again."""
    unread: int
    """They are not read, or were missed."""


class Billing(ABC):
    """What billing may be given, and what is held back.

    In a transaction that keeps something, what was looked up stays so.
    """

    @abstractmethod
    def ready(self, cycle: str | None = None, route: str | None = None) -> list[int]:
        """Return the jobs whose results billing may be given, of a cycle or route or of all, in the order of
        `Job.place`, by id.
        """

    @abstractmethod
    def chains(self, jobs: Iterable[int], span: Span | None = None) -> dict[int, Chain]:
        """Return what is known of the places of jobs, by the job's id: all, or that of a span."""

    @abstractmethod
    def results(self, jobs: Iterable[int]) -> list[Result]:
        """Return how jobs stand, by id, in the order of `Job.place`."""

    @abstractmethod
    def held(self, cycles: Iterable[str], route: str | None = None) -> list[Held]:
        """Return what is held back of each of these cycles, or of a route there, as far as there is anything."""

    @abstractmethod
    def unsettled(self) -> list[str]:
        """Return the cycles in which results wait for a decision, or are to be read again."""

    @abstractmethod
    def beside_unsettled(self, cycle: str | None = None, route: str | None = None) -> list[int]:
        """Return the jobs, by id, that are `ready` and at whose places others wait, or are to be read again."""


class Batches(ABC):
    """What billing was given. In a transaction that keeps something, what was looked up stays so."""

    @abstractmethod
    def begin(self, head: BatchHead, layout: str, text: str, key: str | None = None) -> None:
        """Add a batch that has no lines yet, and is not whole; `text` is that of its layout."""

    @abstractmethod
    def made(self, key: str) -> BatchHead | None:
        """Return the whole batch that was made under a key, None for none."""

    @abstractmethod
    def add(self, batch: int, lines: Sequence[Line], now: float) -> None:
        """Add lines to a batch; their jobs are billed. `now`, in seconds since 1970, is when it was worked on last."""

    @abstractmethod
    def finish(self, head: BatchHead) -> None:
        """Say that a batch is whole, and what it adds up to."""

    @abstractmethod
    def unfinished(self) -> Unfinished | None:
        """Return the batch that is not whole, None for none."""

    @abstractmethod
    def take_back(self, batch: int, most: int) -> int:
        """Take the last lines of a batch back, and it itself with the last of all; return how many lines that were.

        Their jobs are ready again, as far as they have not changed since they were billed.
        """

    @abstractmethod
    def all(self) -> list[tuple[BatchHead, str]]:
        """Return the whole batches in order, each with the name of its layout."""

    @abstractmethod
    def layout(self, batch: int) -> str:
        """Return the text of the layout of a batch that there is."""

    @abstractmethod
    def lines(self, batch: int, most: int, after: int = 0) -> list[Line]:
        """Return the first lines of a batch, in order, from after such a number."""

    @abstractmethod
    def last_lines(self, jobs: Iterable[int]) -> dict[int, Line]:
        """Return the last line of each of these jobs, by id, as far as there is any."""
