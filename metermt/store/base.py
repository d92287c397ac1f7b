"""What a store remembers, in verbs of the field.

Each verb is one atomic step: it happens whole or not at all, whatever other threads, other processes or the
power supply do, and it is durable when it returns. Points in time are aware `datetime`s in UTC, or seconds
since 1970 where only lengths of time count. Any verb may raise `StoreError` when the store itself fails;
other errors are named with the verb.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Self

from metermt.errors import Error
from metermt.model import Account, Job, Lease, Reading, RouteProgress, Session, Status, Submission, User


class ImportCount(NamedTuple):
    """What became of imported jobs."""

    added: int
    changed: int
    unchanged: int


class Store(ABC):
    """The truth: users, sessions, routes, jobs and readings. All verbs may be called from any thread."""

    # --- users and sessions

    @abstractmethod
    def add_user(self, account: Account) -> None:
        """Remember a new user. Raises `UserError` if the name is taken."""

    @abstractmethod
    def find_account(self, username: str) -> Account | None:
        """Return what is needed to let a user in, None if there is no such user."""

    @abstractmethod
    def users(self) -> list[User]:
        """Return all users, sorted by name."""

    @abstractmethod
    def set_password(self, username: str, password_hash: str) -> None:
        """Change a user's password and end their sessions. Raises `UserError` if there is no such user."""

    @abstractmethod
    def disable_user(self, username: str) -> None:
        """Let a user in no more, end their sessions, and free their jobs.

        Their readings stay. Raises `UserError` if there is no such user.
        """

    @abstractmethod
    def open_session(self, session: Session, idle_since: float) -> None:
        """Remember a session, and forget those not used since `idle_since`.

        Raises `LoginError` if the user is gone or disabled by now.
        """

    @abstractmethod
    def find_session(self, key: str) -> Session | None:
        """Return the session, None if there is none of this key or its user is disabled."""

    @abstractmethod
    def touch_session(self, key: str, used_at: float) -> None:
        """Remember that a session was used."""

    @abstractmethod
    def close_session(self, key: str) -> None:
        """Forget a session; the jobs it holds stay with its reader until their leases end."""

    @abstractmethod
    def add_login_failure(self, username: str, address: str, at: float, forget_before: float) -> None:
        """Remember a wrong password, and forget those of anybody from before `forget_before`."""

    @abstractmethod
    def login_failures(self, username: str, address: str, since: float) -> list[float]:
        """Return when this name failed to log in from this address after `since`, oldest first."""

    # --- routes and jobs

    @abstractmethod
    def import_jobs(self, cycle: str, jobs: Sequence[Job]) -> ImportCount:
        """Add jobs of one cycle, which is opened if it is new.

        A job that stands already is brought up to date; who holds or has read it is kept. Raises `RouteError` if the
        cycle was closed.
        """

    @abstractmethod
    def close_cycle(self, cycle: str) -> int:
        """End a cycle: its unread jobs are handed out no more and its readings no longer count in the status.

        Returns the number of jobs left unread. Raises `RouteError` if there is no such open cycle.
        """

    @abstractmethod
    def routes(self) -> list[RouteProgress]:
        """Return the progress of each route of the open cycles, sorted. Made-up meters belong to no route."""

    @abstractmethod
    def has_routes(self) -> bool:
        """Tell whether the open cycles have a route."""

    @abstractmethod
    def lease_jobs(self, lease: Lease, most: int, now: float) -> list[Job]:
        """Hand out up to `most` jobs, all of them leased from now until `lease.until`.

        First those this session still holds, then those that stayed with this reader when a connection ended, then
        open ones in the order of `Job.place`. Only jobs of open cycles that nobody else holds are handed out.
        """

    @abstractmethod
    def lease_made_up_job(self, lease: Lease, job: Job) -> bool:
        """Add and lease a job for a meter that nobody has heard of.

        Returns False, and does nothing, if the number is taken or the cycle is closed.
        """

    @abstractmethod
    def release_session(self, key: str) -> None:
        """Leave the jobs that a session holds to its reader: any session of the reader may go on with them."""

    @abstractmethod
    def release_all_sessions(self) -> None:
        """Do the same for every session. For a server that starts: nobody is connected to it yet."""

    # --- readings

    @abstractmethod
    def record_reading(self, submission: Submission, now: datetime) -> Reading:
        """Accept a reading for the meter's job in the open cycles, and end the job's lease.

        Of several jobs the one this reader holds is meant, else the oldest unread one, else the latest. A
        reading by the same reader for a job that is done is a correction: both stay on record, the newer
        counts. A key that this reader has used returns the reading of then and changes nothing. Raises
        `SubmissionError`.
        """

    @abstractmethod
    def record_readings(self, submissions: Sequence[Submission], now: datetime) -> list[Reading | Error]:
        """Do the same for many in one step; a refused one gives its error and hinders no other."""

    @abstractmethod
    def record_and_lease(
        self, submission: Submission, lease: Lease, now: datetime
    ) -> tuple[Reading, Status, Job | None]:
        """Accept a reading, tell the status, and hand out the next job, in one step."""

    @abstractmethod
    def tally(self, username: str) -> Status:
        """Return the status of the open cycles. Costs the same however many readings there are."""

    @abstractmethod
    def readings(self, cycle: str | None = None) -> Iterator[tuple[Job, Reading]]:
        """Yield the readings of one cycle, or of all, with their jobs: by cycle, meter and time of arrival."""

    # --- the store itself

    @abstractmethod
    def together(self, step: Callable[[], object]) -> bool:
        """Run a step whose verbs, those that this thread uses meanwhile, become durable at once when this returns.

        It waits for nobody: returns False, and has done nothing, when others are writing. Raises `StoreError` when the
        store fails; then none of them has happened, whatever they returned.
        """

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
