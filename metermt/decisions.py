"""What the office decides: of results, which are odd readings or reasons why there is none; and its settings."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from metermt.model import Job, JobState, Reading
from metermt.quality import Billing, Cause, Flag, Quality


class Verdict(StrEnum):
    """What the office says of a result."""

    APPROVE = "approve"
    """It is as it was sent."""
    EDIT = "edit"
    """Another value counts; the reader's stays on record."""
    ESTIMATE = "estimate"
    """A value is computed from the past of the place."""
    REREAD = "reread"
    """Somebody is to go there again."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about a job, by whom, at a time in UTC. Whoever works on the database itself has no name."""

    job: int
    """The job's id in its store."""
    reading: int | None
    """The id of the reading that counted then, None where there was none."""
    verdict: Verdict
    why: str
    username: str
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class Setting:
    """What the office has set, who has set it, and when, in UTC. Whoever works on the database itself has no name."""

    name: str
    value: str
    username: str
    set_at: datetime


@dataclass(frozen=True, slots=True)
class Result:
    """How a job stands for the office. `id` is its id in the store, `reading_id` that of the reading that counts."""

    id: int
    job: Job
    state: JobState
    billing: Billing
    reading_id: int | None = None
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """What the register of a place showed on a day, in the time zone of the server."""

    on: date
    value: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A result that waits for a decision. Times are in UTC."""

    reading: int
    """Names it when it is decided: another result of the same job has another number."""
    job: Job
    value: int | None
    """What the register showed, None when there is only a reason."""
    reason: str
    code: str | None
    """That of the reason, if it is on the office's list."""
    flags: tuple[Flag, ...]
    cause: Cause | None
    quality: Quality
    username: str
    when: datetime
    recorded_at: datetime
    expected: int | None
    """What the register was expected to show on that day, None where nothing is known."""
    past: list[Past]
    """Up to twelve earlier values of the place, oldest first."""
    use: int | None = None
    """What billing would be told, in units of the register; None where nothing is known, or by an older server."""
    since: int | None = None
    """What the same device showed before, from where billing goes on; None where that is not known, as in `use`."""
