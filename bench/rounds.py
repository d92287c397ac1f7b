"""Rounds per second, and how long one takes, for some clients at once."""

import gc
import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Barrier
from typing import Any

from bench.databases import READERS
from bench.machine import cpu_seconds, rss_mb
from bench.processes import Server
from bench.settings import Settings
from bench.systems import Reader, System

# Clients share a few processes: 64 of them would take twice the processor time, for caches that are always cold, and
# leave that much less to the server.
_PROCESSES = 4
_processes = multiprocessing.get_context("fork")
_WARM_UP = 5  # rounds; a forked process copies the memory that it changes, and the first calls fetch names
_LEAD = 0.05  # seconds until all begin
_LONGEST = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run of one system with so many clients gave."""

    rounds_per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    server_rss_mb: float
    server_cpu_ms: float
    """Processor time of the server for one round."""
    database_cpu_ms: float
    """And of the database, if it has processes of its own."""


def measure_rounds(
    compared: list[System], database: Path, settings: Settings, folder: Path
) -> dict[tuple[str, int], list[Sample]]:
    """Return the samples by system and number of clients. In each run all systems take turns, on fresh servers."""
    gc.freeze()  # or each client would copy what it collects
    samples: dict[tuple[str, int], list[Sample]] = {}
    for _ in range(settings.runs):
        with ExitStack() as stack:
            servers = [(system, stack.enter_context(system.start(folder, database))) for system in compared]
            for clients in settings.clients:
                for system, server in servers:
                    sample = measure_clients(system.connect, [server], clients, settings.seconds)
                    samples.setdefault((system.name, clients), []).append(sample)
    return samples


def rows_of(samples: dict[tuple[str, int], list[Sample]]) -> list[dict[str, Any]]:
    """Return a row for each system and number of clients: medians, and of the rate also lowest, highest, and ratio.

    The ratio is to the first system with as many clients, the median of those within each run.
    """
    first = next(iter(samples))[0]
    rows = []
    for (name, clients), runs in samples.items():
        rates = [run.rounds_per_s for run in runs]
        ratios = [rate / other.rounds_per_s for rate, other in zip(rates, samples[first, clients], strict=True)]
        medians = {
            field: round(statistics.median(getattr(run, field) for run in runs), 3) for field in Sample.__slots__
        }
        extremes = {"rounds_per_s_min": round(min(rates), 3), "rounds_per_s_max": round(max(rates), 3)}
        each = {"rounds_per_s_runs": rates, "p99_ms_runs": [round(run.p99_ms, 3) for run in runs]}
        rows.append(
            {"system": name, "clients": clients}
            | medians
            | extremes
            | {"ratio": round(statistics.median(ratios), 3)}
            | each
        )
    return rows


def measure_clients(
    connect: Callable[[int], Reader],
    servers: Sequence[Server],
    clients: int,
    seconds: float,
    database_seconds: Callable[[], float] = lambda: 0.0,
    names: Sequence[str] = READERS,
    memory: Callable[[int], float] = rss_mb,
) -> Sample:
    """Return what so many clients get done at once, of a server, or of several in equal parts.

    `database_seconds` returns the processor time that the database has taken so far; `names` are those that clients log
    in by; `memory` returns the MB that the server of a process id holds.
    """
    pipes, processes = [], []
    for number in range(min(clients, _PROCESSES)):
        here, there = _processes.Pipe()
        own = names[number:clients:_PROCESSES]
        port = servers[number % len(servers)].port
        process = _processes.Process(target=_be_clients, args=(connect, port, own, seconds, there), daemon=True)
        process.start()
        there.close()
        pipes.append(here)
        processes.append(process)
    try:
        for pipe in pipes:
            _received(pipe)  # all of it have logged in
        cpu, database_cpu = sum(cpu_seconds(server.pid) for server in servers), database_seconds()
        begin = time.monotonic() + _LEAD
        for pipe in pipes:
            pipe.send(begin)
        answers = [answer for pipe in pipes for answer in _received(pipe)]
        cpu = sum(cpu_seconds(server.pid) for server in servers) - cpu
        database_cpu = database_seconds() - database_cpu
        rss = sum(memory(server.pid) for server in servers)
    finally:
        for pipe in pipes:
            with suppress(OSError):
                pipe.send(None)
        for process in processes:
            process.join(_LONGEST)
    in_time = max(1, sum(answer[0] for answer in answers))  # a machine may be too busy for one
    took = sorted(1000 * second for answer in answers for second in answer[1])
    return Sample(
        in_time / seconds,
        statistics.median(took),
        took[min(len(took) - 1, len(took) * 99 // 100)],
        took[-1],
        rss,
        cpu * 1000 / len(took),
        database_cpu * 1000 / len(took),
    )


def _received(pipe: Connection) -> Any:
    if not pipe.poll(_LONGEST):
        raise RuntimeError("a client does not answer")
    answer = pipe.recv()
    if isinstance(answer, str):
        raise RuntimeError(f"a client failed: {answer}")  # noqa: TRY004 - not its type is wrong
    return answer


def _be_clients(
    connect: Callable[[int], Reader], port: int, names: list[str], seconds: float, pipe: Connection
) -> None:
    """Be some clients, each in a thread of its own, as some libraries want it."""
    ready = Barrier(len(names) + 1)
    readers: list[Reader] = []
    begin = Future[float]()

    def client(name: str) -> tuple[int, list[float]]:
        try:
            reader = connect(port)
            readers.append(reader)
            reader.login(name)
            for _ in range(_WARM_UP):
                reader.round()
        except BaseException:
            ready.abort()
            raise
        ready.wait()
        return _timed_rounds(reader, begin.result(), seconds)

    with ThreadPoolExecutor(len(names)) as pool:
        running = [pool.submit(client, name) for name in names]
        try:
            ready.wait()
            pipe.send(())
            begin.set_result(pipe.recv())
            pipe.send([future.result() for future in running])
        except Exception as error:  # noqa: BLE001 - whatever it is, the measuring process raises it again
            broken = [future.exception() for future in running if future.done() and future.exception()]
            pipe.send(repr([error, *broken]))
    pipe.recv()  # all stay connected until the server's memory was read


def _timed_rounds(reader: Reader, begin: float, seconds: float) -> tuple[int, list[float]]:
    """Return how many rounds ended within so many seconds, and how long each took that began within them."""
    took: list[float] = []
    in_time = 0
    end = begin + seconds
    time.sleep(max(0.0, begin - time.monotonic()))
    now = time.monotonic()
    while now < end:
        started = now
        reader.round()
        now = time.monotonic()
        took.append(now - started)
        in_time += now <= end
    return in_time, took
