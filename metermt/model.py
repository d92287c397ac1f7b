"""The things MeterMT speaks of, checked when made. Times are `datetime`s in UTC."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple, cast

from msgspec import Struct

from metermt.errors import RouteError, UserError
from metermt.names import MAX_TEXT, check_cycle, check_text, is_meter_number, is_username
from metermt.printable import has_control_characters
from metermt.quality import Cause, Flag, Look, Quality

KINDS = {"E": "electricity", "G": "gas", "W": "water", "": "unknown"}
MAX_DIALS = 12
MAX_SEQUENCE = 10**9 - 1
ONE = Decimal(1)
_HIGHEST: list[int] = [10**dials - 1 for dials in range(MAX_DIALS + 1)]
_LARGEST = Decimal(1_000_000)  # of multipliers: current transformers have thousands
_DECIMALS = 6  # of multipliers


def highest(dials: int | None) -> int:
    """Return the highest value that a register of so many digits can show; of `MAX_DIALS` when they are unknown."""
    return _HIGHEST[dials or MAX_DIALS]


def _check_stop(route: str, sequence: int) -> None:
    check_text("The route", route)
    if not 0 <= sequence <= MAX_SEQUENCE:
        raise RouteError(f"Invalid sequence {sequence}: use a whole number from 0 to {MAX_SEQUENCE}")


def _check_multiplier(multiplier: Decimal) -> None:
    if not multiplier.is_finite() or not 0 < multiplier <= _LARGEST or multiplier != round(multiplier, _DECIMALS):
        raise RouteError(
            f"Invalid multiplier {multiplier}: use a number above 0 up to {_LARGEST} with at most {_DECIMALS} decimals"
        )


class Meter(Struct, frozen=True):
    """A device with a number.

    `kind` is one of E (electricity), G (gas), W (water) or empty when unknown. `dials` is the number of
    digits on the register, or None when unknown. What the register shows times `multiplier` is what was used. An
    inactive one is not in use: it gets a job only if somebody asks for that. Raises `RouteError`.
    """

    number: str
    kind: str = ""
    dials: int | None = None
    address: str = ""
    instructions: str = ""
    multiplier: Decimal = ONE
    active: bool = True

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
        if self.multiplier is not ONE:
            _check_multiplier(self.multiplier)
        check_text("The address", self.address)
        check_text("The instructions", self.instructions)

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


class Job(Struct, frozen=True):
    """One meter to be read in one cycle, as it was imported.

    `sequence` is the place in the walk of the `route`, from 0. `previous` is the register at `previous_date`, None when
    not known. `note` is what a reader has left last about the place, empty for nothing. `expected` says what the meter
    showed last and what is usual now; it is empty unless the server shows that to readers. Raises `RouteError`.
    """

    meter: Meter
    cycle: str
    route: str = ""
    sequence: int = 0
    previous: int | None = None
    previous_date: date | None = None
    note: str = ""
    expected: str = ""

    def __post_init__(self) -> None:
        check_cycle(self.cycle)
        _check_stop(self.route, self.sequence)
        if self.previous is not None and not 0 <= self.previous <= self.meter.highest:
            raise RouteError(
                f"Invalid previous {self.previous}: the register of {self.meter.number} goes from 0 to"
                f" {self.meter.highest}"
            )

    @property
    def place(self) -> tuple[str, str, int, str]:
        """What jobs are handed out by: cycle, route, sequence, number."""
        return self.cycle, self.route, self.sequence, self.meter.number


@dataclass(frozen=True, slots=True)
class Place:
    """Where a meter hangs: the device that hangs there now, and its stop on a route.

    Its history outlives the device. `sequence` is the place in the walk of the `route`, from 0. Raises `RouteError`.
    """

    meter: Meter
    route: str = ""
    sequence: int = 0

    def __post_init__(self) -> None:
        _check_stop(self.route, self.sequence)


class Answer(Struct, frozen=True):
    """What a reader says of a meter: a value, or a reason why there is none, or both.

    `meter` is its number. `value` is the register, None (or, by the convention of the original calls, -1) when there is
    only a reason. `when` is when the reader stood at the meter: a `datetime`, an ISO 8601 text, or None for now.
    `key` is the client's unique id for this submission, None when it has none. `cycle` is that of the job, None when
    the client does not say. `verified` says that an odd value was looked at twice already, by a client without a
    network. `code` is that of the reason on the office's list (`metermt.fieldnotes.Reason`), None when only its text is
    said, or there is none.

    An answer is made of whatever was said, hence `Any`: `metermt.rules.answers.judged` tells whether it can be taken,
    and what it returns has a `value` of None or from 0, a `reason` without blanks around it, and `when` in UTC.
    """

    meter: str | Any
    value: int | Any | None = None
    reason: str | Any = ""
    when: datetime | str | Any | None = None
    key: str | Any | None = None
    cycle: str | Any | None = None
    verified: bool | Any = False
    code: str | Any | None = None

    def says_the_same_as(self, other: "Answer") -> bool:
        """Tell whether both say the same of the same meter.

        Times may differ, and one may leave out the cycle, or either the code of the reason or its text.
        """
        same_cycle = self.cycle == other.cycle or None in (self.cycle, other.cycle)
        return same_cycle and (self.meter, self.value) == (other.meter, other.value) and self._says_why(other)

    def _says_why(self, other: "Answer") -> bool:
        if self.reason == other.reason:
            return self.code == other.code or None in (self.code, other.code)
        return self.code is not None and self.code == other.code and "" in (self.reason, other.reason)


class Reading(Struct, frozen=True):
    """One accepted answer to a job of a `cycle`, which the answer itself does not repeat.

    `recorded_at` is when the server accepted it, in UTC. `counts` is False for a reading that its reader has corrected
    since.
    """

    answer: Answer
    username: str
    cycle: str
    recorded_at: datetime
    counts: bool = True
    quality: Quality = Quality.ACTUAL
    flags: tuple[Flag, ...] = ()
    cause: Cause | None = None

    @property
    def code(self) -> str | None:
        """That of its reason, None if that is on no list of the office, or there is none."""
        return cast("str | None", self.answer.code)


class Status(Struct, frozen=True):
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


class Walk(NamedTuple):
    """A way along a route, from its first stop or from its last one."""

    route: str
    reverse: bool = False
    assigned: bool = False
    """Whether the office has said so."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A route that is given to a reader."""

    route: str
    username: str
    reverse: bool = False
    """Whether they begin at its end."""


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
    walk: Walk | None = None
    """Where its reader walks now, None before they have asked for a job."""

    @property
    def username(self) -> str:
        """Whose login it is."""
        return self.user.username


class Lease(Struct, frozen=True):
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

    It may be changed: what was decided about one answer is a fact for the next.
    """

    job: int
    """The job's id in its store."""
    meter: str
    """The number of the meter."""
    cycle: str
    dials: int | None
    state: JobState
    read_by: str | None
    """Whose reading counts, None without one or when it is an estimate; empty for somebody of the office."""
    leased_to: str | None
    """Who has its lease, None for nobody."""
    leased_until: float
    """Seconds since 1970, UTC; 0 without a lease."""
    handed_to: str | None = None
    """Who was handed it last, also when that lease has ended; None for nobody."""
    limits: str | None = None
    """What a value is judged by, as `metermt.rules.limits` writes it; None for nothing."""
    look: Look | None = None
    """What somebody was asked to look at once more, and has not sent since."""
    value: int | None = None
    """That of the reading that counts, as the next one."""
    reason: str = ""

    @property
    def is_done(self) -> bool:
        """Whether it has a result."""
        return self.state is JobState.DONE


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
