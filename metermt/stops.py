"""What readers see of the jobs around them: of those that are left, of those that they look for, and of their own."""

from dataclasses import dataclass
from datetime import datetime

from metermt.model import Job, JobState


@dataclass(frozen=True, slots=True)
class Stop:
    """A job of an open cycle, and how it stands."""

    job: Job
    state: JobState
    read_by: str | None = None
    """The user name of who has read it, None while nobody has."""
    held_by: str | None = None
    """The user name of who was handed it and may still send it, None for nobody."""


@dataclass(frozen=True, slots=True)
class Found:
    """What somebody has looked for."""

    stops: list[Stop]
    more: bool = False
    """Whether there are more than these."""


@dataclass(frozen=True, slots=True)
class OwnReading:
    """What a reader has said of a job, as it counts now; they may correct it while its cycle is open."""

    job: Job
    value: int | None
    """What the register showed, None when there is only a reason."""
    reason: str
    when: datetime
    """When it was read, in UTC."""
