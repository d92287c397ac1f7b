"""How likely a typed value is a slip of another one, kind by kind. Pure functions over digits.

The six kinds are taken to be equally frequent, and within a kind each way that the true value can go wrong is as likely
as any other. So the chance that a value v is a slip of kind k is the sum of P(k makes v of t) * P(t), over all values t
that the register may truly show.
"""

from collections.abc import Callable, Iterator
from math import inf

from metermt.quality import Cause

KINDS = 6
"""Swapped, dropped, doubled, misread, a neighbour's, and the last reading once more."""


def swapped(text: str, reach: float = inf) -> Iterator[tuple[int, float]]:
    """Yield values of which a typed one may be made by swapping two neighbouring digits, with the chance of each.

    Those that are farther away than `reach` may be left out: few digits make a small change.
    """
    value, place, last = int(text), 1, len(text) - 1
    for i in range(last, 0, -1):
        if 9 * place > reach:
            return
        change = (int(text[i]) - int(text[i - 1])) * 9 * place
        if change:
            yield value + change, 1 / last
        place *= 10


def doubled(text: str, _reach: float = inf) -> Iterator[tuple[int, float]]:
    """Yield values of which a typed one may be made by typing a digit twice, with the chance of each."""
    for i in range(len(text) - 1):
        if text[i] == text[i + 1]:
            yield int(text[:i] + text[i + 1 :]), 1 / (len(text) - 1)


def dropped(text: str, _reach: float = inf) -> Iterator[tuple[int, float]]:
    """Yield values of which a typed one may be made by leaving out a digit, with the chance of each."""
    for i in range(len(text) + 1):
        for digit in "0123456789":
            if i or digit != "0":
                yield int(text[:i] + digit + text[i:]), 1 / (len(text) + 1)


def misread(text: str, reach: float = inf) -> Iterator[tuple[int, float]]:
    """Yield values of which a typed one may be made by misreading a digit, with the chance of each.

    `reach` is that of `swapped`.
    """
    value, ways = int(text), 9 * len(text)
    place = 1
    for digit in reversed(text):
        if place > reach:
            return
        lowest = value - int(digit) * place
        for other in range(lowest, lowest + 10 * place, place):
            if other != value:
                yield other, 1 / ways
        place *= 10


SLIPS: dict[Cause, Callable[[str, float], Iterator[tuple[int, float]]]] = {
    Cause.SWAPPED: swapped,
    Cause.DOUBLED: doubled,
    Cause.DROPPED: dropped,
    Cause.MISREAD: misread,
}
"""The slips of the fingers and eyes, the cheapest to look at first."""
