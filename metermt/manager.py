"""The manager: who may log in, who is handed which meter, and whose reading is accepted.

It knows nothing of networks: call it from your own code, or put it behind a server. All its calls may be made from
any thread.
"""

import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from math import ceil
from threading import BoundedSemaphore
from typing import NamedTuple

from metermt.config import Rules
from metermt.demo import add_demo_users, make_up_job
from metermt.errors import CallError, Error, LoginError, SessionError, TooManyFailures
from metermt.model import Account, Job, Lease, Session, Status, Submission, is_username
from metermt.passwords import verify_password
from metermt.rules import meter_of, reason_of, time_of, value_of
from metermt.safedict import ThreadSafeDict
from metermt.store.base import Store
from metermt.store.memory import MemoryStore
from metermt.wire import MAX_ROWS, Row

_TRUSTED_SECONDS = 1.0  # a session ended by another process is found out after this long
_TOUCH_SHARE = 100  # a session's last use is written down when it is older than this part of the idle time
_MAKE_UP_TRIES = 1000  # a free number is found at once unless nearly all are taken

# Hashing takes 64 MiB and some 100 ms of several cores. A whole crew that logs in at once waits here, and leaves one
# core to those who read. No lock is held meanwhile.
_hashing = BoundedSemaphore(max(1, (os.cpu_count() or 1) - 1))


class _Known(NamedTuple):
    """A session as last read from the store."""

    session: Session
    read_at: float


