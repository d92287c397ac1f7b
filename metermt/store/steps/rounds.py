"""The steps of a transaction that are about a reader's round; see `metermt.store.steps`."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence

from metermt.model import Assignment, Job, Lease, Reading, Standing, Status, Walk
from metermt.quality import Look
from metermt.store.gathered import Key, KnownJob

LOOKS_BACK = 12
"""Closed cycles that a reading may come too late for, if it does not name its own: a year of months."""
LATEST = 200
"""Readings of one user that may still be looked up to be corrected: some days of work."""


class Rounds(ABC):
    """What readers may be handed, and how the jobs stand that they answer."""

    @abstractmethod
    def standings(self, meters: Iterable[str]) -> list[Standing]:
        """Return how the jobs of these meters in the open cycles stand, in the order of the cycles."""

    @abstractmethod
    def closed_hands(self, meters: Iterable[str]) -> dict[tuple[str, str], str]:
        """Return the latest closed cycle in which a reader was the last to be handed a meter, by meter and user name.

        With an empty user name it is the latest one that has a job of that meter, whoever was handed it. Only the
        `LOOKS_BACK` latest closed cycles are looked into.
        """

    @abstractmethod
    def free(self, most: Mapping[Walk, int]) -> dict[Walk, list[KnownJob]]:
        """Return the next jobs on some walks, so many at most, that are to be done and leased to nobody.

        Open ones come in the order of cycle, sequence and meter, or against it; then those that were skipped, likewise.
        A lease whose time is over still is one, until `Leases.end_expired`.
        """

    @abstractmethod
    def routes_left(self, most: int) -> dict[str, int]:
        """Return how many such jobs each route has that has any, in the order of cycle and route.

        If it has more than `most`, it may be any number from that: counting them all takes time.
        """

    @abstractmethod
    def search(self, text: str, most: int, route: str | None = None) -> list[KnownJob]:
        """Return the first jobs of the open cycles that are meant by a text, in the order of `Job.place`.

        `metermt.rules.finding` says which are. On any route, or on one. It goes through all jobs there.
        """

    @abstractmethod
    def skip(self, jobs: Iterable[int]) -> None:
        """Leave open jobs for later, by id, and end their leases."""


class Walks(ABC):
    """Who walks which route."""

    @abstractmethod
    def assignments(self) -> list[Assignment]:
        """Return which routes are given to whom, sorted by route and user name."""

    @abstractmethod
    def assign(self, assignments: Iterable[Assignment]) -> None:
        """Give routes to readers; of the same route and reader it replaces what was said."""

    @abstractmethod
    def unassign(self, assignments: Iterable[tuple[str, str]]) -> None:
        """Take routes from readers, by route and user name."""

    @abstractmethod
    def now(self, used_since: float) -> list[tuple[str, Walk]]:
        """Return where readers walk now, by user name, in any order.

        There is one for each session that was used since then, in seconds since 1970, and has not ended. Users who are
        disabled walk no more.
        """

    @abstractmethod
    def go(self, walks: Mapping[str, Walk]) -> None:
        """Remember where the readers of sessions walk from now on, by the session's key."""

    @abstractmethod
    def stop_all(self) -> None:
        """Forget where all readers walk."""


class Leases(ABC):
    """Who was handed what."""

    @abstractmethod
    def end_expired(self, now: float) -> None:
        """End the leases whose time is over."""

    @abstractmethod
    def held(self, most: Mapping[str, int]) -> dict[str, list[KnownJob]]:
        """Return the first jobs that sessions hold, by the session's key, in the order of their ids.

        A session that holds nothing is left out.
        """

    @abstractmethod
    def holders(self, now: float) -> dict[str, int]:
        """Return how many jobs readers hold, by user name; those whose time is over under an empty one."""

    @abstractmethod
    def left(self, most: Mapping[str, int]) -> dict[str, list[KnownJob]]:
        """Return the first jobs held by sessions of these users that nobody is connected with, by user name.

        In the order of their ids; a user of whom there are none is left out.
        """

    @abstractmethod
    def put(self, leases: Iterable[Lease]) -> None:
        """Lease open jobs that no other reader holds."""

    @abstractmethod
    def shorten(self, after: float, to: float) -> None:
        """Let the leases that end after a time end at another one."""

    @abstractmethod
    def of_routes(self, routes: Iterable[str]) -> list[int]:
        """Return the ids of the jobs of these routes that are leased, in order."""

    @abstractmethod
    def end(self, jobs: Iterable[int]) -> None:
        """End the leases of these jobs, by id, as far as there are any."""

    @abstractmethod
    def end_of(self, sessions: Iterable[str]) -> None:
        """End all leases of these sessions."""


class Readings(ABC):
    """What was read."""

    @abstractmethod
    def by_key(self, keys: Iterable[Key]) -> dict[Key, Reading]:
        """Return the readings that were submitted under these keys; `counts` means nothing in them."""

    @abstractmethod
    def add(self, readings: Sequence[tuple[int, Reading]]) -> None:
        """Add readings to jobs, by id. Each becomes the one that counts; its job is done, and its lease has ended."""

    @abstractmethod
    def on_record(self, jobs: Iterable[int]) -> set[int]:
        """Return which of these jobs, by id, have readings, whether one of them counts or not."""

    @abstractmethod
    def ask_again(self, looks: Mapping[int, Look | None]) -> None:
        """Remember what readers were asked to look at once more, by the job's id; None forgets it."""

    @abstractmethod
    def count(self, more: Mapping[tuple[str, str], int]) -> None:
        """Add to the tallies of jobs done, by cycle and user name: each job that is done for the first time.

        A store that counts by itself need not listen.
        """

    @abstractmethod
    def tallies(self, usernames: Iterable[str]) -> dict[str, Status]:
        """Return the status of each of these users. Costs the same however many readings there are."""

    @abstractmethod
    def latest(self, most: Mapping[str, int]) -> dict[str, list[tuple[Job, Reading]]]:
        """Return the latest readings of users in the open cycles that count, with their jobs, newest first.

        By user name; a user of whom there are none is left out. Only the `LATEST` of each user are looked through.
        """

    @abstractmethod
    def all(self, cycle: str | None) -> Iterator[tuple[Job, Reading]]:
        """Yield the readings of one cycle, or of every one, with their jobs.

        In the order of `Job.place`, those of one job in that of their arrival. To be used up before the transaction
        ends. In a transaction that keeps nothing they are read page by page, each as it stands then: whoever takes
        their time holds up nobody.
        """
