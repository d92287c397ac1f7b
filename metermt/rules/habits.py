"""What a meter is likely to use: its habit, learned from its periods of use. Pure functions over numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log, pi, sqrt
from operator import mul
from typing import NamedTuple

from msgspec import Struct

from metermt.rules.history import Period
from metermt.rules.seasons import YEAR, Season

_SEASON = 20.0  # days by which the times of year of two periods may differ, and be much the same one (normal kernel)
_SEASON_FADES = 500.0  # days in which what an earlier year says of the season loses its weight, to 1/e
_SEASON_PERIOD = 200  # days; a longer period says nothing of a season
_IDLE_FADES = 100.0  # days in which a period without use is forgotten, to 1/e
_IDLE_USUAL = 0.01  # the chance of no use of a meter that is not known
_IDLE_WEIGHT = 1 / 3  # periods; what that chance counts for beside a meter's own past
_DOUBT = 0.7  # the weight, in periods, of the usual spread beside a meter's own
_QUARTER = 91  # days
_LASTS = 5 * YEAR  # days; what is older says nothing any more
_CLIP = 2.0  # deviations beyond so many times the usual spread count less (Cauchy weights), and no more than that
_STEPS = 2  # of reweighting; more change nothing that matters
_FEWEST = 1 / 3  # periods; what a meter of which less is known is taken to have
TO_SCALE = sqrt(3) / pi
"""From the standard deviation of a logistic distribution to its scale."""


@dataclass(frozen=True, slots=True)
class Experience:
    """What many meters have taught: the numbers that all habits share.

    `fades` is in how many days an earlier period loses its weight, to 1/e. `same_season` is how much more a quarter of
    the same season counts. `spread` is by how much the use of a day usually differs from one period to the next
    (standard deviation of its natural logarithm); `small` adds to its variance for small users, divided by the units
    used. `away` is the share of periods in which a household was away for a part of the time.
    """

    fades: float = 365.0
    same_season: float = 1.0
    spread: float = 0.3
    small: float = 0.3
    away: float = 0.05


FLAT = Season()
"""That of a town which does not move, or of which too little is known."""

EXPERIENCE = Experience()
"""Round numbers; 55 water meters gave no reason to move any of them (`python -m bench.limits --learn`)."""


class Habit(Struct, frozen=True, array_like=True):
    """What a meter uses.

    `rate` is the natural logarithm of the units a day, the middle of a logistic distribution; `spread` is its scale.
    `idle` is the chance that nothing is used at all.
    """

    rate: float
    spread: float
    idle: float = 0.0


class Weighed(NamedTuple):
    """Of each of some periods the natural logarithm of units a day as in the season that is asked about, what it
    weighs, and the variance that is usual for so many units.
    """

    rates: list[float]
    weights: list[float]
    variances: list[float]


def alike(age: float, days: int) -> float:
    """Return how much a period lies in the season that is asked about, and in an earlier year: from 0 to 1.

    `age` is how many days its middle lies before that of the time that is asked about, `days` how long it was. It is
    exp(-(days apart in the year / 20)² / 2); 0 for periods of this year, and for those of more than 200 days.
    """
    if age <= YEAR / 2 or days > _SEASON_PERIOD:
        return 0.0
    apart = abs((age + YEAR / 2) % YEAR - YEAR / 2)
    return exp(-0.5 * (apart / _SEASON) ** 2)


def _weighed(periods: Sequence[Period], middle: float, days: float, experience: Experience, season: Season) -> Weighed:
    """Weigh those periods in which something was used, for a time of so many days with the given middle.

    What the town does from their season to this one is added. A period fades with its age, and one of the same season
    in an earlier year counts once more: exp(-age / fades) + same_season * exp(-age / 500 days) * alike * 91 / days.
    Of short periods there are many that it stands against, hence the last factor.
    """
    found = Weighed([], [], [])
    now = season.over(middle, days)
    for period in reversed(periods):
        at = period.middle
        age = max(middle - at, 0.0)
        if age > _LASTS:
            break
        if not period.use:
            continue
        weight = exp(-age / experience.fades)
        if same := alike(age, period.days):
            weight += experience.same_season * exp(-age / _SEASON_FADES) * same * _QUARTER / period.days
        found.weights.append(weight)
        found.variances.append(experience.spread**2 + experience.small / (period.use + 0.5))
        found.rates.append(log(period.use / period.days) + now - season.over(at, period.days))
    return found


def habit_of(
    periods: Sequence[Period],
    middle: float,
    days: float,
    experience: Experience,
    elsewhere: Habit | None = None,
    season: Season = FLAT,
) -> Habit | None:
    """Learn the habit of a meter from its periods, for `days` days with the given middle.

    The rate is their weighted mean on the logarithmic scale, where ups and downs are alike, robust: what lies far off
    counts less. Each period was first moved by what the town does from its season to this one.
    The spread is the meter's own, leaning on the usual one while there are few periods, and wider for small users and
    short histories. `elsewhere` is the habit of a meter in this town of which nothing is known; without it a meter that
    has used nothing has none, None.
    """
    idle = _idle(periods, middle)
    used = _weighed(periods, middle, days, experience, season)
    if not used.rates:
        return elsewhere and Habit(elsewhere.rate + season.over(middle, days), elsewhere.spread, idle)
    usual = experience.spread**2
    weights = [weight * usual / variance for weight, variance in zip(used.weights, used.variances, strict=True)]
    rate, known = _mean(used.rates, weights)
    for _ in range(_STEPS):
        trusted = [
            weight / (1 + (one - rate) ** 2 / variance / _CLIP**2)
            for one, weight, variance in zip(used.rates, weights, used.variances, strict=True)
        ]
        rate, known = _mean(used.rates, trusted)
    off = sum(weight * min((one - rate) ** 2 / variance, _CLIP**2) for one, weight, variance in zip(*used, strict=True))
    own = (_DOUBT + off) / (_DOUBT + sum(used.weights))
    variance = own * (usual * (1 + 1 / max(known, _FEWEST)) + experience.small / (exp(rate) * days + 0.3))
    return Habit(rate, sqrt(variance) * TO_SCALE, idle)


def chance(habit: Habit, use: int, days: float, away: float) -> float:
    """Return how likely a use of so many whole units in so many days is, from 0 to 1.

    A share `away` of periods lies evenly between nothing and the usual use. Days below one are one.
    """
    if use < 0:
        return 0.0
    middle = habit.rate + log(days if days > 1 else 1.0)
    usual = exp(middle) if middle < 50 else inf
    above = (log(use + 0.5) - middle) / habit.spread
    below = (log(use - 0.5) - middle) / habit.spread if use else -inf
    likely = (1 - away) * _between(below, above)
    if use - 0.5 < usual:
        low = use - 0.5 if use else 0.0
        likely += away * (min(use + 0.5, usual) - low) / usual
    likely *= 1 - habit.idle
    return likely if use else likely + habit.idle


def _between(below: float, above: float) -> float:
    """Return what a standard logistic distribution has between two values, exact far out on either side."""
    if below > 0:
        below, above = -above, -below
    upper = 1 / (1 + exp(-above)) if above > -700 else 0.0
    lower = 1 / (1 + exp(-below)) if below > -700 else 0.0
    return upper - lower


def _mean(rates: Sequence[float], weights: Sequence[float]) -> tuple[float, float]:
    total = sum(weights) or 1e-12  # all weights of a history that is ages old are 0
    return sum(map(mul, rates, weights)) / total, total


def _idle(periods: Sequence[Period], middle: float) -> float:
    """Return the chance of no use: the share of periods without any, the last ones first."""
    idle, total = _IDLE_USUAL * _IDLE_WEIGHT, _IDLE_WEIGHT
    for period in reversed(periods):
        age = middle - period.middle
        if age > _LASTS:
            break
        weight = exp(-max(age, 0.0) / _IDLE_FADES)
        total += weight
        if not period.use:
            idle += weight
    return idle / total
