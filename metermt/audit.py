"""The record of who did what: what an entry of it says."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class What(StrEnum):
    """What somebody did."""

    LOGIN = "login"
    LOGIN_FAILED = "login failed"
    LOGOUT = "logout"
    READING = "reading"
    CORRECTION = "correction"
    """Another reading for a job that has one."""
    DECISION = "decision"
    NOTE = "note"
    FOUND = "meter found"
    IMPORT = "import"
    ROUTE_ASSIGNED = "route assigned"
    ROUTE_UNASSIGNED = "route unassigned"
    RELEASED = "jobs released"
    REMOVED = "job removed"
    CYCLE_OPENED = "cycle opened"
    CYCLE_CLOSED = "cycle closed"
    CYCLE_REOPENED = "cycle reopened"
    CYCLE_REMOVED = "cycle removed"
    LIMITS = "limits renewed"
    EXPORT = "export"
    EXCHANGE = "exchange"
    METER_ADDED = "meter added"
    METER_ACTIVE = "meter in use"
    METER_INACTIVE = "meter out of use"
    METER_MOVED = "meter moved"
    FOUND_ACCEPTED = "found meter accepted"
    FOUND_DISMISSED = "found meter dismissed"
    USER_ADDED = "user added"
    ROLE = "role"
    RENAMED = "user renamed"
    PASSWORD = "password"  # noqa: S105 - that one was changed
    UNLOCKED = "user unlocked"
    DISABLED = "user disabled"
    ENABLED = "user enabled"
    ERASED = "user erased"
    SETTING = "setting"
    REASON_ADDED = "reason added"
    REASON_RETIRED = "reason retired"


class Entry(NamedTuple):
    """One entry: never a full name, and never a password. It is made with each reading, hence a tuple."""

    at: str
    """ISO 8601, UTC."""
    who: str
    """A user name; empty for whoever works on the database itself, and for a login that failed."""
    address: str
    """Of the caller; empty on the machine itself."""
    what: What
    about: str = ""
    """The number of a meter, a cycle, a route, a batch."""
    whom: str = ""
    """The user name that it is about."""
    before: str = ""
    after: str = ""


class SealedEntry(NamedTuple):
    """An entry at its place in the chain, as it stands in the store, whatever somebody has made of it there."""

    place: int
    """From 1."""
    at: str
    """ISO 8601, UTC."""
    who: int | None
    """The id of a `Person`, as the next one."""
    address: str
    what: str
    about: str
    whom: int | None
    before: str
    after: str
    hash: str


class Person(NamedTuple):
    """Whom ids in the record mean: the name stands here only, and can be replaced.

    The chain has `mark`, which is made of `salt` and the name. Of an erased person the salt is gone, and the name is a
    pseudonym.
    """

    id: int
    mark: str
    salt: str | None
    username: str


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry for people. Times are in UTC; `hash` is that of the chain up to it."""

    place: int
    at: str
    who: str
    address: str
    what: str
    about: str
    whom: str
    before: str
    after: str
    who_mark: str
    whom_mark: str
    hash: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of a look at the whole chain."""

    count: int
    """Entries that are as they were, from the first on."""
    hash: str
    """That of the last one of them, to be noted elsewhere."""
    fault: str | None = None
    """What is wrong, and where first; None for nothing."""


def said(cycle: str, value: int | None, reason: str = "") -> str:
    """Return what an answer said for a cycle, as an entry tells it."""
    if value is None:
        return f"{cycle}: {reason}"
    return f"{cycle}: {value}, {reason}" if reason else f"{cycle}: {value}"
