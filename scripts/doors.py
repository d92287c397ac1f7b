"""Those who are at a server all the time besides readers: who scrapes its figures, and who follows its log."""

import socket
import threading
import urllib.request
from collections.abc import Callable
from dataclasses import replace

from hostile import call

from metermt import MeterClient
from metermt.calls.serverlog import LONGEST_WAIT, LogWanted, read_log


class Attendant(threading.Thread):
    """Does the same again and again until `leave`. What it raises is its `error`."""

    def __init__(self, name: str, visit: Callable[[], None], pause: float) -> None:
        """`pause` is how many seconds there are between two visits."""
        super().__init__(name=name, daemon=True)
        self._visit, self._pause = visit, pause
        self._leaving = threading.Event()
        self.visits = 0
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            while not self._leaving.wait(self._pause):
                self._visit()
                self.visits += 1
        except Exception as error:  # noqa: BLE001 - whoever has started it looks
            self.error = error

    def leave(self) -> None:
        """Come no more."""
        self._leaving.set()


def scrape(http_port: int) -> None:
    """Look at the figures, and whether the server is ready. Raises `OSError` if it is not."""
    for page in ("metrics", "health/ready"):
        with urllib.request.urlopen(f"http://localhost:{http_port}/{page}", timeout=30) as answer:
            answer.read()


class Follower:
    """Reads the log as it is written."""

    def __init__(self, port: int, admin: str) -> None:
        self._client = MeterClient(port=port, timeout=30)
        self._client.login(admin, admin)
        self._wanted = LogWanted(wait=LONGEST_WAIT)
        self.lines = self.missed = 0

    def read(self) -> None:
        """Wait for what comes next."""
        part = self._client.call(read_log, self._wanted)
        self._wanted = replace(self._wanted, ring=part.ring, after=part.last)
        self.lines += len(part.lines)
        self.missed += part.missed

    def close(self) -> None:
        """Hang up."""
        self._client.close()


class DeafFollower:
    """Asks for all of the log over and over, and reads no answer; when it is dropped it comes back."""

    def __init__(self, port: int, admin: str) -> None:
        self._port = port
        with MeterClient(port=port) as client:
            client.login(admin, admin)
            self._question = call("read_log", client._session_id, "{}")
            client.close()  # without logging out
        self._sock: socket.socket | None = None
        self.drops = 0
        """How often it was hung up on."""

    def ask(self) -> None:
        """Ask once more."""
        try:
            if self._sock is None:
                self._sock = socket.socket()
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                self._sock.connect(("127.0.0.1", self._port))
                self._sock.setblocking(False)
            self._sock.send(self._question)
        except BlockingIOError:
            pass  # nothing is taken any more either
        except OSError:
            if self._sock:
                self._sock.close()
                self.drops += 1
            self._sock = None

    def close(self) -> None:
        """Hang up."""
        if self._sock:
            self._sock.close()
