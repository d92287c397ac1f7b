"""What a program prints on its standard streams is kept beside its log."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any, TextIO, cast

from metermt.loglines import LONGEST, LogLine, time_of
from metermt.logring import LogRing
from metermt.printable import printable


@contextmanager
def printed_into(ring: LogRing) -> Iterator[None]:
    """Keep in a ring what Python prints until the block ends: as it did before, and its lines there, too.

    That is what whoever prints asks `sys` for: warnings and errors of threads as well, but not what a library in C, or
    the interpreter when it dies, writes past it.
    """
    out, err = sys.stdout, sys.stderr
    sys.stdout = cast(TextIO, _Printed(out, "stdout", "INFO", ring))
    sys.stderr = cast(TextIO, _Printed(err, "stderr", "WARNING", ring))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err


class _Printed:
    """A stream that tells a ring each line that is written."""

    def __init__(self, stream: TextIO, name: str, level: str, ring: LogRing) -> None:
        self._stream = stream
        self._name, self._level = name, level
        self._ring = ring
        self._lock = RLock()  # guards the one below; what is printed while garbage is collected may come in between
        self._begun = ""

    def write(self, text: str) -> int:
        """Write a text, and take note of it."""
        count = self._stream.write(text)
        with self._lock:
            *lines, self._begun = (self._begun + text).split("\n")
            if len(self._begun) > LONGEST:
                lines, self._begun = [*lines, self._begun], ""
        for line in filter(None, lines):
            self._ring.add(LogLine(time_of(time.time()), self._level, self._name, printable(line, LONGEST)))
        return count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
