"""How far the work of a cycle is, and who is at it."""

from dataclasses import dataclass, field
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class RouteProgress:
    """How far one route of one cycle is."""

    cycle: str
    route: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class RouteCounts:
    """How many jobs of a route, empty for those on no route, are in which state; each is counted once."""

    route: str
    read: int
    """Done, with a value."""
    no_access: int
    """Done, with a reason why there is no value."""
    skipped: int
    """Left for later by their readers."""
    left: int
    """Open, or missed."""
    estimated: int = 0
    """Those of `read` whose value nobody has read."""

    @property
    def done(self) -> int:
        """Those that have a reading."""
        return self.read + self.no_access

    @property
    def total(self) -> int:
        """All of them."""
        return self.done + self.skipped + self.left


@dataclass(frozen=True, slots=True)
class ClosedCounts:
    """What became of the jobs of a closed cycle; each is counted once, but for those that are `estimated`."""

    read: int
    """Done, with a value."""
    no_access: int
    """Done, with a reason why there is no value."""
    missed: int
    estimated: int
    """Those of `read` whose value nobody has read."""


@dataclass(frozen=True, slots=True)
class Holding:
    """How many jobs of a route a reader holds."""

    cycle: str
    route: str
    username: str
    jobs: int


@dataclass(frozen=True, slots=True)
class RouteWork:
    """How far a route is, and who is at it."""

    counts: RouteCounts
    late: bool | None
    """As `metermt.rules.schedule` says; None where no day is set."""
    given_to: list[str] = field(default_factory=list)
    """User names, as the office has said."""
    held_by: dict[str, int] = field(default_factory=dict)
    """How many of its jobs readers hold, by user name."""


@dataclass(frozen=True, slots=True)
class CycleWork:
    """How far an open cycle is. Days are None where nobody has said them."""

    cycle: str
    first_day: date | None
    due: date | None
    late: bool | None
    routes: list[RouteWork]


@dataclass(frozen=True, slots=True)
class ReaderWork:
    """What a reader has done today, and when they were seen last, in UTC; None if that is not known any more."""

    username: str
    today: int
    """Readings and reasons that were sent today, by the calendar of the server."""
    an_hour: float | None
    """How many an hour, while they were at work; None before the second one."""
    last_seen: datetime | None
    is_connected: bool
    route: str = ""
    """Where they walk; empty for nowhere."""


@dataclass(frozen=True, slots=True)
class Work:
    """How far all open cycles are at a moment, in UTC, and what readers do."""

    moment: datetime
    cycles: list[CycleWork]
    readers: list[ReaderWork]


@dataclass(frozen=True, slots=True)
class Unread:
    """A job that has not been read: it is open, or missed if its cycle is closed."""

    cycle: str
    route: str
    sequence: int
    meter: str
    """The number of the meter."""
    address: str
    leased_to: str | None = None
    """Who was handed it last, None for nobody."""
    leased_until: float = 0.0
    """Seconds since 1970, UTC; 0 for a job that was handed to nobody."""

    @property
    def place(self) -> tuple[str, str, int, str]:
        """`Job.place`."""
        return self.cycle, self.route, self.sequence, self.meter
