"""The reference store: everything in thread-safe dictionaries, gone when the program ends."""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import NamedTuple

from metermt.errors import Error, InvalidKey, LoginError, RouteError, StoreError, UnknownMeter, UserError
from metermt.model import Account, Job, Lease, Reading, RouteProgress, Session, Status, Submission, User
from metermt.rules import check_dials, check_free
from metermt.safedict import ThreadSafeDict, _MeterDict
from metermt.store.base import ImportCount, Store


class _Hold(NamedTuple):
    """Who has been handed a job, and until when; `session` is None once its connection has ended."""

    username: str
    session: str | None
    until: float


class _Failure(NamedTuple):
    """A wrong password."""

    username: str
    address: str
    at: float


class _Cycle:
    """One cycle: its jobs, its readings, and who holds what."""

    def __init__(self) -> None:
        self.jobs: ThreadSafeDict[str, Job] = ThreadSafeDict()
        self.readings: _MeterDict[Reading] = _MeterDict()
        self.unread: list[tuple[str, str, int, str]] = []  # Job.place of each, sorted
        self.holds: ThreadSafeDict[str, _Hold] = ThreadSafeDict()
        self.on_routes = 0  # jobs that are not made up
        self.closed = False

    def add(self, job: Job) -> bool:
        """Add a job unless its meter is here already."""
        if not self.readings.insert_if_missing(job.meter):
            return False
        self.jobs[job.meter] = job
        self.on_routes += bool(job.route)
        insort(self.unread, job.place)
        return True

    def update(self, job: Job) -> None:
        """Bring the details of a job up to date."""
        if self.readings[job.meter] is None:
            self._drop_from_unread(self.jobs[job.meter])
            insort(self.unread, job.place)
        self.on_routes += bool(job.route) - bool(self.jobs[job.meter].route)
        self.jobs[job.meter] = job

    def record(self, reading: Reading) -> None:
        """Make this the reading that counts."""
        if self.readings[reading.meter] is None:
            self._drop_from_unread(self.jobs[reading.meter])
        self.readings[reading.meter] = reading
        self.holds.pop(reading.meter, None)

    def holder(self, meter: str, now: float) -> str | None:
        """Return who holds this meter's job now."""
        hold = self.holds.get(meter)
        return hold.username if hold and hold.until > now else None

    def reader(self, meter: str) -> str | None:
        """Return whose reading of this meter counts."""
        reading = self.readings[meter]
        return reading.username if reading else None

    def _drop_from_unread(self, job: Job) -> None:
        del self.unread[bisect_left(self.unread, job.place)]


