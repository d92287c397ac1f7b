"""How good a reading is: its quality, what is odd about it, and what may lie behind that."""

from dataclasses import dataclass
from enum import StrEnum


class Quality(StrEnum):
    """Where the value of a reading comes from."""

    ACTUAL = "A"
    """It was read."""
    VERIFIED = "V"
    """It is odd, and was read and typed twice."""
    ESTIMATED = "E"
    """Nobody has read it."""
    EDITED = "F"
    """The office has changed it."""


class Flag(StrEnum):
    """What is odd about a reading."""

    ROLLOVER = "rollover"
    NEGATIVE = "negative"
    HIGH = "high"
    LOW = "low"
    ZERO = "zero"
    NEIGHBOUR = "neighbour"
    INACTIVE_USE = "inactive-use"
    NO_HISTORY = "no-history"
    LATE = "late"
    """It came when its job was missed, or estimated."""
    EXCHANGED = "exchanged"
    """A reader has told that another device hangs there since the last reading."""


class Cause(StrEnum):
    """What may lie behind an odd value. It is named beside the flag; nothing is ever corrected by itself."""

    SWAPPED = "swapped"
    """Two neighbouring digits, as in 168 for 186."""
    DROPPED = "dropped"
    """A digit, as in 18 for 168."""
    DOUBLED = "doubled"
    """A digit, as in 1668 for 168."""
    MISREAD = "misread"
    """One digit, as in 163 for 168."""
    NEIGHBOUR = "neighbour"
    """It fits the stop before or after."""
    REPEATED = "repeated"
    """It is the last reading once more."""
    ROLLOVER = "rollover"
    """The register has gone over its top."""
    EXCHANGED = "exchanged"
    """The register fell: another device may hang there."""


class Billing(StrEnum):
    """How far the result of a job is on its way to billing."""

    NOTHING = ""
    """There is no result yet."""
    WAITING = "waiting"
    """It is odd, or there is no value: the office has to decide."""
    READY = "ready"
    """It goes into the next batch."""
    BILLED = "billed"
    """It was in a batch."""
    AGAIN = "again"
    """The office has sent somebody there once more; the old result is on record only."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the checks say of a value: its flags, the likeliest cause if any is likely, whether to ask the reader."""

    flags: tuple[Flag, ...] = ()
    cause: Cause | None = None
    confirm: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """What a reader was asked to look at once more: a value that is odd, as they have sent it."""

    username: str
    value: int
    key: str | None
