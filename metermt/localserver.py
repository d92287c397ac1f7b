"""A server on this machine that a program starts for itself and stops when it ends."""

import logging
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Lock, Thread

from metermt.config import DATABASE_VARIABLE, DatabaseLocation
from metermt.errors import ServerUnreachable

_START_SECONDS = 10.0  # ten times what it takes on a busy laptop
_STOP_SECONDS = 5.0  # the calls in flight end long before; a server that does not may be killed at any moment
_LOOK_AGAIN = 0.01  # seconds
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 30.0  # seconds until one that has died is started again; each time twice as long
_HEALTHY = 60.0  # seconds that one has lived whose death is the first again

_log = logging.getLogger("metermt.localserver")

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
"""What this machine calls itself."""


class LocalServer:
    """A server that runs as a child process, once it is told to. When it dies it is started again, at the same port.

    `host` and `port` are where it listens: as asked for until `start` returns, and then the true ones. It is a process
    group of its own, so that Ctrl+C in a terminal ends the program, which then stops it in order. If the program is
    killed the server lives on, and serves whoever connects next.
    """

    def __init__(self, host: str, port: int, *, database: DatabaseLocation | None = None, demo: bool = False) -> None:
        self.host = host
        self.port = port
        self._options = ["--no-dump", "--log-level", "warning"]
        self._environment = dict(os.environ)
        if database:
            self._environment[DATABASE_VARIABLE] = str(database)  # it may have a password in it
        if demo:
            self._options.append("--demo")
        self._lock = Lock()  # guards the two below: one thread may stop what another one is starting
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = Event()
        self._keeper = Thread(target=self._keep, name="keeper of the local server", daemon=True)
        self._folder = TemporaryDirectory(prefix="metermt-")
        self._notify = Path(self._folder.name, "notify")
        self._log = Path(self._folder.name, "log")

    def start(self) -> None:
        """Start the server, and return once clients can connect. Raises `ServerUnreachable` if it does not start."""
        if not self._keeper.is_alive():  # else it is on its way again
            self._start()
            self._keeper.start()

    def stop(self) -> None:
        """Stop the server if it was started here, in order, or by force when it does not answer.

        What it logged goes to standard error. Stopping twice is harmless; afterwards it cannot be started.
        """
        has_started = self._keeper.is_alive()  # else `start` has raised its last line
        with self._lock:
            self._stopping.set()
            process, self._process = self._process, None
        if process:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if sys.stderr and has_started:
                with suppress(OSError):  # the terminal that it was started in may be gone by now
                    sys.stderr.write(self._logged())
        if self._keeper.is_alive():
            self._keeper.join()
        self._folder.cleanup()

    def _keep(self) -> None:
        """Start the server again whenever it has died, until it is stopped."""
        pause = _FIRST_PAUSE
        while process := self._process:
            started = time.monotonic()
            process.wait()
            if time.monotonic() - started > _HEALTHY:
                pause = _FIRST_PAUSE
            if self._stopping.wait(pause):
                return
            pause = min(2 * pause, _LONGEST_PAUSE)
            _log.warning("The server on this machine has ended with status %s and is started again", process.returncode)
            with suppress(ServerUnreachable):  # it has said why, and may start the next time
                self._start()

    def _start(self) -> None:
        process = self._launch()
        until = time.monotonic() + _START_SECONDS
        try:
            while not self._notify.exists():
                if process.poll() is not None:
                    raise ServerUnreachable(f"Cannot start a server on this machine: {self._last_words()}")
                if time.monotonic() > until:
                    process.kill()
                    raise ServerUnreachable(f"The server on this machine was not ready in {_START_SECONDS:g} seconds")
                time.sleep(_LOOK_AGAIN)
            self.host, _, port = self._notify.read_text(encoding="utf-8").strip().rpartition(":")
        except FileNotFoundError:  # stopped meanwhile, and the folder is gone
            raise ServerUnreachable("The program is ending") from None
        self.port = int(port)

    def _launch(self) -> "subprocess.Popen[bytes]":
        address = ["-h", self.host, "-p", str(self.port), "--notify", str(self._notify)]
        command = [sys.executable, "-m", "metermt", "serve", *address, *self._options]
        with self._lock:
            if self._stopping.is_set():
                raise ServerUnreachable("The program is ending")
            if self._process:  # one that did not start, or has died: it has ended, or was killed
                self._process.wait()
            try:
                self._notify.unlink(missing_ok=True)
                with self._log.open("ab") as log:
                    self._process = subprocess.Popen(  # noqa: S603 - our own program
                        command,
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL,
                        stderr=log,
                        env=self._environment,
                        start_new_session=True,
                    )
            except OSError as error:  # such as no memory; whoever keeps it tries again
                raise ServerUnreachable(f"Cannot start a server on this machine: {error.strerror}") from error
            return self._process

    def _logged(self) -> str:
        """Return what it has logged, nothing if that was cleared away, as what is old in such a folder may be."""
        with suppress(FileNotFoundError):
            return self._log.read_text(encoding="utf-8", errors="replace")
        return ""

    def _last_words(self) -> str:
        lines = self._logged().strip().splitlines()
        return lines[-1].removeprefix("Error: ") if lines else "it ended and gave no reason"
