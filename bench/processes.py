"""Servers in processes of their own."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

_SECONDS = 60.0  # that a server may take to start


class Server:
    """A server that is ready for clients, until the end of its `with`.

    `module` is a program that takes `--notify FILE`, and writes its address there. `ready_after` is how many seconds
    that took.
    """

    def __init__(self, folder: Path, module: str, *options: object) -> None:
        own = Path(tempfile.mkdtemp(prefix=f"{module.rpartition('.')[2]}-", dir=folder))
        notify, log = own / "notify", own / "log"
        command = [sys.executable, "-m", *module.split(), *map(str, options), "--notify", str(notify)]
        started = time.perf_counter()
        with log.open("wb") as errors:
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        self.pid = self._process.pid
        try:
            while not notify.exists():
                if self._process.poll() is not None or time.perf_counter() - started > _SECONDS:
                    raise RuntimeError(f"{module} did not start: {log.read_text()}")
                time.sleep(0.001)
        except BaseException:
            self.stop()
            raise
        self.ready_after = time.perf_counter() - started
        self.port = int(notify.read_text().rpartition(":")[2])

    def stop(self) -> None:
        """End it, with force if it does not end by itself."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()


def metermt(folder: Path, *options: object) -> Server:
    """Start MeterMT on a free port."""
    return Server(folder, "metermt serve", "--host", "127.0.0.1", "--port", 0, *options)
