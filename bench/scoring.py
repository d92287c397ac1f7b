"""How many true readings a rule asks about, and how many planted mistakes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench.fieldrules import FIELD_RULES, asks
from bench.halves import Case, Half
from bench.mistakes import KINDS
from metermt.quality import Cause
from metermt.rules.checks import doubt
from metermt.rules.habits import Experience


@dataclass(frozen=True)
class Shares:
    """Shares from 0 to 1: of true readings asked about, of planted mistakes, of those of them that are material."""

    bothered: float
    caught: float
    caught_material: float


@dataclass(frozen=True)
class Scores:
    """The doubts about the true readings and the mistakes of one half, by which any sensitivity can be told."""

    true: list[float]
    mistakes: dict[Cause, list[float]]
    material: list[float]

    def shares(self, sensitivity: float) -> Shares:
        """Return what this setting would have asked about."""
        every = [one for doubts in self.mistakes.values() for one in doubts]
        return Shares(
            *(_share(one * sensitivity > 1 for one in doubts) for doubts in (self.true, every, self.material))
        )

    def caught(self, kind: Cause, sensitivity: float) -> float:
        """Return the share of mistakes of one kind that this setting would have caught."""
        return _share(one * sensitivity > 1 for one in self.mistakes[kind])


def our_scores(half: Half, experience: Experience) -> Scores:
    """Judge all readings of a half by our limits."""
    true, material = [], []
    mistakes: dict[Cause, list[float]] = {kind: [] for kind in KINDS}
    for case, limits in zip(half.cases, half.limits(experience), strict=True):
        true.append(doubt(case.true, case.on, limits, None, experience.away))
        for mistake in case.mistakes:
            doubtful = doubt(mistake.value, case.on, limits, None, experience.away)
            mistakes[mistake.kind].append(doubtful)
            if mistake.material:
                material.append(doubtful)
    return Scores(true, mistakes, material)


def field_shares(half: Half) -> dict[str, Shares]:
    """Judge all readings of a half by each of the rules in use elsewhere."""
    return {name: _field_shares(half.cases, rule) for name, rule in FIELD_RULES.items()}


def _field_shares(cases: list[Case], rule: Callable[..., tuple[float, float] | None]) -> Shares:
    true, every, material = [], [], []
    for case in cases:
        before = case.previous
        bounds = rule(case.history.periods, case.on, (case.on - before.on).days)
        true.append(asks(bounds, case.use))
        for mistake in case.mistakes:
            every.append(asks(bounds, mistake.value - before.value))
            if mistake.material:
                material.append(every[-1])
    return Shares(_share(true), _share(every), _share(material))


def _share(asked: Iterable[bool]) -> float:
    answers = list(asked)
    return sum(answers) / len(answers) if answers else 0.0
