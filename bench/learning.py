"""Learning from meters what all habits share: round numbers, moved where that is clearly better."""

import random
from dataclasses import replace
from math import inf, log

from bench.halves import Case, Half
from bench.townfile import Town
from metermt.quality import Cause
from metermt.rules.checks import doubt
from metermt.rules.habits import Experience
from metermt.rules.limits import Limits

_STEP = 1.5  # a factor
_BETTER = 0.003  # what a step must gain: less is chance, and learning from chance does harm
_FARTHEST = 1000.0  # a doubt of more, or less than one by this, says nothing more
_HOPELESS = 20  # times the most that a meter ever used: a mistake so large is caught by any numbers


def learn(town: Town, seed: int) -> Experience:
    """Return the experience by which doubt tells true readings and planted mistakes of these meters apart best.

    Best is the least mean of log(1 + doubt) over true readings plus that of log(1 + 1 / doubt) over mistakes: the
    logarithmic loss, if a mistake were as frequent as a reading. The search begins with the round numbers of
    `Experience`, and moves one only if the meters clearly say so: on few meters anything else does harm.
    """
    half = Half(town, random.Random(seed))
    best = Experience()
    loss = _loss(half, best)
    for name in ("spread", "small", "fades", "same_season", "away"):
        for factor in (_STEP, 1 / _STEP):
            tried = replace(best, **{name: round(getattr(best, name) * factor, 4)})
            new = _loss(half, tried)
            if new < loss - _BETTER:
                best, loss = tried, new
                break
    return best


def _loss(half: Half, experience: Experience) -> float:
    good, bad = [], []
    for case, limits in zip(half.cases, half.limits(experience, neighbours=False), strict=True):
        if case.use >= 0:
            good.append(log(1 + _bounded(doubt(case.true, case.on, limits, None, experience.away))))
        bad += [log(1 + 1 / _bounded(one)) for one in _doubts(case, limits, experience)]
    return sum(good) / max(len(good), 1) + sum(bad) / max(len(bad), 1)


def _doubts(case: Case, limits: Limits, experience: Experience) -> list[float]:
    most = _HOPELESS * max(1, *(period.use for period in case.history.periods))
    return [
        inf
        if not 0 <= mistake.value - case.previous.value <= most
        else doubt(mistake.value, case.on, limits, None, experience.away)
        for mistake in case.mistakes
        if mistake.kind is not Cause.NEIGHBOUR
    ]


def _bounded(one: float) -> float:
    return min(max(one, 1 / _FARTHEST), _FARTHEST)
