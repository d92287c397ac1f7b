"""Who is let in when a server has few seats left, and who has to go for that."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

_GRACE = 2.0  # seconds that anybody may stay: shorter, and those who are let go of come back faster than others
_KEPT_SHARE = 10  # this part of all seats is kept


@dataclass(frozen=True, slots=True)
class Admission(Generic[T]):
    """Whether somebody is let in: unless there is a `refusal`, and then `leaving` has to go, if anybody."""

    leaving: T | None = None
    refusal: str = ""


class Seats(Generic[T]):
    """Who has one of `most` seats, of which an address has `most_an_address`, and who of them are idle strangers.

    A tenth is kept for addresses that somebody has logged in from. Times are in seconds, by any one clock. What it
    takes to let somebody in grows with the number of addresses, and not with that of all who are there.
    """

    def __init__(self, most: int, most_an_address: int) -> None:
        self._most, self._most_an_address = most, most_an_address
        self._address: dict[T, str] = {}  # of all who have a seat
        self._taken: Counter[str] = Counter()  # seats, by address
        self._idle: dict[str, dict[T, float]] = {}  # strangers by address, and since when; the longest idle ones first

    def came(self, who: T, address: str, now: float) -> None:
        """Give a seat to a stranger, who is idle so far."""
        self._address[who] = address
        self._taken[address] += 1
        self.note_idle(who, now)

    def note_idle(self, who: T, now: float) -> None:
        """Take note that a stranger waits for nothing from now on."""
        address = self._address.get(who)
        if address is not None:
            self._idle.setdefault(address, {})[who] = now

    def note_busy(self, who: T) -> None:
        """Take note that somebody waits for something, or is no stranger any more: they need not make room."""
        address = self._address.get(who, "")
        idle = self._idle.get(address, {})
        if idle.pop(who, None) is not None and not idle:
            del self._idle[address]

    def went(self, who: T) -> None:
        """Take a seat back, of somebody who may have had none."""
        self.note_busy(who)
        address = self._address.pop(who, None)
        if address is None:
            return
        self._taken[address] -= 1
        if not self._taken[address]:
            del self._taken[address]

    def judged(self, address: str, now: float, *, is_regular: bool) -> Admission[T]:
        """Tell whether somebody at this address is let in beside those who have seats.

        Idle strangers make room: at that address, or where most of them are, whoever was there first. `is_regular`
        says that somebody has logged in from there.
        """
        if self._taken[address] >= self._most_an_address:
            idle = [self._idle[address]] if address in self._idle else []
            return _for_one_of(idle, now, "The server has as many connections from your address as it takes")
        if len(self._address) >= self._most - (0 if is_regular else self._most // _KEPT_SHARE):
            return _for_one_of([*self._idle.values()], now, "The server has as many connections as it takes")
        return Admission()


def _for_one_of(idle: list[dict[T, float]], now: float, words: str) -> Admission[T]:
    firsts = [(len(strangers), *next(iter(strangers.items()))) for strangers in idle]
    firsts = [first for first in firsts if first[2] <= now - _GRACE]
    if not firsts:
        return Admission(refusal=f"{words}: try again later")
    _, leaving, _ = max(firsts, key=lambda first: (first[0], -first[2]))
    return Admission(leaving)
