"""The things MeterMT speaks of, checked when made. Times are `datetime`s in UTC."""

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from metermt.errors import RouteError, UserError
from metermt.printable import has_control_characters

KINDS = {"E": "electricity", "G": "gas", "W": "water", "": "unknown"}
MAX_DIALS = 12
MAX_SEQUENCE = 10**9 - 1
MAX_TEXT = 200
"""Characters in an address, in instructions, in a route's or a person's name."""

_METER_NUMBER = re.compile(r"[A-Z0-9][A-Z0-9./-]{0,31}")
_CYCLE = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,15}")
_USERNAME = re.compile(r"[a-z][a-z0-9._-]{0,31}")


def _check_text(what: str, text: str) -> None:
    if len(text) <= MAX_TEXT and text.isprintable():
        return  # as nearly all are
    if len(text) > MAX_TEXT:
        raise RouteError(f"{what} has {len(text)} characters: {MAX_TEXT} are allowed")
    if has_control_characters(text):
        raise RouteError(f"{what} {text!r} has control characters in it: remove them")


def is_meter_number(text: str) -> bool:
    """Tell whether this can be the number of a meter."""
    return bool(_METER_NUMBER.fullmatch(text))


def is_username(text: str) -> bool:
    """Tell whether this can be a user name."""
    return bool(_USERNAME.fullmatch(text))


@lru_cache(maxsize=16)  # a file has a million jobs of one cycle
def check_cycle(cycle: str) -> str:
    """Return the cycle as it is; raise `RouteError` if it is no name for one."""
    if not _CYCLE.fullmatch(cycle):
        raise RouteError(f"Invalid cycle {cycle!r}: write it like 2026-11")
    return cycle


def highest(dials: int | None) -> int:
    """Return the highest value that a register of so many digits can show; of `MAX_DIALS` when they are unknown."""
    return int(10 ** (dials or MAX_DIALS)) - 1


@dataclass(frozen=True, slots=True)
class Meter:
    """A device with a number.

    `kind` is one of E (electricity), G (gas), W (water) or empty when unknown. `dials` is the number of
    digits on the register, or None when unknown. Raises `RouteError`.
    """

    number: str
    kind: str = ""
    dials: int | None = None
    address: str = ""
    instructions: str = ""

    def __post_init__(self) -> None:
        if not is_meter_number(self.number):
            raise RouteError(
                f"Invalid meter number {self.number!r}: "
                "use 1 to 32 capital letters, digits, and - . / inside, as on the meter"
            )
        if self.kind not in KINDS:
            raise RouteError(f"Invalid kind {self.kind!r}: use E for electricity, G for gas, W for water")
        if self.dials is not None and not 1 <= self.dials <= MAX_DIALS:
            raise RouteError(f"Invalid dials {self.dials}: a register has 1 to {MAX_DIALS} digits")
        _check_text("The address", self.address)
        _check_text("The instructions", self.instructions)

    @property
    def highest(self) -> int:
        """The highest value the register can show."""
        return highest(self.dials)


class JobState(StrEnum):
    """How far a job is."""

    OPEN = "open"
    SKIPPED = "skipped"
    """The reader has left it for later."""
    DONE = "done"
    """It has a reading that counts."""
    MISSED = "missed"
    """Its cycle was closed before it was read."""


class Role(StrEnum):
    """What somebody may do; each role may do what those before it may."""

    READER = "reader"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"

    def may_act_as(self, least: "Role") -> bool:
        """Tell whether this role may do what wants at least that one."""
        return _ROLES.index(self) >= _ROLES.index(least)


_ROLES = tuple(Role)


