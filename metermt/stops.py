"""What readers see of the jobs around them: of those that are left, of those that they look for, and of their own."""

from dataclasses import dataclass
from datetime import datetime

from metermt.model import Job, JobState
from metermt.printable import printable

NOTHING_READ = "You have read nothing that can be corrected"
NOTHING_BEFORE = "There is nothing before that which can be corrected"
"""What to tell readers who look for a reading of theirs in vain."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A job of an open cycle, and how it stands."""

    job: Job
    state: JobState
    read_by: str | None = None
    """The user name of who has read it, empty for the office, None while nobody has."""
    held_by: str | None = None
    """The user name of who was handed it and may still send it, None for nobody."""

    def is_anothers(self, username: str) -> bool:
        """Tell whether somebody else than this reader has read it, or holds it."""
        return any(name not in (None, username) for name in (self.read_by, self.held_by))

    def refusal(self, username: str) -> str:
        """Return what to tell a reader who wants to read what is another's."""
        return f"{self.job.meter.number} is {self.note(username)}: choose another one"

    def note(self, username: str) -> str:
        """Return how it stands in words for this reader, empty when it is to be read and nobody has it."""
        if self.read_by is not None:
            who = "you" if self.read_by == username else printable(self.read_by) or "the office"
            return f"read by {who}"
        if self.held_by:
            return "yours now" if self.held_by == username else f"with {printable(self.held_by)}"
        return "skipped" if self.state is JobState.SKIPPED else ""


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
