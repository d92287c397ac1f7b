"""A small database with its group writer, and callers who are held in the middle of their work.

The commits are counted by SQLite's commit hook. Its return value decides: true turns the COMMIT into a failure.
"""

import threading
import time
from contextlib import contextmanager
from math import inf

import apsw
from conftest import DEADLINE, start, wait_until

from metermt.store.sqlite.groupwriter import GroupWriter


class Book:
    """A database with one table, its writer, and what can be seen of it from another connection."""

    def __init__(self, path, busy_seconds):
        self.path = path
        self.connection = apsw.Connection(str(path))
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA foreign_keys = ON")
        self.connection.execute(
            "CREATE TABLE pages (word TEXT UNIQUE, parent TEXT REFERENCES pages (word) DEFERRABLE INITIALLY DEFERRED)"
        )
        self.observer = apsw.Connection(str(path))
        self.writer = GroupWriter(self.connection, self.connection, busy_seconds)
        self.calls = {}
        self.commits = 0
        self.failing = set()  # numbers of the commits that are to fail, from 1
        self.connection.set_commit_hook(self.on_commit)

    def on_commit(self):
        self.commits += 1
        return self.commits in self.failing

    def close(self):
        self.observer.close()
        self.connection.close()

    def words(self):
        """Return what others see: only what was committed."""
        return sorted(word for (word,) in self.observer.execute("SELECT word FROM pages"))

    def write(self, word, then=None):
        return self.writer.run(unit(word, then))

    def write_soon(self, word):
        """Write from a thread of its own: should nobody lead any more, only that thread would wait for ever."""
        return start(lambda: self.write(word))()

    def begin(self, word, then=None, wake=None):
        """Begin to write; `calls` has a list for the task, of the threads that have called its caller."""
        calls = []
        task = self.writer.begin(unit(word, then), wake or (lambda: calls.append(threading.current_thread())))
        self.calls[task] = calls
        return task

    def wait(self, task, seconds=DEADLINE):
        return self.writer.wait(task, seconds)

    def waiting(self):
        """Return how many units wait; nothing else tells that a caller does."""
        return len(self.writer._waiting)

    @contextmanager
    def locked(self):
        """Keep the database as another process does that writes."""
        other = apsw.Connection(str(self.path))
        try:
            other.set_busy_timeout(DEADLINE * 1000)
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("COMMIT")
        finally:
            other.close()


def unit(word, then=None):
    """Return a unit of work that writes a word and returns it in capitals."""

    def write(db):
        db.execute("INSERT INTO pages (word) VALUES (?)", (word,))
        if then:
            then()
        return word.upper()

    return write


class Held:
    """A leader that is held inside its unit, and those who queue behind it."""

    def __init__(self, book, word="leader"):
        self.book = book
        self._inside, self._may_go = threading.Event(), threading.Event()
        self.leader = start(lambda: book.write(word, then=self._hold))
        assert self._inside.wait(DEADLINE)
        self.queued = []

    def _hold(self):
        self._inside.set()
        assert self._may_go.wait(DEADLINE)

    def queue(self, *works):
        """Start each work in a thread; return when all of their units wait, in this order."""
        for work in works:
            length = self.book.waiting() + 1
            self.queued.append(start(work))
            wait_until(lambda length=length: self.book.waiting() == length, "the unit is queued")
            wait_until(lambda: self.book.writer._waiting[-1].asleep, "its caller waits")

    def let_go(self):
        self._may_go.set()

    def results(self):
        """Let the leader go on; return what each who queued got, errors as they are."""
        self.let_go()
        assert self.leader() == "LEADER"
        return [outcome(result) for result in self.queued]


def outcome(result):
    """Return what a call returns, or the error that it raises."""
    try:
        return result()
    except BaseException as error:  # noqa: BLE001 - it is what the test asks about
        return error


class Refused(Exception):
    """What a unit may raise."""


def refuse():
    raise Refused


def wait_in_vain(book, task, seconds=0.05):
    """Assert that a wait returns False, and in time."""
    since = time.monotonic()
    assert not book.wait(task, seconds)
    assert seconds <= time.monotonic() - since < seconds + DEADLINE / 4


def wait_soon(book, task, name="waiting"):
    """Wait for a task in another thread; return when that does so."""

    def waiting():
        return book.wait(task)

    waiting.__name__ = name
    result = start(waiting)
    wait_until(lambda: task.asleep or book.writer._locked_since < inf, "it waits")
    return result
