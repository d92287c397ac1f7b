"""Clients that submit without pause to a server that is ended under them, and the check of what it kept."""

import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

from typists import PASSWORD, PATIENCE, Sent, Typist

from metermt import Answer, Error, Job, Meter, MeterClient, User, new_key
from metermt.model import Account, Assignment, Status
from metermt.passwords import hash_password
from metermt.store.base import Tx
from metermt.store.sqlite.store import SqliteStore

ROOT = Path(__file__).parents[1]
sys.path.extend(str(ROOT / "tests" / part) for part in ("", "support"))
import warm  # noqa: E402
from whole import integrity_of  # noqa: E402

USERNAMES = ("adam", "carol", "eric", "gwenda")
TYPISTS = ("hana", "ines", "jakob")
OTHER_ROUTE = "R2"  # whose jobs none of them is handed
_IDLE = "kim"
CYCLE = "2026-11"
SERVER = ROOT / "server.py"


class Reader(threading.Thread):
    """One client that submits until told to stop, and remembers what it sent and what was acknowledged."""

    def __init__(self, port: int, username: str) -> None:
        super().__init__(name=username, daemon=True)
        self.port = port
        self.username = username
        self.stopping = threading.Event()
        self.attempted: Sent = {}
        self.acknowledged: Sent = {}
        self.error: Error | None = None

    def run(self) -> None:
        try:
            with MeterClient(port=self.port, timeout=PATIENCE) as client:
                client.login(self.username, PASSWORD)
                job = client.get_job()
                while job and not self.stopping.is_set():
                    key, sent = new_key(), (job.meter.number, random.randint(0, 99_999))
                    self.attempted[key] = sent
                    job = client.submit_and_next(Answer(*sent, key=key)).job
                    self.acknowledged[key] = sent
        except Error as error:
            self.error = error


class Crowd:
    """All readers at work on one database, all through the block of its `with`; exits if one of them has failed.

    With `typists` there are also some whose programs may be killed.
    """

    def __init__(self, database: Path, port: int, *, typists: bool = False) -> None:
        self.database = database
        self.typists = [Typist(port, username, database.parent) for username in TYPISTS if typists]
        self._readers = [Reader(port, username) for username in USERNAMES]

    @property
    def readers(self) -> list[Reader | Typist]:
        return [*self._readers, *self.typists]

    @property
    def attempted(self) -> Sent:
        """What was sent so far."""
        return {key: sent for reader in self.readers for key, sent in list(reader.attempted.items())}

    @property
    def acknowledged(self) -> Sent:
        """What was sent so far, and is known to be accepted."""
        return {key: sent for reader in self.readers for key, sent in list(reader.acknowledged.items())}

    def check(self) -> int:
        """Return the number of readings stored; exit with the fault if there is one."""
        # In this order: what is acknowledged now must be stored, what is stored must have been attempted by then.
        acknowledged = self.acknowledged
        with SqliteStore(self.database, create=False) as store:
            readings, tallies = store.read(_readings_and_tallies)
        faults = faults_in(readings, acknowledged, self.attempted)
        stored = {key for key, _, _ in readings}
        faults |= {
            "typed, kept and lost": [
                key for typist in self.typists for key in typist.kept.keys() - stored - typist.unconfirmed
            ],
            "wrong tallies": [tally for tally in tallies if tally.total != len(readings)]
            or sum(tally.count for tally in tallies) != len(readings),
            "damage": integrity_of(self.database) != "ok",
        }
        exit_with(faults)
        return len(readings)

    def __enter__(self) -> Self:
        for reader in self.readers:
            reader.start()
        until = time.monotonic() + 60
        while not all(reader.acknowledged for reader in self.readers):
            if time.monotonic() > until:
                sys.exit("FAILED: the readers are not at work after a minute")
            time.sleep(0.01)
        return self

    def __exit__(self, *exc: object) -> None:
        for typist in self.typists:
            typist.kill()
        for reader in self._readers:
            reader.stopping.set()
        if exc[0]:
            return  # the server is gone, or all ends anyway
        for reader in self._readers:
            reader.join(30)
            if reader.error or reader.is_alive():
                sys.exit(f"FAILED: {reader.username} ended with {reader.error!r}")


def start_server(database: Path, port: int, *options: str) -> tuple[subprocess.Popen[bytes], int]:
    notify = database.with_name("notify")
    notify.unlink(missing_ok=True)
    settings = ["--port", str(port), "--database", database, "--notify", notify, "--log-level", "warning"]
    command = [sys.executable, SERVER, *settings, *options]
    server = warm.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not notify.exists():
        if server.poll() is not None or time.monotonic() > deadline:
            server.kill()
            sys.exit(f"The server did not start: exit status {server.wait()}")
        time.sleep(0.005)
    return server, int(notify.read_text().split(":")[1])


def _readings_and_tallies(tx: Tx) -> tuple[list[tuple[str, str, int]], list[Status]]:
    said = [reading.answer for _, reading in tx.readings.all(CYCLE)]
    tallies = tx.readings.tallies([*USERNAMES, *TYPISTS])
    return [(str(one.key), one.meter, one.value or 0) for one in said], list(tallies.values())


def faults_in(readings: list[tuple[str, str, int]], acknowledged: Sent, attempted: Sent) -> dict[str, object]:
    """Return what is wrong with readings (key, meter, value) that are to be all that was acknowledged, each once."""
    by_key = {key: (meter, value) for key, meter, value in readings}
    return {
        "lost or changed": [key for key, sent in acknowledged.items() if by_key.get(key) != sent],
        "never sent": [key for key, sent in by_key.items() if attempted.get(key) != sent],
        "stored twice": len(readings) - len(by_key) or len(readings) - len({meter for _, meter, _ in readings}),
    }


def exit_with(faults: dict[str, object], where: str = "") -> None:
    """Exit if one of these is a fault."""
    for fault, found in faults.items():
        if found:
            sys.exit(f"FAILED: {where}{fault}: {found}")


def prepare(database: Path, meters: int) -> None:
    """Make a database with the readers, and a cycle of meters W0, W1 …; who has `OTHER_ROUTE` never reads."""
    password_hash = hash_password(PASSWORD)
    names = (*USERNAMES, *TYPISTS, _IDLE)
    accounts = [Account(User(username, username.title()), password_hash) for username in names]
    jobs = [Job(Meter(f"W{n}", "W", 5), CYCLE, "R1", n) for n in range(meters)]

    def fill(tx: Tx) -> None:
        tx.accounts.put(accounts)
        tx.walks.assign([Assignment(OTHER_ROUTE, _IDLE)])
        tx.cycles.open(CYCLE)
        tx.jobs.add(jobs)

    with SqliteStore(database) as store:
        store.write(fill)
