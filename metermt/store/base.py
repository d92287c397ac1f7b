"""What a store can do: keep a transaction whole, and, inside it, find and keep facts. A store decides nothing."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Self, TypeVar

from metermt.counting import Histogram
from metermt.model import Lease, Reading, Walk
from metermt.quality import Look
from metermt.rules.handout import Wish
from metermt.store.begun import Begun
from metermt.store.gathered import Facts, Key, Offer
from metermt.store.steps.audit import Audit
from metermt.store.steps.billing import Batches, Billing
from metermt.store.steps.cycles import Cycles
from metermt.store.steps.jobs import Jobs
from metermt.store.steps.office import Office
from metermt.store.steps.overview import Overview
from metermt.store.steps.people import Accounts, Failures, Servers, Sessions
from metermt.store.steps.progress import Progress
from metermt.store.steps.rounds import Leases, Readings, Rounds, Walks
from metermt.store.steps.settings import Settings
from metermt.store.steps.sites import Devices, Finds, Notes, Places

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Tx:
    """A transaction: the steps that it can take, by what they are about."""

    accounts: Accounts
    sessions: Sessions
    failures: Failures
    cycles: Cycles
    jobs: Jobs
    rounds: Rounds
    progress: Progress
    leases: Leases
    readings: Readings
    servers: Servers
    places: Places
    devices: Devices
    walks: Walks
    notes: Notes
    finds: Finds
    settings: Settings
    office: Office
    billing: Billing
    batches: Batches
    audit: Audit
    overview: Overview
    changes: Callable[[], int]
    """Tells how much it may have changed so far: a number that grows with all that it keeps."""

    def alone(self) -> None:
        """Wait until nobody else writes, and be the only one who does until the transaction ends.

        It is the first step of what changes places, jobs or cycles whose facts others may have gathered.
        Where only one transaction writes at a time anyway there is nothing to wait for.
        """

    def foresee(self, steps: Callable[[], object]) -> None:
        """Say which steps will be asked again for what they find, so that a store that is far away may find it along.

        What they return here means nothing.
        """

    def gather(
        self,
        now: float,
        keys: Collection[Key] = (),
        meters: Collection[str] = (),
        wishes: Sequence[Wish] = (),
        *,
        reasons: bool = False,
    ) -> Facts:
        """End the leases whose time is over, if there are wishes, and return what is decided on.

        It is one step, so that a store that is far away can ask for all of it at once.
        """
        if wishes:
            self.leases.end_expired(now)
        by_key = self.readings.by_key(keys) if keys else {}
        standings = self.rounds.standings(meters) if meters else []
        said = self.notes.reasons() if reasons else []
        if not wishes:
            return Facts(by_key, standings, Offer({}, {}, {}), {}, said)
        users: dict[str, int] = {}  # how many jobs, by user name
        walks: dict[Walk, int] = {}
        for wish in wishes:
            users[wish.username] = users.get(wish.username, 0) + wish.most
            if wish.walk:
                walks[wish.walk] = walks.get(wish.walk, 0) + wish.most
        times = 2 if meters else 1  # whoever wishes may have answered what is held
        held = self.leases.held({wish.session: times * users[wish.username] for wish in wishes})
        left = self.leases.left({username: times * most for username, most in users.items()})
        tallies = self.readings.tallies(users) if meters else {}
        return Facts(by_key, standings, Offer(held, left, self.rounds.free(walks) if walks else {}), tallies, said)

    def keep(
        self,
        readings: Sequence[tuple[int, Reading]] = (),
        done: Mapping[tuple[str, str], int] = MappingProxyType({}),
        leases: Sequence[Lease] = (),
        looks: Mapping[int, Look | None] = MappingProxyType({}),
    ) -> None:
        """Keep what was decided: `Readings.add`, `count` and `ask_again`, and `Leases.put`.

        No job is in both readings and leases.
        """
        if looks:
            self.readings.ask_again(looks)
        if readings:
            self.readings.add(readings)
        if done:
            self.readings.count(done)
        if leases:
            self.leases.put(leases)


class Figures(NamedTuple):
    """A store in figures."""

    engine: str
    """What it is kept by, such as `SQLite 3.51.3`."""
    size: int | None
    """Bytes on the disk; None if that cannot be told."""
    waiting: int
    """How many transactions wait for others, or for a connection."""
    commits: Histogram
    """How many seconds it took to make transactions durable."""


class Store(ABC):
    """The truth: users, sessions, cycles, jobs and readings. All calls may be made from any thread."""

    @abstractmethod
    def read(self, work: Callable[[Tx], T]) -> T:
        """Return what `work` makes of a consistent snapshot, or of one for each page of `Readings.all`.

        It must keep nothing.
        """

    @abstractmethod
    def write(self, work: Callable[[Tx], T]) -> T:
        """Return what `work` returned; what it kept is durable then.

        It happens whole or, when `work` or the store raises, not at all, whatever other threads, other processes or
        the power supply do. `work` may be run again, so it does nothing but through `Tx`.
        """

    @abstractmethod
    def begin(self, work: Callable[[Tx], T], wake: Callable[[], None], *, keeps: bool = True) -> Begun[T]:
        """Begin what `write` does, or what `read` does for work that keeps nothing, and do not wait for it.

        `wake` is called, perhaps in another thread, when asking `Begun.wait` again is worth it. It must be quick and
        raise nothing. Nobody tells when another program lets go of the store, so ask again now and then.
        """

    def clock(self) -> float:
        """Return what the time is for all who share the store, in seconds since 1970."""
        return time.time()

    def trouble(self) -> str | None:
        """Return what is known to keep the store from working, for people; None for nothing. It looks nowhere."""
        return None

    def location(self) -> str:
        """Return where it is, for people: without a password."""
        return "memory"

    def file(self) -> Path | None:
        """Return the file that it is in; None if it is on no disk of this machine."""
        return None

    def figures(self) -> Figures:
        """Return what those who watch a server want to know of it. It waits a second at most, and raises nothing."""
        return Figures("memory", None, 0, Histogram())

    @abstractmethod
    def backup(self, path: Path) -> None:
        """Write a copy of the store, as it stands now, to a new file. Raises `StoreError`."""

    def hurry(self, seconds: float) -> None:  # noqa: B027 - what is no file waits for no other program
        """Let what is written wait no longer than so many seconds for another program on this machine, from now on."""

    @abstractmethod
    def close(self) -> None:
        """Release everything the store holds. Closing it twice is harmless."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
