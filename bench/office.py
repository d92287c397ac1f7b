"""`python -m bench.office`: what a report and a batch cost, and how long readers wait beside each.

The town has its meters read in fourteen cycles, all on SQLite. Each report is one of the last cycle; each batch is one
cycle, so that the office does not run out of them. Readers work on other meters of the last cycle meanwhile, without a
pause, and so do they with nobody beside them: before, between and after, as a machine where others work is not the
same from one minute to the next.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import apsw

from bench.databases import PLACE, READERS, READING, cheap_account, copy_of, make_database
from bench.processes import metermt
from bench.rounds import measure_clients
from bench.systems import MeterReader
from metermt.calls.asking import Caller
from metermt.calls.batches import Batching, make_batch
from metermt.calls.cycles import Cycle
from metermt.calls.desk import Desk
from metermt.calls.report import make_report
from metermt.client.client import MeterClient
from metermt.model import Role
from metermt.rules.habits import Habit
from metermt.rules.limits import JobLimits, Limits
from metermt.store.sqlite.store import SqliteStore

CYCLES = [f"{2025 + month // 12}-{month % 12 + 1:02}" for month in range(9, 9 + 14)]
"""The last one is `CYCLE`, which is open."""
OFFICE = "adam"
Work = Callable[[MeterClient, int], object]
"""What the office does for the n-th time."""
_processes = multiprocessing.get_context("fork")
_JOB = "kind, dials, address, instructions, multiplier, active, route, sequence"
_PLACES = f"""
    WITH RECURSIVE counter(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counter WHERE n + 1 < ?1)
    INSERT INTO places (id, {PLACE})
    SELECT n + 1, printf('G%07d', n), 'G', 5, printf('%d Mill Lane', n), '', '1', 1, printf('G%05d', n / 250), n % 250
    FROM counter
"""
_JOBS = f"""
    INSERT INTO jobs (id, meter, {_JOB}, cycle, previous, previous_date, place, reading, state, billing)
    SELECT id + ?1, meter, {_JOB}, ?2, ?3, ?4, id, id + ?1, 'done', 'ready' FROM places
"""
_READINGS = f"""
    INSERT INTO readings (id, {READING}, code)
    SELECT id, id, printf('reader%02d', id % 12), ?1, '', ?2 || 'T10:00:00+00:00', ?2 || 'T10:00:01+00:00',
           printf('%s%016x', ?2, id), 'A', '', '', NULL FROM jobs WHERE cycle = ?3 AND place IS NOT NULL
"""
_LIMITS = "INSERT INTO limits SELECT id, ?1 FROM jobs WHERE cycle = ?2 AND place IS NOT NULL"


def make_town(path: Path, meters: int, unread: int) -> Path:
    """Make a database with so many meters, read in all of `CYCLES`, and others that wait for readers in the last."""
    make_database(path, unread=unread)
    with SqliteStore(path) as store:
        store.write(lambda tx: tx.accounts.put([cheap_account(OFFICE, Role.SUPERVISOR)]))
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -500000; BEGIN")
    connection.execute(_PLACES, (meters,))
    for number, cycle in enumerate(CYCLES):
        year, month = map(int, cycle.split("-"))
        before = date(year - (month == 1), (month - 2) % 12 + 1, 10)
        connection.execute("INSERT INTO cycles (cycle, closed) VALUES (?, 1) ON CONFLICT DO NOTHING", (cycle,))
        connection.execute(_JOBS, (unread + number * meters, cycle, 1000 + 100 * number, before.isoformat()))
        connection.execute(_READINGS, (1100 + 100 * number, f"{cycle}-10", cycle))
        limits = JobLimits(Limits(1000 + 100 * number, before, Habit(3.3, 0.3, 0.02)), date(year, month, 1))
        connection.execute(_LIMITS, (limits.as_text(), cycle))
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


def _report(office: MeterClient, _number: int) -> object:
    return office.call(make_report, Cycle(CYCLES[-1]))


def _batch(office: MeterClient, number: int) -> object:
    return office.call(make_batch, Batching("csv", "", CYCLES[number]))


BESIDE: dict[str, Work | None] = {"nobody": None, "reports": _report, "nobody again": None, "batches": _batch}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.office", description=__doc__)
    parser.add_argument("--meters", type=int, default=20_000)
    parser.add_argument("--readers", type=int, default=10, help=f"who work all the time, up to {len(READERS)}")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each kind")
    parser.add_argument("--folder", type=Path, help="where databases are made; not on a RAM disk")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=wanted.folder) as folder:
        town = make_town(Path(folder) / "town.db", wanted.meters, unread=int(4000 * wanted.seconds))
        _print_costs(town)
        print("beside, rounds/s, p50 ms, p99 ms, longest ms, done meanwhile")
        for name, work in BESIDE.items():
            copy = copy_of(town, "copy.db")
            with metermt(Path(folder), "--database", copy) as server, _office(server.port, work) as done:
                sample = measure_clients(MeterReader, [server], wanted.readers, wanted.seconds)
                figures = (sample.rounds_per_s, sample.p50_ms, sample.p99_ms, sample.max_ms)
                print(name, *(f"{figure:,.1f}" for figure in figures), done(), sep=", ", flush=True)


def _print_costs(town: Path) -> None:
    """Tell what one of each takes with nobody beside it, without a network."""
    copy, admin = copy_of(town, "copy.db"), Caller(role=Role.ADMIN)
    with SqliteStore(copy) as store:
        desk = Desk(store)
        began, spent = time.perf_counter(), time.process_time()
        desk.ask(make_report, Cycle(CYCLES[-1]), caller=admin)
        print(f"a report: {time.process_time() - spent:.1f} s of a processor in {time.perf_counter() - began:.1f} s")
        began, spent = time.perf_counter(), time.process_time()
        lines = desk.ask(make_batch, Batching("csv", "", CYCLES[7]), caller=admin).lines
        took = f"{time.process_time() - spent:.1f} s of a processor in {time.perf_counter() - began:.1f} s"
        print(f"a batch of {lines:,} lines: {took}", flush=True)


@contextmanager
def _office(port: int, work: Work | None) -> Iterator[Callable[[], int]]:
    """Have the office at work in a process of its own; gives what tells how often it has done."""
    done = _processes.Value("i", 0)

    def run() -> None:
        assert work
        with MeterClient("127.0.0.1", port, timeout=600) as office:
            office.login(OFFICE, OFFICE)
            while True:
                work(office, done.value)
                done.value += 1

    process = _processes.Process(target=run, daemon=True)
    if work:
        process.start()
    try:
        yield lambda: done.value
        if work and not process.is_alive():
            raise RuntimeError("the office has ended")
    finally:
        if work:
            process.terminate()
            process.join()


if __name__ == "__main__":
    main()
