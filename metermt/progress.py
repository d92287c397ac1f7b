"""How far the work of a cycle is."""

from dataclasses import dataclass


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

    @property
    def done(self) -> int:
        """Those that have a reading."""
        return self.read + self.no_access

    @property
    def total(self) -> int:
        """All of them."""
        return self.done + self.skipped + self.left


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