@dataclass(frozen=True, slots=True)
class Job:
    """One meter to be read in one cycle, as it was imported.

    `sequence` is the place in the walk of the `route`, from 0. `previous` is the register at `previous_date`, None when
    not known. Raises `RouteError`.
    """

    meter: Meter
    cycle: str
    route: str = ""
    sequence: int = 0
    previous: int | None = None
    previous_date: date | None = None

    def __post_init__(self) -> None:
        check_cycle(self.cycle)
        _check_text("The route", self.route)
        if not 0 <= self.sequence <= MAX_SEQUENCE:
            raise RouteError(f"Invalid sequence {self.sequence}: use a whole number from 0 to {MAX_SEQUENCE}")
        if self.previous is not None and not 0 <= self.previous <= self.meter.highest:
            raise RouteError(f"Invalid previous {self.previous}: the register goes from 0 to {self.meter.highest}")

    @property
    def place(self) -> tuple[str, str, int, str]:
        """What jobs are handed out by: cycle, route, sequence, number."""
        return self.cycle, self.route, self.sequence, self.meter.number


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reader says of a meter: a value, or a reason why there is none, or both.

    `meter` is its number. `value` is the register, None (or, by the convention of the original calls, -1) when there is
    only a reason. `when` is when the reader stood at the meter: a `datetime`, an ISO 8601 text, or None for now.
    `key` is the client's unique id for this submission, None when it has none. `cycle` is that of the job, None when
    the client does not say.

    An answer is made of whatever was said, hence `Any`: `metermt.rules.answers.judged` tells whether it can be taken,
    and what it returns has a `value` of None or from 0, a `reason` without blanks around it, and `when` in UTC.
    """

    meter: str | Any
    value: int | Any | None = None
    reason: str | Any = ""
    when: datetime | str | Any | None = None
    key: str | Any | None = None
    cycle: str | Any | None = None

    def says_the_same_as(self, other: "Answer") -> bool:
        """Tell whether both say the same of the same meter; times may differ, and one may leave out the cycle."""
        same_cycle = self.cycle == other.cycle or None in (self.cycle, other.cycle)
        return same_cycle and (self.meter, self.value, self.reason) == (other.meter, other.value, other.reason)


@dataclass(frozen=True, slots=True)
class Reading:
    """One accepted answer to a job of a `cycle`, which the answer itself does not repeat.

    `recorded_at` is when the server accepted it, in UTC. `counts` is False for a reading that its reader has corrected
    since.
    """

    answer: Answer
    username: str
    cycle: str
    recorded_at: datetime
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Status:
    """How far the open cycles are: meters read by this user, and by all."""

    count: int
    total: int


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who can log in, unless disabled. Raises `UserError`."""

    username: str
    full_name: str
    disabled: bool = False
    role: Role = Role.READER

    def __post_init__(self) -> None:
        if not is_username(self.username):
            raise UserError(
                f"Invalid user name {self.username!r}: "
                "use 1 to 32 small letters, digits, and . _ - inside, beginning with a letter"
            )
        if not self.full_name.strip():
            raise UserError(f"User {self.username!r} needs a full name")
        if len(self.full_name) > MAX_TEXT or has_control_characters(self.full_name):
            raise UserError(f"Invalid full name: use up to {MAX_TEXT} printable characters")


@dataclass(frozen=True, slots=True)
class Account:
    """A user with what is needed to let them in."""

    user: User
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """A login."""

    key: str
    """A digest of the session id, which itself is kept nowhere."""
    user: User
    used_at: float
    """Seconds since 1970, UTC; the session expires when it has been idle for long enough."""
    server: str | None = None
    """The server that its reader is connected to; None when the connection has ended, and what it holds is left to
    any session of its reader."""

    @property
    def username(self) -> str:
        """Whose login it is."""
        return self.user.username


@dataclass(frozen=True, slots=True)
class Lease:
    """A job handed to a session of a reader until a time, in seconds since 1970, UTC."""

    job: int
    """The job's id in its store."""
    username: str
    session: str
    """The session's key."""
    until: float


@dataclass(slots=True)
class Standing:
    """How a job of an open cycle stands: the facts that an answer for its meter is judged by.

    It may be changed: what was decided of one answer is a fact for the next.
    """

    job: int
    """The job's id in its store."""
    meter: str
    """The number of the meter."""
    cycle: str
    dials: int | None
    state: JobState
    read_by: str | None
    """Whose reading counts, None without one."""
    leased_to: str | None
    """Who has its lease, None for nobody."""
    leased_until: float
    """Seconds since 1970, UTC; 0 without a lease."""
    handed_to: str | None = None
    """Who was handed it last, also when that lease has ended; None for nobody."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server among those that share a store."""

    name: str
    """HOST/ADDRESS:PORT."""
    version: str
    readers: int
    """How many sessions are connected to it."""
    seen_at: float
    """When it last said that it is alive, in seconds since 1970, UTC."""


@dataclass(frozen=True, slots=True)
class RouteProgress:
    """How far one route of one cycle is."""

    cycle: str
    route: str
    done: int
    total: int


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


@dataclass(frozen=True, slots=True)
class ImportCount:
    """What became of imported jobs."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    kept: int = 0
    """Jobs that were read already, and stay what they were though the import says otherwise."""
    elsewhere: dict[str, int] = field(default_factory=dict)
    """How many of the meters are to be read in another open cycle, too, by its name."""

    def __add__(self, other: "ImportCount") -> "ImportCount":
        return ImportCount(
            self.added + other.added,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.kept + other.kept,
            dict(Counter(self.elsewhere) + Counter(other.elsewhere)),
        )
