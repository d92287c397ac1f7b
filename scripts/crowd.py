"""Clients that submit without pause to a server that is ended under them, and the check of what it kept."""

import random
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

import apsw

from metermt import Error, Job, Meter, MeterClient, User, new_key
from metermt.model import Account
from metermt.passwords import hash_password
from metermt.store.sqlite import SqliteStore

USERNAMES = ("adam", "carol", "eric", "gwenda")
CYCLE = "2026-11"
SERVER = Path(__file__).parents[1] / "server.py"


class Reader(threading.Thread):
    """One client that submits until told to stop, and remembers what it sent and what was acknowledged."""

    def __init__(self, port: int, username: str) -> None:
        super().__init__(name=username, daemon=True)
        self.port = port
        self.username = username
        self.stopping = threading.Event()
        self.attempted: dict[str, tuple[str, int]] = {}
        self.acknowledged: dict[str, tuple[str, int]] = {}
        self.error: Error | None = None

    def run(self) -> None:
        try:
            with MeterClient(port=self.port, timeout=120) as client:
                client.login(self.username, "a good password")
                job = client.get_job()
                while job and not self.stopping.is_set():
                    key, sent = new_key(), (job.meter, random.randint(0, 99_999))
                    self.attempted[key] = sent
                    _, job = client.submit_and_next(*sent, key=key)
                    self.acknowledged[key] = sent
        except Error as error:
            self.error = error


class Crowd:
    """All readers at work on one database, until the block of its `with` ends; exits if one of them has failed."""

    def __init__(self, database: Path, port: int) -> None:
        self.database = database
        self.readers = [Reader(port, username) for username in USERNAMES]

    @property
    def acknowledged(self) -> int:
        return sum(len(reader.acknowledged) for reader in self.readers)

    def check(self) -> int:
        """Return the number of readings stored; exit with the fault if there is one."""
        return check(self.database, self.readers)

    def __enter__(self) -> Self:
        for reader in self.readers:
            reader.start()
        return self

    def __exit__(self, *exc: object) -> None:
        for reader in self.readers:
            reader.stopping.set()
        if exc[0]:
            return  # the server is gone, or all ends anyway
        for reader in self.readers:
            reader.join(30)
            if reader.error or reader.is_alive():
                sys.exit(f"FAILED: {reader.username} ended with {reader.error!r}")


def lasting_port() -> int:
    """Return a free port that no outgoing connection is given, so that it is still free after each restart."""
    while True:
        port = random.randint(15_000, 30_000)  # below those that systems take for outgoing connections
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def start_server(database: Path, port: int, *options: str) -> tuple[subprocess.Popen[bytes], int]:
    notify = database.with_name("notify")
    notify.unlink(missing_ok=True)
    command = [sys.executable, SERVER, "--port", str(port), "--database", database, "--notify", notify, *options]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not notify.exists():
        if server.poll() is not None or time.monotonic() > deadline:
            server.kill()
            sys.exit(f"The server did not start: exit status {server.wait()}")
        time.sleep(0.005)
    return server, int(notify.read_text().split(":")[1])


def check(database: Path, readers: list[Reader]) -> int:
    """Return the number of readings stored; exit with the fault if there is one."""
    # In this order: what is acknowledged now must be stored, what is stored must have been attempted by then.
    acknowledged = {key: sent for reader in readers for key, sent in list(reader.acknowledged.items())}
    with SqliteStore(database, create=False) as store:
        stored = [reading.submission for _, reading in store.readings()]
        tallies = [store.tally(reader.username) for reader in readers]
    attempted = {key: sent for reader in readers for key, sent in list(reader.attempted.items())}
    by_key = {said.key: (said.meter, said.value) for said in stored}
    faults = {
        "lost or changed": [key for key, sent in acknowledged.items() if by_key.get(key) != sent],
        "never sent": [key for key, sent in by_key.items() if attempted.get(str(key)) != sent],
        "stored twice": len(stored) - len(by_key) or len(stored) - len({said.meter for said in stored}),
        "wrong tallies": [tally for tally in tallies if tally.total != len(stored)]
        or sum(tally.count for tally in tallies) != len(stored),
        "damage": integrity(database) != "ok",
    }
    for fault, found in faults.items():
        if found:
            sys.exit(f"FAILED: {fault}: {found}")
    return len(stored)


def integrity(database: Path) -> str:
    connection = apsw.Connection(str(database))
    try:
        return str(next(connection.execute("PRAGMA integrity_check"))[0])
    finally:
        connection.close()


def prepare(database: Path, meters: int) -> None:
    with SqliteStore(database) as store:
        password_hash = hash_password("a good password")
        for username in USERNAMES:
            store.add_user(Account(User(username, username.title()), password_hash))
        store.import_jobs(CYCLE, [Job(Meter(f"W{n}", "W", 5), CYCLE, "R1", n) for n in range(meters)])
