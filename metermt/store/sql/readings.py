"""What was read, in SQL."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from metermt.model import Answer, Job, Reading, Status
from metermt.quality import Cause, Flag, Look, Quality
from metermt.rules.review import billing_of
from metermt.store.gathered import Key
from metermt.store.sql.dialect import Row, Steps
from metermt.store.sql.jobs import IS_OPEN, JOB, WIDE, job_of
from metermt.store.steps.rounds import LATEST, Readings

COLUMNS = ("job", "username", "value", "reason", "read_at", "recorded_at", "key", "quality", "flags", "cause", "code")
READING = "jobs.meter, jobs.cycle, " + ", ".join(f"readings.{column}" for column in COLUMNS[1:])
# IS NOT NULL, as PostgreSQL does not see that a set of values is not empty, and would not take the index of keys.
_BY_KEY = (
    f"SELECT {READING} FROM readings CROSS JOIN jobs"
    " WHERE readings.key {among} AND readings.key IS NOT NULL AND jobs.id = readings.job"
)
_PAGE = 2000  # jobs whose readings are read at once
_IN_ORDER = f"""
    SELECT jobs.reading = readings.id, {JOB}, {READING} FROM (
        SELECT * FROM jobs WHERE (cycle, route, sequence, meter) > (?, ?, ?, ?)
        AND (reading IS NOT NULL OR billing = 'again')
        ORDER BY cycle, route, sequence, meter LIMIT {_PAGE}
    ) AS jobs CROSS JOIN readings WHERE readings.job = jobs.id
    ORDER BY jobs.cycle, jobs.route, jobs.sequence, jobs.meter, readings.id
"""
# From a user to the same one: so PostgreSQL takes the index of this order, whoever has sent how many.
_LATEST = f"""
    SELECT {JOB}, {READING} FROM (
        SELECT * FROM readings WHERE username >= ? AND username <= ? ORDER BY username DESC, id DESC LIMIT {LATEST}
    ) AS readings CROSS JOIN jobs WHERE jobs.id = readings.job AND jobs.reading = readings.id AND {IS_OPEN}
    AND readings.quality IN ('A', 'V')
    ORDER BY readings.id DESC LIMIT ?
"""
_OPEN_TALLIES = "FROM cycles CROSS JOIN tallies WHERE cycles.closed = 0 AND tallies.cycle = cycles.cycle"
_TALLIES = (
    f"SELECT tallies.username, tallies.count {_OPEN_TALLIES} AND tallies.username {{among}}"
    f" UNION ALL SELECT '', coalesce(sum(tallies.count), 0) {_OPEN_TALLIES}"
)
_LOOK = ("job", "username", "value", "key")
_LOOK_ANEW = "ON CONFLICT (job) DO UPDATE SET username = excluded.username, value = excluded.value, key = excluded.key"
_ADD_TO_TALLY = "ON CONFLICT (cycle, username) DO UPDATE SET count = tallies.count + excluded.count"


class SqlReadings(Steps, Readings):
    """The tables `readings` and `tallies`."""

    def by_key(self, keys: Iterable[Key]) -> dict[Key, Reading]:
        asked = set(keys)
        # Two users of one key are rare, so the rows of a key are all fetched.
        rows = self._sql.rows_among(_BY_KEY, [key for _, key in asked])
        return {key: reading_of(*row) for row in rows if (key := (row[2], row[7])) in asked}

    def add(self, readings: Sequence[tuple[int, Reading]]) -> None:
        ids = self._sql.insert_numbered("readings", COLUMNS, [row_of(*pair) for pair in readings])
        # of several of one job the last one
        done = {job: (id_, "done", 0, billing_of(new), job) for (job, new), id_ in zip(readings, ids, strict=True)}
        self._sql.update("jobs", ("reading", "state", "leased", "billing"), ("id",), done.values())
        self._sql.delete("leases", "job", done)

    def on_record(self, jobs: Iterable[int]) -> set[int]:
        return {job for (job,) in self._sql.rows_among("SELECT DISTINCT job FROM readings WHERE job {among}", jobs)}

    def ask_again(self, looks: Mapping[int, Look | None]) -> None:
        self._sql.delete("looks", "job", [job for job, look in looks.items() if look is None])
        rows = [(job, look.username, look.value, look.key) for job, look in looks.items() if look]
        self._sql.insert("looks", _LOOK, rows, _LOOK_ANEW)

    def count(self, more: Mapping[tuple[str, str], int]) -> None:
        rows = [(*key, number) for key, number in more.items()]
        self._sql.insert("tallies", ("cycle", "username", "count"), rows, _ADD_TO_TALLY)

    def tallies(self, usernames: Iterable[str]) -> dict[str, Status]:
        counts, total = dict.fromkeys(usernames, 0), 0
        for username, count in self._sql.rows_among(_TALLIES, counts):
            if username:
                counts[username] += int(count)
            else:
                total = int(count)
        return {username: Status(count, total) for username, count in counts.items()}

    def latest(self, most: Mapping[str, int]) -> dict[str, list[tuple[Job, Reading]]]:
        found = {}
        for username, number in most.items():
            if rows := self._sql.rows(_LATEST, username, username, number):
                found[username] = [(job_of(*row[:WIDE]), reading_of(*row[WIDE:])) for row in rows]
        return found

    def all(self, cycle: str | None) -> Iterator[tuple[Job, Reading]]:
        last: Row = (cycle or "", "", -1, "")
        while rows := self._sql.rows(_IN_ORDER, *last):
            self._sql.let_go()  # whoever is given these rows may take their time, and a snapshot costs all who write
            for counts, *columns in rows:
                job = job_of(*columns[:WIDE])
                if cycle not in (None, job.cycle):
                    return
                yield job, reading_of(*columns[WIDE:], counts=bool(counts))
            last = job.cycle, job.route, job.sequence, job.meter.number


def row_of(job: int, reading: Reading) -> Row:
    """Return the columns `COLUMNS` of a reading."""
    answer = reading.answer
    when = cast(datetime, answer.when)  # as in every answer that was accepted
    return (
        *(job, reading.username or None, answer.value, answer.reason),
        *(when.isoformat(), _text(reading.recorded_at), answer.key),
        *(reading.quality, " ".join(reading.flags), reading.cause or "", answer.code),
    )


def reading_of(*columns: Any, counts: bool = True) -> Reading:
    """Make a reading of the columns `READING`."""
    meter, cycle, username, value, reason, read_at, recorded_at, key, quality, flags, cause, code = columns
    answer = Answer(meter, value, reason, _utc(read_at), key, code=code)
    odd = tuple(map(Flag, flags.split()))
    judged = (Quality(quality), odd, Cause(cause) if cause else None)
    return Reading(answer, username or "", cycle, _utc(recorded_at), counts, *judged)


@lru_cache(maxsize=64)  # all that is accepted in one transaction has the same
def _text(recorded_at: datetime) -> str:
    return recorded_at.isoformat()


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
