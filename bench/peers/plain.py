"""The plain design: an RPyC service as a textbook has it, dictionaries in memory, every call by its name.

The server's `when` is a handle on the client's `datetime`, and the status is counted by walking all readings.
"""

import random
import secrets
from datetime import datetime
from threading import Lock
from typing import Any

import rpyc
from rpyc.utils.server import ThreadedServer

from bench.peers.program import announce, options

sessions: dict[str, str] = {}
meters: dict[str, tuple[str, int, str, str] | None] = {}  # who read it, what, why not, when; None: not read yet
lock = Lock()


class PlainService(rpyc.Service):
    def exposed_login(self, username: str, password: str) -> tuple[str, str]:
        if password != username:
            raise ValueError("wrong name or password")
        session_id = secrets.token_hex(16)
        with lock:
            sessions[session_id] = username
        return session_id, username.title()

    def exposed_get_job(self, session_id: str) -> str:
        with lock:
            if session_id not in sessions:
                raise ValueError("log in first")
            while True:
                meter = f"{random.choice('EG')}{random.randint(40_000, 9_999_999)}"
                if meter not in meters:
                    meters[meter] = None
                    return meter

    def exposed_submit_reading(
        self, session_id: str, meter: str, when: datetime, reading: int, reason: str = ""
    ) -> None:
        text = str(when)
        with lock:
            if meters.get(meter, "") is not None:
                raise ValueError("not a meter to read")
            meters[meter] = (sessions[session_id], reading, reason, text)

    def exposed_get_status(self, session_id: str) -> tuple[int, int]:
        mine = total = 0
        with lock:
            username = sessions[session_id]
            for entry in meters.values():
                if entry is not None:
                    total += 1
                    if entry[0] == username:
                        mine += 1
        return mine, total


class Client:
    """One reader."""

    def __init__(self, port: int) -> None:
        self._connection: Any = rpyc.connect("127.0.0.1", port)

    def login(self, username: str) -> None:
        self._session_id, _ = self._connection.root.login(username, username)

    def job(self) -> None:
        self._meter = self._connection.root.get_job(self._session_id)

    def submit(self) -> None:
        self._connection.root.submit_reading(self._session_id, self._meter, datetime.now(), 4711)

    def status(self) -> None:
        self._connection.root.get_status(self._session_id)

    def round(self) -> None:
        self.job()
        self.submit()
        self.status()


def main() -> None:
    chosen = options("--stored")
    for number in range(chosen.stored):
        meters[f"W{number:07}"] = (f"reader{number % 64:02}", 4711, "", "2026-11-20 10:00:00")
    server = ThreadedServer(PlainService, hostname="127.0.0.1", port=0)
    server._listen()
    announce(chosen.notify, server.port)
    server.start()


if __name__ == "__main__":
    main()
