"""What a register has counted from one value to another, over its top or not. Pure functions over values.

A register of 4 digits that falls from 9,200 to 400 has counted 1,200 and gone over its top, or is 8,800 lower than was
thought. Who tells which:

| the second value | over the top |
| --- | --- |
| was read | when it went on by less than a tenth of what it can show, or by what is likely of the meter |
| is an estimate, or the last one of a device that was taken down | when that is the shorter way round |

For the first see `metermt.rules.limits.likely_by`: what a reader is not asked about as a rollover is always likely. The
others are made, and taken, by going on from what was there before; so they are below it only if that was corrected
since, and then by little.

**After an estimate** nothing is counted from it, as it may have been too high, and beyond the top: the step goes from
what was read before it, less what it had counted (`counted_by_estimates`). Where that step falls, and is not likely to
go over the top, the estimate that was accepted tells: if it went over the top, so did the reading, when that is the
shorter way from it; if it did not, the reading may have done so since then.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from metermt.model import highest

IsLikely = Callable[[int], bool]
"""Whether a meter is likely to have used so many units between the two values."""


def step_to_reading(before: int, after: int, dials: int | None, is_likely: IsLikely | None = None) -> int | None:
    """Return the units from one value that was read to another, None if the second cannot be of the same device."""
    use = after - before
    if use >= 0:
        return use
    size = highest(dials) + 1
    over = use + size
    if dials is None or over < 0:
        return None
    return over if over < size // 10 or (is_likely and is_likely(over)) else None


def step_after_estimates(
    before: Sequence[int], after: int, dials: int | None, is_likely: IsLikely | None = None
) -> int | None:
    """Return the units from the last of the values before, to one that was read.

    The first value before was read, too, and the others are the estimates after it. None if the register is below that
    first one, and has not gone over its top.
    """
    read, *estimates = before
    step = step_to_reading(read, after, dials, is_likely)
    if not estimates:
        return step
    estimated = counted_by_estimates(before, dials)
    if step is not None:
        return step - estimated
    if read + estimated <= highest(dials):
        return step_to_reading(estimates[-1], after, dials, is_likely)
    step = after - estimates[-1]
    return step if 2 * step <= highest(dials) + 1 else None


def step_onward(before: int, after: int, dials: int | None) -> int:
    """Return the units from one value to an estimate, or to the last value of a device."""
    use, size = after - before, highest(dials) + 1
    return use + size if 2 * use < -size else use


def counted_by_estimates(values: Sequence[int], dials: int | None) -> int:
    """Return the units from a value that was read to the last one of the estimates that came after it."""
    return sum(step_onward(before, after, dials) for before, after in pairwise(values))
