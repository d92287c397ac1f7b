"""Many readings in a few calls, many meters in one import, and all that was read in one file."""

import csv
import multiprocessing
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import apsw

from bench.databases import COLUMNS, CYCLE, PLACE, READERS, copy_of, make_database, remove
from bench.growth import database_of
from bench.processes import metermt
from bench.settings import Settings
from metermt.client.client import MeterClient
from metermt.model import Answer
from metermt.names import new_key
from metermt.store.sqlite.store import SqliteStore

_HEADER = ("meter", "kind", "dials", "address", "instructions", "route", "sequence", "previous", "previous_date")


def measure_bulk(settings: Settings, folder: Path) -> dict[str, Any]:
    """Return how many readings and meters a second get in, and how many readings a second get out."""
    return {
        "submission": _submissions(settings, folder),
        "import": _imports(settings, folder),
        "export": _export(settings, folder),
    }


def _submissions(settings: Settings, folder: Path) -> dict[str, Any]:
    """Submit readings with `MeterClient.submit_readings`, by one client, with keys, in the order of the routes."""
    empty = make_database(folder / "bulk-empty.db", unread=settings.bulk)
    rates = []
    for _ in range(settings.runs):
        with (
            metermt(folder, "--database", copy_of(empty, "bulk.db")) as server,
            MeterClient("127.0.0.1", server.port, timeout=120) as client,
        ):
            rates.append(settings.bulk / submit_seconds(client, settings.bulk))
    return _summary("readings", settings.bulk, rates)


def _imports(settings: Settings, folder: Path) -> dict[str, Any]:
    """Import a file, and write the same rows into the same tables with nothing but `executemany`, by turns."""
    file = folder / "meters.csv"
    write_route_file(file, settings.imported)
    database = folder / "imported.db"
    imported, bare, ratios = [], [], []
    for _ in range(settings.imports):
        remove(database)
        imported.append(settings.imported / import_seconds(file, database))
        bare.append(settings.imported / _bare_seconds(folder / "bare.db", settings.imported))
        ratios.append(bare[-1] / imported[-1])
    return _summary("meters", settings.imported, imported) | {
        "bare_per_s": round(statistics.median(bare)),
        "times_bare": round(statistics.median(ratios), 2),
    }


def _export(settings: Settings, folder: Path) -> dict[str, Any]:
    """Export the largest of the databases that growth was measured on."""
    stored = max(settings.stored)
    database, file = database_of(folder, stored, settings), folder / "readings.csv"
    return _summary("readings", stored, [stored / export_seconds(file, database)])


def submit_seconds(client: MeterClient, number: int) -> float:
    """Return how long a reader takes to send in a reading of each of the first meters."""
    client.login(READERS[0], READERS[0])
    answers = [Answer(f"W{n:07}", 4711, key=new_key()) for n in range(number)]
    started = time.perf_counter()
    outcomes = client.submit_readings(answers)
    seconds = time.perf_counter() - started
    if any(outcomes):
        raise RuntimeError(f"not accepted: {next(filter(None, outcomes))}")
    return seconds


def write_route_file(file: Path, number: int) -> None:
    """Write a file of so many meters."""
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(_HEADER)
        writer.writerows(map(_row, range(number)))


def import_seconds(file: Path, database: Path | str) -> float:
    """Return how long a command takes that imports a route file."""
    return _seconds_of("routes", "import", str(file), "--cycle", CYCLE, "--database", str(database))


def export_seconds(file: Path, database: Path | str) -> float:
    """Return how long a command takes that writes all readings to a file."""
    return _seconds_of("readings", "export", str(file), "--force", "--database", str(database))


def _summary(what: str, number: int, rates: list[float]) -> dict[str, Any]:
    return {
        what: number,
        "per_s": round(statistics.median(rates)),
        "per_s_min": round(min(rates)),
        "per_s_max": round(max(rates)),
    }


def _seconds_of(*arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "metermt", *arguments], check=True, capture_output=True)
    return time.perf_counter() - started


def _bare_seconds(path: Path, number: int) -> float:
    """Return how long a process takes that does nothing else; its rows are in memory when the clock starts."""
    here, there = multiprocessing.get_context("fork").Pipe()
    process = multiprocessing.get_context("fork").Process(target=_write_bare, args=(path, number, there))
    process.start()
    there.close()
    seconds = here.recv()
    process.join()
    return float(seconds)


def _write_bare(path: Path, number: int, pipe: Any) -> None:
    remove(path)
    SqliteStore(path).close()
    rows = list(map(_row, range(number)))
    places = [(id_, *row[:5], "1", 1, *row[5:7]) for id_, row in enumerate(rows)]
    jobs = [(id_, *row[:5], "1", 1, CYCLE, *row[5:]) for id_, row in enumerate(rows)]
    started = time.perf_counter()
    connection = apsw.Connection(str(path))
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "BEGIN"):
        connection.execute(statement)
    connection.execute("INSERT INTO cycles (cycle) VALUES (?)", (CYCLE,))
    connection.executemany(f"INSERT INTO places (id, {PLACE}) VALUES ({_marks(places)})", places)
    connection.executemany(f"INSERT INTO jobs (place, {COLUMNS}) VALUES ({_marks(jobs)})", jobs)
    connection.execute("COMMIT")
    connection.close()
    pipe.send(time.perf_counter() - started)


def _marks(rows: list[tuple[Any, ...]]) -> str:
    return ", ".join("?" * len(rows[0]))


def _row(number: int) -> tuple[Any, ...]:
    return (
        *(f"W{number:07}", "W", 5, f"{number} Station Road", "Behind the hedge"),
        *(f"W{number // 250:05}", number % 250, 1000, "2026-10-31"),
    )
