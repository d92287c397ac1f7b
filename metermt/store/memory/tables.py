"""What the store in memory keeps, and which of it changes together."""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple, TypeVar

from metermt.decisions import Setting
from metermt.fieldnotes import Found, Note, Reason
from metermt.model import Account, Assignment, Job, Lease, Place, Reading, Server, Walk
from metermt.quality import Look
from metermt.rules.history import Read
from metermt.safedict import ThreadSafeDict, _MeterDict
from metermt.store.gathered import KnownJob
from metermt.store.memory.undo import Groups, Ordered, Undo

K = TypeVar("K")
V = TypeVar("V")


def found_in(table: ThreadSafeDict[K, V], keys: Iterable[K]) -> dict[K, V]:
    """Return what a dictionary has of these keys."""
    return {key: table[key] for key in keys if key in table}


class Login(NamedTuple):
    """A session."""

    username: str
    used_at: float
    server: str | None
    ended: bool
    walk: Walk | None = None


class Cycle(NamedTuple):
    """One cycle: its jobs and readings. A job without a reading is open, or missed when the cycle is closed."""

    is_open: bool
    days: tuple[date | None, date | None]  # the first one, and the one by which it is to be read
    ids: ThreadSafeDict[str, int]  # of its jobs, by the number of the meter
    readings: _MeterDict[Reading]  # those that count
    history: list[tuple[str, Reading]]  # all, in order of arrival, each with the number of its meter
    free: Ordered[tuple[str, str, int, str]]  # `Job.place` of those that are not done and leased to nobody
    seasons: str = ""


class Tables:
    """Everything there is. Changed through `undo` only."""

    def __init__(self) -> None:
        self.undo = Undo()
        self.accounts: ThreadSafeDict[str, Account] = ThreadSafeDict()
        self.servers: ThreadSafeDict[str, Server] = ThreadSafeDict()
        self.logins: ThreadSafeDict[str, Login] = ThreadSafeDict()  # by key
        self.logins_of: Groups[str, str] = Groups(self.undo)  # keys by user name
        self.cycles: ThreadSafeDict[str, Cycle] = ThreadSafeDict()
        self.jobs: ThreadSafeDict[int, Job] = ThreadSafeDict()  # by id
        self.places: ThreadSafeDict[str, Place] = ThreadSafeDict()  # by the number of the meter
        self.shown: ThreadSafeDict[tuple[str, date, bool], Read] = ThreadSafeDict()  # by meter, day, whether it was new
        self.limits: ThreadSafeDict[int, str] = ThreadSafeDict()  # by the job's id, as the next one
        self.looks: ThreadSafeDict[int, Look | None] = ThreadSafeDict()
        self.skipped: ThreadSafeDict[int, None] = ThreadSafeDict()
        self.assignments: ThreadSafeDict[tuple[str, str], Assignment] = ThreadSafeDict()  # by route and user name
        self.reasons: ThreadSafeDict[str, Reason] = ThreadSafeDict()  # by code
        self.notes: list[Note] = []
        self.latest_notes: ThreadSafeDict[str, str] = ThreadSafeDict()  # by meter
        self.found: list[Found] = []
        self.settings: list[Setting] = []
        self.handed_to: ThreadSafeDict[int, str] = ThreadSafeDict()  # who was handed a job last, by its id
        self.leases: ThreadSafeDict[int, Lease] = ThreadSafeDict()  # by the job's id
        self.held_by: Groups[str, int] = Groups(self.undo)  # ids of leased jobs by the session's key
        self.expiries: Ordered[tuple[float, int]] = Ordered(self.undo)  # when each lease ends, and the job's id

    def open_cycles(self) -> list[tuple[str, Cycle]]:
        """Return the open cycles with their names, in order."""
        return [(name, cycle) for name, cycle in sorted(self.cycles.items()) if cycle.is_open]

    def known(self, ids: Iterable[int], most: int) -> list[KnownJob]:
        """Return the first of these jobs, in the order of their ids."""
        return list(map(self.known_job, sorted(ids)[:most]))

    def known_job(self, job_id: int) -> KnownJob:
        """Return this job, as it is now."""
        job = self.jobs[job_id]
        return KnownJob(job_id, lambda: job)

    def put_lease(self, lease: Lease) -> None:
        """Lease an open job that no other reader holds."""
        job = self.jobs[lease.job]
        self.end_lease(lease.job)
        self.undo.put(self.leases, lease.job, lease)
        self.undo.put(self.handed_to, lease.job, lease.username)
        self.held_by.add(lease.session, lease.job)
        self.expiries.add((lease.until, lease.job))
        self.cycles[job.cycle].free.discard(job.place)

    def end_lease(self, job_id: int) -> None:
        """End the lease of a job, if it has one: the job is free again."""
        if lease := self.leases.get(job_id):
            self.undo.drop(self.leases, job_id)
            self.held_by.discard(lease.session, job_id)
            self.expiries.discard((lease.until, job_id))
            job = self.jobs[job_id]
            self.cycles[job.cycle].free.add(job.place)
