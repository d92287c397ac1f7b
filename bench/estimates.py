"""`python -m bench.estimates`: how far estimates of true readings are off, ours and those of rules in use.

Of each meter one reading after the other is left out, and then two in a row, as if nobody had come to it. The meters
are split by a seed into a design and a test half; what is printed is from the test half only, the mean of all seeds and
their standard deviation. On the design half the numbers of ours are chosen once more, to see that they suit others.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass
from datetime import date
from functools import partial
from itertools import pairwise
from statistics import mean, pstdev

from rich.console import Console
from rich.table import Table

from bench.halves import Meters
from bench.splits import arguments, loaded, split
from bench.townfile import Town
from metermt.errors import CannotEstimate
from metermt.rules.estimates import EXPERIENCE, estimate
from metermt.rules.habits import Experience
from metermt.rules.history import History, Period, Read
from metermt.rules.seasons import Season

OURS, CHOSEN = "metermt", "metermt-chosen"
TRIED = [Experience(fades=fades, same_season=again) for fades in (90.0, 180.0, 365.0) for again in (1.0, 2.0)]
"""In how many days a period loses its weight, and how much the same season counts: of these the design half chooses."""
MISSING = {"one": 1, "two": 2}
_YEAR, _NEAR = 365, 20  # days; how far apart the end of a period and its anniversary may lie


@dataclass(frozen=True)
class Case:
    """Readings that are left out, what was known before them, and what the meter used up to the last of them."""

    history: History
    days: tuple[date, ...]
    season: Season
    use: int


@dataclass(frozen=True)
class Errors:
    """How far a rule is off: in units, with the sign of too much, and as shares of what was used.

    `possible` is the share of readings that it can estimate at all. The others are of those that ours can, too, and
    `ours` is the error of ours on them.
    """

    possible: float
    error: float
    error_share: float
    bias: float
    bias_share: float
    ours: float


Rule = Callable[[Case], int | None]
"""Estimates the use of a case; None where it has nothing to go by."""
Scores = dict[str, dict[str, Errors]]
"""By how many readings are missing, and by rule."""


def ours(case: Case, experience: Experience = EXPERIENCE) -> int | None:
    """Estimate day after day; an estimate is accepted before the next one is made."""
    history, use = case.history, 0
    try:
        for on in case.days:
            made = estimate(history, on, None, case.season, experience=experience)
            history, use = (
                History(history.last, history.periods, (Read(on, made.value, estimated=True),)),
                use + made.use,
            )
    except CannotEstimate:
        return None
    return use


def previous_use(periods: Sequence[Period], on: date) -> float | None:
    """The daily use of the last period."""
    return periods[-1].use / periods[-1].days


def mean_of_twelve(periods: Sequence[Period], on: date) -> float | None:
    """The daily use of the last twelve periods."""
    last = periods[-12:]
    return sum(period.use for period in last) / sum(period.days for period in last)


def same_month_last_year(periods: Sequence[Period], on: date) -> float | None:
    """The daily use of the period that ended a year before."""
    near = [period for period in periods if abs((on - period.ended).days - _YEAR) <= _NEAR]
    return near[-1].use / near[-1].days if near else None


def same_month_or_mean(periods: Sequence[Period], on: date) -> float | None:
    """The daily use of the same month last year; else the mean of twelve without the highest and the lowest."""
    same = same_month_last_year(periods, on)
    if same is not None:
        return same
    daily = sorted(period.use / period.days for period in periods[-12:])
    return mean(daily[1:-1] or daily)


def in_use(rule: Callable[[Sequence[Period], date], float | None], case: Case) -> int | None:
    """Estimate by a rule in use: its daily use times the days up to each reading."""
    assert case.history.last is not None
    total, before = 0, case.history.last.on
    for on in case.days:
        daily = rule(case.history.periods, on)
        if daily is None:
            return None
        total, before = total + round(daily * (on - before).days), on
    return total


RULES: dict[str, Rule] = {
    OURS: ours,
    "previous-use": partial(in_use, previous_use),
    "mean-of-twelve": partial(in_use, mean_of_twelve),
    "same-month-last-year": partial(in_use, same_month_last_year),
    "same-month-or-mean": partial(in_use, same_month_or_mean),
}


def main() -> None:
    chosen = arguments("bench.estimates", __doc__, "errors").parse_args()
    town, runs = loaded(chosen.data), []
    for seed in range(chosen.seeds):
        runs.append(_run(*split(town, seed)))
        print(f"{seed + 1} of {chosen.seeds}", file=sys.stderr, flush=True)
    if chosen.json:
        print(json.dumps(_means(runs), indent=1))
    else:
        _show(runs)


def _run(design: Town, test: Town) -> Scores:
    """Choose on one half, estimate on the other one."""
    tried, judged = _all_cases(design), _all_cases(test)
    if not all((*tried.values(), *judged.values())):
        sys.exit("Error: no reading has a period of use before it: give longer histories")

    def off(experience: Experience) -> float:
        rule = partial(ours, experience=experience)
        return sum(_mean_error([(case, rule(case)) for case in cases]) for cases in tried.values())

    best = min(TRIED, key=off)
    return {name: _by_rule(cases, {**RULES, CHOSEN: partial(ours, experience=best)}) for name, cases in judged.items()}


def _all_cases(town: Town) -> dict[str, list[Case]]:
    meters = Meters(town)
    return {name: _cases(meters, missing) for name, missing in MISSING.items()}


def _cases(meters: Meters, missing: int) -> list[Case]:
    """Return all cases of so many readings in a row of one device that have a period of use before them."""
    found = []
    for meter in meters.walk:
        reads = meter.reads
        for first in range(len(reads) - missing):
            out = reads[first : first + missing + 1]
            fell = any(after.value < before.value for before, after in pairwise(out))
            history = meter.until(out[0].on)
            if fell or any(read.exchanged for read in out[1:]) or not history.periods:
                continue
            season = meters.season(out[1].on.replace(day=1))  # once a month: that saves time, and knows less
            found.append(Case(history, tuple(read.on for read in out[1:]), season, out[-1].value - out[0].value))
    return found


def _mean_error(made: Sequence[tuple[Case, int | None]]) -> float:
    return mean([abs(use - case.use) for case, use in made if use is not None] or [0.0])


def _by_rule(cases: Sequence[Case], rules: dict[str, Rule]) -> dict[str, Errors]:
    """Return how far each rule is off where both it and ours can estimate."""
    by_ours = [(case, ours(case)) for case in cases]
    found = {}
    for name, rule in rules.items():
        uses = [rule(case) for case in cases]
        there = [(own, use) for own, use in zip(by_ours, uses, strict=True) if None not in (own[1], use)]
        made = [(case, use) for (case, _), use in there if use is not None]
        used = mean([case.use for case, _ in made] or [0]) or 1.0
        error, bias = _mean_error(made), mean([use - case.use for case, use in made] or [0.0])
        possible = 1 - uses.count(None) / len(uses)
        found[name] = Errors(possible, error, error / used, bias, bias / used, _mean_error([own for own, _ in there]))
    return found


def _means(runs: Sequence[Scores]) -> dict[str, dict[str, dict[str, float]]]:
    return {
        missing: {
            rule: {name: round(mean(asdict(run[missing][rule])[name] for run in runs), 5) for name in asdict(errors)}
            for rule, errors in rules.items()
        }
        for missing, rules in runs[0].items()
    }


def _show(runs: Sequence[Scores]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 140)
    for missing, rules in runs[0].items():
        table = Table(
            *("rule", "possible %", "off by, units", "% of use", "bias, units", "% of use"),
            *("ours there, units", "better in splits"),
            title=f"{missing.capitalize()} missing: how far estimates are off",
        )
        for rule in rules:
            every = [run[missing][rule] for run in runs]
            columns = zip(*map(astuple, every), strict=True)
            better = sum(errors.ours < errors.error for errors in every)
            table.add_row(rule, *map(_cell, columns, (100, 1, 100, 1, 100, 1)), "" if rule == OURS else str(better))
        console.print(table)


def _cell(figures: Sequence[float], times: int) -> str:
    decimals = 2 if times == 1 else 1
    return f"{times * mean(figures):.{decimals}f} ± {times * pstdev(figures):.{decimals}f}"


if __name__ == "__main__":
    main()
