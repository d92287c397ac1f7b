"""Small charts in a line of text."""

import itertools
from collections.abc import Sequence

from metermt.decisions import Past

_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float]) -> str:
    """Return a bar for each value from 0, the largest of which is as high as the line."""
    top = max(values, default=0)
    return "".join(_BARS[min(int(value / top * len(_BARS)), len(_BARS) - 1)] if top else _BARS[0] for value in values)


def use_a_day(past: Sequence[Past]) -> list[float]:
    """Return what was used a day between each two values, in units; 0 where the register fell."""
    return [
        max(after.value - before.value, 0) / max((after.on - before.on).days, 1)
        for before, after in itertools.pairwise(past)
    ]
