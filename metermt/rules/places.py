"""Who is let in when a server has few places left, and who has to go for that."""

from collections import Counter
from collections.abc import Collection, Hashable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T", bound=Hashable)

_GRACE = 2.0  # seconds that anybody may stay: shorter, and those who are let go of come back faster than others
_KEPT_SHARE = 10  # this part of all places is kept


class Place(NamedTuple, Generic[T]):  # a thousand are made at once
    """A place that somebody has."""

    who: T
    address: str
    idle_since: float | None = None
    """For a stranger who waits for nothing: since when they are here. None for anybody else."""


@dataclass(frozen=True, slots=True)
class Verdict(Generic[T]):
    """Whether somebody is let in: unless there is a `refusal`, and then `leaving` has to go, if anybody."""

    leaving: T | None = None
    refusal: str = ""


def kept_of(most: int) -> int:
    """Return how many of so many places are kept for addresses that somebody has logged in from."""
    return most // _KEPT_SHARE


def judged(
    taken: Collection[Place[T]], address: str, now: float, *, is_regular: bool, most: int, most_an_address: int
) -> Verdict[T]:
    """Tell whether somebody at this address is let in beside those who have places.

    Idle strangers make room: at that address, or where most of them are, whoever was there first. Times are in
    seconds, by any one clock.
    """
    there = [place for place in taken if place.address == address]
    if len(there) >= most_an_address:
        return _for_one_of(there, now, "The server has as many connections from your address as it takes")
    if len(taken) >= most - (0 if is_regular else kept_of(most)):
        return _for_one_of(taken, now, "The server has as many connections as it takes")
    return Verdict()


def _for_one_of(places: Collection[Place[T]], now: float, words: str) -> Verdict[T]:
    idle = [(place.idle_since, place) for place in places if place.idle_since is not None]
    idle = [(since, place) for since, place in idle if since <= now - _GRACE]
    if not idle:
        return Verdict(refusal=f"{words}: try again later")
    strangers = Counter(place.address for _, place in idle)
    _, leaving = max(idle, key=lambda one: (strangers[one[1].address], -one[0]))
    return Verdict(leaving.who)
