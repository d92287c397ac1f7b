"""One SQLite file: opening it, checking what it is, bringing it up to date, and naming what goes wrong."""

import errno
import os
import random
import time
from contextlib import suppress
from importlib import resources
from itertools import count
from pathlib import Path
from threading import Lock

import apsw

from metermt.errors import NotAStore, StoreError, StoreLocked, StoreRefused, StoreTooNew

APPLICATION_ID = 0x4D54524D
"""Stands in the header of every MeterMT database."""
_making = Lock()  # nobody connects to a new file before it was closed; held while it is made
# Places for statements that a connection keeps ready: as many as APSW has. Each run of one takes the next place, in
# turn, and drops what was there. So a turn of 64 readings must not run more statements than there are places, or
# those that it runs once are made ready anew in each turn.
_PLANS = 512


def connect(path: Path, busy_seconds: float) -> apsw.Connection:
    """Open one more connection to the database; a lock of another process is waited for `busy_seconds`."""
    connection = _open(path, busy_seconds)
    _configure(connection, busy_seconds)
    return connection


def open_database(path: Path, *, create: bool, busy_seconds: float) -> apsw.Connection:
    """Open the database, made if there is none and `create` says so, with its schema brought up to date.

    Raises `StoreLocked`, `StoreTooNew`, `NotAStore` or `StoreError`; a file that is none of ours is left as it is.
    """
    try:
        if not create and not path.exists():
            raise StoreError(f"There is no database {path}: check --database, or make it with 'metermt routes import'")
        # One that has a log may have all that is in it there.
        is_new = not (path.exists() and path.stat().st_size) and not path.with_name(path.name + "-wal").exists()
        make_private(path)
        _check_access(path)
    except (OSError, ValueError) as error:
        raise StoreError(f"The database {path} cannot be opened: {words_of(error)}") from error
    with StoreErrors(path):
        connection = _open(path, busy_seconds)
        try:
            if not version_of(connection, path) and not create and is_new:
                raise StoreError(
                    f"The database {path} is empty: check --database, or fill it with 'metermt routes import'"
                )
            _configure(connection, busy_seconds)
            _migrate(connection, path)
            # Readers on 64 routes need 64 places of each table and index: SQLite's usual 2 MB do not hold these long.
            # Of this connection only, which writes: there may be many that read.
            connection.execute("PRAGMA cache_size = -16384")
        except BaseException:
            connection.close()
            raise
    return connection


def words_of(error: Exception) -> str:
    """Return what went wrong, for people."""
    return getattr(error, "strerror", None) or str(error)


def _open(path: Path, busy_seconds: float) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, statementcachesize=_PLANS)
    connection.set_busy_handler(Patience(busy_seconds))
    return connection


def _configure(connection: apsw.Connection, busy_seconds: float) -> None:
    # What a reading changes are a few rows, each on a page of its own: small pages are less to write and to flush. The
    # size is that of a new file only.
    connection.execute("PRAGMA page_size = 2048")
    # WAL: readers and the writer do not wait for each other. FULL: a commit is on the disk before it returns.
    patience = Patience(busy_seconds)
    for tries in count():
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except apsw.BusyError:  # SQLite does not ask the busy handler when several set the mode of a new file at once
            if not patience(tries):
                raise
    # Without this guarantee SQLite plans a statement anew for each value that is bound to it, which takes longer than
    # running it: a value may be what tells whether one of the indexes of some rows only can be used.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    for pragma in ("synchronous = FULL", "foreign_keys = ON", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {pragma}")


def make_private(path: Path) -> None:
    """Make an empty file that only its owner can read, with its folder, unless there is something already.

    What is there is not opened: the system ends all locks that a process has on a file, those of other connections
    too, when it closes any descriptor of that file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _making, suppress(FileExistsError):
        os.close(os.open(os.path.realpath(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _check_access(path: Path) -> None:
    """Raise the `OSError` of opening this file to read and write it. It is not opened, as in `make_private`."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


class StoreErrors:
    """A context that turns what SQLite raises into a `StoreError` that says what to do.

    It is entered for each write, and as a generator it would cost several times as much.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, apsw.Error):
            raise _translated(error, self._path) from error


def _translated(error: apsw.Error, path: Path) -> StoreError:
    match error:
        case apsw.BusyError() | apsw.LockedError():
            return StoreLocked(f"The database {path} is locked by another program: stop that and try again")
        case apsw.NotADBError():
            return NotAStore(f"{path} is not a MeterMT database: choose another file")
        case apsw.FullError():
            return StoreError(f"The disk of the database {path} is full: make room and try again")
        case apsw.ConstraintError() | apsw.MismatchError() | apsw.TooBigError():
            return StoreRefused(f"The database {path} does not take this: {error}")
        case apsw.CorruptError():
            return StoreError(f"The database {path} is damaged: restore a backup")
        case _:
            return StoreError(f"The database {path} cannot be used: {error}")


def _migrations() -> list[str]:
    files = resources.files("metermt.store").joinpath("migrations", "sqlite").iterdir()
    return [file.read_text(encoding="utf-8") for file in sorted(files, key=lambda file: file.name)]


def _migrate(connection: apsw.Connection, path: Path) -> None:
    migrations = _migrations()
    if version_of(connection, path) == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")  # another process may be at the same work: look again behind the lock
    try:
        for migration in migrations[version_of(connection, path) :]:
            connection.execute(migration)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # when the disk is full SQLite has ended it already
            connection.execute("ROLLBACK")
        raise


def newest_version() -> int:
    """Return how many migrations a database has had that is up to date."""
    return len(_migrations())


def version_of(connection: apsw.Connection, path: Path) -> int:
    """Return how many migrations the database has had; 0 for an empty file. Raises `NotAStore`, `StoreTooNew`."""
    # One statement, so that it does not see half of what another process is making.
    application_id, version, tables = next(
        connection.execute(
            "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)"
            " FROM pragma_application_id, pragma_user_version"
        )
    )
    if application_id != APPLICATION_ID and tables:
        raise NotAStore(f"{path} is not a MeterMT database: choose another file")
    if version > len(_migrations()):
        raise StoreTooNew(f"The database {path} was made by a newer version of MeterMT: install that")
    return int(version)


class Patience:
    """SQLite's busy handler: looks for the lock every few milliseconds.

    SQLite's own handler soon looks only every 100 ms, so that a server beside a long import would hardly ever
    find the gaps that the import leaves.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since = 0.0

    def __call__(self, tries: int) -> bool:
        """Wait a little; return whether to look again, after so many tries before."""
        if tries == 0:
            self._since = time.monotonic()
        if time.monotonic() - self._since > self._seconds:
            return False
        time.sleep(random.uniform(0.001, 0.004))  # noqa: S311 - so that two who wait do not keep step
        return True
