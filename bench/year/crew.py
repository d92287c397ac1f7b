"""The readers at work: clients in other processes, each in a thread of its own, over the real wire."""

import gc
import multiprocessing
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from multiprocessing.connection import Connection
from typing import Any, Self

from bench.year.figures import SICK
from bench.year.readers import Habits, Said
from bench.year.town import at
from metermt.client.client import MeterClient
from metermt.errors import ConfirmReading, Error
from metermt.model import Answer, Job
from metermt.names import new_key

_processes = multiprocessing.get_context("fork")
PATIENCE = 120.0
"""Seconds that a call may take: a server may be killed meanwhile."""
_HALVES = ((8.0, 12.0), (13.0, 17.0))  # hours


@dataclass(frozen=True, slots=True)
class Half:
    """Half a day of work, before or after noon. `sends` says whether who was offline sends what was read."""

    addresses: list[str]
    cycle: str
    month: int
    day: date
    afternoon: bool
    sends: bool = True

    @property
    def ends(self) -> datetime:
        """When it is over."""
        return at(self.day, _HALVES[self.afternoon][1])


class Crew:
    """The readers of a town, until the end of the `with`."""

    def __init__(self, habits: Habits) -> None:
        self._pipes: list[Connection] = []
        self._workers: list[Any] = []
        self._sent = _processes.Value("q", 0)
        gc.freeze()  # or each of them would copy what it collects
        number = min(habits.town.size.processes, len(habits.names))
        for place in range(number):
            here, there = _processes.Pipe()
            names = habits.names[place::number]
            worker = _processes.Process(target=_work, args=(habits, names, self._sent, there), daemon=True)
            worker.start()
            there.close()
            self._pipes.append(here)
            self._workers.append(worker)

    @property
    def sent(self) -> int:
        """How many readings were sent so far, by all."""
        return int(self._sent.value)

    def begin(self, what: Half | list[str]) -> None:
        """Have all of them work for half a day; or have who was offline send what they have, to these servers."""
        for pipe in self._pipes:
            pipe.send(what)

    @property
    def is_done(self) -> bool:
        """Whether all of them have finished."""
        return all(pipe.poll() for pipe in self._pipes)

    def said(self) -> list[Said]:
        """Wait until they have, and return what was said."""
        answers = [pipe.recv() for pipe in self._pipes]
        for answer in answers:
            if isinstance(answer, str):
                raise RuntimeError(f"a reader failed: {answer}")  # noqa: TRY004 - not its type is wrong
        return [said for answer in answers for said in answer]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, why: type[BaseException] | None, *_exc: object) -> None:
        for pipe in self._pipes:
            with suppress(OSError):
                pipe.send(None)
        for worker in self._workers:
            if why:  # they may be waiting for servers that are gone
                worker.kill()
            worker.join(PATIENCE)


def _work(habits: Habits, names: Sequence[str], sent: Any, pipe: Connection) -> None:
    readers = [_Reader(habits, name, sent) for name in names]
    with ThreadPoolExecutor(len(readers)) as pool:
        while (what := pipe.recv()) is not None:
            try:
                if isinstance(what, Half):
                    work = [pool.submit(reader.work, what) for reader in readers]
                else:
                    work = [pool.submit(reader.send_kept, what) for reader in readers]
                pipe.send([said for one in work for said in one.result()])
            except Exception as error:  # noqa: BLE001 - whatever it is, the bench raises it again
                pipe.send(repr(error))


class _Reader:
    """One of them."""

    def __init__(self, habits: Habits, name: str, sent: Any) -> None:
        self._habits, self._name, self._sent = habits, name, sent
        self._kept: list[Said] = []
        self._visits: Counter[tuple[str, int]] = Counter()

    def work(self, half: Half) -> list[Said]:
        """Read for half a day; return what was sent."""
        if self._kept:  # their device is broken
            return []
        chance = self._habits.chance("day", self._name, half.day)
        stops = chance.randint(*self._habits.town.size.stops_a_day)
        if chance.random() < SICK:
            return []
        stops = stops // 2 if half.afternoon else stops - stops // 2
        begins, ends = (at(half.day, hour) for hour in _HALVES[half.afternoon])
        times = [begins + (ends - begins) * place / stops for place in range(stops)]
        with self._client(half.addresses) as client:
            if half.afternoon and self._name == self._habits.offline:
                jobs = client.get_jobs(min(stops, 1000))
                for job, when in zip(jobs, times, strict=False):
                    said = self._typed(half, job, when)
                    self._kept.append(said)
            else:
                said_online = self._read(client, half, times)
                client.logout()
                return said_online
        return self.send_kept(half.addresses) if half.sends else []

    def send_kept(self, addresses: list[str]) -> list[Said]:
        """Send what was read without a network, all at once; what is asked about once more as it was noted."""
        kept, self._kept = self._kept, []
        if not kept:
            return []
        with self._client(addresses) as client:
            outcomes = client.submit_readings(map(_answer, kept))
            _note(kept, outcomes)
            asked = [said for said, error in zip(kept, outcomes, strict=True) if isinstance(error, ConfirmReading)]
            for said in asked:
                said.asked, said.key = True, new_key()
            _note(asked, client.submit_readings(map(_answer, asked)))
            client.logout()
        self._count(len(kept))
        return kept

    def _read(self, client: MeterClient, half: Half, times: Sequence[datetime]) -> list[Said]:
        done: list[Said] = []
        job = client.get_job()
        for when in times:
            if job is None:
                break
            said = self._typed(half, job, when)
            job = self._send(client, said, job)
            done.append(said)
            self._count(1)
        return done

    def _send(self, client: MeterClient, said: Said, job: Job) -> Job | None:
        """Send a reading, look again if asked to; return the next job."""
        try:
            try:
                return client.submit_and_next(_answer(said)).job
            except ConfirmReading:
                said.asked, said.value, said.key = True, said.typed.again, new_key()
            try:
                return client.submit_and_next(_answer(said)).job
            except ConfirmReading:  # what they saw the second time is odd, too
                said.key = new_key()
            return client.submit_and_next(_answer(said)).job
        except Error as error:
            said.error = f"{type(error).__name__}: {error}"
            client.skip_job(job.meter.number, job.cycle)
            return client.get_job()

    def _typed(self, half: Half, job: Job, when: datetime) -> Said:
        where = job.cycle, self._habits.town.of(job.meter.number).number
        visit = self._visits[where]
        self._visits[where] += 1
        when = when.replace(microsecond=0)
        typed = self._habits.type(job, self._name, half.month, when, visit)
        return Said(job.meter.number, job.cycle, self._name, when, typed, new_key(), typed.value)

    def _client(self, addresses: list[str]) -> MeterClient:
        client = MeterClient(servers=addresses, timeout=PATIENCE)
        client.login(self._name, self._name)
        return client

    def _count(self, number: int) -> None:
        with self._sent.get_lock():
            self._sent.value += number


def _answer(said: Said) -> Answer:
    return Answer(said.meter, said.value, "", said.when, said.key, said.cycle, code=said.typed.code)


def _note(sent: Sequence[Said], outcomes: Sequence[Error | None]) -> None:
    for said, error in zip(sent, outcomes, strict=True):
        said.error = "" if error is None else f"{type(error).__name__}: {error}"
