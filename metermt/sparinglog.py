"""A log that no stranger can fill."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import NamedTuple

EVERY = 60.0
"""Seconds between two counts of the same."""
_MOST = 20  # who are told apart of each kind; the others are counted together
_ELSEWHERE = "others"


class Count(NamedTuple):
    """How often somebody has caused something again since that was told last."""

    kind: str
    who: str
    times: int
    seconds: float


@dataclass(slots=True)
class _Kind:
    since: float
    again: dict[str, int] = field(default_factory=dict)  # by who has caused it: how often after the first time


class Repeats:
    """Tells what comes for the first time from what comes again, which is counted.

    Its memory is bounded, however many there are who cause it: of each kind some are told apart. A kind is a word of
    the program, never one of a stranger. All times are seconds of one clock that never goes back.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._kinds: dict[str, _Kind] = {}

    def is_first(self, kind: str, who: str, now: float) -> bool:
        """Note that somebody has caused this; return whether it is to be told at once."""
        known = self._kinds.setdefault(kind, _Kind(now))
        if who not in known.again:
            if len(known.again) < self._most:
                known.again[who] = 0
                return True
            who = _ELSEWHERE
        known.again[who] = known.again.get(who, 0) + 1
        return False

    def due(self, now: float, every: float = EVERY) -> Iterator[Count]:
        """Return what has come again since it was told last, if that is so long ago. Who is quiet is forgotten."""
        for kind, known in list(self._kinds.items()):
            seconds = now - known.since
            if seconds < every:
                continue
            again = {who: times for who, times in known.again.items() if times}
            if again:
                self._kinds[kind] = _Kind(now, dict.fromkeys((who for who in again if who != _ELSEWHERE), 0))
            else:
                del self._kinds[kind]
            yield from (Count(kind, who, times, seconds) for who, times in again.items())


class SparingLog:
    """Logs the first of a kind, and a count a minute of what comes after it, a warning at most. For any thread.

    `kind` is a word of the program, in the plural; `who` is whom it comes from, such as an address.
    """

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = monotonic) -> None:
        self._log = log
        self._clock = clock
        self._lock = Lock()  # guards _repeats and _levels, and what is written to held_back
        self._repeats = Repeats()
        self._levels: dict[str, int] = {}  # of each kind
        self.held_back: dict[str, int] = {}
        """How much was counted instead of being logged, by kind, since the program has started."""

    def info(self, kind: str, who: str, text: str, *args: object) -> bool:
        """Log what is usual; return whether it is told at once."""
        return self._tell(logging.INFO, kind, who, text, *args)

    def warning(self, kind: str, who: str, text: str, *args: object) -> bool:
        """Log what somebody may want to look into; return whether it is told at once."""
        return self._tell(logging.WARNING, kind, who, text, *args)

    def error(self, kind: str, who: str, text: str, *args: object, error: BaseException | None = None) -> bool:
        """Log a fault, with its trace back; return whether it is told at once."""
        return self._tell(logging.ERROR, kind, who, text, *args, error=error)

    def tell_counts(self, *, at_once: bool = False) -> None:
        """Log the counts that are due, or all of them. To be called every few seconds, and at the end."""
        with self._lock:
            counts = list(self._repeats.due(self._clock(), 0.0 if at_once else EVERY))
        for kind, who, times, seconds in counts:
            self._log.log(self._levels[kind], "%s, %s: %d more in %.0f s", kind, who, times, seconds)

    def _tell(
        self, level: int, kind: str, who: str, text: str, *args: object, error: BaseException | None = None
    ) -> bool:
        if not self._log.isEnabledFor(level):
            return False
        self.tell_counts()
        with self._lock:
            self._levels[kind] = min(level, logging.WARNING)  # the first of some faults has told of them
            is_first = self._repeats.is_first(kind, who, self._clock())
            if not is_first:
                self.held_back[kind] = self.held_back.get(kind, 0) + 1
        if is_first:
            self._log.log(level, text, *args, exc_info=error)
        return is_first
