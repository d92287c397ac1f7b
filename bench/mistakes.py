"""Mistakes planted into true readings: one of each kind a reading, where it differs from the truth."""

import random
from dataclasses import dataclass

from metermt.quality import Cause

KINDS = (Cause.SWAPPED, Cause.DROPPED, Cause.DOUBLED, Cause.MISREAD, Cause.NEIGHBOUR, Cause.REPEATED)


@dataclass(frozen=True)
class Mistake:
    """A value typed instead of the true one.

    `material` says that it changes the consumption by more than 20 % and 1 unit.
    """

    kind: Cause
    value: int
    material: bool


def plant(true: int, previous: int, beside: list[int], chance: random.Random) -> list[Mistake]:
    """Return the mistakes for a reading; `beside` has the readings of the stops before and after in the same cycle."""
    text = str(true)
    typed = {Cause.REPEATED: previous}
    if len(text) > 1:
        at = chance.randrange(len(text) - 1)
        typed[Cause.SWAPPED] = int(text[:at] + text[at + 1] + text[at] + text[at + 2 :])
        at = chance.randrange(len(text))
        typed[Cause.DROPPED] = int(text[:at] + text[at + 1 :])
    at = chance.randrange(len(text))
    typed[Cause.DOUBLED] = int(text[: at + 1] + text[at:])
    at = chance.randrange(len(text))
    other = chance.choice([digit for digit in "0123456789" if digit != text[at]])
    typed[Cause.MISREAD] = int(text[:at] + other + text[at + 1 :])
    if beside:
        typed[Cause.NEIGHBOUR] = chance.choice(beside)
    use = true - previous
    return [
        Mistake(kind, typed[kind], abs(typed[kind] - true) > max(1, 0.2 * abs(use)))
        for kind in KINDS
        if typed.get(kind, true) != true
    ]
