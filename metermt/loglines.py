"""What a line of the log says, and how it looks: for people, and for programs."""

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from metermt.printable import printable

LONGEST = 4000
"""Characters of a message, and of each line of a trace back."""
_HEAD = 200  # characters of all that stands before the message


class LogLine(Struct, frozen=True):
    """A line of the log: its time in UTC as an ISO 8601 text, the name of its level, who says it, and what.

    `trace` has the lines of a trace back, if one belongs to it. Nothing in it breaks a line or commands a terminal.
    """

    time: str
    level: str
    logger: str
    message: str
    trace: Sequence[str] = ()

    def for_people(self) -> str:
        """Return `2026-11-20T10:00:00.000Z WARNING metermt.server: …`. A trace back stands below, indented.

        It may come from the other side: it is made printable once more.
        """
        head = printable(f"{self.time} {self.level} {self.logger}", _HEAD)
        trace = [printable(line, LONGEST) for line in self.trace]
        return "\n    ".join([f"{head}: {printable(self.message, LONGEST)}", *trace])

    def for_programs(self) -> str:
        """Return it as a JSON object."""
        said: dict[str, Any] = {
            "time": self.time,
            "level": self.level,
            "logger": self.logger,
            "message": self.message,
        }
        if self.trace:
            said["trace"] = self.trace
        return json.dumps(said)


def line_of(record: logging.LogRecord) -> LogLine:
    """Return the line of a record of the standard library's."""
    message = printable(record.getMessage(), LONGEST)
    return LogLine(time_of(record.created), record.levelname, record.name, message, _trace_of(record))


def time_of(seconds: float) -> str:
    """Return a moment, in seconds since 1970, as a line of the log has it. Later ones come later in the alphabet."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace_of(record: logging.LogRecord) -> list[str]:
    """Return the trace back of a record in lines: whatever stands in an error, it begins no line of the log."""
    if not record.exc_info:
        return []
    return [printable(line, LONGEST) for line in logging.Formatter().formatException(record.exc_info).split("\n")]
