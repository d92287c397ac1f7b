"""The embedded store: one SQLite database, safe against kill and power loss, shared with other processes."""

from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from threading import Condition
from typing import TypeVar

import apsw

from metermt.errors import StoreError
from metermt.store.base import Figures, Store, Tx
from metermt.store.begun import Begun, Over
from metermt.store.sql.steps import transaction_on
from metermt.store.sqlite.backup import back_up
from metermt.store.sqlite.database import StoreErrors, connect, open_database
from metermt.store.sqlite.groupwriter import GroupWriter, Task
from metermt.store.sqlite.openedfiles import OpenedFiles
from metermt.store.sqlite.sql import SqliteSql

T = TypeVar("T")

_BUSY_SECONDS = 10.0  # longer than any transaction of ours, short enough for a reader who waits
_READERS = 16  # connections to read by at once: each takes descriptors and memory, and more would not be faster


class SqliteStore(Store):
    """A store in a SQLite file. Other servers and commands may work on the same file at the same time."""

    def __init__(self, path: Path, *, create: bool = True, busy_seconds: float = _BUSY_SECONDS) -> None:
        """Open the database, make it if there is none and `create` says so, and bring its schema up to date.

        `busy_seconds` is how long a write waits for another process. Raises `StoreLocked`, `StoreTooNew`,
        `NotAStore` or `StoreError`.
        """
        self.path = path
        self._errors = StoreErrors(path)
        self._busy_seconds = busy_seconds
        self._is_closed = False
        self._idle_readers: list[_Reader] = []  # appended to and popped from only, which is one step each
        self._reader_is_free = Condition()  # guards the two below
        self._readers = 0  # how many there are, idle ones included
        self._waiting = 0  # how many threads wait for one
        self._connection = open_database(path, create=create, busy_seconds=busy_seconds)
        try:
            self._files = OpenedFiles(path, self._connection)
        except BaseException:
            self._connection.close()
            raise
        tx = transaction_on(SqliteSql(self._connection))
        # Looked at after a commit, not before: else they could go while it is flushed, and it would be acknowledged.
        self._writer = GroupWriter(self._connection, tx, busy_seconds, self._files.check)

    def read(self, work: Callable[[Tx], T]) -> T:
        self._files.refuse()
        with self._errors:
            reader = self._take_reader()
            try:
                return reader.read(work)
            finally:
                self._put_back(reader)

    def write(self, work: Callable[[Tx], T]) -> T:
        self._files.refuse()
        with self._errors:
            return self._writer.run(work)

    def begin(self, work: Callable[[Tx], T], wake: Callable[[], None], *, keeps: bool = True) -> Begun[T]:
        if not keeps:  # nobody who reads waits for who writes
            return Over(lambda: self.read(work))
        if self._files.are_gone:
            return Over(lambda: self.write(work))
        return _Begun(self._writer, self._writer.begin(work, wake), self._errors)

    def trouble(self) -> str | None:
        return "The file of the database was moved, replaced or deleted" if self._files.are_gone else None

    def location(self) -> str:
        return str(self.path)

    def file(self) -> Path:
        return self.path

    def figures(self) -> Figures:
        size = 0
        for name in (self.path, self.path.with_name(f"{self.path.name}-wal")):
            with suppress(OSError):  # it is gone, or was not made yet
                size += name.stat().st_size
        return Figures(f"SQLite {apsw.sqlite_lib_version()}", size, len(self._writer), self._writer.commits.copy())

    def backup(self, path: Path) -> None:
        with self._errors, closing(self._connect()) as connection:
            back_up(connection, path)

    def hurry(self, seconds: float) -> None:
        self._writer.hurry(seconds)

    def close(self) -> None:
        self._is_closed = True
        self._close_readers()
        self._connection.close()

    def _connect(self) -> apsw.Connection:
        if self._is_closed:
            raise StoreError(f"The database {self.path} was closed")
        self._files.check()
        return connect(self.path, self._busy_seconds)

    def _take_reader(self) -> "_Reader":
        try:
            return self._idle_readers.pop()
        except IndexError:
            return self._idle_or_new_reader()

    def _idle_or_new_reader(self) -> "_Reader":
        with self._reader_is_free:
            self._waiting += 1  # before the next look, so that whoever puts one back after it tells
            try:
                while True:
                    with suppress(IndexError):
                        return self._idle_readers.pop()
                    if self._readers < _READERS:
                        self._readers += 1
                        break
                    self._reader_is_free.wait()
            finally:
                self._waiting -= 1
        try:
            return _Reader(self._connect())
        except BaseException:
            self._forget_reader()
            raise

    def _put_back(self, reader: "_Reader") -> None:
        self._idle_readers.append(reader)
        if self._waiting:
            with self._reader_is_free:
                self._reader_is_free.notify()
        if self._is_closed:
            self._close_readers()

    def _close_readers(self) -> None:
        while True:
            try:
                reader = self._idle_readers.pop()
            except IndexError:
                return
            reader.connection.close()
            self._forget_reader()

    def _forget_reader(self) -> None:
        with self._reader_is_free:
            self._readers -= 1
            self._reader_is_free.notify()


class _Reader:
    """A connection that is only read from, by one thread at a time."""

    def __init__(self, connection: apsw.Connection) -> None:
        connection.execute("PRAGMA query_only = ON")
        self.connection = connection
        self._execute = connection.cursor().execute
        self._tx = transaction_on(SqliteSql(connection))

    def read(self, work: Callable[[Tx], T]) -> T:
        """Return what `work` makes of a consistent snapshot."""
        self._execute("BEGIN")
        try:
            outcome = work(self._tx)
            self._execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self._execute("ROLLBACK")
            raise
        return outcome


class _Begun(Begun[T]):
    """A unit of work that was begun, with errors of ours."""

    def __init__(self, writer: GroupWriter[Tx], task: Task[T], errors: StoreErrors) -> None:
        self._writer = writer
        self._task = task
        self._errors = errors

    def wait(self, seconds: float) -> bool:
        return self._writer.wait(self._task, seconds)

    def result(self) -> T:
        with self._errors:
            return self._task.result()
