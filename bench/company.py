"""What readers notice of others: of one who sends in bulk, of another program that writes, of jobs leased ahead."""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

from bench.databases import READERS, copy_of, make_database
from bench.processes import Server, metermt
from bench.rounds import measure_clients
from bench.settings import Settings
from bench.systems import System
from metermt.calls.asking import Caller
from metermt.calls.desk import Desk
from metermt.calls.readings import Answers, get_status, submit_reading, submit_readings
from metermt.calls.rounds import JobsWanted, get_job, get_jobs
from metermt.calls.sessions import Login, login
from metermt.client.client import MeterClient
from metermt.model import Answer
from metermt.store.sqlite.store import SqliteStore

_BULK, _BULK_METERS = 20, 20_000  # answers a bulk, and meters that they are of
_PAUSE = 0.01  # seconds between two writes of another program
_processes = multiprocessing.get_context("fork")


def measure_company(settings: Settings, system: System, folder: Path) -> dict[str, Any]:
    """Return the rounds of readers alone and in company, by turns, and what leases cost."""
    database = make_database(folder / "company.db", unread=settings.meters + _BULK_METERS)
    company = {"alone": _nobody, "bulks": _bulks, "writer": _writer}
    rates: dict[str, list[float]] = {name: [] for name in company}
    threads: dict[str, int] = dict.fromkeys(company, 0)
    for _ in range(settings.runs):
        for name, others in company.items():
            copy = copy_of(database, "company-copy.db")
            with (
                metermt(folder, "--database", copy) as server,
                others(server, copy, settings),
                _threads_watched(server) as most,
            ):
                sample = measure_clients(system.connect, [server], settings.company, settings.seconds)
                rates[name].append(sample.rounds_per_s)
                # Until they have logged in, all of them have threads of their own.
                threads[name] = max(threads[name], most(0.9 * settings.seconds))
    return {
        "readers": settings.company,
        "leases": _leases(settings, folder),
        **{
            name: {
                "rounds_per_s": round(statistics.median(rates[name])),
                "share": round(
                    statistics.median(rate / alone for rate, alone in zip(rates[name], rates["alone"], strict=True)), 3
                ),
                "threads": threads[name],
            }
            for name in company
        },
    }


# --- others


@contextmanager
def _nobody(_server: Server, _database: Path, _settings: Settings) -> Iterator[None]:
    yield


@contextmanager
def _bulks(server: Server, _database: Path, settings: Settings) -> Iterator[None]:
    """Have a client that sends one bulk after the other: of the last meters, for the readers come from the front."""

    def send() -> None:
        with MeterClient("127.0.0.1", server.port, timeout=60) as client:
            client.login(READERS[-1], READERS[-1])
            while True:  # what was sent before is corrected
                for first in range(settings.meters, settings.meters + _BULK_METERS, _BULK):
                    client.submit_readings([Answer(f"W{first + n:07}", 4712) for n in range(_BULK)])

    with _beside(send):
        yield


@contextmanager
def _writer(_server: Server, database: Path, _settings: Settings) -> Iterator[None]:
    """Have another process that writes 100 times a second."""

    def write() -> None:
        with SqliteStore(database) as store:
            while True:
                store.write(lambda tx: tx.failures.add("nobody", "somewhere", time.time(), time.time() - 60))
                time.sleep(_PAUSE)

    with _beside(write):
        yield


@contextmanager
def _beside(work: Callable[[], None]) -> Iterator[None]:
    def run() -> None:
        with suppress(KeyboardInterrupt):
            work()

    process = _processes.Process(target=run, daemon=True)
    process.start()
    time.sleep(0.3)  # until it is at work
    if not process.is_alive():
        raise RuntimeError("what was to disturb the readers has ended")
    try:
        yield
        if not process.is_alive():
            raise RuntimeError("what was to disturb the readers has ended")
    finally:
        process.terminate()
        process.join()


@contextmanager
def _threads_watched(server: Server) -> Iterator[Callable[[float], int]]:
    """Watch how many threads the server has; gives what tells the most of the last so many seconds."""
    tasks, over = Path(f"/proc/{server.pid}/task"), Event()
    counts: list[tuple[float, int]] = []

    def watch() -> None:
        while not over.wait(0.02):
            with suppress(OSError):
                counts.append((time.monotonic(), sum(1 for _ in tasks.iterdir())))

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield lambda seconds: max(count for at, count in counts if at > time.monotonic() - seconds)
    finally:
        over.set()
        watcher.join()


# --- leases


def _leases(settings: Settings, folder: Path) -> dict[str, Any]:
    """Return what three steps cost, in milliseconds, without jobs leased ahead and with half of all."""
    costs = {ahead: _lease_costs(settings, folder, ahead) for ahead in (0, settings.ahead)}
    return {
        step: {
            "without_ms": round(costs[0][step], 3),
            "with_ms": round(costs[settings.ahead][step], 3),
            "ratio": round(costs[settings.ahead][step] / costs[0][step], 2),
        }
        for step in costs[0]
    }


def _lease_costs(settings: Settings, folder: Path, ahead: int) -> dict[str, float]:
    """Return the medians, with so many readers who have leased jobs ahead."""
    wanted = settings.ahead * settings.ahead_each
    database = make_database(folder / f"leases-{ahead}.db", unread=2 * wanted)
    with SqliteStore(database) as store:
        desk = Desk(store)
        crew = [_logged_in(desk, READERS[number]) for number in range(max(ahead, 1))]
        for member, member_id in crew[:ahead]:
            desk.ask(get_jobs, JobsWanted(settings.ahead_each), member_id, member)
        caller, session_id = _logged_in(desk, READERS[-1])
        spent: dict[str, list[float]] = {"lease": [], "disconnect": [], "nothing left": []}
        for turn in range(20 + settings.calls):
            started = time.perf_counter()
            meter = desk.ask(get_job, None, session_id, caller)
            spent["lease"].append(time.perf_counter() - started)
            desk.ask(submit_reading, Answer(str(meter), 1), session_id, caller)
            member, member_id = crew[turn % len(crew)]
            started = time.perf_counter()
            desk.hang_up([member])
            spent["disconnect"].append(time.perf_counter() - started)
            desk.ask(get_status, None, member_id, member)  # they are back
        _read_the_rest(desk, session_id, caller)
        for _ in range(20 + settings.calls):
            started = time.perf_counter()
            if desk.ask(get_job, None, session_id, caller) is not None:
                raise RuntimeError("there is something left")
            spent["nothing left"].append(time.perf_counter() - started)
    return {step: 1000 * statistics.median(times[20:]) for step, times in spent.items()}


def _logged_in(desk: Desk, username: str) -> tuple[Caller, str]:
    caller = Caller()
    return caller, desk.ask(login, Login(username, username), caller=caller).session_id


def _read_the_rest(desk: Desk, session_id: str, caller: Caller) -> None:
    """Read all meters that nobody holds."""
    while jobs := desk.ask(get_jobs, JobsWanted(1000), session_id, caller):
        desk.ask(submit_readings, Answers([Answer(job.meter.number, 1) for job in jobs]), session_id, caller)
