"""What became of a cycle, for the office: how well it was read, and what is worth a look."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Shares:
    """The jobs of a cycle by what counts of each; every job is counted once."""

    actual: int = 0
    verified: int = 0
    estimated: int = 0
    edited: int = 0
    """The office has put the value."""
    no_value: int = 0
    """There is a reason, and no value."""
    missed: int = 0
    """The cycle was closed, and nobody has said why it was not read."""
    left: int = 0
    """It is to be read still."""

    @property
    def total(self) -> int:
        """All of them."""
        return sum((self.actual, self.verified, self.estimated, self.edited, self.no_value, self.missed, self.left))


@dataclass(frozen=True, slots=True)
class ReaderReport:
    """What a reader has sent in a cycle."""

    username: str
    readings: int
    """Meters with a value of theirs, whether that counts still or not."""
    reasons: dict[str, int]
    """Meters of which they said why there is none, by the code of the reason; `other` for a text of their own."""
    flags: dict[str, int]
    overrides: int
    """Values beyond the limits that they have typed twice: quality V."""
    corrections: int
    """Values that they have replaced by another one themselves."""
    replaced: int
    """Values in whose place somebody else, or the office, has put another one."""
    an_hour: float | None
    """Stops an hour, while they were at work."""
    most_a_day: int
    busiest_day: date | None
    most_a_minute: int
    is_beyond_people: bool
    """Whether no person can be that fast."""


class HintKind(StrEnum):
    """What stands out in the readings of somebody; `metermt.rules.invented` says how it is found."""

    MADE_UP_FOR = "made-up-for"
    """Too low or too high, and the next reading of the meter makes up for it."""
    AS_EXPECTED = "as-expected"
    """Closer to what was expected than meters are."""
    DIGITS = "digits"
    """Some last digits come too often."""


@dataclass(frozen=True, slots=True)
class Hint:
    """What stands out in the readings of somebody, beside those of the others.

    `share` of `readings` are so, and `usual` is that of the others; of last digits it is the share of those that come
    too often beyond a tenth each. `score` is by how many standard deviations that is more.
    """

    username: str
    kind: HintKind
    readings: int
    share: float
    usual: float
    score: float


@dataclass(frozen=True, slots=True)
class RouteUse:
    """What was used on a route by meters of a kind, as it is billed, in one cycle and in another one."""

    route: str
    kind: str
    """E, G, W, or empty."""
    use: float
    meters: int
    left_out: int
    """Meters with a value whose use is not known: nothing was shown before."""
    last_year: float | None = None
    """None where that cycle has no such readings."""
    meters_last_year: int = 0


@dataclass(frozen=True, slots=True)
class Estimated:
    """A meter that was estimated in this cycle, and the last time, too."""

    meter: str
    route: str
    sequence: int
    address: str


@dataclass(frozen=True, slots=True)
class SameReader:
    """Who has read more than half of a route, twice running."""

    route: str
    username: str


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a cycle. Times are in UTC; days are None where nobody has said them."""

    cycle: str
    is_open: bool
    first_day: date | None
    due: date | None
    made_at: datetime
    shares: Shares
    readers: list[ReaderReport]
    routes: list[RouteUse]
    last_year: str | None = None
    """The cycle that uses are compared with."""
    before: list[str] = field(default_factory=list)
    """The cycles before it that hints go back to."""
    estimated_twice: list[Estimated] = field(default_factory=list)
    """The first 1,000."""
    estimated_twice_in_all: int = 0
    hints: list[Hint] = field(default_factory=list)
    """Those that stand out most first."""
    same_reader: list[SameReader] = field(default_factory=list)
