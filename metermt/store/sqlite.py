"""The embedded store: one SQLite database, safe against kill and power loss, shared with other processes."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from operator import attrgetter
from pathlib import Path
from queue import Empty, LifoQueue
from threading import Event
from typing import Any, NamedTuple, TypeVar

import apsw

from metermt.errors import Error, InvalidKey, LoginError, RouteError, StoreError, UnknownMeter, UserError
from metermt.model import (
    Account,
    Job,
    Lease,
    Meter,
    Reading,
    RouteProgress,
    Session,
    Status,
    Submission,
    User,
)
from metermt.rules import check_dials, check_free
from metermt.store.base import ImportCount, Store
from metermt.store.database import connect, errors_of, make_private, open_database, translated, words_of
from metermt.store.groupwriter import GroupWriter

T = TypeVar("T")

_BUSY_SECONDS = 10.0  # longer than any transaction of ours, short enough for a reader who waits
_JOB = "meter, kind, dials, address, instructions, cycle, route, sequence, previous, previous_date"
_LEASE_JOBS = "UPDATE jobs SET lease_username = ?, lease_session = ?, lease_until = ?"
_READING = "cycle, value, reason, read_at, readings.username, key, recorded_at"


class SqliteStore(Store):
    """A store in a SQLite file. Other servers and commands may work on the same file at the same time."""

    def __init__(self, path: Path, *, create: bool = True, busy_seconds: float = _BUSY_SECONDS) -> None:
        """Open the database, make it if there is none and `create` says so, and bring its schema up to date.

        `busy_seconds` is how long a write waits for another process. Raises `StoreLocked`, `StoreTooNew`,
        `NotAStore` or `StoreError`.
        """
        self.path = path
        self._busy_seconds = busy_seconds
        self._closed = Event()
        self._idle_readers: LifoQueue[apsw.Connection] = LifoQueue()
        self._connection = open_database(path, create=create, busy_seconds=busy_seconds)
        self._writer = GroupWriter(self._connection, busy_seconds)

    # --- users and sessions

    def add_user(self, account: Account) -> None:
        user = account.user

        def unit(db: apsw.Connection) -> None:
            if _one(db, "SELECT 1 FROM users WHERE username = ?", user.username):
                raise UserError(f"There is a user {user.username!r} already")
            db.execute(
                "INSERT INTO users VALUES (?, ?, ?, ?)",
                (user.username, user.full_name, account.password_hash, user.disabled),
            )

        self._write(unit)

    def find_account(self, username: str) -> Account | None:
        with self._reading() as db:
            row = _one(db, "SELECT full_name, disabled, password_hash FROM users WHERE username = ?", username)
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
            if not _one(db, "SELECT 1 FROM users WHERE username = ? AND NOT disabled", session.username):
                raise LoginError
            db.execute("DELETE FROM sessions WHERE used_at < ?", (idle_since,))
            db.execute("INSERT INTO sessions VALUES (?, ?, ?)", (session.key, session.username, session.used_at))

        self._write(unit)

    def find_session(self, key: str) -> Session | None:
        with self._reading() as db:
            row = _one(db, "SELECT key, username, used_at FROM sessions WHERE key = ?", key)
        return row and Session(*row)

    def touch_session(self, key: str, used_at: float) -> None:
        self._write(lambda db: db.execute("UPDATE sessions SET used_at = ? WHERE key = ?", (used_at, key)))

    def close_session(self, key: str) -> None:
        def unit(db: apsw.Connection) -> None:
            _release_session(db, key)
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
        return self._write(lambda db: _import_jobs(db, cycle, jobs))

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
            return int(_one(db, "SELECT count(*) FROM jobs WHERE cycle = ? AND reading IS NULL", cycle)[0])

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
            found = _one(db, "SELECT 1 FROM jobs JOIN cycles USING (cycle) WHERE NOT closed AND route != '' LIMIT 1")
        return found is not None

    def lease_jobs(self, lease: Lease, most: int, now: float) -> list[Job]:
        return self._write(lambda db: _lease_jobs(db, lease, most, now))

    def lease_made_up_job(self, lease: Lease, job: Job) -> bool:
        def unit(db: apsw.Connection) -> bool:
            if _one(db, "SELECT 1 FROM jobs WHERE meter = ?", job.meter):
                return False
            db.execute("INSERT OR IGNORE INTO cycles (cycle) VALUES (?)", (job.cycle,))
            if _is_closed(db, job.cycle):
                return False
            _insert_jobs(db, [job])
            _lease_job(db, db.last_insert_rowid(), lease)
            return True

        return self._write(unit)

    def release_session(self, key: str) -> None:
        self._write(lambda db: _release_session(db, key))

    def release_all_sessions(self) -> None:
        self._write(lambda db: db.execute("UPDATE jobs SET lease_session = NULL WHERE lease_username IS NOT NULL"))

    # --- readings

    def record_reading(self, submission: Submission, now: datetime) -> Reading:
        return self._write(lambda db: _record(db, submission, now))

    def record_readings(self, submissions: Sequence[Submission], now: datetime) -> list[Reading | Error]:
        def unit(db: apsw.Connection) -> list[Reading | Error]:
            outcomes: list[Reading | Error] = []
            done = _Done()
            for submission in submissions:
                try:
                    outcomes.append(_accept(db, submission, now, done))
                except Error as error:  # raised before anything was written
                    outcomes.append(error)
            _count(db, done)
            return outcomes

        return self._write(unit)

    def record_and_lease(
        self, submission: Submission, lease: Lease, now: datetime
    ) -> tuple[Reading, Status, Job | None]:
        def unit(db: apsw.Connection) -> tuple[Reading, Status, Job | None]:
            reading = _record(db, submission, now)
            jobs = _lease_jobs(db, lease, 1, now.timestamp())
            return reading, _tally(db, submission.username), jobs[0] if jobs else None

        return self._write(unit)

    def tally(self, username: str) -> Status:
        with self._reading() as db:
            return _tally(db, username)

    def readings(self, cycle: str | None = None) -> Iterator[tuple[Job, Reading]]:
        with self._reading() as db:
            rows = db.execute(
                f"SELECT jobs.reading = readings.id, {_JOB}, {_READING}"
                " FROM readings JOIN jobs ON jobs.id = readings.job WHERE ?1 IS NULL OR cycle = ?1"
                " ORDER BY cycle, meter, readings.id",
                (cycle,),
            )
            for counts, *fields in rows:
                job = _job_of(fields[:10])
                yield job, _reading_of(job.meter, fields[10:], counts=bool(counts))

    # --- the store itself

    def together(self, step: Callable[[], object]) -> bool:
        try:
            return self._writer.together(step)
        except apsw.Error as error:
            raise translated(error, self.path) from error

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
        try:
            return self._writer.run(unit)
        except apsw.Error as error:
            raise translated(error, self.path) from error

    @contextmanager
    def _reading(self) -> Iterator[apsw.Connection]:
        if self._closed.is_set():
            raise StoreError(f"The database {self.path} was closed")
        with errors_of(self.path):
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


# --- parts of units of work, run inside the writer's transaction


def _one(db: apsw.Connection, sql: str, *values: Any) -> Any:
    """Return the first row, None if there is none."""
    return next(iter(db.execute(sql, values).fetchall()), None)


def _check_user_changed(db: apsw.Connection, username: str) -> None:
    if not db.changes():
        raise UserError(f"There is no user {username!r}")


def _end_sessions(db: apsw.Connection, username: str) -> None:
    db.execute("UPDATE jobs SET lease_session = NULL WHERE lease_username = ?", (username,))
    db.execute("DELETE FROM sessions WHERE username = ?", (username,))


def _release_session(db: apsw.Connection, key: str) -> None:
    # Few jobs are leased at a time, and an index has these.
    db.execute("UPDATE jobs SET lease_session = NULL WHERE lease_username IS NOT NULL AND lease_session = ?", (key,))


def _is_closed(db: apsw.Connection, cycle: str) -> bool:
    return bool(_one(db, "SELECT closed FROM cycles WHERE cycle = ?", cycle)[0])


def _import_jobs(db: apsw.Connection, cycle: str, jobs: Sequence[Job]) -> ImportCount:
    db.execute("INSERT OR IGNORE INTO cycles (cycle) VALUES (?)", (cycle,))
    if _is_closed(db, cycle):
        raise RouteError(f"Cycle {cycle} is closed: import into a new one")
    rows = db.execute(
        f"SELECT {_JOB} FROM jobs WHERE cycle = ? AND meter IN (SELECT value FROM json_each(?))",
        (cycle, json.dumps([job.meter for job in jobs])),
    )
    there = {job.meter: job for job in map(_job_of, rows)}
    if not there and len({job.device.number for job in jobs}) == len(jobs):  # a new cycle, as a rule
        _insert_jobs(db, jobs)
        return ImportCount(len(jobs), 0, 0)
    new: dict[str, Job] = {}
    changed: dict[str, Job] = {}
    count = Counter[str]()
    for job in jobs:
        known = new.get(job.meter) or changed.get(job.meter) or there.get(job.meter)
        count["added" if known is None else "unchanged" if known == job else "changed"] += 1
        (changed if job.meter in there else new)[job.meter] = job
    _insert_jobs(db, new.values())
    db.executemany(
        f"UPDATE jobs SET ({_JOB}) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE meter = ?1 AND cycle = ?6",
        map(_row_of, (job for job in changed.values() if job != there[job.meter])),
    )
    return ImportCount(count["added"], count["changed"], count["unchanged"])


def _insert_jobs(db: apsw.Connection, jobs: Iterable[Job]) -> None:
    db.executemany(f"INSERT INTO jobs ({_JOB}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_row_of, jobs))


def _lease_jobs(db: apsw.Connection, lease: Lease, most: int, now: float) -> list[Job]:
    held = db.execute(
        f"SELECT jobs.id, {_JOB} FROM jobs JOIN cycles USING (cycle)"
        " WHERE lease_username = ? AND (lease_session = ? OR lease_session IS NULL) AND lease_until > ?"
        " AND reading IS NULL AND NOT closed"
        " ORDER BY lease_session IS NULL, cycle, route, sequence, meter LIMIT ?",
        (lease.username, lease.session, now, most),
    ).fetchall()
    # CROSS JOIN keeps the order of the loops, so that the index of unread jobs gives the order of the walk.
    rows = db.execute(
        f"{_LEASE_JOBS} WHERE id IN (SELECT jobs.id FROM cycles CROSS JOIN jobs INDEXED BY jobs_unread USING (cycle)"
        " WHERE NOT closed AND reading IS NULL AND (lease_until IS NULL OR lease_until <= ?)"
        f" ORDER BY cycle, route, sequence, meter LIMIT ?) RETURNING {_JOB}",
        (lease.username, lease.session, lease.until, now, most - len(held)),
    ).fetchall()
    open_ones = sorted(map(_job_of, rows), key=attrgetter("place"))
    jobs: list[Job] = []
    id_: Any
    for id_, *fields in held:
        _lease_job(db, id_, lease)
        jobs.append(_job_of(fields))
    return jobs + open_ones


def _lease_job(db: apsw.Connection, id_: int, lease: Lease) -> None:
    db.execute(f"{_LEASE_JOBS} WHERE id = ?", (lease.username, lease.session, lease.until, id_))


class _Candidate(NamedTuple):
    """A job that a submission may be meant for."""

    id_: int
    cycle: str
    dials: int | None
    leased_to: str | None
    read_by: str | None


_Done = Counter[tuple[str, str]]
"""How many jobs got their first reading, by cycle and user."""


def _record(db: apsw.Connection, submission: Submission, now: datetime) -> Reading:
    """Accept a reading. Raises before anything is written."""
    done = _Done()
    reading = _accept(db, submission, now, done)
    _count(db, done)
    return reading


def _accept(db: apsw.Connection, submission: Submission, now: datetime, done: _Done) -> Reading:
    """Do so, all but for the tallies. Raises before anything is written."""
    try:
        job = _job_meant(db, submission, now.timestamp())
        check_dials(submission.value, submission.meter, job.dials)
        check_free(submission.meter, submission.username, read_by=job.read_by, leased_to=job.leased_to)
        _insert_reading(db, submission, job.id_, now)
    except (Error, apsw.ConstraintError):
        # A key that was used before is rare, so it is looked for only when something is wrong.
        if submission.key and (first := _find_by_key(db, submission)):
            return first
        raise
    if job.read_by is None:
        done[job.cycle, submission.username] += 1
    return Reading(submission, job.cycle, now)


def _insert_reading(db: apsw.Connection, submission: Submission, job_id: int, now: datetime) -> None:
    db.execute(
        "INSERT INTO readings (job, username, value, reason, read_at, recorded_at, key) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            job_id,
            submission.username,
            submission.value,
            submission.reason,
            submission.read_at.isoformat(),
            now.isoformat(),
            submission.key,
        ),
    )
    db.execute(
        "UPDATE jobs SET reading = ?, lease_username = NULL, lease_session = NULL, lease_until = NULL WHERE id = ?",
        (db.last_insert_rowid(), job_id),
    )


def _count(db: apsw.Connection, done: _Done) -> None:
    """Add to the tallies."""
    for (cycle, username), count in done.items():
        db.execute(
            "INSERT INTO tallies VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
            (cycle, username, count),
        )
        db.execute("UPDATE cycles SET total = total + ? WHERE cycle = ?", (count, cycle))


def _find_by_key(db: apsw.Connection, submission: Submission) -> Reading | None:
    row = _one(
        db,
        f"SELECT meter, {_READING} FROM readings JOIN jobs ON jobs.id = readings.job"
        " WHERE readings.username = ? AND key = ?",
        submission.username,
        submission.key,
    )
    if row is None:
        return None
    first = _reading_of(row[0], row[1:], counts=True)
    if not first.submission.same_answer(submission):
        raise InvalidKey(f"This key was used before, for a reading of {first.meter}")
    return first


def _job_meant(db: apsw.Connection, submission: Submission, now: float) -> _Candidate:
    rows = db.execute(
        "SELECT jobs.id, cycle, dials, iif(lease_until > ?, lease_username, NULL), readings.username"
        " FROM jobs JOIN cycles USING (cycle) LEFT JOIN readings ON readings.id = jobs.reading"
        " WHERE meter = ? AND NOT closed ORDER BY cycle",
        (now, submission.meter),
    )
    candidates = [_Candidate(*row) for row in rows]
    if not candidates:
        raise UnknownMeter(f"Unknown meter {submission.meter!r}: check the number on the meter")
    mine = [job for job in candidates if job.leased_to == submission.username]
    unread = [job for job in candidates if job.read_by is None]
    return (mine or unread or candidates[-1:])[0]


def _tally(db: apsw.Connection, username: str) -> Status:
    return Status(
        *_one(
            db,
            "SELECT coalesce(sum(count), 0), coalesce(sum(total), 0)"
            " FROM cycles LEFT JOIN tallies ON tallies.cycle = cycles.cycle AND username = ? WHERE NOT closed",
            username,
        )
    )


def _row_of(job: Job) -> tuple[Any, ...]:
    since = job.previous_date and job.previous_date.isoformat()
    device = job.device
    return (
        *(device.number, device.kind, device.dials, device.address, device.instructions),
        *(job.cycle, job.route, job.sequence, job.previous, since),
    )


def _job_of(fields: Sequence[Any]) -> Job:
    *device, cycle, route, sequence, previous, since = fields
    return Job(Meter(*device), cycle, route, sequence, previous, since and date.fromisoformat(since))


def _reading_of(meter: str, fields: Sequence[Any], *, counts: bool) -> Reading:
    cycle, value, reason, read_at, username, key, recorded_at = fields
    submission = Submission(meter, value, reason, _utc(read_at), username, key)
    return Reading(submission, cycle, _utc(recorded_at), counts)


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
