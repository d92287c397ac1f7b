"""The log of the server that is asked, as it is written."""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from msgspec import Struct

from metermt.calls.accounts import accounts_of
from metermt.calls.asking import Ask, Weight
from metermt.calls.desk import Desk
from metermt.calls.table import call
from metermt.errors import CallError
from metermt.loglines import LogLine, time_of
from metermt.logring import LogRing
from metermt.model import Role

LONGEST_WAIT = 2.0
"""Seconds that a request may wait for the next line."""
LEVELS = ("debug", "info", "warning", "error")
_MOST_LINES, _MOST_CHARACTERS = 500, 250_000  # of an answer
_NO_LINE = 2**63  # as large as no number of a line is


@dataclass(frozen=True, slots=True)
class LogWanted:
    """Which lines are asked for: those from after a number, of a ring, at least of this level, since a time (UTC).

    With a `reader` only those that name this user. If there is none yet one is waited for, up to so many seconds.
    """

    ring: str = ""
    after: int = 0
    level: str = LEVELS[0]
    since: datetime | None = None
    reader: str | None = None
    wait: float = 0.0


class LogPart(Struct, frozen=True):
    """Some lines of a server's log, oldest first; the next ones are those after the number `last` of its `ring`."""

    lines: list[LogLine]
    ring: str
    last: int
    newest: int
    """The number of the newest line of all."""
    missed: int
    """How many were gone before they could be told."""


@call(Role.ADMIN, Weight.WAITING)
def read_log(desk: Desk, ask: Ask[LogWanted]) -> LogPart:
    """Return the lines of this server's log from after a number: some hundreds, or those that come next.

    Whoever asks for what came after another life of the server is given what there is. Raises `CallError` if this
    server keeps none, and `UserError` if there is no such reader.
    """
    asked, ring = ask.request, desk.log
    if ring is None:
        raise CallError("This server is a part of another program, and keeps no log to be looked at")
    _check(desk, asked)
    is_wanted = _sieve(asked)
    follows = asked.ring == ring.name
    after = asked.after if follows else 0
    until = time.monotonic() + min(asked.wait, LONGEST_WAIT)
    part = _part(ring, after, is_wanted, counts=follows)
    while not part.lines and part.last == part.newest and (left := until - time.monotonic()) > 0 and ring.is_open:
        ring.wait(part.last, left)
        desk.check(ask)  # they may have been logged out meanwhile
        part = _part(ring, part.last, is_wanted, missed=part.missed)
    return part


def _check(desk: Desk, asked: LogWanted) -> None:
    if asked.level not in LEVELS:
        raise CallError(f"Invalid level {asked.level[:40]!r}: use {', '.join(LEVELS)}")
    if not 0 <= asked.after < _NO_LINE:
        raise CallError(
            f"There is no line {str(asked.after)[:40]} of a log: use 0 for all, or the number of the last one"
        )
    if (reader := asked.reader) is not None:
        desk.store.read(lambda tx: accounts_of(tx, [reader]))


def _part(
    ring: LogRing, after: int, is_wanted: Callable[[LogLine], bool], *, counts: bool = True, missed: int = 0
) -> LogPart:
    """Return the wanted ones of the lines after a number, with how many were missed, if that `counts`."""
    kept = ring.after(after, counts=counts)
    newest = kept.lines[-1][0] if kept.lines else after
    lines: list[LogLine] = []
    last, size = newest, 0
    for number, line in kept.lines:
        if is_wanted(line):
            lines.append(line)
            size += len(line.message) + sum(map(len, line.trace))
            if len(lines) == _MOST_LINES or size > _MOST_CHARACTERS:
                last = number
                break
    return LogPart(lines, ring.name, last, newest, missed + kept.missed)


def _time_since(moment: datetime) -> str:
    try:
        return time_of(moment.timestamp())
    except (ValueError, OverflowError) as error:
        raise CallError(f"Invalid time {moment.isoformat()}: use one from 1970 on") from error


def _sieve(asked: LogWanted) -> Callable[[LogLine], bool]:
    """Return what tells whether a line is asked for."""
    least = logging.getLevelNamesMapping()[asked.level.upper()]
    levels = {name for name, number in logging.getLevelNamesMapping().items() if number >= least}
    since = _time_since(asked.since) if asked.since else ""
    # As a word of its own: a full stop after it ends a sentence, one within goes on with another name.
    name = asked.reader and re.compile(rf"(?<![a-z0-9._-]){re.escape(asked.reader)}(?![a-z0-9_-]|\.[a-z0-9])")

    def is_wanted(line: LogLine) -> bool:
        return line.level in levels and line.time >= since and (not name or bool(name.search(line.message)))

    return is_wanted
