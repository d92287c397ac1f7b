"""Honest readers who submit all the time, and write down how long they wait."""

import sys
import threading
import time
from pathlib import Path

from metermt import Answer, Error, MeterClient


class Busy(threading.Thread):
    """A reader who reads one meter after the other, with a short pause, and writes down how long each call took.

    It goes on until `time.monotonic()` is beyond `until`, which is never unless it is changed.
    """

    def __init__(self, port: int, username: str, pause: float, tls_ca: Path | None = None) -> None:
        super().__init__(name=username, daemon=True)
        self._port, self._username, self._pause, self._tls_ca = port, username, pause, tls_ca
        self.until = float("inf")
        self.milliseconds: list[float] = []
        self.error: Error | None = None

    def run(self) -> None:
        try:
            with MeterClient("127.0.0.1", self._port, tls_ca=self._tls_ca) as client:
                client.login(self._username, self._username)
                job = client.get_job()
                while job and time.monotonic() < self.until:
                    started = time.perf_counter()
                    job = client.submit_and_next(Answer(job.meter.number, 1)).job
                    self.milliseconds.append((time.perf_counter() - started) * 1000)
                    time.sleep(self._pause)
        except Error as error:
            self.error = error


def wait_until_at_work(busy: list[Busy]) -> None:
    """Wait until each of them has sent a reading, or has failed. Ends the program if that takes half a minute."""
    until = time.monotonic() + 30
    while not all(reader.milliseconds or reader.error for reader in busy):
        if time.monotonic() > until:
            sys.exit("FAILED: the readers are not at work")
        time.sleep(0.01)
