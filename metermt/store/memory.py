"""The reference store: everything in thread-safe dictionaries, gone when the program ends."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import RLock
from typing import TypeVar, cast

from msgspec.structs import replace

from metermt.errors import StoreError
from metermt.model import Account, Job, Lease, Reading, Server, Status, User
from metermt.quality import Look
from metermt.safedict import ThreadSafeDict
from metermt.store.audit import Audit, Unsealed
from metermt.store.base import Store, Tx
from metermt.store.begun import Begun, Over
from metermt.store.billing import Batches
from metermt.store.facts import Facts, found_in
from metermt.store.gathered import Key, KnownJob
from metermt.store.groups import LATEST, Leases, Readings
from metermt.store.logins import MemorySessions
from metermt.store.memory_jobs import MemoryJobs
from metermt.store.memory_notes import MemoryNotes
from metermt.store.memory_places import MemoryPlaces
from metermt.store.memory_settings import MemorySettings
from metermt.store.memory_walks import MemoryWalks
from metermt.store.office import Office
from metermt.store.overview import Overview
from metermt.store.people import Accounts, Servers

T = TypeVar("T")


class _Accounts(Accounts):
    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def find(self, usernames: Iterable[str]) -> dict[str, Account]:
        return found_in(self._facts.accounts, usernames)

    def disabled(self, usernames: Iterable[str]) -> set[str]:
        return {name for name, account in self.find(usernames).items() if account.user.disabled}

    def users(self) -> list[User]:
        return [account.user for _, account in sorted(self._facts.accounts.items())]

    def put(self, accounts: Iterable[Account]) -> None:
        for account in accounts:
            self._facts.undo.put(self._facts.accounts, account.user.username, account)


class _Leases(Leases):
    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def end_expired(self, now: float) -> None:
        for _, job_id in self._facts.expiries.before((now, sys.maxsize)):  # ids are less, so this is up to now
            self._facts.end_lease(job_id)

    def held(self, most: Mapping[str, int]) -> dict[str, list[KnownJob]]:
        return self._first({key: self._facts.held_by.of(key) for key in most}, most)

    def holders(self, now: float) -> dict[str, int]:
        leases = [lease for _, lease in self._facts.leases.items()]
        return dict(Counter(lease.username if lease.until > now else "" for lease in leases))

    def left(self, most: Mapping[str, int]) -> dict[str, list[KnownJob]]:
        return self._first({username: self._left_to(username) for username in most}, most)

    def put(self, leases: Iterable[Lease]) -> None:
        for lease in leases:
            self._facts.put_lease(lease)

    def shorten(self, after: float, to: float) -> None:
        for _, job_id in self._facts.expiries.after((after, sys.maxsize)):
            self._facts.put_lease(replace(self._facts.leases[job_id], until=to))

    def of_routes(self, routes: Iterable[str]) -> list[int]:
        asked = set(routes)
        return sorted(job_id for job_id in self._facts.leases if self._facts.jobs[job_id].route in asked)

    def end(self, jobs: Iterable[int]) -> None:
        for job_id in jobs:
            self._facts.end_lease(job_id)

    def end_of(self, sessions: Iterable[str]) -> None:
        self.end({job_id for key in sessions for job_id in self._facts.held_by.of(key)})

    def _left_to(self, username: str) -> set[int]:
        facts = self._facts
        left = [key for key in facts.logins_of.of(username) if facts.logins[key].server is None]
        return {job_id for key in left for job_id in facts.held_by.of(key)}

    def _first(self, ids: dict[str, set[int]], most: Mapping[str, int]) -> dict[str, list[KnownJob]]:
        first = {name: self._facts.known(ids[name], most[name]) for name in ids}
        return {name: jobs for name, jobs in first.items() if jobs}


class _Readings(Readings):
    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._by_key: ThreadSafeDict[Key, Reading] = ThreadSafeDict()

    def by_key(self, keys: Iterable[Key]) -> dict[Key, Reading]:
        return found_in(self._by_key, keys)

    def add(self, readings: Sequence[tuple[int, Reading]]) -> None:
        facts = self._facts
        for job_id, given in readings:
            job = facts.jobs[job_id]
            reading = replace(given, counts=True)  # an object of its own: `all` tells by it which one counts
            cycle, meter = facts.cycles[job.cycle], job.meter.number
            facts.end_lease(job_id)
            cycle.free.discard(job.place)
            if job_id in facts.skipped:
                facts.undo.drop(facts.skipped, job_id)
            facts.undo.put(cycle.readings, meter, reading)
            facts.undo.append(cycle.history, (meter, reading))
            if reading.answer.key is not None:
                facts.undo.put(self._by_key, (reading.username, reading.answer.key), reading)

    def on_record(self, jobs: Iterable[int]) -> set[int]:
        asked = found_in(self._facts.jobs, jobs)
        return {job_id for job_id, job in asked.items() if self._facts.cycles[job.cycle].readings.get(job.meter.number)}

    def ask_again(self, looks: Mapping[int, Look | None]) -> None:
        for job_id, look in looks.items():
            self._facts.undo.put(self._facts.looks, job_id, look)

    def count(self, more: Mapping[tuple[str, str], int]) -> None:
        """Do nothing: a `_MeterDict` counts its readings by itself."""

    def tallies(self, usernames: Iterable[str]) -> dict[str, Status]:
        cycles = [cycle.readings for _, cycle in self._facts.open_cycles()]
        total = sum(readings.status("")[1] for readings in cycles)
        return {name: Status(sum(readings.status(name)[0] for readings in cycles), total) for name in usernames}

    def latest(self, most: Mapping[str, int]) -> dict[str, list[tuple[Job, Reading]]]:
        found = {username: self._latest(username)[:number] for username, number in most.items()}
        return {username: readings for username, readings in found.items() if readings}

    def _latest(self, username: str) -> list[tuple[Job, Reading]]:
        facts = self._facts
        sent = [
            (reading.recorded_at, place, name, meter, reading)
            for name, cycle in facts.cycles.items()
            for place, (meter, reading) in enumerate(cycle.history)
            if reading.username == username
        ]
        sent.sort(key=lambda one: one[:2], reverse=True)
        return [
            (facts.jobs[facts.cycles[name].ids[meter]], reading)
            for *_, name, meter, reading in sent[:LATEST]
            if facts.cycles[name].is_open and reading is facts.cycles[name].readings[meter]
        ]

    def all(self, cycle: str | None) -> Iterator[tuple[Job, Reading]]:
        facts = self._facts
        found = [
            (
                facts.jobs[there.ids[meter]],
                reading if reading is there.readings[meter] else replace(reading, counts=False),
            )
            for name, there in facts.cycles.items()
            if cycle in (None, name)
            for meter, reading in there.history
        ]
        return iter(sorted(found, key=lambda pair: pair[0].place))


class _Servers(Servers):
    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def note(self, server: Server) -> None:
        self._facts.undo.put(self._facts.servers, server.name, server)

    def all(self) -> list[Server]:
        return [server for _, server in sorted(self._facts.servers.items())]

    def forget(self, names: Iterable[str]) -> None:
        for name in found_in(self._facts.servers, names):
            self._facts.undo.drop(self._facts.servers, name)


class _NoOffice:
    """What this store has instead of `Office`: it is for a reader's round."""

    def __getattr__(self, _step: str) -> None:
        raise StoreError("The office needs a database: a server without one has readers' rounds only")


