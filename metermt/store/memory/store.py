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
from metermt.store.base import Store, Tx
from metermt.store.begun import Begun, Over
from metermt.store.gathered import Key, KnownJob
from metermt.store.memory.cycles import MemoryCycles
from metermt.store.memory.failures import MemoryFailures
from metermt.store.memory.finds import MemoryFinds
from metermt.store.memory.jobs import MemoryJobs
from metermt.store.memory.logins import MemorySessions
from metermt.store.memory.notes import MemoryNotes
from metermt.store.memory.office import NoAudit, NoExchanges, NoOffice
from metermt.store.memory.places import MemoryPlaces
from metermt.store.memory.progress import MemoryProgress
from metermt.store.memory.rounds import MemoryRounds
from metermt.store.memory.settings import MemorySettings
from metermt.store.memory.tables import Tables, found_in
from metermt.store.memory.walks import MemoryWalks
from metermt.store.steps.audit import Audit
from metermt.store.steps.billing import Batches, Billing
from metermt.store.steps.office import Office
from metermt.store.steps.overview import Overview
from metermt.store.steps.people import Accounts, Servers
from metermt.store.steps.rounds import LATEST, Leases, Readings
from metermt.store.steps.sites import Devices, Finds

T = TypeVar("T")


class _Accounts(Accounts):
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def find(self, usernames: Iterable[str]) -> dict[str, Account]:
        return found_in(self._tables.accounts, usernames)

    def disabled(self, usernames: Iterable[str]) -> set[str]:
        return {name for name, account in self.find(usernames).items() if account.user.disabled}

    def users(self) -> list[User]:
        return [account.user for _, account in sorted(self._tables.accounts.items())]

    def put(self, accounts: Iterable[Account]) -> None:
        for account in accounts:
            self._tables.undo.put(self._tables.accounts, account.user.username, account)

    def last_used(self, usernames: Iterable[str]) -> dict[str, float]:
        tables = self._tables
        keys = {username: tables.logins_of.of(username) for username in usernames}
        return {name: max(tables.logins[key].used_at for key in of_name) for name, of_name in keys.items() if of_name}


class _Leases(Leases):
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def end_expired(self, now: float) -> None:
        for _, job_id in self._tables.expiries.before((now, sys.maxsize)):  # ids are less, so this is up to now
            self._tables.end_lease(job_id)

    def held(self, most: Mapping[str, int]) -> dict[str, list[KnownJob]]:
        return self._first({key: self._tables.held_by.of(key) for key in most}, most)

    def holders(self, now: float) -> dict[str, int]:
        leases = [lease for _, lease in self._tables.leases.items()]
        return dict(Counter(lease.username if lease.until > now else "" for lease in leases))

    def left(self, most: Mapping[str, int]) -> dict[str, list[KnownJob]]:
        return self._first({username: self._left_to(username) for username in most}, most)

    def put(self, leases: Iterable[Lease]) -> None:
        for lease in leases:
            self._tables.put_lease(lease)

    def shorten(self, after: float, to: float) -> None:
        for _, job_id in self._tables.expiries.after((after, sys.maxsize)):
            self._tables.put_lease(replace(self._tables.leases[job_id], until=to))

    def of_routes(self, routes: Iterable[str]) -> list[int]:
        asked = set(routes)
        return sorted(job_id for job_id in self._tables.leases if self._tables.jobs[job_id].route in asked)

    def end(self, jobs: Iterable[int]) -> None:
        for job_id in jobs:
            self._tables.end_lease(job_id)

    def end_of(self, sessions: Iterable[str]) -> None:
        self.end({job_id for key in sessions for job_id in self._tables.held_by.of(key)})

    def _left_to(self, username: str) -> set[int]:
        tables = self._tables
        left = [key for key in tables.logins_of.of(username) if tables.logins[key].server is None]
        return {job_id for key in left for job_id in tables.held_by.of(key)}

    def _first(self, ids: dict[str, set[int]], most: Mapping[str, int]) -> dict[str, list[KnownJob]]:
        first = {name: self._tables.known(ids[name], most[name]) for name in ids}
        return {name: jobs for name, jobs in first.items() if jobs}


