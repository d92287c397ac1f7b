"""`python -m bench.parts`: what the time of one round is made of, for one client.

Server and client are the usual ones, with a clock around the steps; what the clocks cost is in the figures.
"""

import argparse
import json
import selectors
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.databases import READERS, make_database
from bench.processes import Server
from bench.systems import MeterReader
from metermt.calls.desk import Answering
from metermt.cli import main as metermt
from metermt.store.base import Tx
from metermt.store.sqlite.groupwriter import GroupWriter
from metermt.store.sqlite.sql import SqliteSql
from metermt.transport.conversation import Conversation
from metermt.transport.stream import Stream

_ROUNDS, _WARM_UP = 3000, 300

Spent = dict[str, list[float]]
"""Microseconds, by the name of a step, one for each time it was done."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.parts", description=__doc__)
    parser.add_argument("--serve", metavar="FILE", type=Path, help=argparse.SUPPRESS)
    chosen, options = parser.parse_known_args()
    if chosen.serve:
        _serve(chosen.serve, options)
    else:
        _show(*_measure())


def _clocked(owner: type, name: str, spent: Spent, step: str) -> None:
    """Note how long each call of a method takes."""
    method: Callable[..., Any] = getattr(owner, name)

    def timed(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return method(*args, **kwargs)
        finally:
            spent.setdefault(step, []).append(1e6 * (time.perf_counter() - started))

    setattr(owner, name, timed)


def _serve(file: Path, options: list[str]) -> None:
    """Be `metermt serve`; at its end write into a file what it has spent its time on."""
    spent: Spent = {}
    _clocked(Conversation, "receive_now", spent, "receive")
    _clocked(Conversation, "next_call", spent, "read")
    _clocked(Conversation, "answer", spent, "answer")
    _clocked(Conversation, "send_now", spent, "send")
    _clocked(GroupWriter, "wait", spent, "transaction")
    _clock_sql(spent)
    _clock_turns(spent)
    try:
        metermt(["serve", *options], standalone_mode=False)
    finally:
        file.write_text(json.dumps(spent))


def _clock_sql(spent: Spent) -> None:
    """Note how long all statements of a transaction take, and how long the work that they are a part of."""
    statements: Spent = {}
    for verb in ("rows", "rows_among", "rows_for_each", "insert", "update", "delete"):
        _clocked(SqliteSql, verb, statements, "sql")
    _clocked(Answering, "__call__", spent, "work")
    work = Answering.__call__

    def timed(self: Answering, tx: Tx) -> Any:
        statements.clear()
        try:
            return work(self, tx)
        finally:
            spent.setdefault("sql", []).append(sum(statements.get("sql", [])))

    Answering.__call__ = timed  # type: ignore[method-assign]


def _clock_turns(spent: Spent) -> None:
    """Note how long the switchboard takes from one wait to the next."""
    select = selectors.DefaultSelector.select
    ended: list[float] = []

    def timed(self: selectors.DefaultSelector, timeout: float | None = None) -> Any:
        if ended:
            spent.setdefault("turn", []).append(1e6 * (time.perf_counter() - ended.pop()))
        try:
            return select(self, timeout)
        finally:
            ended.append(time.perf_counter())

    selectors.DefaultSelector.select = timed  # type: ignore[method-assign]


def _measure() -> tuple[Spent, Spent]:
    """Return what the client and what the server have spent."""
    client: Spent = {}
    with tempfile.TemporaryDirectory(prefix="metermt-parts-") as name:
        folder = Path(name)
        file = folder / "spent.json"
        database = make_database(folder / "meters.db", unread=_ROUNDS + _WARM_UP + 10)
        options = ("--serve", file, "--host", "127.0.0.1", "--port", 0, "--database", database)
        with Server(folder, "bench.parts", *options) as server:
            _clocked(Stream, "_wait", client, "wait")
            reader = MeterReader(server.port)
            reader.login(READERS[0])
            for _ in range(_WARM_UP):
                reader.round()
            client.clear()
            for _ in range(_ROUNDS):
                started = time.perf_counter()
                reader.round()
                client.setdefault("round", []).append(1e6 * (time.perf_counter() - started))
            reader.client.close()
        return client, json.loads(file.read_text())


def _show(client: Spent, server: Spent) -> None:
    """Print the medians."""
    took = Counter({step: statistics.median(times[-_ROUNDS:]) for step, times in (client | server).items()})
    own = took["round"] - took["wait"]
    ours = took["receive"] + took["read"] + took["transaction"] + took["answer"] + took["send"]
    rows = [
        ("client: writes the request, reads the answer", own),
        ("server: receives and reads the request", took["receive"] + took["read"]),
        ("server: judges the reading, finds the next job", took["work"] - took["sql"]),
        ("server: SQL", took["sql"]),
        ("server: BEGIN, COMMIT with its flush", took["transaction"] - took["work"]),
        ("server: writes and sends the answer", took["answer"] + took["send"]),
        ("server: the switchboard's own", took["turn"] - ours),
        ("on the way: the kernel wakes the server, then the client", took["wait"] - took["turn"]),
    ]
    table = Table(title=f"One round of one client, medians of {_ROUNDS:,}", title_justify="left")
    table.add_column("part")
    table.add_column("µs", justify="right")
    table.add_column("share", justify="right")
    for part, microseconds in rows:
        table.add_row(part, f"{microseconds:.0f}", f"{microseconds / took['round']:.0%}")
    table.add_section()
    table.add_row("the whole round", f"{took['round']:.0f}", "")
    Console(width=None if sys.stdout.isatty() else 100).print(table)


if __name__ == "__main__":
    main()
