"""Made-up crews with one reader who invents some readings: how often do hints name that one, and how often others?

    python -m bench.inventors
    python -m bench.inventors --crews 200 --share 0.3 --meters 1000

Each reader has one route, always the same, which is the hardest case: what is peculiar to its meters looks like a habit
of the reader. Meters use as in `metermt.rules.habits`; on some routes they vary more than on others, on some people are
away more often, and one reading in 300 is a slip. Each meter is read in four cycles; hints are those of the last one.
"""

import argparse
import random
from collections import Counter
from collections.abc import Callable, Iterator
from math import exp, log
from typing import NamedTuple

from metermt.report import Hint, HintKind
from metermt.rules.habits import TO_SCALE, Habit
from metermt.rules.invented import Observed, deviation, hints
from metermt.rules.registers import step_to_reading

CYCLES, DAYS, DIALS = 4, 30, 6
_SLIPS = 1 / 300
INVENTOR = "reader0"


class Crew(NamedTuple):
    """What a crew is made of."""

    readers: int = 12
    meters: int = 300
    share: float = 0.15
    style: str = "low"


def _low(rng: random.Random, last: int, expected: float) -> int:
    return last + round(expected * rng.uniform(0.3, 0.7))


def _expected(rng: random.Random, last: int, expected: float) -> int:
    return last + round(expected * rng.uniform(0.9, 1.1))


def _digits(rng: random.Random, last: int, expected: float) -> int:
    value = last + round(expected * rng.uniform(0.6, 1.4))
    return value - value % 10 + rng.choice((3, 5, 7, 8)) if rng.random() < 0.8 else value


STYLES: dict[str, Callable[[random.Random, int, float], int]] = {
    "low": _low,
    "expected": _expected,
    "digits": _digits,
}


def hints_of(crew: Crew, rng: random.Random) -> list[Hint]:
    """Return the hints that a crew gives rise to."""
    followed, latest = [], []
    for number in range(crew.readers):
        name = f"reader{number}"
        share = crew.share if name == INVENTOR else 0.0
        wide, away = exp(rng.gauss(0, 0.1)), rng.uniform(0.02, 0.08)
        for _ in range(crew.meters):
            meter = list(_observed(name, share, crew.style, wide, away, rng))
            followed += meter[:-1]
            latest.append(meter[-1])
    return hints(followed, latest)


def _observed(name: str, share: float, style: str, wide: float, away: float, rng: random.Random) -> Iterator[Observed]:
    """Yield what is known of one meter in each cycle."""
    rate, spread = log(exp(rng.uniform(log(6), log(90))) / DAYS), 0.3 * wide * rng.uniform(0.8, 1.25) * TO_SCALE
    habit = Habit(rate + rng.gauss(0, 0.08), spread * rng.uniform(0.85, 1.15))
    true = written = rng.randrange(2_000, 90_000)
    uses: list[int | None] = []
    values = []
    for _ in range(CYCLES):
        chance = rng.random()
        part = rng.random() if rng.random() < away else 1.0
        true += round(exp(rate + spread * log(chance / (1 - chance))) * DAYS * part)
        value = true
        if rng.random() < share:
            value = STYLES[style](rng, written, exp(habit.rate) * DAYS)
        elif rng.random() < _SLIPS:
            value = max(true + rng.choice((-1, 1)) * 10 ** rng.randrange(3), 0)
        uses.append(step_to_reading(written, value, DIALS))
        values.append(value)
        written = value
    for place, use in enumerate(uses):
        after = deviation(habit, uses[place + 1], DAYS) if place + 1 < CYCLES else None
        yield Observed(name, deviation(habit, use, DAYS), after, values[place] % 10 if use else None)


def measured(crew: Crew, crews: int, seed: int = 1) -> tuple[Counter[HintKind], int, Counter[HintKind]]:
    """Return in how many crews each hint named the inventor, in how many any did, and how often others were named."""
    right: Counter[HintKind] = Counter()
    wrong: Counter[HintKind] = Counter()
    found = 0
    for number in range(crews):
        told = hints_of(crew, random.Random(f"{seed} {number}"))
        mine = {hint.kind for hint in told if hint.username == INVENTOR and crew.share}
        right.update(mine)
        found += bool(mine)
        wrong.update(hint.kind for hint in told if hint.username != INVENTOR or not crew.share)
    return right, found, wrong


def main() -> None:
    """Print how often inventors stand out, and others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crews", type=int, default=100)
    parser.add_argument("--readers", type=int, default=12)
    parser.add_argument("--meters", type=int, default=300, help="of each reader")
    parser.add_argument("--share", type=float, default=0.15, help="of readings that one of them invents")
    asked = parser.parse_args()
    print(f"{asked.crews} crews of {asked.readers} readers with {asked.meters} meters each, four cycles")
    print(f"{'':28}  named  made up for  as expected  digits  others named")
    for style, share in [("honest", 0.0), *((style, asked.share) for style in STYLES)]:
        crew = Crew(asked.readers, asked.meters, share, style)
        right, found, wrong = measured(crew, asked.crews)
        words = "nobody invents" if not share else f"{share:.0%} invented, {style}"
        shares = [f"{one / asked.crews:.0%}" for one in (found, *(right[kind] for kind in HintKind))]
        others = f"{wrong.total()} of {asked.crews * (asked.readers - bool(share))}"
        print(f"{words:28}  {shares[0]:>5}  {shares[1]:>11}  {shares[2]:>11}  {shares[3]:>6}  {others}")


if __name__ == "__main__":
    main()