class _Readings(Readings):
    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._by_key: ThreadSafeDict[Key, Reading] = ThreadSafeDict()

    def by_key(self, keys: Iterable[Key]) -> dict[Key, Reading]:
        return found_in(self._by_key, keys)

    def add(self, readings: Sequence[tuple[int, Reading]]) -> None:
        tables = self._tables
        for job_id, given in readings:
            job = tables.jobs[job_id]
            reading = replace(given, counts=True)  # an object of its own: `all` tells by it which one counts
            cycle, meter = tables.cycles[job.cycle], job.meter.number
            tables.end_lease(job_id)
            cycle.free.discard(job.place)
            if job_id in tables.skipped:
                tables.undo.drop(tables.skipped, job_id)
            tables.undo.put(cycle.readings, meter, reading)
            tables.undo.append(cycle.history, (meter, reading))
            if reading.answer.key is not None:
                tables.undo.put(self._by_key, (reading.username, reading.answer.key), reading)

    def on_record(self, jobs: Iterable[int]) -> set[int]:
        asked = found_in(self._tables.jobs, jobs)
        return {
            job_id for job_id, job in asked.items() if self._tables.cycles[job.cycle].readings.get(job.meter.number)
        }

    def ask_again(self, looks: Mapping[int, Look | None]) -> None:
        for job_id, look in looks.items():
            self._tables.undo.put(self._tables.looks, job_id, look)

    def count(self, more: Mapping[tuple[str, str], int]) -> None:
        """Do nothing: a `_MeterDict` counts its readings by itself."""

    def tallies(self, usernames: Iterable[str]) -> dict[str, Status]:
        cycles = [cycle.readings for _, cycle in self._tables.open_cycles()]
        total = sum(readings.status("")[1] for readings in cycles)
        return {name: Status(sum(readings.status(name)[0] for readings in cycles), total) for name in usernames}

    def latest(self, most: Mapping[str, int]) -> dict[str, list[tuple[Job, Reading]]]:
        found = {username: self._latest(username)[:number] for username, number in most.items()}
        return {username: readings for username, readings in found.items() if readings}

    def _latest(self, username: str) -> list[tuple[Job, Reading]]:
        tables = self._tables
        sent = [
            (reading.recorded_at, place, name, meter, reading)
            for name, cycle in tables.cycles.items()
            for place, (meter, reading) in enumerate(cycle.history)
            if reading.username == username
        ]
        sent.sort(key=lambda one: one[:2], reverse=True)
        return [
            (tables.jobs[tables.cycles[name].ids[meter]], reading)
            for *_, name, meter, reading in sent[:LATEST]
            if tables.cycles[name].is_open and reading is tables.cycles[name].readings[meter]
        ]

    def all(self, cycle: str | None) -> Iterator[tuple[Job, Reading]]:
        tables = self._tables
        found = [
            (
                tables.jobs[there.ids[meter]],
                reading if reading is there.readings[meter] else replace(reading, counts=False),
            )
            for name, there in tables.cycles.items()
            if cycle in (None, name)
            for meter, reading in there.history
        ]
        return iter(sorted(found, key=lambda pair: pair[0].place))


class _Servers(Servers):
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def note(self, server: Server) -> None:
        self._tables.undo.put(self._tables.servers, server.name, server)

    def all(self) -> list[Server]:
        return [server for _, server in sorted(self._tables.servers.items())]

    def forget(self, names: Iterable[str]) -> None:
        for name in found_in(self._tables.servers, names):
            self._tables.undo.drop(self._tables.servers, name)


class _MemoryTx(Tx):
    def alone(self) -> None:
        """Nobody else writes to it anyway."""


class MemoryStore(Store):
    """A store in memory. One lock makes a transaction one step."""

    def __init__(self) -> None:
        self._lock = RLock()  # guards all below; taken before the locks of the dictionaries
        tables = Tables()
        self._undo = tables.undo
        self._tx = _MemoryTx(
            accounts=_Accounts(tables),
            sessions=MemorySessions(tables),
            failures=MemoryFailures(tables),
            cycles=MemoryCycles(tables),
            jobs=MemoryJobs(tables),
            rounds=MemoryRounds(tables),
            progress=MemoryProgress(tables),
            leases=_Leases(tables),
            readings=_Readings(tables),
            servers=_Servers(tables),
            places=MemoryPlaces(tables),
            devices=cast(Devices, NoExchanges()),
            walks=MemoryWalks(tables),
            notes=MemoryNotes(tables),
            finds=cast(Finds, MemoryFinds(tables)),
            settings=MemorySettings(tables),
            office=cast(Office, NoOffice()),
            billing=cast(Billing, NoOffice()),
            batches=cast(Batches, NoOffice()),
            audit=cast(Audit, NoAudit()),
            overview=cast(Overview, NoOffice()),
            changes=tables.undo.changes,
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
