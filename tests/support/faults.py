"""Faults on purpose: a disk that fails when told, and a program that dies at a chosen point of the server's work.

As a program it is the child of tests. With options `POINT N`, followed by those of `metermt serve`, it is the real
server, which dies at the n-th passage of the point. Without options it reads one `Case` a line, runs each in a process
of its own, forked so that it starts at once, and prints the process's exit status.
"""

import json
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import apsw
from forked import Program, run_cases

from metermt.calls import batches
from metermt.calls.asking import Ask, Caller
from metermt.calls.desk import Desk
from metermt.calls.readings import submit_and_next
from metermt.calls.rounds import JobsWanted, get_jobs
from metermt.calls.sessions import Login, login
from metermt.cli.serve import serve
from metermt.manager import Manager
from metermt.model import Answer, Role
from metermt.store.sqlite import database
from metermt.store.sqlite.store import SqliteStore
from metermt.transport.stream import Stream

READERS = ("adam", "carol")
TURNS = 50
WHEN = "2026-11-20T10:00"
CHECKPOINT_PAGES = 10  # a checkpoint after every second reading or so, where SQLite's own 1,000 pages are many readings


class Disk(apsw.VFS):
    """The disk of all databases opened while it is there; `step` is called before it is written to.

    `step(kind, name, half)` gets "write", "sync" or "truncate", the file's name, and a function that does the first
    half of a write. It may raise, and then nothing more is done. What is flushed is handed to the system if `flushes`,
    which no test needs that leaves the machine running.
    """

    def __init__(self, step, *, flushes=False):
        self.step = step
        self.flushes = flushes
        self.base = apsw.vfs_names()[0]  # the system's own
        super().__init__(name="faulty disk", base=self.base, makedefault=True)

    def xOpen(self, name, flags):  # noqa: N802 - SQLite's name
        return _File(self, name, flags)

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.unregister()


