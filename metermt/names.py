"""What numbers of meters, names of users and cycles, keys, short texts, and days look like."""

import re
import secrets
import time
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from itertools import count

from metermt.errors import RouteError
from metermt.printable import has_control_characters

MAX_TEXT = 200
"""Characters in an address, in instructions, in a route's or a person's name."""
FIRST_DAY = date(1970, 1, 1)
"""No day of ours lies before that; programs write 0001-01-01 or the like for none."""

_METER_NUMBER = re.compile(r"[A-Z0-9][A-Z0-9./-]{0,31}")
_CYCLE = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,15}")
_USERNAME = re.compile(r"[a-z][a-z0-9._-]{0,31}")
_PSEUDONYM = "erased-"


def check_text(what: str, text: str) -> None:
    """Raise `RouteError` if a text is too long to be shown in a line, or cannot be."""
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


def is_pseudonym(username: str) -> bool:
    """Tell whether this stands for somebody whose name was erased; nobody else can have such a name."""
    return username.startswith(_PSEUDONYM)


def new_pseudonym(taken: Iterable[str]) -> str:
    """Return the next one, but for those that are taken."""
    there = set(taken)
    return next(name for number in count(1) if (name := f"{_PSEUDONYM}{number}") not in there)


def new_key() -> str:
    """Return a key for one submission. Sending a submission again under its key counts once."""
    # The time comes first, so that the database's index of keys grows at its end: with keys in no order each reading
    # would be written into a page of its own.
    return f"{time.time_ns():016x}{secrets.token_hex(8)}"


@lru_cache(maxsize=16)  # a file has a million jobs of one cycle
def check_cycle(cycle: str) -> str:
    """Return the cycle as it is; raise `RouteError` if it is no name for one."""
    if not _CYCLE.fullmatch(cycle):
        raise RouteError(f"Invalid cycle {cycle!r}: write it like 2026-11")
    return cycle


def check_day(what: str, day: date) -> date:
    """Return the day as it is; raise `RouteError` if it lies too long ago."""
    if day < FIRST_DAY:
        raise RouteError(
            f"Invalid {what} {day}: it lies before {FIRST_DAY.year}; put the right year, or nothing where none is known"
        )
    return day
