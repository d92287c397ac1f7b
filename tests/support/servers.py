"""Real servers for tests: in a process of their own, or listening in a thread of this one."""

import os
import random
import re
import signal
import socket
import sys
import tempfile
import time
import weakref
from contextlib import contextmanager, suppress
from pathlib import Path

import warm
from conftest import CYCLE, DEADLINE, import_jobs, wait_until

from metermt.config import Limits
from metermt.errors import StoreAway, StoreError
from metermt.store.memory.store import MemoryStore
from metermt.store.sqlite.store import SqliteStore
from metermt.transport.server import MeterServer

ROOT = Path(__file__).parents[2]
SERVER_PY = (sys.executable, "-W", "error", str(ROOT / "server.py"))
METERMT = (sys.executable, "-W", "error", str(Path(sys.executable).with_name("metermt")))
METERMT_SERVE = (*METERMT, "serve")


class ServerProcess:
    """A meter server that is ready for clients, until `stop` or the end of the block of its `with`.

    `options` are those of `metermt serve`. The server chooses a free port unless told one, and its words go into
    files in `folder`. `descriptors` is how many files it may have open. When it has ended nobody else gets its port
    until the end of the block, so that it can be started there again.
    """

    _place = None

    def __init__(self, folder, *options, port=0, notify=None, command=SERVER_PY, descriptors=None):
        own = Path(tempfile.mkdtemp(prefix="server-", dir=folder))
        self._stdout, self._stderr = own / "stdout", own / "stderr"
        notify = notify or own / "address"
        before = _text(notify)
        command = [*command, "--port", port, "--notify", notify, *options]
        if descriptors:
            command = ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh", *command]
        with self._stdout.open("w") as stdout, self._stderr.open("w") as stderr:
            # A server that is killed leaves its temporary files, where it has any.
            environment = os.environ | {"TMPDIR": str(own)}
            self._process = warm.Popen(list(map(str, command)), stdout=stdout, stderr=stderr, env=environment)
        self.pid = self._process.pid
        try:
            self.host, port = self._first_words(notify, before).rstrip("\n").rsplit(":", 1)
            self.port = int(port)
        except BaseException:
            self.kill()
            raise

    @property
    def output(self):
        """What it has printed."""
        return _text(self._stdout)

    @property
    def http_port(self):
        """Where it listens for HTTP, if it was started with `--http`."""
        return int(re.search(r"^HTTP on .*:(\d+)$", self.output, re.MULTILINE)[1])

    @property
    def errors(self):
        """What it has written to standard error, where its log goes."""
        return _text(self._stderr)

    @property
    def complaints(self):
        """What it has written there, without the lines that tell what is usual."""
        return "".join(line for line in self.errors.splitlines(keepends=True) if " INFO " not in line)

    @property
    def runs(self):
        return self._process.poll() is None

    @property
    def threads(self):
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    @property
    def sockets(self):
        """How many sockets it has open. Its other descriptors are those of the database, which it keeps."""
        return sockets_of(self.pid)

    def send(self, number):
        """Send it a signal; after SIGSTOP wait until it does nothing any more, which takes the kernel a moment."""
        self._process.send_signal(number)
        if number == signal.SIGSTOP:
            wait_until(lambda: self._thread_states == {"T"}, "all of its threads have stopped")

    @property
    def _thread_states(self):
        stats = [_text(task / "stat") for task in Path(f"/proc/{self.pid}/task").iterdir()]
        return {stat.rpartition(")")[2].split()[0] for stat in stats if stat}

    @contextmanager
    def frozen(self):
        """Let it do nothing until the end of the block."""
        self.send(signal.SIGSTOP)
        try:
            yield
        finally:
            self.send(signal.SIGCONT)

    def stop(self, number=signal.SIGTERM):
        """Ask it to end, and return its exit status."""
        self.send(number)
        status = self._process.wait(DEADLINE)
        self._keep_port()
        return status

    def kill(self):
        """End it at once, without asking; it may have ended already."""
        if self.runs:
            self._process.kill()
        self._process.wait(DEADLINE)
        self._keep_port()

    def _keep_port(self):
        if not self._place and hasattr(self, "port"):
            with suppress(OSError):  # the next one listens there already
                self._place = deaf_socket(self.port)
                weakref.finalize(self, self._place.close)  # also for those who only kill it

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.kill()
        if self._place:
            self._place.close()

    def _first_words(self, notify, before):
        until = time.monotonic() + DEADLINE
        while (text := _text(notify)) in (None, before):
            assert self.runs, f"the server ended with status {self._process.returncode}: {self.errors}"
            assert time.monotonic() < until, f"the server was not ready within {DEADLINE} s: {self.errors}"
            time.sleep(0.002)
        return text


