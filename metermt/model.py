"""The things MeterMT speaks of, checked when made. Times are `datetime`s in UTC."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache

from metermt.errors import InvalidKey, InvalidReading, InvalidReason, RouteError, UserError

KINDS = {"E": "electricity", "G": "gas", "W": "water", "": "unknown"}
MAX_DIALS = 12
MAX_REASON = 500
"""Characters in a reason."""
MAX_TEXT = 200
"""Characters in an address, in instructions, in a route's or a person's name."""

_METER_NUMBER = re.compile(r"[A-Z0-9][A-Z0-9./-]{0,31}")
_CYCLE = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,15}")
_USERNAME = re.compile(r"[a-z][a-z0-9._-]{0,31}")
_KEY = re.compile(r"[!-~]{1,64}")
_NOT_PRINTED = {"Cc", "Cs", "Zl", "Zp"}  # Unicode categories: controls, surrogates, line and paragraph ends


def has_control_characters(text: str) -> bool:
    """Tell whether a text holds anything that would break a line, a terminal or an encoding."""
    # isprintable is fast, and never true of these; what it also takes for unprintable is looked at in turn.
    return not text.isprintable() and any(unicodedata.category(c) in _NOT_PRINTED for c in text)


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


@dataclass(frozen=True, slots=True)
class Job:
    """One meter to be read in one cycle.

    `route` is empty for a meter that the demo made up. `sequence` is the place in the walk, from 0.
    `previous` is the register at `previous_date`, None when not known. Raises `RouteError`.
    """

    device: Meter
    cycle: str
    route: str = ""
    sequence: int = 0
    previous: int | None = None
    previous_date: date | None = None

    def __post_init__(self) -> None:
        check_cycle(self.cycle)
        _check_text("The route", self.route)
        if not 0 <= self.sequence < 10**9:
            raise RouteError(f"Invalid sequence {self.sequence}: use a whole number from 0")
        if self.previous is not None and not 0 <= self.previous <= self.device.highest:
            raise RouteError(f"Invalid previous {self.previous}: the register goes from 0 to {self.device.highest}")

    @property
    def meter(self) -> str:
        """The number of the meter."""
        return self.device.number

    @property
    def kind(self) -> str:
        """The kind of the meter: E, G, W or empty."""
        return self.device.kind

    @property
    def dials(self) -> int | None:
        """The number of digits on the register, None when unknown."""
        return self.device.dials

    @property
    def address(self) -> str:
        """Where the meter is."""
        return self.device.address

    @property
    def instructions(self) -> str:
        """What the reader should know before ringing."""
        return self.device.instructions

    @property
    def place(self) -> tuple[str, str, int, str]:
        """What jobs are handed out by: cycle, route, sequence, number."""
        return self.cycle, self.route, self.sequence, self.device.number


@dataclass(frozen=True, slots=True)
class Submission:
    """What a reader says of a meter: a value, or a reason why there is none, or both.

    `value` is None when there is only a reason. `read_at` is when the reader stood at the meter. `key` is the
    client's unique id for this submission, None when it sent none. Raises `SubmissionError`.
    """

    meter: str
    value: int | None
    reason: str
    read_at: datetime
    username: str
    key: str | None = None

    def __post_init__(self) -> None:
        if self.value is None and not self.reason:
            raise InvalidReading("Invalid reading: give a reading of 0 or more, or a reason why there is none")
        if self.value is not None and self.value < 0:
            raise InvalidReading("Invalid reading: it is below zero")
        if len(self.reason) > MAX_REASON:
            raise InvalidReason(f"Invalid reason: it has {len(self.reason)} characters, {MAX_REASON} are allowed")
        if has_control_characters(self.reason):
            raise InvalidReason("Invalid reason: it has control characters in it, such as a line end")
        if self.key is not None and not (isinstance(self.key, str) and _KEY.fullmatch(self.key)):
            raise InvalidKey("Invalid key: use 1 to 64 printable ASCII characters without blanks")
        if self.read_at.tzinfo is not UTC:
            raise ValueError("read_at must be in UTC")

    def same_answer(self, other: "Submission") -> bool:
        """Tell whether both say the same of the same meter; times may differ."""
        return (self.meter, self.value, self.reason) == (other.meter, other.value, other.reason)


@dataclass(frozen=True, slots=True)
class Reading:
    """One accepted answer to a job. `recorded_at` is when the server accepted it.

    `counts` is False for a reading that its reader has corrected since.
    """

    submission: Submission
    cycle: str
    recorded_at: datetime
    counts: bool = True

    @property
    def meter(self) -> str:
        """The number of the meter."""
        return self.submission.meter

    @property
    def username(self) -> str:
        """Who read it."""
        return self.submission.username


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
    password_hash: str


@dataclass(frozen=True, slots=True)
class Session:
    """A login. `key` is a digest of the session id, which itself is kept nowhere."""

    key: str
    username: str
    used_at: float
    """Seconds since 1970, UTC; the session expires when it has been idle for long enough."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who asks for jobs, and until when they may keep them (seconds since 1970, UTC)."""

    username: str
    session: str
    """The session's key."""
    until: float


@dataclass(frozen=True, slots=True)
class RouteProgress:
    """How far one route of one cycle is."""

    cycle: str
    route: str
    done: int
    total: int
