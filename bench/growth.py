"""What single calls cost, by how many readings are stored already."""

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.databases import READERS, make_database
from bench.peers import plain
from bench.processes import Server, metermt
from bench.settings import Settings
from bench.systems import MeterReader

_KINDS = ("status", "job", "submission")
_Calls = dict[str, Callable[[], None]]


def measure_growth(settings: Settings, folder: Path) -> list[dict[str, Any]]:
    """Return, for each system and number of readings stored, the median cost of each kind of call, in milliseconds.

    Servers of all sizes run at once and take turns, a few calls each, so that whatever else the machine does hits
    all alike. `ratio` compares with the same system with nothing stored, within each turn.
    """
    rows = []
    with ExitStack() as stack:
        for name, connect in (("metermt", _metermt), ("plain", _plain)):
            sizes = {stored: connect(folder, stored, settings, stack) for stored in settings.stored}
            turns = [
                {stored: _turn(calls, settings.calls) for stored, calls in sizes.items()} for _ in range(settings.runs)
            ]
            for stored in sizes:
                row: dict[str, Any] = {"system": name, "stored": stored}
                for kind in _KINDS:
                    row[f"{kind}_ms"] = round(statistics.median(turn[stored][kind] for turn in turns), 3)
                    row[f"{kind}_ratio"] = round(
                        statistics.median(turn[stored][kind] / turn[settings.stored[0]][kind] for turn in turns), 3
                    )
                rows.append(row)
    return rows


def database_of(folder: Path, stored: int, settings: Settings) -> Path:
    """Return the database with so many readings; it is made when it is asked for first."""
    path = folder / f"stored-{stored}.db"
    if not path.exists():
        make_database(path, unread=2 * settings.runs * settings.calls + 1_000, stored=stored)
    return path


def _metermt(folder: Path, stored: int, settings: Settings, stack: ExitStack) -> _Calls:
    server = stack.enter_context(metermt(folder, "--database", database_of(folder, stored, settings)))
    reader = MeterReader(server.port)
    stack.enter_context(reader.client)
    return _calls(reader)


def _plain(folder: Path, stored: int, _settings: Settings, stack: ExitStack) -> _Calls:
    return _calls(plain.Client(stack.enter_context(Server(folder, "bench.peers.plain", "--stored", stored)).port))


def _calls(reader: Any) -> _Calls:
    reader.login(READERS[0])
    return {"job": reader.job, "submission": reader.submit, "status": reader.status}


def _turn(calls: _Calls, number: int) -> dict[str, float]:
    """Return the median of so many calls of each kind, in milliseconds; a job is asked for before each submission."""
    took: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    for _ in range(number):
        for kind, call in calls.items():
            started = time.perf_counter()
            call()
            took[kind].append(1000 * (time.perf_counter() - started))
    return {kind: statistics.median(times) for kind, times in took.items()}
