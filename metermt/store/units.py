"""What is done in SQL, as parts of units of work: jobs handed out, readings accepted, tallies kept.

Each function is called inside a transaction; `db` is the connection that has it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from operator import attrgetter
from typing import Any, NamedTuple

import apsw

from metermt.errors import Error, InvalidKey, RouteError, UnknownMeter
from metermt.model import Job, Lease, Meter, Reading, Status, Submission
from metermt.rules import check_dials, check_free
from metermt.store.base import ImportCount

JOB = "meter, kind, dials, address, instructions, cycle, route, sequence, previous, previous_date"
_LEASE_JOBS = "UPDATE jobs SET lease_username = ?, lease_session = ?, lease_until = ?"
READING = "cycle, value, reason, read_at, readings.username, key, recorded_at"


def one(db: apsw.Connection, sql: str, *values: Any) -> Any:
    """Return the first row, None if there is none."""
    return next(iter(db.execute(sql, values).fetchall()), None)


def release_session(db: apsw.Connection, key: str) -> None:
    """Leave the jobs of a session to its reader."""
    # Few jobs are leased at a time, and an index has these.
    db.execute("UPDATE jobs SET lease_session = NULL WHERE lease_username IS NOT NULL AND lease_session = ?", (key,))


def is_closed(db: apsw.Connection, cycle: str) -> bool:
    """Tell whether a cycle has ended."""
    return bool(one(db, "SELECT closed FROM cycles WHERE cycle = ?", cycle)[0])


def import_jobs(db: apsw.Connection, cycle: str, jobs: Sequence[Job]) -> ImportCount:
    """Do as `Store.import_jobs`."""
    db.execute("INSERT OR IGNORE INTO cycles (cycle) VALUES (?)", (cycle,))
    if is_closed(db, cycle):
        raise RouteError(f"Cycle {cycle} is closed: import into a new one")
    rows = db.execute(
        f"SELECT {JOB} FROM jobs WHERE cycle = ? AND meter IN (SELECT value FROM json_each(?))",
        (cycle, json.dumps([job.meter for job in jobs])),
    )
    there = {job.meter: job for job in map(job_of, rows)}
    if not there and len({job.device.number for job in jobs}) == len(jobs):  # a new cycle, as a rule
        insert_jobs(db, jobs)
        return ImportCount(len(jobs), 0, 0)
    new: dict[str, Job] = {}
    changed: dict[str, Job] = {}
    count = Counter[str]()
    for job in jobs:
        known = new.get(job.meter) or changed.get(job.meter) or there.get(job.meter)
        count["added" if known is None else "unchanged" if known == job else "changed"] += 1
        (changed if job.meter in there else new)[job.meter] = job
    insert_jobs(db, new.values())
    db.executemany(
        f"UPDATE jobs SET ({JOB}) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE meter = ?1 AND cycle = ?6",
        map(_row_of, (job for job in changed.values() if job != there[job.meter])),
    )
    return ImportCount(count["added"], count["changed"], count["unchanged"])


def insert_jobs(db: apsw.Connection, jobs: Iterable[Job]) -> None:
    """Add jobs that are not there."""
    db.executemany(f"INSERT INTO jobs ({JOB}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_row_of, jobs))


def lease_jobs(db: apsw.Connection, lease: Lease, most: int, now: float) -> list[Job]:
    """Do as `Store.lease_jobs`."""
    held = db.execute(
        f"SELECT jobs.id, {JOB} FROM jobs JOIN cycles USING (cycle)"
        " WHERE lease_username = ? AND (lease_session = ? OR lease_session IS NULL) AND lease_until > ?"
        " AND reading IS NULL AND NOT closed"
        " ORDER BY lease_session IS NULL, cycle, route, sequence, meter LIMIT ?",
        (lease.username, lease.session, now, most),
    ).fetchall()
    # CROSS JOIN keeps the order of the loops, so that the index of unread jobs gives the order of the walk.
    rows = db.execute(
        f"{_LEASE_JOBS} WHERE id IN (SELECT jobs.id FROM cycles CROSS JOIN jobs INDEXED BY jobs_unread USING (cycle)"
        " WHERE NOT closed AND reading IS NULL AND (lease_until IS NULL OR lease_until <= ?)"
        f" ORDER BY cycle, route, sequence, meter LIMIT ?) RETURNING {JOB}",
        (lease.username, lease.session, lease.until, now, most - len(held)),
    ).fetchall()
    open_ones = sorted(map(job_of, rows), key=attrgetter("place"))
    jobs: list[Job] = []
    id_: Any
    for id_, *fields in held:
        lease_job(db, id_, lease)
        jobs.append(job_of(fields))
    return jobs + open_ones


def lease_job(db: apsw.Connection, id_: int, lease: Lease) -> None:
    """Lease one job, whoever held it."""
    db.execute(f"{_LEASE_JOBS} WHERE id = ?", (lease.username, lease.session, lease.until, id_))


class _Candidate(NamedTuple):
    """A job that a submission may be meant for."""

    id_: int
    cycle: str
    dials: int | None
    leased_to: str | None
    read_by: str | None


Done = Counter[tuple[str, str]]
"""How many jobs got their first reading, by cycle and user."""


def record(db: apsw.Connection, submission: Submission, now: datetime) -> Reading:
    """Accept a reading. Raises before anything is written."""
    done = Done()
    reading = accept(db, submission, now, done)
    add_to_tallies(db, done)
    return reading


def accept(db: apsw.Connection, submission: Submission, now: datetime, done: Done) -> Reading:
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


def add_to_tallies(db: apsw.Connection, done: Done) -> None:
    """Add to the tallies."""
    for (cycle, username), count in done.items():
        db.execute(
            "INSERT INTO tallies VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
            (cycle, username, count),
        )
        db.execute("UPDATE cycles SET total = total + ? WHERE cycle = ?", (count, cycle))


def _find_by_key(db: apsw.Connection, submission: Submission) -> Reading | None:
    row = one(
        db,
        f"SELECT meter, {READING} FROM readings JOIN jobs ON jobs.id = readings.job"
        " WHERE readings.username = ? AND key = ?",
        submission.username,
        submission.key,
    )
    if row is None:
        return None
    first = reading_of(row[0], row[1:], counts=True)
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


def tally(db: apsw.Connection, username: str) -> Status:
    """Do as `Store.tally`."""
    return Status(
        *one(
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


def job_of(fields: Sequence[Any]) -> Job:
    """Make a job of the columns `JOB`."""
    *device, cycle, route, sequence, previous, since = fields
    return Job(Meter(*device), cycle, route, sequence, previous, since and date.fromisoformat(since))


def reading_of(meter: str, fields: Sequence[Any], *, counts: bool) -> Reading:
    """Make a reading of the columns `READING`."""
    cycle, value, reason, read_at, username, key, recorded_at = fields
    submission = Submission(meter, value, reason, _utc(read_at), username, key)
    return Reading(submission, cycle, _utc(recorded_at), counts)


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
