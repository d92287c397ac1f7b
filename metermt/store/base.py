"""What a store can do: keep a transaction whole, and, inside it, find and keep facts.

A store decides nothing. Its steps are **set-shaped**: they take many and return many, so that one answer and a thousand
cost as many statements. Points in time are aware `datetime`s in UTC, or seconds since 1970 where only lengths of time
count. A job is known by an id, which its store gives it in the order of import. Any step may raise `StoreError`.
"""

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Generic, NamedTuple, Self, TypeVar

from metermt.model import Account, Job, Lease, Reading, RouteProgress, Server, Session, Standing, Status, User
from metermt.rules.handout import Wish

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Key = tuple[str, str]
"""A user name and the key of a submission of that user."""


LOOKS_BACK = 12
"""Closed cycles that a reading may come too late for, if it does not name its own: a year of months."""


class KnownJob(NamedTuple):
    """A job with its id."""

    id: int
    job: Job


class Accounts(ABC):
    """Who there is."""

    @abstractmethod
    def find(self, usernames: Iterable[str]) -> dict[str, Account]:
        """Return those of these accounts that there are, by user name."""

    @abstractmethod
    def users(self) -> list[User]:
        """Return all users, sorted by name."""

    @abstractmethod
    def put(self, accounts: Iterable[Account]) -> None:
        """Add accounts; one whose name is there already replaces it."""


class Sessions(ABC):
    """Who is logged in, and who has failed to."""

    @abstractmethod
    def find(self, keys: Iterable[str]) -> dict[str, Session]:
        """Return those of these sessions that have not ended, by key."""

    @abstractmethod
    def add(self, sessions: Iterable[Session]) -> None:
        """Remember new sessions."""

    @abstractmethod
    def note(self, used: Mapping[str, float], server: str) -> None:
        """Remember when sessions were last used, by key, and that their readers are connected to this server.

        Those that are unknown or have ended stay so.
        """

    @abstractmethod
    def leave(self, keys: Iterable[str], server: str) -> None:
        """Remember that nobody is connected with these sessions, as far as this server was the last."""

    @abstractmethod
    def leave_all(self, server: str) -> None:
        """Do so for all sessions of a server."""

    @abstractmethod
    def end(self, keys: Iterable[str]) -> None:
        """End sessions. What they hold is left to their readers."""

    @abstractmethod
    def of(self, usernames: Iterable[str]) -> list[str]:
        """Return the keys of all sessions of these users, ended ones that still hold jobs included."""

    @abstractmethod
    def forget(self, idle_since: float) -> None:
        """Forget those not used since then, and those that have ended, unless they hold jobs."""

    @abstractmethod
    def failures(self, username: str, address: str, since: float) -> list[float]:
        """Return when this name failed to log in from this address after `since`, oldest first."""

    @abstractmethod
    def add_failure(self, username: str, address: str, at: float, forget_before: float) -> None:
        """Remember a wrong password, and forget those of anybody from before `forget_before`."""


class Jobs(ABC):
    """What is to be read."""

    @abstractmethod
    def cycles(self) -> dict[str, bool]:
        """Return all cycles by name, in order, and whether each is open."""

    @abstractmethod
    def open_cycle(self, cycle: str) -> None:
        """Add a cycle, unless it is there."""

    @abstractmethod
    def close_cycle(self, cycle: str) -> int:
        """Close a cycle: its open jobs are missed, and leased to nobody. Return how many these are."""

    @abstractmethod
    def find(self, cycle: str, meters: Iterable[str]) -> dict[str, Job]:
        """Return those jobs of a cycle that there are, by the number of the meter."""

    @abstractmethod
    def add(self, jobs: Iterable[Job]) -> None:
        """Add open jobs for meters that have none in that cycle, which there is."""

    @abstractmethod
    def change(self, jobs: Iterable[Job]) -> None:
        """Replace what is known of jobs; who holds or has read them is kept."""

    @abstractmethod
    def standings(self, meters: Iterable[str]) -> list[Standing]:
        """Return how the jobs of these meters in the open cycles stand, in the order of the cycles."""

    @abstractmethod
    def closed_hands(self, meters: Iterable[str]) -> dict[tuple[str, str], str]:
        """Return the latest closed cycle in which a reader was the last to be handed a meter, by meter and user name.

        Only the `LOOKS_BACK` latest closed cycles are looked into.
        """

    @abstractmethod
    def free(self, most: int) -> list[KnownJob]:
        """Return the first open jobs of the open cycles that are leased to nobody, in the order of `Job.place`.

        A lease whose time is over still is one, until `Leases.end_expired`.
        """

    @abstractmethod
    def progress(self) -> list[RouteProgress]:
        """Return how far each route of the open cycles is, sorted."""


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
        """Lease open jobs, whoever held them."""

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
    def count(self, more: Mapping[tuple[str, str], int]) -> None:
        """Add to the tallies of jobs done, by cycle and user name: each job that is done for the first time.

        A store that counts by itself need not listen.
        """

    @abstractmethod
    def tallies(self, usernames: Iterable[str]) -> dict[str, Status]:
        """Return the status of each of these users. Costs the same however many readings there are."""

    @abstractmethod
    def all(self, cycle: str | None) -> Iterator[tuple[Job, Reading]]:
        """Yield the readings of one cycle, or of every one, with their jobs: by cycle, meter and time of arrival.

        To be used up before the transaction ends.
        """


