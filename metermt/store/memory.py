"""The reference store: everything in thread-safe dictionaries, gone when the program ends."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import RLock
from typing import TypeVar

from metermt.errors import StoreError
from metermt.model import Account, Job, JobState, Lease, Reading, RouteProgress, Server, Session, Standing, Status, User
from metermt.safedict import ThreadSafeDict, _MeterDict
from metermt.store.base import (
    LOOKS_BACK,
    Accounts,
    Begun,
    Jobs,
    Key,
    KnownJob,
    Leases,
    Over,
    Readings,
    Servers,
    Sessions,
    Store,
    Tx,
)
from metermt.store.facts import Cycle, Facts, Login
from metermt.store.undo import Groups, Ordered

K = TypeVar("K")
T = TypeVar("T")
V = TypeVar("V")


def _found(table: ThreadSafeDict[K, V], keys: Iterable[K]) -> dict[K, V]:
    return {key: table[key] for key in keys if key in table}


class _Accounts(Accounts):
    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def find(self, usernames: Iterable[str]) -> dict[str, Account]:
        return _found(self._facts.accounts, usernames)

    def users(self) -> list[User]:
        return [account.user for _, account in sorted(self._facts.accounts.items())]

    def put(self, accounts: Iterable[Account]) -> None:
        for account in accounts:
            self._facts.undo.put(self._facts.accounts, account.user.username, account)


class _Sessions(Sessions):
    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._failures: Ordered[tuple[float, int, str, str]] = Ordered(facts.undo)  # when, which, name, address
        self._failures_of: Groups[tuple[str, str], tuple[float, int]] = Groups(facts.undo)  # by name and address
        self._failure_ids = count(1)  # tell apart what happened at the same time

    def find(self, keys: Iterable[str]) -> dict[str, Session]:
        return {
            key: Session(key, self._facts.accounts[login.username].user, login.used_at, login.server)
            for key, login in self._living(keys)
        }

    def add(self, sessions: Iterable[Session]) -> None:
        for session in sessions:
            self._put(session.key, Login(session.username, session.used_at, session.server, ended=False))
            self._facts.logins_of.add(session.username, session.key)

    def note(self, used: Mapping[str, float], server: str) -> None:
        for key, login in self._living(used):
            self._put(key, login._replace(used_at=used[key], server=server))

    def leave(self, keys: Iterable[str], server: str) -> None:
        for key, login in self._living(keys):
            if login.server == server:
                self._put(key, login._replace(server=None))

    def leave_all(self, server: str) -> None:
        self.leave(self._facts.logins, server)

    def end(self, keys: Iterable[str]) -> None:
        for key, login in self._living(keys):
            self._put(key, login._replace(server=None, ended=True))

    def of(self, usernames: Iterable[str]) -> list[str]:
        facts = self._facts
        keys = sorted(key for username in set(usernames) for key in facts.logins_of.of(username))
        return [key for key in keys if not facts.logins[key].ended or facts.held_by.of(key)]

    def forget(self, idle_since: float) -> None:
        for key, login in self._facts.logins.items():
            if (login.ended or login.used_at < idle_since) and not self._facts.held_by.of(key):
                self._facts.undo.drop(self._facts.logins, key)
                self._facts.logins_of.discard(login.username, key)

    def failures(self, username: str, address: str, since: float) -> list[float]:
        return [at for at, _ in sorted(self._failures_of.of((username, address))) if at > since]

    def add_failure(self, username: str, address: str, at: float, forget_before: float) -> None:
        for old in self._failures.before((forget_before, 0, "", "")):
            self._failures.discard(old)
            self._failures_of.discard(old[2:], old[:2])
        number = next(self._failure_ids)
        self._failures.add((at, number, username, address))
        self._failures_of.add((username, address), (at, number))

    def _living(self, keys: Iterable[str]) -> list[tuple[str, Login]]:
        return [(key, login) for key, login in _found(self._facts.logins, keys).items() if not login.ended]

    def _put(self, key: str, login: Login) -> None:
        self._facts.undo.put(self._facts.logins, key, login)


class _Jobs(Jobs):
    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._ids = count(1)

    def cycles(self) -> dict[str, bool]:
        return {name: cycle.is_open for name, cycle in sorted(self._facts.cycles.items())}

    def open_cycle(self, cycle: str) -> None:
        if cycle not in self._facts.cycles:
            there = Cycle(True, ThreadSafeDict(), _MeterDict(), [], Ordered(self._facts.undo))
            self._facts.undo.put(self._facts.cycles, cycle, there)

    def close_cycle(self, cycle: str) -> int:
        facts = self._facts
        there = facts.cycles.get(cycle)
        if there is None or not there.is_open:
            return 0
        for job_id in facts.leases:
            if facts.jobs[job_id].cycle == cycle:
                facts.end_lease(job_id)
        facts.undo.put(facts.cycles, cycle, there._replace(is_open=False))
        _, done = there.readings.status("")
        return len(there.readings) - done

    def find(self, cycle: str, meters: Iterable[str]) -> dict[str, Job]:
        there = self._facts.cycles.get(cycle)
        found = _found(there.ids, meters) if there else {}
        return {meter: self._facts.jobs[job_id] for meter, job_id in found.items()}

    def add(self, jobs: Iterable[Job]) -> None:
        facts = self._facts
        for job in jobs:
            cycle, job_id = facts.cycles[job.cycle], next(self._ids)
            facts.undo.put(facts.jobs, job_id, job)
            facts.undo.put(cycle.ids, job.meter.number, job_id)
            facts.undo.put(cycle.readings, job.meter.number, None)
            cycle.free.add(job.place)

    def change(self, jobs: Iterable[Job]) -> None:
        facts = self._facts
        for job in jobs:
            cycle = facts.cycles[job.cycle]
            job_id = cycle.ids[job.meter.number]
            old = facts.jobs[job_id]
            facts.undo.put(facts.jobs, job_id, job)
            if old.place in cycle.free:
                cycle.free.discard(old.place)
                cycle.free.add(job.place)

    def standings(self, meters: Iterable[str]) -> list[Standing]:
        asked = list(meters)
        return [
            self._standing(job_id)
            for _, cycle in self._facts.open_cycles()
            for job_id in _found(cycle.ids, asked).values()
        ]

    def closed_hands(self, meters: Iterable[str]) -> dict[tuple[str, str], str]:
        asked, handed_to = list(meters), self._facts.handed_to
        closed = [(name, cycle) for name, cycle in sorted(self._facts.cycles.items()) if not cycle.is_open]
        return {
            (meter, handed_to[job_id]): name
            for name, cycle in closed[-LOOKS_BACK:]
            for meter, job_id in _found(cycle.ids, asked).items()
            if job_id in handed_to
        }

    def free(self, most: int) -> list[KnownJob]:
        facts = self._facts
        free: list[KnownJob] = []
        for _, cycle in facts.open_cycles():
            ids = [cycle.ids[meter] for *_, meter in cycle.free.first(most - len(free))]
            free += [KnownJob(job_id, facts.jobs[job_id]) for job_id in ids]
        return free

    def progress(self) -> list[RouteProgress]:
        tallies: dict[tuple[str, str], list[int]] = {}
        for name, cycle in self._facts.open_cycles():
            for meter, reading in cycle.readings.items():
                if route := self._facts.jobs[cycle.ids[meter]].route:
                    tally = tallies.setdefault((name, route), [0, 0])
                    tally[0] += reading is not None
                    tally[1] += 1
        return [RouteProgress(*place, *tally) for place, tally in sorted(tallies.items())]

    def _standing(self, job_id: int) -> Standing:
        job, lease = self._facts.jobs[job_id], self._facts.leases.get(job_id)
        reading = self._facts.cycles[job.cycle].readings[job.meter.number]
        return Standing(
            job=job_id,
            meter=job.meter.number,
            cycle=job.cycle,
            dials=job.meter.dials,
            state=JobState.DONE if reading else JobState.OPEN,
            read_by=reading.username if reading else None,
            leased_to=lease.username if lease else None,
            leased_until=lease.until if lease else 0.0,
            handed_to=self._facts.handed_to.get(job_id),
        )


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

    def end_of(self, sessions: Iterable[str]) -> None:
        for key in sessions:
            for job_id in self._facts.held_by.of(key):
                self._facts.end_lease(job_id)

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
        return _found(self._by_key, keys)

    def add(self, readings: Sequence[tuple[int, Reading]]) -> None:
        facts = self._facts
        for job_id, given in readings:
            job = facts.jobs[job_id]
            reading = replace(given, counts=True)  # an object of its own: `all` tells by it which one counts
            cycle, meter = facts.cycles[job.cycle], job.meter.number
            facts.end_lease(job_id)
            cycle.free.discard(job.place)
            facts.undo.put(cycle.readings, meter, reading)
            facts.undo.append(cycle.history, (meter, reading))
            if reading.answer.key is not None:
                facts.undo.put(self._by_key, (reading.username, reading.answer.key), reading)

    def count(self, more: Mapping[tuple[str, str], int]) -> None:
        """Do nothing: a `_MeterDict` counts its readings by itself."""

    def tallies(self, usernames: Iterable[str]) -> dict[str, Status]:
        cycles = [cycle.readings for _, cycle in self._facts.open_cycles()]
        total = sum(readings.status("")[1] for readings in cycles)
        return {name: Status(sum(readings.status(name)[0] for readings in cycles), total) for name in usernames}

    def all(self, cycle: str | None) -> Iterator[tuple[Job, Reading]]:
        facts = self._facts
        found = [
            (
                facts.jobs[there.ids[meter]],
                reading if reading is there.readings[meter] else replace(reading, counts=False),
            )
            for name, there in sorted(facts.cycles.items())
            if cycle in (None, name)
            for meter, reading in sorted(there.history, key=lambda pair: pair[0])
        ]
        return iter(found)


class _Servers(Servers):
    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def note(self, server: Server) -> None:
        self._facts.undo.put(self._facts.servers, server.name, server)

    def all(self) -> list[Server]:
        return [server for _, server in sorted(self._facts.servers.items())]

    def forget(self, names: Iterable[str]) -> None:
        for name in _found(self._facts.servers, names):
            self._facts.undo.drop(self._facts.servers, name)


class MemoryStore(Store):
    """A store in memory. One lock makes a transaction one step."""

    def __init__(self) -> None:
        self._lock = RLock()  # guards all below; taken before the locks of the dictionaries
        facts = Facts()
        self._undo = facts.undo
        self._tx = Tx(
            _Accounts(facts), _Sessions(facts), _Jobs(facts), _Leases(facts), _Readings(facts), _Servers(facts)
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
