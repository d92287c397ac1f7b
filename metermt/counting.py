"""What a server counts of its work, for those who watch it. How that is told is somebody else's business.

What happens often is counted once a turn. What can be asked of things that are there, such as how long a queue is, is
asked when somebody wants to know, and costs nothing before.
"""

import logging
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import NamedTuple

from metermt.errors import ConfirmReading, Error, InternalError
from metermt.model import Reading

SECONDS = (1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds for how long something took."""
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Bounds for how many requests were answered in one transaction."""
OK = "ok"
"""The outcome of a call that has returned what it was asked for; that of any other is the code of its error."""


class Histogram:
    """How many values were up to each bound, and what they add up to.

    Values are added by one thread at a time; it may be looked at by any, and may be one value behind itself then.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """Values up to each bound and above the one before it; the last is of those above all bounds."""
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def copy(self) -> "Histogram":
        """Return one that stays as it is."""
        copy = Histogram(self.bounds)
        copy.counts, copy.total = list(self.counts), self.total
        return copy


Answered = tuple[str, str, float]
"""A request that was answered: the call, its outcome, and for how many seconds it had been understood by then."""


class Counts(NamedTuple):
    """What was counted, as it stood at one moment."""

    calls: Mapping[tuple[str, str], int]
    """How many, by call and outcome."""
    seconds: Mapping[str, Histogram]
    """How long they took, by call."""
    turns: Histogram
    """How many requests were answered in one transaction."""
    readings: Mapping[str, int]
    """How many answers were accepted, refused, or sent back to be looked at again (`asked`)."""
    flags: Mapping[str, int]
    """How many accepted readings had each flag."""


class Counting:
    """What a server counts. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()  # guards the five below
        # No Counters: these call Python for what is new.
        self._calls: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._seconds: defaultdict[str, Histogram] = defaultdict(Histogram)
        self._turns = Histogram(SIZES)
        self._readings = {"accepted": 0, "refused": 0, "asked": 0}
        self._flags: defaultdict[str, int] = defaultdict(int)
        self.waiting: dict[str, Callable[[], int]] = {}
        """What tells how much waits in a queue, by its name. Whoever has a queue puts it here when it is made."""
        self.connections: Callable[[], Mapping[str, int]] = dict
        """Tells how many connections there are, by their state. Whoever lets clients in puts it here."""

    def answered(
        self, requests: Iterable[Answered], turn: int = 0, kept: Sequence[Reading] = (), refused: Sequence[Error] = ()
    ) -> None:
        """Count requests that were answered, and what they have brought.

        `turn` is how many were answered in one transaction, 0 if they had none in common.
        """
        calls, seconds = self._calls, self._seconds
        with self._lock:
            for call, outcome, took in requests:
                calls[call, outcome] += 1
                seconds[call].add(took)
            if turn:
                self._turns.add(turn)
            if kept:
                self._readings["accepted"] += len(kept)
                for reading in kept:
                    for flag in reading.flags:
                        self._flags[flag] += 1
            for error in refused:
                self._readings["asked" if isinstance(error, ConfirmReading) else "refused"] += 1

    def counts(self) -> Counts:
        """Return what was counted so far."""
        with self._lock:
            seconds = {call: histogram.copy() for call, histogram in self._seconds.items()}
            return Counts(dict(self._calls), seconds, self._turns.copy(), dict(self._readings), dict(self._flags))


def outcome_of(outcome: object) -> str:
    """Name what came of a call: a result, or an error."""
    if not isinstance(outcome, BaseException):
        return OK
    return outcome.code if isinstance(outcome, Error) else InternalError.code


class CountsLost(logging.Handler):
    """A part of a handler of the log that counts the lines that it could not write. Put it before the handler."""

    lost = 0

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Count a line, and go on as the handler does."""
        self.lost += 1
        super().handleError(record)


def lost_lines() -> int:
    """Return how many lines of the log of this program could not be written."""
    return sum(handler.lost for handler in logging.root.handlers if isinstance(handler, CountsLost))
