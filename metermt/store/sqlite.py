"""The embedded store: one SQLite database, safe against kill and power loss, shared with other processes."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from queue import Empty, LifoQueue
from threading import Event
from typing import TypeVar

import apsw

from metermt.errors import Error, LoginError, RouteError, StoreError, UserError
from metermt.model import (
    Account,
    Job,
    Lease,
    Reading,
    RouteProgress,
    Session,
    Status,
    Submission,
    User,
)
from metermt.store import units
from metermt.store.base import ImportCount, Store
from metermt.store.database import StoreErrors, connect, make_private, open_database, words_of
from metermt.store.groupwriter import GroupWriter

T = TypeVar("T")

_BUSY_SECONDS = 10.0  # longer than any transaction of ours, short enough for a reader who waits


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
        self._closed = Event()
        self._idle_readers: LifoQueue[apsw.Connection] = LifoQueue()
        self._connection = open_database(path, create=create, busy_seconds=busy_seconds)
        self._writer = GroupWriter(self._connection, busy_seconds)

    # --- users and sessions

    def add_user(self, account: Account) -> None:
        user = account.user

        def unit(db: apsw.Connection) -> None:
            if units.one(db, "SELECT 1 FROM users WHERE username = ?", user.username):
                raise UserError(f"There is a user {user.username!r} already")
            db.execute(
                "INSERT INTO users VALUES (?, ?, ?, ?)",
                (user.username, user.full_name, account.password_hash, user.disabled),
            )

        self._write(unit)

    def find_account(self, username: str) -> Account | None:
        with self._reading() as db:
            row = units.one(db, "SELECT full_name, disabled, password_hash FROM users WHERE username = ?", username)
        return row and Account(User(username, row[0], bool(row[1])), row[2])

    def users(self) -> list[User]:
        with self._reading() as db:
            rows = db.execute("SELECT username, full_name, disabled FROM users ORDER BY username")
            return [User(name, full_name, bool(disabled)) for name, full_name, disabled in rows]

    def set_password(self, username: str, password_hash: str) -> None:
        def unit(db: apsw.Connection) -> None:
            db.execute("UPDATE users SET password_hash = ? WHERE username = ?", (password_hash, username))
            _check_user_changed(db, username)
            _end_sessions(db, username)

        self._write(unit)

    def disable_user(self, username: str) -> None:
        def unit(db: apsw.Connection) -> None:
            db.execute("UPDATE users SET disabled = 1 WHERE username = ?", (username,))
            _check_user_changed(db, username)
            _end_sessions(db, username)
            db.execute(
                "UPDATE jobs SET lease_username = NULL, lease_session = NULL, lease_until = NULL"
                " WHERE lease_username = ?",
                (username,),
            )

        self._write(unit)

    def open_session(self, session: Session, idle_since: float) -> None:
        def unit(db: apsw.Connection) -> None:
            if not units.one(db, "SELECT 1 FROM users WHERE username = ? AND NOT disabled", session.username):
                raise LoginError
            db.execute("DELETE FROM sessions WHERE used_at < ?", (idle_since,))
            db.execute("INSERT INTO sessions VALUES (?, ?, ?)", (session.key, session.username, session.used_at))

        self._write(unit)

    def find_session(self, key: str) -> Session | None:
        with self._reading() as db:
            row = units.one(db, "SELECT key, username, used_at FROM sessions WHERE key = ?", key)
        return row and Session(*row)

    def touch_session(self, key: str, used_at: float) -> None:
        self._write(lambda db: db.execute("UPDATE sessions SET used_at = ? WHERE key = ?", (used_at, key)))

    def close_session(self, key: str) -> None:
        def unit(db: apsw.Connection) -> None:
            units.release_session(db, key)
            db.execute("DELETE FROM sessions WHERE key = ?", (key,))

        self._write(unit)

    def add_login_failure(self, username: str, address: str, at: float, forget_before: float) -> None:
        def unit(db: apsw.Connection) -> None:
            db.execute("DELETE FROM login_failures WHERE at < ?", (forget_before,))
            db.execute("INSERT INTO login_failures VALUES (?, ?, ?)", (username, address, at))

        self._write(unit)

    def login_failures(self, username: str, address: str, since: float) -> list[float]:
        with self._reading() as db:
            rows = db.execute(
                "SELECT at FROM login_failures WHERE username = ? AND address = ? AND at > ? ORDER BY at",
                (username, address, since),
            )
            return [at for (at,) in rows]

    # --- routes and jobs

    def import_jobs(self, cycle: str, jobs: Sequence[Job]) -> ImportCount:
        return self._write(lambda db: units.import_jobs(db, cycle, jobs))

    def close_cycle(self, cycle: str) -> int:
        def unit(db: apsw.Connection) -> int:
            db.execute("UPDATE cycles SET closed = 1 WHERE cycle = ? AND NOT closed", (cycle,))
            if not db.changes():
                raise RouteError(f"There is no open cycle {cycle!r}")
            db.execute(
                "UPDATE jobs SET lease_username = NULL, lease_session = NULL, lease_until = NULL"
                " WHERE lease_username IS NOT NULL AND cycle = ?",
                (cycle,),
            )
            return int(units.one(db, "SELECT count(*) FROM jobs WHERE cycle = ? AND reading IS NULL", cycle)[0])

        return self._write(unit)

    def routes(self) -> list[RouteProgress]:
        with self._reading() as db:
            rows = db.execute(
                "SELECT cycle, route, count(reading), count(*) FROM jobs JOIN cycles USING (cycle)"
                " WHERE NOT closed AND route != '' GROUP BY cycle, route ORDER BY cycle, route"
            )
            return [RouteProgress(*row) for row in rows]

    def has_routes(self) -> bool:
        with self._reading() as db:
            found = units.one(
                db,
                "SELECT 1 FROM jobs JOIN cycles USING (cycle) WHERE NOT closed AND route != '' LIMIT 1",
            )
        return found is not None

    def lease_jobs(self, lease: Lease, most: int, now: float) -> list[Job]:
        return self._write(lambda db: units.lease_jobs(db, lease, most, now))

    def lease_made_up_job(self, lease: Lease, job: Job) -> bool:
        def unit(db: apsw.Connection) -> bool:
            if units.one(db, "SELECT 1 FROM jobs WHERE meter = ?", job.meter):
                return False
            db.execute("INSERT OR IGNORE INTO cycles (cycle) VALUES (?)", (job.cycle,))
            if units.is_closed(db, job.cycle):
                return False
            units.insert_jobs(db, [job])
            units.lease_job(db, db.last_insert_rowid(), lease)
            return True

        return self._write(unit)

    def release_session(self, key: str) -> None:
        self._write(lambda db: units.release_session(db, key))

    def release_all_sessions(self) -> None:
        self._write(lambda db: db.execute("UPDATE jobs SET lease_session = NULL WHERE lease_username IS NOT NULL"))

    # --- readings

    def record_reading(self, submission: Submission, now: datetime) -> Reading:
        return self._write(lambda db: units.record(db, submission, now))

    def record_readings(self, submissions: Sequence[Submission], now: datetime) -> list[Reading | Error]:
        def unit(db: apsw.Connection) -> list[Reading | Error]:
            outcomes: list[Reading | Error] = []
            done = units.Done()
            for submission in submissions:
                try:
                    outcomes.append(units.accept(db, submission, now, done))
                except Error as error:  # raised before anything was written
                    outcomes.append(error)
            units.add_to_tallies(db, done)
            return outcomes

        return self._write(unit)

    def record_and_lease(
        self, submission: Submission, lease: Lease, now: datetime
    ) -> tuple[Reading, Status, Job | None]:
        def unit(db: apsw.Connection) -> tuple[Reading, Status, Job | None]:
            reading = units.record(db, submission, now)
            jobs = units.lease_jobs(db, lease, 1, now.timestamp())
            return reading, units.tally(db, submission.username), jobs[0] if jobs else None

        return self._write(unit)

    def tally(self, username: str) -> Status:
        with self._reading() as db:
            return units.tally(db, username)

    def readings(self, cycle: str | None = None) -> Iterator[tuple[Job, Reading]]:
        with self._reading() as db:
            rows = db.execute(
                f"SELECT jobs.reading = readings.id, {units.JOB}, {units.READING}"
                " FROM readings JOIN jobs ON jobs.id = readings.job WHERE ?1 IS NULL OR cycle = ?1"
                " ORDER BY cycle, meter, readings.id",
                (cycle,),
            )
            for counts, *fields in rows:
                job = units.job_of(fields[:10])
                yield job, units.reading_of(job.meter, fields[10:], counts=bool(counts))

    # --- the store itself

    def together(self, step: Callable[[], object]) -> bool:
        with self._errors:
            return self._writer.together(step)

    def backup(self, path: Path) -> None:
        try:
            part = path.with_name(path.name + ".part")
            if path.exists():
                raise StoreError(f"{path} exists already: choose a new name")
            part.unlink(missing_ok=True)  # left by one that was killed
        except (OSError, ValueError) as error:
            raise StoreError(f"The backup cannot be written to {path}: {words_of(error)}") from error
        with self._reading() as db:
            try:
                make_private(part)
                db.execute("VACUUM INTO ?", (str(part),))
                with part.open("rb") as file:
                    os.fsync(file.fileno())
                part.rename(path)
            except (OSError, apsw.Error) as error:
                raise StoreError(f"The backup cannot be written to {path}: {words_of(error)}") from error
            finally:
                part.unlink(missing_ok=True)

    def close(self) -> None:
        self._closed.set()
        while True:
            try:
                self._idle_readers.get_nowait().close()
            except Empty:
                break
        self._connection.close()

    # --- connections

    def _write(self, unit: Callable[[apsw.Connection], T]) -> T:
        with self._errors:
            return self._writer.run(unit)

    @contextmanager
    def _reading(self) -> Iterator[apsw.Connection]:
        if self._closed.is_set():
            raise StoreError(f"The database {self.path} was closed")
        with self._errors:
            try:
                connection = self._idle_readers.get_nowait()
            except Empty:
                connection = connect(self.path, self._busy_seconds)
            try:
                yield connection
            finally:
                if self._closed.is_set():
                    connection.close()
                else:
                    self._idle_readers.put(connection)


def _check_user_changed(db: apsw.Connection, username: str) -> None:
    if not db.changes():
        raise UserError(f"There is no user {username!r}")


def _end_sessions(db: apsw.Connection, username: str) -> None:
    db.execute("UPDATE jobs SET lease_session = NULL WHERE lease_username = ?", (username,))
    db.execute("DELETE FROM sessions WHERE username = ?", (username,))
