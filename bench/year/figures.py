"""What the year is made of. Figures of the trade are those that utilities and their contractors report.

What is marked as assumed is ours: the trade names no figure, or none that suits a small town.
"""

from dataclasses import dataclass
from math import cos, pi

from metermt.quality import Cause

STOPS_A_DAY = (300, 580)
"""Stops of a reader on foot in a day, fewest and most: figures of the trade."""
MISREADS = (0.0005, 0.003)
"""The shares of their readings that careful and careless readers get wrong: figures of the trade."""
CARELESS = 4
"""One reader in so many is careless: a quarter of them make most mistakes, a figure of the trade."""
KINDS_OF_SLIPS = {
    Cause.SWAPPED: 0.35,
    Cause.MISREAD: 0.40,
    Cause.DROPPED: 0.08,
    Cause.DOUBLED: 0.05,
    Cause.NEIGHBOUR: 0.08,
    Cause.REPEATED: 0.04,
}
"""Mostly swapped or single digits, as the trade says; the shares are assumed."""
NO_ACCESS = (0.002, 0.055)
"""The shares of meters that nobody could get at, in July and in January: figures of the trade."""
UNREADABLE = 0.016
"""The share of registers that cannot be read: a figure of the trade."""
EXCHANGED_A_YEAR = 0.055
"""The share of meters exchanged in a year; the trade has 4 to 7 %."""
INVENTED = 0.15
"""The share of their readings that one reader invents."""
INVENTS_FROM = 3
"""The month in which they begin."""

TOLD_BEFORE, TOLD_LATE = 0.5, 0.1
"""The shares of exchanges that the office hears of before the cycle is opened, and after the meter was read; of the
others it hears in between. Assumed."""
SEES_THE_TRUTH = 0.95
"""How often a reader who has slipped sees what the register shows when they are asked to look again. Assumed."""
GUESSED = (0.4, 1.0)
"""What an invented reading lies above the last one, in usual uses: low, so that nobody complains. Assumed."""
PHOTOGRAPHED = 0.25
"""How often a customer sends the office a photograph instead of a second visit. Assumed."""
SICK = 0.03
"""The share of reader-days that are missed. Assumed."""
DAYS = 6
"""Days of reading in a cycle, from its eighth on. Assumed."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How meters of a kind are used: assumed, but for the noise, which is that of `docs/READING-QUALITY.md`.

    `month` is the median use of a month, in units of the register, `season` by how much a winter month lies above it.
    """

    letter: str
    share: float
    month: float
    season: float
    dials: int


KINDS = (Kind("W", 0.5, 11.0, -0.08, 5), Kind("E", 0.3, 260.0, 0.15, 6), Kind("G", 0.2, 110.0, 0.85, 5))
NOISE, AWAY, LEAKS = 0.25, 0.02, 0.002
"""By how much the use of a month goes up and down (on the scale of logarithms), and the shares of months in which
nobody is at home, or a pipe leaks."""
TRANSFORMERS = 0.01
"""The share of electricity meters whose register is to be multiplied by 40. Assumed."""


def no_access(month: int) -> float:
    """Return the share of meters that nobody can get at in a month, 1 to 12."""
    least, most = NO_ACCESS
    return least + (most - least) * winter(month)


def winter(month: int) -> float:
    """Return how much of winter a month is: 1 in January, 0 in July."""
    return (1 + cos(2 * pi * (month - 1) / 12)) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is played."""

    meters: int = 20_000
    readers: int = 12
    months: int = 12
    seed: int = 1
    past: int = 13
    """Months of readings that are imported first: with a whole year the season is known."""
    processes: int = 4
    """That the readers are spread over."""
    often: int = 1
    """Times as often as in the trade mistakes happen, in a town that would have none else."""

    @property
    def stops_a_day(self) -> tuple[int, int]:
        """Fewest and most stops; in a smaller town as many days are walked."""
        part = min(1.0, self.meters / self.readers * 12 / 20_000)
        return max(round(STOPS_A_DAY[0] * part), 2), max(round(STOPS_A_DAY[1] * part), 3)


QUICK = Size(meters=75, readers=3, months=3, past=4, processes=1, often=20)
"""Enough to see that everything works."""