class Servers(ABC):
    """Which servers share the store."""

    @abstractmethod
    def note(self, server: Server) -> None:
        """Remember that a server is alive, in place of what was known of it."""

    @abstractmethod
    def all(self) -> list[Server]:
        """Return all that were not forgotten, sorted by name."""

    @abstractmethod
    def forget(self, names: Iterable[str]) -> None:
        """Forget servers."""


class Offer(NamedTuple):
    """Jobs that may be handed out."""

    held: Mapping[str, list[KnownJob]]
    """What sessions hold, by their keys."""
    left: Mapping[str, list[KnownJob]]
    """What is left to users, by their names."""
    free: list[KnownJob]

    def without(self, jobs: Collection[int]) -> "Offer":
        """Return what is left of it when these jobs, by their ids, are done."""
        held, left = ({name: _without(jobs, known) for name, known in of.items()} for of in (self.held, self.left))
        return Offer(held, left, _without(jobs, self.free))


def _without(jobs: Collection[int], known: list[KnownJob]) -> list[KnownJob]:
    return [one for one in known if one.id not in jobs]


class Facts(NamedTuple):
    """What answers are judged by, and jobs are handed out by."""

    by_key: dict[Key, Reading]
    standings: list[Standing]
    offer: Offer
    """Enough for all wishes, if there is, even when each answer ends one of the leases in it."""
    tallies: Mapping[str, Status]
    """Of all who answer and wish for something."""


@dataclass(slots=True)
class Tx:
    """A transaction: the steps that it can take, by what they are about."""

    accounts: Accounts
    sessions: Sessions
    jobs: Jobs
    leases: Leases
    readings: Readings
    servers: Servers

    def gather(
        self, now: float, keys: Collection[Key] = (), meters: Collection[str] = (), wishes: Sequence[Wish] = ()
    ) -> Facts:
        """End the leases whose time is over, if there are wishes, and return what is decided on.

        It is one step, so that a store that is far away can ask for all of it at once.
        """
        if wishes:
            self.leases.end_expired(now)
        by_key = self.readings.by_key(keys) if keys else {}
        standings = self.jobs.standings(meters) if meters else []
        if not wishes:
            return Facts(by_key, standings, Offer({}, {}, []), {})
        users: Counter[str] = Counter()
        for wish in wishes:
            users[wish.username] += wish.most
        times = 2 if meters else 1  # whoever wishes may have answered what is held
        held = self.leases.held({wish.session: times * users[wish.username] for wish in wishes})
        left = self.leases.left({username: times * most for username, most in users.items()})
        tallies = self.readings.tallies(users) if meters else {}
        return Facts(by_key, standings, Offer(held, left, self.jobs.free(users.total())), tallies)

    def keep(
        self,
        readings: Sequence[tuple[int, Reading]] = (),
        done: Mapping[tuple[str, str], int] = MappingProxyType({}),
        leases: Sequence[Lease] = (),
    ) -> None:
        """Keep what was decided: `Readings.add`, `Readings.count` and `Leases.put`. No job is in two of these."""
        if readings:
            self.readings.add(readings)
        if done:
            self.readings.count(done)
        if leases:
            self.leases.put(leases)


class Begun(ABC, Generic[T_co]):
    """A transaction that was begun, and may not be over yet."""

    @abstractmethod
    def wait(self, seconds: float) -> bool:
        """Wait until it is over, no longer than so many seconds; return whether it is. It may be asked again."""

    @abstractmethod
    def result(self) -> T_co:
        """Return what its work returned, or raise what it, or the store, raised. To be called when it is over."""


class Over(Begun[T_co]):
    """A transaction that was over at once."""

    def __init__(self, transaction: Callable[[], T_co]) -> None:
        """Do what returns or raises what the transaction does."""
        self._outcome: Future[T_co] = Future()
        try:
            self._outcome.set_result(transaction())
        except Exception as error:  # noqa: BLE001 - it is raised where the outcome is asked for
            self._outcome.set_exception(error)

    def wait(self, seconds: float) -> bool:  # noqa: ARG002 - there is nothing to wait for
        """Return True."""
        return True

    def result(self) -> T_co:
        """Return what came of it, or raise that."""
        return self._outcome.result()


class Store(ABC):
    """The truth: users, sessions, cycles, jobs and readings. All calls may be made from any thread."""

    @abstractmethod
    def read(self, work: Callable[[Tx], T]) -> T:
        """Return what `work` makes of a consistent snapshot. It must keep nothing."""

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

    def place(self) -> str:
        """Return where it is, for people: without a password."""
        return "memory"

    @abstractmethod
    def backup(self, path: Path) -> None:
        """Write a copy of the store, as it stands now, to a new file. Raises `StoreError`."""

    @abstractmethod
    def close(self) -> None:
        """Release everything the store holds. Closing it twice is harmless."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
