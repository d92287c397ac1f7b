"""How long readers wait while a whole crew logs in."""

import multiprocessing
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.databases import READERS, make_database
from bench.processes import metermt
from bench.settings import Settings
from bench.systems import MeterReader
from metermt.client.client import MeterClient
from metermt.model import Account, User
from metermt.passwords import hash_password
from metermt.store.sqlite.store import SqliteStore

_PACE = 0.02  # seconds between two rounds of a reader
_READERS = READERS[:8]
_NEWCOMER = "newcomer"


def measure_logins(settings: Settings, folder: Path) -> dict[str, Any]:
    """Return the rounds of eight readers alone, and while many log in at once with a hash of the usual cost."""
    database = make_database(folder / "logins.db", unread=settings.meters)
    with SqliteStore(database) as store:
        newcomer = Account(User(_NEWCOMER, "Newcomer"), hash_password(_NEWCOMER))
        store.write(lambda tx: tx.accounts.put([newcomer]))
    with metermt(folder, "--database", database, "--max-per-address", 1000) as server:
        readers = [MeterReader(server.port) for _ in _READERS]
        for reader, name in zip(readers, _READERS, strict=True):
            reader.login(name)
        alone = _rounds(readers, settings.logins / 100)
        crew = multiprocessing.get_context("fork").Process(target=_log_in, args=(server.port, settings.logins))
        started = time.perf_counter()
        crew.start()
        meanwhile = _rounds(readers, settings.logins / 100)
        in_time = crew.is_alive()
        crew.join()
        took = time.perf_counter() - started
        for reader in readers:
            reader.client.close()
    if crew.exitcode or not in_time:
        raise RuntimeError("the logins failed, or were over before the rounds")
    return {"logins": settings.logins, "s": round(took, 2), "alone": alone, "meanwhile": meanwhile}


def _log_in(port: int, number: int) -> None:
    def log_in(_: int) -> None:
        with MeterClient("127.0.0.1", port, timeout=120) as client:
            client.login(_NEWCOMER, _NEWCOMER)

    with ThreadPoolExecutor(number) as pool:
        list(pool.map(log_in, range(number)))


def _rounds(readers: list[MeterReader], seconds: float) -> dict[str, float]:
    with ThreadPoolExecutor(len(readers)) as pool:
        each = pool.map(lambda reader: _rounds_of(reader, time.perf_counter() + seconds), readers)
        took = sorted(1000 * second for seconds_of_one in each for second in seconds_of_one)
    return {
        "p50_ms": round(statistics.median(took), 3),
        "p99_ms": round(took[len(took) * 99 // 100], 3),
        "max_ms": round(took[-1], 3),
    }


def _rounds_of(reader: MeterReader, end: float) -> list[float]:
    took = []
    while (started := time.perf_counter()) < end:
        reader.round()
        took.append(time.perf_counter() - started)
        time.sleep(_PACE)
    return took
