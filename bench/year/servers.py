"""The servers of the utility: processes of their own, which are killed and started again on the same ports."""

import os
import signal
import socket
from pathlib import Path
from typing import Self

from bench.processes import Server
from bench.year.clock import Clock


class Servers:
    """One server or several on one database, until the end of the `with`."""

    def __init__(self, folder: Path, database: str, clock: Clock) -> None:
        self._folder, self._database, self._clock = folder, database, clock
        self._ports: list[int] = []
        self._running: list[Server] = []
        self.killed = 0

    @property
    def addresses(self) -> list[str]:
        """Where they listen."""
        return [f"127.0.0.1:{port}" for port in self._ports[: len(self._running)]]

    def let_there_be(self, number: int) -> None:
        """Start servers, or end some."""
        while len(self._running) > number:
            self._running.pop().stop()
        while len(self._ports) < number:
            self._ports.append(_free_port())
        while len(self._running) < number:
            self._running.append(self._start(self._ports[len(self._running)]))

    def kill_one(self) -> None:
        """End the first one at once, without asking, and start it again."""
        os.kill(self._running[0].pid, signal.SIGKILL)
        self._running[0].stop()
        self.killed += 1
        self._running[0] = self._start(self._ports[0])

    def complaints(self) -> list[str]:
        """Return the lines of errors in all logs."""
        logs = sorted(self._folder.glob("server-*/log"))
        return [line for log in logs for line in log.read_text().splitlines() if " ERROR " in line]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.let_there_be(0)

    def _start(self, port: int) -> Server:
        options = ("--database", self._database, "--clock", self._clock.file, "--port", port)
        return Server(self._folder, "bench.year.server", *options)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
