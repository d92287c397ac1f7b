"""The shared store: one PostgreSQL database, which many servers may use at once."""

import logging
import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path
from threading import Barrier, Lock
from time import monotonic, sleep
from typing import TypeVar

import psycopg
from psycopg import errors
from psycopg_pool import ConnectionPool

from metermt.counting import Histogram
from metermt.errors import StoreAway, StoreError
from metermt.store.base import Figures, Store, Tx
from metermt.store.begun import Begun
from metermt.store.postgres.connection import Connection
from metermt.store.postgres.database import open_database, settings_of, shown, translated
from metermt.store.postgres.patience import Patience
from metermt.store.postgres.sql import PostgresSql
from metermt.store.postgres.steps import transaction_on

T = TypeVar("T")

_log = logging.getLogger("metermt.store")

_SECONDS = 10.0  # that whoever calls and waits does so: the longest transactions import a thousand jobs
_BEGUN_SECONDS = 2.0  # that a turn of the switchboard may take: its readers wait for it
_FIGURES_SECONDS = 1.0  # that who wants to know the size of the database waits for it
_CONNECTIONS = 8
_LIFETIME = 60.0  # seconds of a connection: its statements are planned once, and tables grow
_THREADS = 4  # that answer what was begun: one for what is written, one for what is read, two for what is noted
_TRIES = 20  # of a transaction that others have been in the way of: more, and it is in its own
_PATIENT_TRIES = 5  # of one that would rather wait for others, such as a server that stands still, but need not
_TRUSTED_SECONDS = 1.0  # that a connection was at rest; longer, and it is tried before it is used