class Manager:
    """The rules of who may do what, in front of a store.

    `Manager()` is the demo: it keeps everything in memory, knows the demo's users (see `metermt.demo`), and makes
    meters up. `Manager(store)` works on what is in the store; with `makes_up_meters` it makes meters up as long as the
    store has no routes. `clock` returns seconds since 1970.
    """

    def __init__(
        self,
        store: Store | None = None,
        *,
        rules: Rules | None = None,
        makes_up_meters: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store or MemoryStore()
        if store is None:
            add_demo_users(self.store)
        self._makes_up_meters = makes_up_meters or store is None
        self._rules = rules or Rules()
        self._clock = clock
        self._sessions: ThreadSafeDict[str, _Known] = ThreadSafeDict()  # by key; what it lacks is in the store

    # --- logging in and out

    def login(self, username: str, password: str, address: str = "") -> tuple[str, str]:
        """Let a user in.

        `address` is where the call comes from; failures are counted for each name and address. Returns the
        session id, a secret that stands for the user in all other calls until it was idle for 12 hours (unless
        `Rules` say otherwise), and the user's full name. Raises `LoginError`, or its subclass `TooManyFailures`.
        """
        if not isinstance(username, str) or not isinstance(password, str):
            raise LoginError
        name = username.strip().lower()  # telephones write the first letter large
        if not is_username(name):
            name = ascii(name)[:64]  # nobody's, but its failures are counted like those of any other
        with _hashing:
            now = self._clock()
            self._check_failures(name, address, now)
            account = self._verified(name, password)
            if account is None:
                self.store.add_login_failure(name, address, now, now - self._rules.login_window.total_seconds())
                raise LoginError
        session_id = secrets.token_urlsafe(32)
        session = Session(_key_of(session_id), account.user.username, now)
        self.store.open_session(session, idle_since=now - self._rules.session_idle.total_seconds())
        self._sessions[session.key] = _Known(session, now)
        return session_id, account.user.full_name

    def logout(self, session_id: str) -> None:
        """End a session. What it was handed stays with the reader for the rest of the lease. Raises `SessionError`."""
        session = self._session(session_id)
        self._sessions.pop(session.key, None)
        self.store.close_session(session.key)

    def connection_ended(self, session_ids: Iterable[str]) -> None:
        """Leave the jobs of these sessions to their readers, whichever session they go on with."""
        for key in map(_key_of, session_ids):
            self._sessions.pop(key, None)
            self.store.release_session(key)

    # --- handing out jobs

    def get_job(self, session_id: str) -> str | None:
        """Return the number of the meter to read next, None when all are read or being read. See `next_job`."""
        job = self.next_job(session_id)
        return job.meter if job else None

    def next_job(self, session_id: str) -> Job | None:
        """Return the job to do next, None when all are done or in other hands. Asking twice gives the same.

        It is the one that this session still holds; else one that the reader held when an earlier connection
        ended; else the next open one in the order of cycle, route and sequence. It stays with the session for 30
        minutes (unless `Rules` say otherwise) from now. Raises `SessionError`.
        """
        return next(iter(self.get_jobs(session_id, 1)), None)

    def get_jobs(self, session_id: str, n: int) -> list[Job]:
        """Return up to `n` jobs, to be read where there is no network. In the order of `next_job`.

        Raises `SessionError`, or `CallError` if `n` is not from 1 to `metermt.wire.MAX_ROWS`.
        """
        session = self._session(session_id)
        if type(n) is not int or not 1 <= n <= MAX_ROWS:
            raise CallError(f"Ask for 1 to {MAX_ROWS} jobs at once")
        now = self._clock()
        lease = self._lease(session, now)
        jobs = self.store.lease_jobs(lease, n, now)
        while len(jobs) < n and (job := self._made_up_job(lease, now)):
            jobs.append(job)
        return jobs

    # --- taking readings

    def submit_reading(
        self,
        session_id: str,
        meter: str,
        when: datetime | str,
        reading: int,
        reason: str = "",
        key: str | None = None,
    ) -> None:
        """Accept a reading, or a reason why there is none.

        `when` is a `datetime` or an ISO 8601 text, in the server's local time if it has no offset. `reading` is a
        whole number from 0 in the register's units, or -1 when there is only a reason. `key` is unique to this
        submission; sending it again returns without doing anything twice. Raises `SessionError`, or a
        `SubmissionError`, and then nothing was changed.
        """
        session = self._session(session_id)
        now = self._now()
        self.store.record_reading(_judge(session, Row(meter, when, reading, reason, key), now), now)

    def submit_readings(self, session_id: str, rows: Sequence[Row]) -> list[Error | None]:
        """Accept many readings in one step, and tell of each its error, or None when it was accepted.

        Raises `SessionError`, or `CallError` for more than `metermt.wire.MAX_ROWS` rows.
        """
        session = self._session(session_id)
        if len(rows) > MAX_ROWS:
            raise CallError(f"Send at most {MAX_ROWS} readings at once")
        now = self._now()
        outcomes: list[Error | None] = []
        submissions: dict[int, Submission] = {}
        for row in rows:
            outcomes.append(None)
            try:
                submissions[len(outcomes) - 1] = _judge(session, row, now)
            except Error as error:
                outcomes[-1] = error
        recorded = self.store.record_readings(list(submissions.values()), now)
        for place, outcome in zip(submissions, recorded, strict=True):
            outcomes[place] = outcome if isinstance(outcome, Error) else None
        return outcomes

    def submit_and_next(
        self,
        session_id: str,
        meter: str,
        when: datetime | str,
        reading: int,
        reason: str = "",
        key: str | None = None,
    ) -> tuple[Status, Job | None]:
        """Accept a reading as `submit_reading` does; return the status and the next job, all in one step."""
        session = self._session(session_id)
        now = self._now()
        lease = self._lease(session, now.timestamp())
        submission = _judge(session, Row(meter, when, reading, reason, key), now)
        _, status, job = self.store.record_and_lease(submission, lease, now)
        return status, job or self._made_up_job(lease, now.timestamp())

    def get_status(self, session_id: str) -> Status:
        """Return how many meters of the open cycles this user has read, and all have. Raises `SessionError`."""
        return self.store.tally(self._session(session_id).username)

    # --- parts

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _check_failures(self, name: str, address: str, now: float) -> None:
        window = self._rules.login_window.total_seconds()
        failures = self.store.login_failures(name, address, now - window)
        if len(failures) >= self._rules.login_failures:
            minutes = ceil((failures[-self._rules.login_failures] + window - now) / 60)
            raise TooManyFailures(
                f"Too many failed logins for {name!r} from your address: try again in {minutes} minutes"
            )

    def _verified(self, name: str, password: str) -> Account | None:
        account = self.store.find_account(name)
        if account and account.user.disabled:
            account = None
        right = verify_password(account.password_hash if account else None, password)
        return account if right else None

    def _session(self, session_id: str) -> Session:
        """Return a session that is valid now, and note that it was used. Raises `SessionError`."""
        if not isinstance(session_id, str):
            raise SessionError
        key, now = _key_of(session_id), self._clock()
        known = self._sessions.get(key)
        if known is None or not 0 <= now - known.read_at < _TRUSTED_SECONDS:
            session = self.store.find_session(key)
            idle = self._rules.session_idle.total_seconds()
            if session is None or session.used_at < now - idle:
                self._sessions.pop(key, None)
                raise SessionError
            # It is not worth waiting for; when others are writing, a later call will note it.
            if session.used_at < now - idle / _TOUCH_SHARE and self.store.together(
                lambda: self.store.touch_session(key, now)
            ):
                session = replace(session, used_at=now)
            known = _Known(session, now)
            self._sessions[key] = known
        return known.session

    def _lease(self, session: Session, now: float) -> Lease:
        return Lease(session.username, session.key, now + self._rules.lease.total_seconds())

    def _made_up_job(self, lease: Lease, now: float) -> Job | None:
        if not self._makes_up_meters or self.store.has_routes():
            return None
        cycle = f"{datetime.fromtimestamp(now, UTC):%Y-%m}"
        tries = (make_up_job(cycle) for _ in range(_MAKE_UP_TRIES))
        return next((job for job in tries if self.store.lease_made_up_job(lease, job)), None)


def _key_of(session_id: str) -> str:
    """Return what the store knows a session by: whoever reads the store cannot use the sessions in it."""
    return hashlib.sha256(session_id.encode("utf-8", "surrogatepass")).hexdigest()


def _judge(session: Session, row: Row, now: datetime) -> Submission:
    """Turn what a reader sent into a submission. Raises `SubmissionError`."""
    meter, reason = meter_of(row.meter), reason_of(row.reason)
    value = value_of(row.reading, reason)
    return Submission(meter, value, reason, time_of(row.when, now), session.username, row.key)
