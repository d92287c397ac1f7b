"""`python -m bench.record`: what it costs a reading that it goes on record.

One process answers turns of readings with the record and without it, by turns, and gives what is on record its places
in the chain, as a server does every three seconds. Processor time is compared, as far as it can be told on a machine
where others work; nothing of the network is in it, so that in a server the share is smaller.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from metermt.calls import audit, readings, rounds, routes
from metermt.calls.asking import Ask, Caller
from metermt.calls.desk import Desk
from metermt.calls.known import key_of
from metermt.model import Account, Answer, Job, Meter, Role, Session, User
from metermt.store.base import Store
from metermt.store.opening import open_store

BLOCK = 10
"""Turns, of which all have what is measured, or none."""
_SEALED = 1000  # entries, or more, that are given their places at once
_CYCLE = "2026-11"


class Crew:
    """Readers who submit a reading and are handed the next meter, all in one turn."""

    def __init__(self, store: Store, readers: int, turns: int) -> None:
        self._desk, self._turns = Desk(store), 0
        users = [User(f"u{number}", f"Reader {number}") for number in range(readers)]
        jobs = [Job(Meter(f"W{n:06}", "W", 5), _CYCLE, f"R{n // 500}", n % 500) for n in range(readers * (turns + 2))]
        store.write(lambda tx: tx.accounts.put([Account(user, "none") for user in users]))
        for start in range(0, len(jobs), 1000):
            self._desk.ask(
                routes.import_jobs, routes.Import(_CYCLE, jobs[start : start + 1000]), caller=Caller(role=Role.ADMIN)
            )
        sessions = [Session(key_of(user.username), user, time.time(), self._desk.server) for user in users]
        store.write(lambda tx: tx.sessions.add(sessions))
        self._readers = [(user.username, Caller("10.0.0.1")) for user in users]
        self._jobs: list[Any] = [self._desk.ask(rounds.next_job, None, *reader) for reader in self._readers]

    def turn(self) -> None:
        """Have one reading of each."""
        self._turns += 1
        now = datetime.now(UTC)
        asks = []
        for (name, caller), job in zip(self._readers, self._jobs, strict=True):
            answer = Answer(job.meter.number, 1144, "", now, f"{self._turns:08}-{name}", _CYCLE)
            asks.append(Ask(readings.submit_and_next, caller, name, answer))
        self._jobs = [told.job for told in self._desk.answer(asks)]

    def turns(self, number: int) -> None:
        """Have some turns."""
        for _ in range(number):
            self.turn()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.record", description=__doc__)
    parser.add_argument("--readers", type=int, default=64, help="who send a reading in each turn")
    parser.add_argument("--readings", type=int, default=40_000)
    parser.add_argument("--postgres", metavar="URL", help="an empty database, instead of a file of SQLite")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, open_store(wanted.postgres or Path(folder) / "bench.db") as store:
        _measure(store, wanted.readers, wanted.readings)


def _measure(store: Store, readers: int, number: int) -> None:
    blocks = max(number // readers // BLOCK // 2, 4)
    crew = Crew(store, readers, 2 * blocks * BLOCK)
    audit.seal(store)
    without: list[Spent] = []
    along: list[Spent] = []
    sealing: list[Spent] = []
    sealed = waiting = 0

    def block() -> None:
        crew.turns(BLOCK)

    for _ in range(blocks):
        with patch.object(readings.Judging, "_record", lambda *_: None):
            without.append(spent(block))
        along.append(spent(block))
        waiting += BLOCK * readers
        if waiting >= _SEALED:
            sealing.append(spent(lambda: audit.seal(store)))
            sealed, waiting = sealed + waiting, 0
    for kind, what in enumerate(("processor", "time")):
        base = median(one[kind] for one in without) / BLOCK / readers
        more = median(b[kind] - a[kind] for a, b in zip(without, along, strict=True)) / BLOCK / readers
        places = sum(one[kind] for one in sealing) / max(sealed, 1)
        print(
            f"{readers} readers a turn, {what}: {base:.1f} us a reading without the record,"
            f" {more:+.1f} us for the entry, {places:+.1f} us for its place in the chain: {(more + places) / base:.1%}"
        )


Spent = tuple[float, float]
"""Microseconds of this process's processor time, and of time."""


def spent(work: Callable[[], object]) -> Spent:
    processor, clock = time.process_time(), time.perf_counter()
    work()
    return (time.process_time() - processor) * 1e6, (time.perf_counter() - clock) * 1e6


if __name__ == "__main__":
    main()
