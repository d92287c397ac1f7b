"""The last lines of a log, in memory, for whoever looks at it while the program runs."""

import logging
import secrets
import time
from collections import deque
from threading import Condition
from typing import NamedTuple

from msgspec.structs import replace

from metermt.loglines import LogLine, line_of

MOST_LINES = 10_000
MOST_BYTES = 8_000_000
"""Of a ring, roughly: a character is counted as one, and what Python needs for a line as some more."""
_A_LINE = 200  # bytes that a line takes besides its texts
_TRACE_BEGINS, _TRACE_ENDS = 20, 80  # lines that are kept of a long trace back
_TOGETHER = 0.05  # seconds in which further lines may join the one that somebody has waited for


class Kept(NamedTuple):
    """Lines from after a place, and how many of those that were asked for are gone."""

    lines: list[tuple[int, LogLine]]
    """Each with its number."""
    missed: int


class LogRing:
    """The last lines of a log, as many as fit; an older one goes when a newer one comes. For any thread.

    Lines have numbers from 1 on. `name` tells one ring, which is one life of a program, from another.
    """

    def __init__(self, most_lines: int = MOST_LINES, most_bytes: int = MOST_BYTES) -> None:
        self.name = secrets.token_hex(8)
        self._most_lines, self._most_bytes = most_lines, most_bytes
        # Guards those below. It can be taken twice: what is collected as garbage within may have something to say.
        self._changed = Condition()
        self._lines: deque[tuple[LogLine, int]] = deque()  # each with the bytes that it takes
        self._bytes = 0
        self.is_open = True
        """Whether somebody may wait."""
        self.last = 0
        """The number of the newest line."""
        self.missed = 0
        """How many lines were gone when somebody came for them."""
        self.waiting = 0
        """How many wait for the next line."""

    def add(self, line: LogLine) -> None:
        """Take a line, and wake whoever waits for one."""
        if len(line.trace) > _TRACE_BEGINS + _TRACE_ENDS:
            line = replace(line, trace=[*line.trace[:_TRACE_BEGINS], "…", *line.trace[-_TRACE_ENDS:]])
        size = _A_LINE + len(line.message) + sum(map(len, line.trace))
        with self._changed:
            self.last += 1
            self._lines.append((line, size))
            self._bytes += size
            while len(self._lines) > self._most_lines or (self._bytes > self._most_bytes and len(self._lines) > 1):
                self._bytes -= self._lines.popleft()[1]
            self._changed.notify_all()

    def after(self, number: int, *, counts: bool = True) -> Kept:
        """Return all lines from after this number. Those that are gone count as missed, unless it does not count."""
        with self._changed:
            last, lines = self.last, list(self._lines)  # a copy: more may be added here while it is gone through
            first = last - len(lines) + 1
            missed = max(0, first - 1 - number) if counts else 0
            self.missed += missed
        begin = max(first, number + 1)
        return Kept([*enumerate((line for line, _ in lines[begin - first :]), begin)], missed)

    def wait(self, number: int, seconds: float) -> None:
        """Wait until there is a line after this number, and then a moment for more; no longer than so many seconds."""
        until = time.monotonic() + seconds
        with self._changed:
            self.waiting += 1
            self._changed.wait_for(lambda: self.last > number or not self.is_open, seconds)
            if self.is_open and (left := until - time.monotonic()) > 0:
                self._changed.wait_for(lambda: not self.is_open, min(left, _TOGETHER))
            self.waiting -= 1

    def close(self) -> None:
        """Let nobody wait any more. Lines are taken all the same."""
        with self._changed:
            self.is_open = False
            self._changed.notify_all()


class RingHandler(logging.Handler):
    """Keeps what is logged in a ring."""

    def __init__(self, ring: LogRing) -> None:
        super().__init__()
        self._ring = ring

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        try:
            self._ring.add(line_of(record))
        except Exception:  # noqa: BLE001 - as the handlers of the standard library do
            self.handleError(record)
