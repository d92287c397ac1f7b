"""Databases to measure on: their schema is the store's own, their rows are written past it, which takes seconds."""

import shutil
from pathlib import Path

import apsw
from argon2 import PasswordHasher

from metermt.model import Account, Role, User
from metermt.store.sqlite.store import SqliteStore

CYCLE = "2026-11"
READERS = [f"reader{number:02}" for number in range(64)]
"""Who may log in, with their names as passwords."""

_METER = "meter, kind, dials, address, instructions, multiplier, active"
COLUMNS = f"{_METER}, cycle, route, sequence, previous, previous_date"
"""Of a job."""
PLACE = f"{_METER}, route, sequence"
"""The columns of a place."""
READING = "job, username, value, reason, read_at, recorded_at, key, quality, flags, cause"
"""The columns of a reading."""

# A login is no part of a round. With the server's own parameters those of 64 clients would take seconds of each run.
_cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

# Meters in the order of their numbers on routes of 250, as `_row` in `bench.bulk` writes them into a file.
_JOBS = f"""
    WITH RECURSIVE counter(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counter WHERE n + 1 < ?1)
    INSERT INTO jobs (id, {COLUMNS})
    SELECT ?2 + n + 1, printf('%s%07d', ?3, n), 'W', 5, printf('%d Station Road', n), 'Behind the hedge',
           '1', 1, '{CYCLE}', printf('%s%05d', ?3, n / 250), n % 250, 1000, '2026-10-31' FROM counter
"""
_READINGS = f"""
    INSERT INTO readings (id, {READING})
    SELECT id, id, printf('reader%02d', id % 64), 4711, '', '2026-11-20T10:00:00+00:00', '2026-11-20T10:00:01+00:00',
           printf('%016x%s', 1763632800000000000 + id, lower(hex(randomblob(8)))), 'A', '', ''
    FROM jobs WHERE id <= ?
"""
_TALLIES = f"INSERT INTO tallies SELECT '{CYCLE}', username, count(*) FROM readings GROUP BY username"


def accounts() -> list[Account]:
    """Return the accounts of `READERS`."""
    return [cheap_account(reader) for reader in READERS]


def cheap_account(username: str, role: Role = Role.READER) -> Account:
    """Return the account of somebody whose password is their name."""
    return Account(User(username, username.title(), role=role), _cheap.hash(username))


def make_database(path: Path, *, unread: int, stored: int = 0) -> Path:
    """Make a database with `READERS`, so many readings, and so many meters that wait for one; return its path."""
    with SqliteStore(path) as store:
        store.write(lambda tx: tx.accounts.put(accounts()))
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA synchronous = OFF; PRAGMA cache_size = -500000; BEGIN")
    connection.execute("INSERT INTO cycles (cycle) VALUES (?)", (CYCLE,))
    if stored:
        connection.execute(_JOBS, (stored, 0, "S"))
        connection.execute(_READINGS, (stored,))
        connection.execute("UPDATE jobs SET reading = id, state = 'done'")
        connection.execute(_TALLIES)
    if unread:
        connection.execute(_JOBS, (unread, stored, "W"))
    connection.execute("COMMIT")
    connection.close()
    return path


def copy_of(path: Path, name: str) -> Path:
    """Return a fresh copy, in place of the one of that name."""
    remove(path.with_name(name))
    return Path(shutil.copyfile(path, path.with_name(name)))


def remove(path: Path) -> None:
    """Remove a database and its log."""
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