class Servers:
    """Starts server processes, and ends all of them with the block of its `with`."""

    def __init__(self, folder):
        self._folder = folder
        self._started = []

    def start(self, *options, **settings):
        """Start one, ready for clients. See `ServerProcess`."""
        self._started.append(ServerProcess(self._folder, *options, **settings))
        return self._started[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        for server in self._started:
            server.__exit__()
        for server in self._started:
            assert "Traceback" not in server.errors, server.errors
            assert " ERROR " not in server.errors, server.errors


def run_to_end(*options, command=SERVER_PY):
    """Run a server that cannot start; return what became of it."""
    command = [*command, *options]
    return warm.run(list(map(str, command)), capture_output=True, text=True, timeout=DEADLINE)


@contextmanager
def listening(desk, limits=None, **settings):
    """Let a desk be asked on a free port, by a server in threads of this process."""
    server = MeterServer(desk, "localhost", 0, limits or Limits(), **settings)
    server.start()
    try:
        yield server
    finally:
        assert server.stop(), "calls were still in flight"


def fill(store, accounts, jobs=()):
    """Put users and jobs of one cycle into a store; return it."""
    store.write(lambda tx: tx.accounts.put(accounts))
    import_jobs(store, CYCLE, jobs)
    return store


def make_database(path, accounts, jobs=()):
    """Make a database with these users and jobs; return its path."""
    with SqliteStore(path) as store:
        fill(store, accounts, jobs)
    return path


class BrokenStore(MemoryStore):
    """Fails in one of its steps as nobody has thought of: when readers ask how far they are."""

    def __init__(self):
        super().__init__()
        self.read(lambda tx: setattr(tx.readings, "tallies", self._fail))

    @staticmethod
    def _fail(usernames):
        raise RuntimeError(f"cannot read /var/lib/metermt/{'-'.join(usernames)}")


class AwayStore(MemoryStore):
    """Is out of reach while it is `away`, which is told beforehand if it is `known`; when it is only `mute` it keeps
    what it is given all the same. `asked` counts how often it could not answer.
    """

    def __init__(self):
        super().__init__()
        self.away = self.mute = False
        self.known = True
        self.asked = 0

    def trouble(self):
        return "The database cannot be reached" if self.away and self.known else None

    def read(self, work):
        return self._answer(super().read, work)

    def write(self, work):
        return self._answer(super().write, work)

    def _answer(self, run, work):
        if self.mute:
            run(work)
        if self.away or self.mute:
            self.asked += 1
            raise StoreAway("The database postgresql://meter.example.org/metermt cannot be reached")
        return run(work)


class FullStore(MemoryStore):
    """Has no room for anything while it is `full`."""

    def __init__(self):
        super().__init__()
        self.full = False

    def write(self, work):
        if self.full:
            raise StoreError("The disk of the database is full: make room and try again")
        return super().write(work)


def lasting_port():
    """Return a free port that no outgoing connection is given, so that it is still free after each restart."""
    while True:
        port = random.randint(15_000, 30_000)  # below those that systems take for outgoing connections
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def deaf_socket(port=0):
    """Take a port, so that no other server gets it but who asks for it, and do not listen there."""
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(("127.0.0.1", port))
    except OSError:
        taken.close()
        raise
    return taken


def sockets_of(pid):
    """Return how many sockets a process has open; `pid` may be "self"."""
    return sum(_target(link).startswith("socket:") for link in Path(f"/proc/{pid}/fd").iterdir())


def _target(link):
    try:
        return str(link.readlink())
    except FileNotFoundError:  # closed meanwhile
        return ""


def _text(path):
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):  # of a thread that has ended as it was looked at
        return None