class MemoryStore(Store):
    """A store in memory. Its verbs are atomic behind one lock."""

    def __init__(self) -> None:
        self._lock = RLock()  # makes each verb one step; taken before the locks of the dictionaries
        self._accounts: ThreadSafeDict[str, Account] = ThreadSafeDict()
        self._sessions: ThreadSafeDict[str, Session] = ThreadSafeDict()
        self._failures: list[_Failure] = []
        self._cycles: ThreadSafeDict[str, _Cycle] = ThreadSafeDict()
        self._history: list[Reading] = []
        self._keys: ThreadSafeDict[tuple[str, str], Reading] = ThreadSafeDict()

    # --- users and sessions

    def add_user(self, account: Account) -> None:
        with self._lock:
            if account.user.username in self._accounts:
                raise UserError(f"There is a user {account.user.username!r} already")
            self._accounts[account.user.username] = account

    def find_account(self, username: str) -> Account | None:
        return self._accounts.get(username)

    def users(self) -> list[User]:
        return sorted((account.user for account in self._accounts.values()), key=lambda user: user.username)

    def set_password(self, username: str, password_hash: str) -> None:
        with self._lock:
            self._accounts[username] = replace(self._account(username), password_hash=password_hash)
            self._end_sessions(username)

    def disable_user(self, username: str) -> None:
        with self._lock:
            account = self._account(username)
            self._accounts[username] = replace(account, user=replace(account.user, disabled=True))
            self._end_sessions(username)
            for cycle in self._cycles.values():
                for meter, hold in cycle.holds.items():
                    if hold.username == username:
                        del cycle.holds[meter]

    def open_session(self, session: Session, idle_since: float) -> None:
        with self._lock:
            account = self._accounts.get(session.username)
            if account is None or account.user.disabled:
                raise LoginError
            for key, known in self._sessions.items():
                if known.used_at < idle_since:
                    del self._sessions[key]
            self._sessions[session.key] = session

    def find_session(self, key: str) -> Session | None:
        return self._sessions.get(key)

    def touch_session(self, key: str, used_at: float) -> None:
        with self._lock:
            if session := self._sessions.get(key):
                self._sessions[key] = replace(session, used_at=used_at)

    def close_session(self, key: str) -> None:
        with self._lock:
            self._sessions.pop(key, None)
            self.release_session(key)

    def add_login_failure(self, username: str, address: str, at: float, forget_before: float) -> None:
        with self._lock:
            self._failures = [failure for failure in self._failures if failure.at >= forget_before]
            self._failures.append(_Failure(username, address, at))

    def login_failures(self, username: str, address: str, since: float) -> list[float]:
        with self._lock:
            return sorted(at for *pair, at in self._failures if pair == [username, address] and at > since)

    # --- routes and jobs

    def import_jobs(self, cycle: str, jobs: Sequence[Job]) -> ImportCount:
        with self._lock:
            there = self._cycles.setdefault(cycle, _Cycle())
            if there.closed:
                raise RouteError(f"Cycle {cycle} is closed: import into a new one")
            added = changed = 0
            for job in jobs:
                if there.add(job):
                    added += 1
                elif there.jobs[job.meter] != job:
                    there.update(job)
                    changed += 1
            return ImportCount(added, changed, len(jobs) - added - changed)

    def close_cycle(self, cycle: str) -> int:
        with self._lock:
            there = self._cycles.get(cycle)
            if there is None or there.closed:
                raise RouteError(f"There is no open cycle {cycle!r}")
            there.closed = True
            there.holds.clear()
            return len(there.unread)

    def routes(self) -> list[RouteProgress]:
        with self._lock:
            tallies: dict[tuple[str, str], list[int]] = {}
            for name, cycle in self._open_cycles():
                for meter, job in cycle.jobs.items():
                    if job.route:
                        tally = tallies.setdefault((name, job.route), [0, 0])
                        tally[0] += cycle.readings[meter] is not None
                        tally[1] += 1
            return [RouteProgress(*place, *tally) for place, tally in sorted(tallies.items())]

    def has_routes(self) -> bool:
        with self._lock:
            return any(cycle.on_routes for _, cycle in self._open_cycles())

    def lease_jobs(self, lease: Lease, most: int, now: float) -> list[Job]:
        with self._lock:
            jobs = self._held_jobs(lease, now)[:most]
            for _, cycle in self._open_cycles():
                for *_, meter in cycle.unread:
                    if len(jobs) >= most:
                        break
                    if cycle.holder(meter, now) is None:
                        jobs.append(cycle.jobs[meter])
            for job in jobs:
                self._cycles[job.cycle].holds[job.meter] = _Hold(lease.username, lease.session, lease.until)
            return jobs

    def lease_made_up_job(self, lease: Lease, job: Job) -> bool:
        with self._lock:
            if any(job.meter in cycle.jobs for cycle in self._cycles.values()):
                return False
            cycle = self._cycles.setdefault(job.cycle, _Cycle())
            if cycle.closed:
                return False
            cycle.add(job)
            cycle.holds[job.meter] = _Hold(lease.username, lease.session, lease.until)
            return True

    def release_session(self, key: str) -> None:
        self._release(lambda hold: hold.session == key)

    def release_all_sessions(self) -> None:
        self._release(lambda _: True)

    # --- readings

    def record_reading(self, submission: Submission, now: datetime) -> Reading:
        with self._lock:
            key = submission.key and (submission.username, submission.key)
            if key and (first := self._keys.get(key)):
                if not first.submission.same_answer(submission):
                    raise InvalidKey(f"This key was used before, for a reading of {first.meter}")
                return first
            name, cycle = self._cycle_meant(submission, now.timestamp())
            meter = submission.meter
            check_dials(submission.value, meter, cycle.jobs[meter].dials)
            check_free(
                meter,
                submission.username,
                read_by=cycle.reader(meter),
                leased_to=cycle.holder(meter, now.timestamp()),
            )
            reading = Reading(submission, name, now)
            cycle.record(reading)
            self._history.append(reading)
            if key:
                self._keys[key] = reading
            return reading

    def record_readings(self, submissions: Sequence[Submission], now: datetime) -> list[Reading | Error]:
        outcomes: list[Reading | Error] = []
        with self._lock:
            for submission in submissions:
                try:
                    outcomes.append(self.record_reading(submission, now))
                except Error as error:
                    outcomes.append(error)
        return outcomes

    def record_and_lease(
        self, submission: Submission, lease: Lease, now: datetime
    ) -> tuple[Reading, Status, Job | None]:
        with self._lock:
            reading = self.record_reading(submission, now)
            job = next(iter(self.lease_jobs(lease, 1, now.timestamp())), None)
            return reading, self.tally(submission.username), job

    def tally(self, username: str) -> Status:
        with self._lock:
            tallies = [cycle.readings.status(username) for _, cycle in self._open_cycles()]
        return Status(sum(count for count, _ in tallies), sum(total for _, total in tallies))

    def readings(self, cycle: str | None = None) -> Iterator[tuple[Job, Reading]]:
        with self._lock:
            found = [
                (
                    self._cycles[reading.cycle].jobs[reading.meter],
                    replace(reading, counts=self._counts(reading)),
                )
                for reading in self._history
                if cycle in (None, reading.cycle)
            ]
        yield from sorted(found, key=lambda pair: (pair[1].cycle, pair[1].meter))

    # --- the store itself

    def together(self, step: Callable[[], object]) -> bool:
        step()
        return True

    def backup(self, path: Path) -> None:
        raise StoreError(f"What is kept in memory cannot be backed up to {path}: serve a database file instead")

    def close(self) -> None:
        """There is nothing to release."""

    # --- parts of the verbs, run under the lock

    def _account(self, username: str) -> Account:
        if account := self._accounts.get(username):
            return account
        raise UserError(f"There is no user {username!r}")

    def _end_sessions(self, username: str) -> None:
        for key, session in self._sessions.items():
            if session.username == username:
                self.close_session(key)

    def _open_cycles(self) -> list[tuple[str, _Cycle]]:
        return sorted((name, cycle) for name, cycle in self._cycles.items() if not cycle.closed)

    def _held_jobs(self, lease: Lease, now: float) -> list[Job]:
        held = [
            (hold.session is None, cycle.jobs[meter])
            for _, cycle in self._open_cycles()
            for meter, hold in cycle.holds.items()
            if hold.username == lease.username and hold.session in (None, lease.session) and hold.until > now
        ]
        return [job for _, job in sorted(held, key=lambda pair: (pair[0], pair[1].place))]

    def _release(self, concerned: Callable[[_Hold], bool]) -> None:
        with self._lock:
            for cycle in self._cycles.values():
                for meter, hold in cycle.holds.items():
                    if concerned(hold):
                        cycle.holds[meter] = hold._replace(session=None)

    def _cycle_meant(self, submission: Submission, now: float) -> tuple[str, _Cycle]:
        meter = submission.meter
        cycles = [(name, cycle) for name, cycle in self._open_cycles() if meter in cycle.jobs]
        if not cycles:
            raise UnknownMeter(f"Unknown meter {meter!r}: check the number on the meter")
        mine = [pair for pair in cycles if pair[1].holder(meter, now) == submission.username]
        unread = [pair for pair in cycles if pair[1].readings[meter] is None]
        return (mine or unread or cycles[-1:])[0]

    def _counts(self, reading: Reading) -> bool:
        return self._cycles[reading.cycle].readings[reading.meter] is reading
