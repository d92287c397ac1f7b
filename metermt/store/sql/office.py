"""What the office decides, in SQL."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from metermt.decisions import Decision, Result, Verdict
from metermt.model import JobState, Reading
from metermt.quality import Billing
from metermt.store.sql.dialect import Sql, Steps
from metermt.store.sql.jobs import JOB, WIDE, job_of
from metermt.store.sql.readings import READING, reading_of
from metermt.store.steps.office import Office

RESULT = f"jobs.id, jobs.state, jobs.billing, jobs.reading, {JOB}, {READING}"
"""The columns that `result_of` makes a result of, where `readings` is joined by the one that counts."""
_NARROW = 4  # columns of it before those of the job
_WAITING = (
    f"SELECT {RESULT} FROM jobs LEFT JOIN readings ON readings.id = jobs.reading"
    " WHERE jobs.billing = 'waiting' AND jobs.id > ? ORDER BY jobs.id LIMIT ?"
)
# CROSS JOIN, as SQLite keeps the order of its tables: what is asked for comes first.
_RESULTS = (
    f"SELECT asked.id, {RESULT} FROM readings AS asked CROSS JOIN jobs"
    " LEFT JOIN readings ON readings.id = jobs.reading WHERE jobs.id = asked.job AND asked.id {among} ORDER BY jobs.id"
)
_OF_METERS = (
    f"SELECT {RESULT} FROM cycles CROSS JOIN jobs LEFT JOIN readings ON readings.id = jobs.reading"
    " WHERE jobs.cycle = cycles.cycle AND jobs.meter {among} ORDER BY jobs.cycle, jobs.id"
)
_AT_PLACE = (
    f"SELECT {RESULT} FROM places CROSS JOIN jobs LEFT JOIN readings ON readings.id = jobs.reading"
    " WHERE places.meter = ? AND jobs.place = places.id ORDER BY jobs.cycle, jobs.id"
)
_COLUMNS = ("job", "reading", "verdict", "why", "username", "decided_at")
_DECISIONS = f"SELECT {', '.join(_COLUMNS)} FROM decisions WHERE job {{among}} ORDER BY id"
_COUNTED_FOR = (
    "SELECT readings.job, readings.username FROM readings WHERE readings.job {among}"
    " AND readings.quality IN ('A', 'V') AND readings.id > (SELECT coalesce(max(decisions.reading), 0) FROM decisions"
    " WHERE decisions.job = readings.job AND decisions.verdict = 'reread') ORDER BY readings.id"
)
_SENT_BACK = (
    f"SELECT readings.job, {READING} FROM readings CROSS JOIN jobs WHERE readings.job {{among}}"
    " AND readings.id = (SELECT max(decisions.reading) FROM decisions WHERE decisions.job = readings.job"
    " AND decisions.verdict = 'reread') AND jobs.id = readings.job"
)


class SqlOffice(Steps, Office):
    """The table `decisions`, and what it changes of jobs. `lock` ends a statement for jobs that may be changed."""

    def __init__(self, sql: Sql, lock: str = "") -> None:
        super().__init__(sql)
        self._results, self._of_meters = _RESULTS + lock, _OF_METERS + lock

    def waiting(self, most: int, after: int = 0) -> list[Result]:
        return [result_of(*row) for row in self._sql.rows(_WAITING, after, most)]

    def results(self, readings: Iterable[int]) -> dict[int, Result]:
        return {row[0]: result_of(*row[1:]) for row in self._sql.rows_among(self._results, readings)}

    def of_meters(self, meters: Iterable[str]) -> list[Result]:
        return [result_of(*row) for row in self._sql.rows_among(self._of_meters, meters)]

    def add(self, decisions: Iterable[Decision]) -> None:
        rows = [(one.job, one.reading, one.verdict, one.why, one.username, one.decided_at) for one in decisions]
        self._sql.insert("decisions", _COLUMNS, [(*row[:-1], row[-1].isoformat()) for row in rows])

    def decisions(self, jobs: Iterable[int]) -> list[Decision]:
        rows = self._sql.rows_among(_DECISIONS, jobs)
        return [
            Decision(job, reading, Verdict(verdict), why, username, datetime.fromisoformat(at))
            for job, reading, verdict, why, username, at in rows
        ]

    def move(self, jobs: Mapping[int, Billing]) -> None:
        self._sql.update("jobs", ("billing",), ("id",), [(billing, job) for job, billing in jobs.items()])

    def send_again(self, jobs: Mapping[int, str]) -> None:
        rows = [(JobState.OPEN, None, Billing.AGAIN, note, job) for job, note in jobs.items()]
        self._sql.update("jobs", ("state", "reading", "billing", "note"), ("id",), rows)

    def counted_for(self, jobs: Iterable[int]) -> dict[int, str]:
        return dict(self._sql.rows_among(_COUNTED_FOR, jobs))  # the last one of each job

    def sent_back(self, jobs: Iterable[int]) -> dict[int, Reading]:
        return {job: reading_of(*row) for job, *row in self._sql.rows_among(_SENT_BACK, jobs)}

    def at_place(self, meter: str) -> list[Result]:
        return [result_of(*row) for row in self._sql.rows(_AT_PLACE, meter)]


def result_of(*columns: Any) -> Result:
    """Make a result of the columns `RESULT`."""
    job, state, billing, reading = columns[:_NARROW]
    said = reading_of(*columns[_NARROW + WIDE :]) if reading is not None else None
    return Result(job, job_of(*columns[_NARROW : _NARROW + WIDE]), JobState(state), Billing(billing), reading, said)
