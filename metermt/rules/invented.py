"""What stands out in somebody's readings as if they were not all read at the meter. Pure functions over numbers.

Three hints, each of which an honest reader may give by chance, or by the meters on their route:

- **made up for**: an invented value that is too low by some amount has the next true reading too high by as much, as a
  register goes on whatever was written down. So a use far below the expected one is followed by one far above it.
  What a household really does (away, a burst pipe) is not made up for. One that is too high is not counted: the next
  reader meets a register that seems to have stood still or fallen, and is asked about it; and whoever reads a truly
  high use would be named for what another one invents at the same meter a month later.
- **as expected**: whoever makes values up from the last ones hits what was expected more often than meters do.
- **digits**: the last digits of registers are all alike in number; people who make numbers up prefer some of them
  (Mosimann, Wiseman, Edelman: Data fabrication: can people generate random digits?, Accountability in Research, 1995).

The first two are shares of a reader's readings, compared with those of the others as in a funnel plot with
overdispersion (Spiegelhalter: Funnel plots for comparing institutional performance, and Handling over-dispersion of
performance indicators, 2005). With x of n readings

    y = asin(sqrt((x + 3/8) / (n + 3/4)))        (Anscombe 1948), whose variance is 1 / (4n + 2)
    r = (y - median of all y) * sqrt(4n + 2)
    score = r / max(1, 1.4826 * median of all |r|)

so one who differs from the others shifts neither the middle nor the scale, and crews whose routes differ have a wider
scale. The third is Pearson's chi-square of ten digits, with a score by Wilson and Hilferty (1931):

    score = ((chi² / 9)^(1/3) - (1 - 2/81)) / sqrt(2/81)
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from math import asin, log, sqrt
from statistics import median
from typing import NamedTuple

from metermt.report import Hint, HintKind
from metermt.rules.habits import TO_SCALE, Habit

STANDS_OUT = 4.0
"""The score from which something is told; what that finds, and how often it is wrong, is in docs/READING-QUALITY.md."""
FEWEST_READINGS = 60
"""Readings of somebody that are judged; of fewer nothing can be said."""
FEWEST_READERS = 3
"""With fewer nobody can be told from the others."""

_FAR = 1.5  # standard deviations from the expected use that are far; one in seven uses is so
_NEAR = 0.2  # that are as expected; one in six is
_LEAST_USE = 5.0  # units that are expected; of fewer a whole unit says too little
_FELL = -4.0  # for a register that fell: lower than any use
_MAD = 1.4826  # from the median of deviations to a standard deviation, of a normal distribution


class Observed(NamedTuple):
    """A value that somebody has sent.

    `deviation` is that of its use, and `after` that of the next one at the meter, by the same expectation, both without
    what all meters of the kind did then; None where it is not known. `digit` is the last one of the register, None if
    it has not moved since.
    """

    username: str
    deviation: float | None
    after: float | None
    digit: int | None


def deviation(habit: Habit, use: int | None, days: int) -> float | None:
    """Return by how many standard deviations a use in so many days is more than expected; None if too little is.

    That is on the scale of logarithms: (log(use + 1/2) - log(expected use)) / spread. `use` is None for a register that
    fell.
    """
    expected = habit.rate + log(max(days, 1))
    if expected < log(_LEAST_USE):
        return None
    if use is None:
        return _FELL
    return max(_FELL, min((log(use + 0.5) - expected) * TO_SCALE / habit.spread, -_FELL))


def hints(before: Sequence[Observed], latest: Sequence[Observed]) -> list[Hint]:
    """Return what stands out, most first, in the values of the latest cycle and of some before it.

    Last digits are looked at in the latest one only, as those of a meter that hardly moves come again.
    """
    known = [one for one in (*before, *latest) if one.deviation is not None]
    followed = [one for one in known if one.after is not None]
    found = [
        *_beside_others(HintKind.MADE_UP_FOR, followed, _is_made_up_for),
        *_beside_others(HintKind.AS_EXPECTED, known, lambda one: abs(one.deviation or 0.0) < _NEAR),
        *_digits(one for one in latest if one.digit is not None),
    ]
    return sorted(found, key=lambda hint: (-hint.score, hint.username, hint.kind))


def _is_made_up_for(one: Observed) -> bool:
    return (one.deviation or 0.0) < -_FAR and (one.after or 0.0) > _FAR


def _beside_others(kind: HintKind, all_of_them: Iterable[Observed], is_so: Callable[[Observed], bool]) -> list[Hint]:
    """Return who has a larger share of what is so than the others."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for one in all_of_them:
        counts[one.username][0] += is_so(one)
        counts[one.username][1] += 1
    judged = {name: (so, number) for name, (so, number) in counts.items() if number >= FEWEST_READINGS}
    if len(judged) < FEWEST_READERS:
        return []
    angles = {name: asin(sqrt((so + 3 / 8) / (number + 3 / 4))) for name, (so, number) in judged.items()}
    middle = median(angles.values())
    apart = {name: (angles[name] - middle) * sqrt(4 * judged[name][1] + 2) for name in judged}
    scale = max(1.0, _MAD * median(map(abs, apart.values())))
    usual = median(so / number for so, number in judged.values())
    return [
        Hint(name, kind, judged[name][1], judged[name][0] / judged[name][1], usual, apart[name] / scale)
        for name in judged
        if apart[name] / scale > STANDS_OUT
    ]


def _digits(values: Iterable[Observed]) -> list[Hint]:
    """Return whose last digits are not alike in number."""
    counts: dict[str, Counter[int | None]] = defaultdict(Counter)
    for one in values:
        counts[one.username][one.digit] += 1
    found = []
    for name, digits in counts.items():
        number = digits.total()
        expected = number / 10
        squares = sum((digits[digit] - expected) ** 2 for digit in range(10)) / expected
        score = ((squares / 9) ** (1 / 3) - (1 - 2 / 81)) / sqrt(2 / 81)
        if number >= FEWEST_READINGS and score > STANDS_OUT:
            too_many = sum(max(digits[digit] - expected, 0.0) for digit in range(10)) / number
            found.append(Hint(name, HintKind.DIGITS, number, too_many, 0.0, score))
    return found