class PostgresStore(Store):
    """A store in a PostgreSQL database. Other servers and commands may work on it at the same time."""

    def __init__(self, url: str, *, create: bool = True, seconds: float = _SECONDS) -> None:
        """Connect, set the database up if it is empty and `create` says so, and bring its schema up to date.

        `seconds` is how long a transaction may take, waiting included. Raises `StoreAway`, `StoreTooNew`, `NotAStore`
        or `StoreError`.
        """
        self.url = url
        self._seconds = seconds
        self._outage = Lock()  # held while the database is known to be out of reach
        self._committing = Lock()  # guards the one below
        self._commits = Histogram()  # with what is kept along with a COMMIT: both go there at once
        self._engine = "PostgreSQL"
        open_database(url, create=create)
        self._threads = _started(_THREADS)
        self._patience = Patience()
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            settings_of(url),
            connection_class=Connection,
            kwargs={"autocommit": True, "prepare_threshold": None},  # what is prepared is ours to say
            min_size=1,
            max_size=_CONNECTIONS,
            max_lifetime=_LIFETIME,
            check=self._check,
            reconnect_timeout=2.0,
            num_workers=1,
            open=True,
        )
        self._ahead, self._asked_at = 0.0, -inf  # of our monotonic clock, and when the database was asked for its time
        self.read(lambda _tx: None)

    def read(self, work: Callable[[Tx], T]) -> T:
        return self._run(work, self._seconds, writes=False)

    def write(self, work: Callable[[Tx], T]) -> T:
        return self._run(work, self._seconds, writes=True)

    def begin(self, work: Callable[[Tx], T], wake: Callable[[], None], *, keeps: bool = True) -> Begun[T]:
        return _Begun(self._threads.submit(self._run, work, _BEGUN_SECONDS, writes=keeps), wake)

    def clock(self) -> float:
        return monotonic() + self._ahead

    def trouble(self) -> str | None:
        return f"The database {shown(self.url)} cannot be reached" if self._outage.locked() else None

    def location(self) -> str:
        return shown(self.url)

    def figures(self) -> Figures:
        size = None
        if not self._outage.locked():
            with suppress(psycopg.Error), self._connected(monotonic() + _FIGURES_SECONDS) as (connection, _):
                [(size,)] = connection.execute("SELECT pg_database_size(current_database())")
                version = connection.info.server_version
                self._engine = f"PostgreSQL {version // 10000}.{version % 10000}"
        with self._committing:
            return Figures(self._engine, size, self._pool.get_stats()["requests_waiting"], self._commits.copy())

    def backup(self, path: Path) -> None:
        raise StoreError(
            f"{shown(self.url)} cannot be copied to {path}: back it up with pg_dump, or with 'metermt database copy'"
        )

    def close(self) -> None:
        self._threads.shutdown()
        self._pool.close()
        self._patience.close()

    # --- one transaction

    def _run(self, work: Callable[[Tx], T], seconds: float, *, writes: bool) -> T:
        """Return what `work` makes of a transaction; run it again when that cannot have kept anything."""
        until = monotonic() + seconds
        tries = 0
        while True:
            tries += 1
            try:
                outcome = self._run_once(work, until, seconds, writes=writes, is_patient=tries < _PATIENT_TRIES)
            except psycopg.Error as error:
                if not isinstance(error, _AGAIN) or tries == _TRIES or monotonic() >= until:
                    raise self._told(error) from error
            else:
                if self._outage.locked():
                    self._note_the_end()
                return outcome
            sleep(random.uniform(0.001, 0.01))  # noqa: S311 - so that two who were in each other's way do not keep step

    def _run_once(self, work: Callable[[Tx], T], until: float, seconds: float, *, writes: bool, is_patient: bool) -> T:
        with self._connected(until) as (connection, cut_at):
            if writes:
                sql = PostgresSql(connection, writes=True, is_patient=is_patient)
            else:  # who reads page by page has that long for each, and for what is made of it
                began, ended = lambda: cut_at(monotonic() + seconds), lambda: cut_at(inf)
                sql = PostgresSql(connection, writes=False, began=began, ended=ended)
            try:
                self._look_at_its_clock(connection)
                outcome = work(transaction_on(sql))
                if not writes:
                    sql.end()
            except (psycopg.OperationalError, errors.ReadOnlySqlTransaction) as error:
                if writes and isinstance(error, errors.ReadOnlySqlTransaction):
                    connection.close()  # another one may lead to the server that has taken over
                if connection.closed and not sql.has_ended:
                    raise _NotKept(str(error)) from error
                raise
            if writes:  # from here on nobody knows, if the connection breaks
                self._commit(sql)
        return outcome

    def _commit(self, sql: PostgresSql) -> None:
        began = monotonic()
        sql.end()
        if sql.has_ended:  # there was something to keep
            with self._committing:
                self._commits.add(monotonic() - began)

    @contextmanager
    def _connected(self, until: float) -> Iterator[tuple[Connection, Callable[[float], None]]]:
        """Take a connection, which is cut at that time, and what changes the time."""
        connection = self._pool.getconn(max(0.01, until - monotonic()))
        try:
            with self._patience.limit(connection, until) as cut_at:
                try:
                    yield connection, cut_at
                finally:
                    if not connection.broken and connection.info.transaction_status:
                        with suppress(psycopg.Error):
                            connection.execute("ROLLBACK")
        finally:
            connection.used_at = monotonic()
            self._pool.putconn(connection)

    def _look_at_its_clock(self, connection: Connection) -> None:
        asked = monotonic()
        if asked - self._asked_at > _TRUSTED_SECONDS:
            [(its,)] = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
            self._ahead, self._asked_at = its - (asked + monotonic()) / 2, asked

    def _check(self, connection: Connection) -> None:
        """Raise if the connection has died while nobody used it."""
        now = monotonic()
        if now - connection.used_at > _TRUSTED_SECONDS:
            with self._patience.limit(connection, now + _TRUSTED_SECONDS):
                ConnectionPool.check_connection(connection)

    # --- outages, each told once

    def _told(self, error: psycopg.Error) -> StoreError:
        told = translated(error, self.url)
        if isinstance(told, StoreAway) and self._outage.acquire(blocking=False):
            _log.error("%s", told)
        return told

    def _note_the_end(self) -> None:
        with suppress(RuntimeError):  # another thread was first
            self._outage.release()
            _log.warning("The database %s answers again", shown(self.url))


def _started(threads: int) -> ThreadPoolExecutor:
    """Return so many threads, which run already: when they are wanted there may be none to be had."""
    executor = ThreadPoolExecutor(threads, "database")
    all_there = Barrier(threads)
    try:
        for _ in range(threads):
            executor.submit(all_there.wait)
    except RuntimeError:
        all_there.abort()
        raise
    return executor


class _NotKept(psycopg.OperationalError):
    """The connection was good for nothing, before anything was kept."""


_AGAIN = (_NotKept, errors.SerializationFailure, errors.DeadlockDetected, errors.UniqueViolation)
"""What passes: another server's transaction was in the way, of which the work sees the outcome when it is run again."""


class _Begun(Begun[T]):
    """A transaction that a thread of the store is at."""

    def __init__(self, future: "Future[T]", wake: Callable[[], None]) -> None:
        self._future = future
        future.add_done_callback(lambda _: wake())

    def wait(self, seconds: float) -> bool:
        if seconds and not self._future.done():
            with suppress(TimeoutError):
                self._future.exception(seconds)
        return self._future.done()

    def result(self) -> T:
        return self._future.result()