class _NoAudit(_NoOffice):
    """What it has instead of `Audit`: readers' rounds leave no record."""

    def add(self, entries: object) -> None:
        pass

    def unsealed(self, _most: int) -> list[Unsealed]:
        return []


class MemoryStore(Store):
    """A store in memory. One lock makes a transaction one step."""

    def __init__(self) -> None:
        self._lock = RLock()  # guards all below; taken before the locks of the dictionaries
        facts = Facts()
        self._undo = facts.undo
        self._tx = Tx(
            _Accounts(facts),
            MemorySessions(facts),
            MemoryJobs(facts),
            _Leases(facts),
            _Readings(facts),
            _Servers(facts),
            MemoryPlaces(facts),
            MemoryWalks(facts),
            MemoryNotes(facts),
            MemorySettings(facts),
            cast(Office, _NoOffice()),
            cast(Batches, _NoOffice()),
            cast(Audit, _NoAudit()),
            cast(Overview, _NoOffice()),
        )

    def read(self, work: Callable[[Tx], T]) -> T:
        with self._lock:
            return work(self._tx)

    def write(self, work: Callable[[Tx], T]) -> T:
        with self._lock, self._undo.whole():
            return work(self._tx)

    def begin(self, work: Callable[[Tx], T], wake: object, *, keeps: bool = True) -> Begun[T]:  # noqa: ARG002
        return Over(lambda: self.write(work) if keeps else self.read(work))

    def backup(self, path: Path) -> None:
        raise StoreError(f"What is kept in memory cannot be backed up to {path}: serve a database file instead")

    def close(self) -> None:
        """There is nothing to release."""