class _File(apsw.VFSFile):
    def __init__(self, disk, name, flags):
        super().__init__(disk.base, name, flags)
        self._disk = disk
        filename = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        self._name = Path(filename).name

    def excepthook(self, *_exc):
        """Say nothing: SQLite was told already, and tells whoever called it."""

    def xWrite(self, content, offset):  # noqa: N802
        write = super().xWrite
        self._disk.step("write", self._name, lambda: write(content[: len(content) // 2], offset))
        write(content, offset)

    def xSync(self, flags):  # noqa: N802
        self._disk.step("sync", self._name, lambda: None)
        if self._disk.flushes:
            super().xSync(flags)

    def xTruncate(self, size):  # noqa: N802
        self._disk.step("truncate", self._name, lambda: None)
        super().xTruncate(size)


# --- points where a process dies


class _Fuse:
    """Ends this process, as a power cut would, when it is called the n-th time."""

    def __init__(self, n):
        self._n = n
        self._calls = count(1)

    def __call__(self, *_of_hook, last_act=None):
        if next(self._calls) == self._n:
            if last_act:
                last_act()
            os.kill(os.getpid(), signal.SIGKILL)
        return False  # to a commit hook: go on


def _before_commit(fuse):
    apsw.connection_hooks.append(lambda connection: connection.set_commit_hook(fuse))


def _after_commit(fuse):
    apsw.connection_hooks.append(lambda connection: connection.set_wal_hook(lambda *of_hook: int(fuse(*of_hook))))


def _after_reply(fuse):
    send_now = Stream.send_now

    def send_and_die(self, content):
        rest = send_now(self, content)
        fuse()
        return rest

    Stream.send_now = send_and_die


def _before_statement(fuse):
    def trace(*of_hook):
        return not fuse(*of_hook)

    def hook(connection):
        connection.exec_trace = trace

    apsw.connection_hooks.append(hook)


def _on_disk(*of_step):
    """Die half-way in a write of the log or of the database, or before they are flushed."""

    def arm(fuse):
        def step(kind, name, half):
            if (kind, "log" if name.endswith("-wal") else "database") in of_step:
                fuse(last_act=half)

        _armed.append(Disk(step, flushes=True))

    return arm


_armed = []  # disks must outlive the connections to what is on them

LOG_WRITE, LOG_SYNC = ("write", "log"), ("sync", "log")
DATABASE_WRITE, DATABASE_SYNC = ("write", "database"), ("sync", "database")

POINTS = {
    "before a commit": _before_commit,
    "writing a commit": _on_disk(LOG_WRITE),
    "flushing a commit": _on_disk(LOG_SYNC),
    "between commit and reply": _after_commit,
    "after the reply": _after_reply,
    "writing a checkpoint": _on_disk(DATABASE_WRITE),
    "flushing a checkpoint": _on_disk(DATABASE_SYNC),
    "before a statement": _before_statement,
    "using the disk": _on_disk(LOG_WRITE, LOG_SYNC, DATABASE_WRITE, DATABASE_SYNC),
}


def _arm(point, n):
    fuse = _Fuse(n)
    apsw.connection_hooks.append(lambda connection: connection.wal_autocheckpoint(CHECKPOINT_PAGES))
    POINTS[point](fuse)
    return fuse


# --- work that is cut short


@dataclass(frozen=True)
class Case:
    """What a process of `Mortals` does: `work` on the database at `path`, until the n-th passage of the point."""

    work: str
    point: str
    n: int
    path: str
    diary: str = ""
    migrations: tuple[str, ...] = ()

    def run(self):
        fuse = _arm(self.point, self.n)
        if self.work == "migrate":
            database._migrations = lambda: list(self.migrations)
            SqliteStore(Path(self.path)).close()
            return
        if self.work == "export":
            with SqliteStore(Path(self.path), create=False) as store:
                _export(store)
            return
        submit = {"submit": _submit_in_threads, "submit in turns": _submit_in_turns}[self.work]
        with SqliteStore(Path(self.path), create=False) as store, Diary.opened(self.diary) as diary:
            submit(store, diary, fuse if self.point == "after the reply" else lambda: None)


def _export(store):
    """Make a batch for billing in parts of two results."""
    batches._A_PART = 2
    Desk(store).ask(batches.make_batch, batches.Batching("csv", ""), caller=Caller(role=Role.ADMIN))


def _submit_in_threads(store, diary, replied):
    """Let each reader wait for the store, as those who have not logged in do, and who ask for what takes long."""
    manager = Manager(store)
    with ThreadPoolExecutor() as threads:
        for ended in [threads.submit(_submit_all, manager, name, diary, replied) for name in READERS]:
            ended.result()


def _submit_all(manager, username, diary, replied):
    session_id, _ = manager.login(username, username)
    job = manager.next_job(session_id)
    for number in count():
        if job is None:
            return
        key, sent = f"{username}-{number}", (job.meter.number, number)
        diary.attempted(key, sent)
        if number % 2:
            manager.submit_reading(session_id, sent[0], WHEN, sent[1], key=key)
            diary.acknowledged(key)
            replied()
            job = manager.next_job(session_id)
        else:
            job = manager.submit_and_next(session_id, Answer(*sent, when=WHEN, key=key)).job
            diary.acknowledged(key)
            replied()


def _submit_in_turns(store, diary, replied):
    """Keep what the readers send in one transaction, and then the next, and look for its outcome, as a switchboard."""
    desk = Desk(store)
    sessions = {name: desk.ask(login, Login(name, name)).session_id for name in READERS}
    rounds = {name: desk.ask(get_jobs, JobsWanted(TURNS), session) for name, session in sessions.items()}
    for number in range(TURNS):
        answers = {
            name: Answer(rounds[name][number].meter.number, number, when=WHEN, key=f"{name}-{number}")
            for name in READERS
        }
        for answer in answers.values():
            diary.attempted(answer.key, (answer.meter, answer.value))
        woken = threading.Event()
        asks = [Ask(submit_and_next, Caller(), sessions[name], answer) for name, answer in answers.items()]
        turn = desk.begin(asks, woken.set)
        while not turn.begun.wait(0):
            woken.wait(0.002)
        for answer, outcome in zip(answers.values(), turn.outcomes(), strict=True):
            assert not isinstance(outcome, Exception), outcome
            diary.acknowledged(answer.key)
            replied()


class Diary:
    """Who submitted what, and heard that it is accepted. A line is there at once, whatever becomes of the writer."""

    def __init__(self, descriptor):
        self._descriptor = descriptor

    @classmethod
    @contextmanager
    def opened(cls, path):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            yield cls(descriptor)
        finally:
            os.close(descriptor)

    def attempted(self, key, sent):
        os.write(self._descriptor, f"{json.dumps([key, *sent])}\n".encode())

    def acknowledged(self, key):
        os.write(self._descriptor, f"{json.dumps([key])}\n".encode())

    @staticmethod
    def read(path):
        """Return what was attempted and what was acknowledged: what was sent, by key."""
        attempted, acknowledged = {}, {}
        for line in path.read_text(encoding="utf-8").splitlines():
            key, *sent = json.loads(line)
            if sent:
                attempted[key] = tuple(sent)
            else:
                acknowledged[key] = attempted[key]
        return attempted, acknowledged


# --- what a test sees of it


class Mortals(Program):
    """This program, which runs cases."""

    def __init__(self):
        super().__init__(__file__)

    def died(self, case):
        """Run a case; return whether it died at its point. Fails if it ended in any other way than well."""
        return self.result_of(case) is None


# --- the program


def _run(**case):
    Case(**case).run()


def _run_server():
    point, n = sys.argv[1:3]
    del sys.argv[1:3]
    _arm(point, int(n))
    serve()


if __name__ == "__main__":
    _run_server() if len(sys.argv) > 1 else run_cases(_run)
