"""`python -m bench.limits`: how many true readings our limits ask about, what they catch; four other rules.

The meters are split by a seed into a design and a test half. What can be learned is learned on the design half; what is
printed is from the test half only, the mean of all seeds and their standard deviation.
"""

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, pstdev

from rich.console import Console
from rich.table import Table

from bench.curve import draw
from bench.halves import Half
from bench.learning import learn
from bench.mistakes import KINDS
from bench.scoring import Scores, Shares, field_shares, our_scores
from bench.splits import arguments, loaded, split
from bench.townfile import Town
from metermt.rules.limits import SENSITIVITY

OURS = "metermt"
SETTINGS = [round(10 ** (step / 10), 3) for step in range(-15, 21)]
"""The sensitivities of the curve, from 0.03 to 100."""
_SHOWN = (0.1, 0.251, 0.501, 1.0, 1.995, 3.981, 10.0)
_LESS = 0.85  # of what a rule bothers on the design half: our setting beside it bothers no more there


@dataclass(frozen=True)
class Run:
    """What one split gave on its test half."""

    rules: dict[str, Shares]
    beside: dict[str, tuple[float, Shares]]
    """For each of the other rules a setting of ours, chosen on the design half, and its shares."""
    curve: list[Shares]
    kinds: dict[str, float]
    readings: int


def main() -> None:
    chosen = _arguments()
    town = loaded(chosen.data)
    if chosen.learn:
        print(learn(town, 0))
        return
    runs = []
    for seed in range(chosen.seeds):
        runs.append(_run(town, seed))
        print(f"{seed + 1} of {chosen.seeds}", file=sys.stderr, flush=True)
    rules = {name: _mean([run.rules[name] for run in runs]) for name in runs[0].rules}
    if chosen.svg:
        curve = [_mean([run.curve[at] for run in runs]) for at in range(len(SETTINGS))]
        chosen.svg.write_text(draw(SETTINGS, curve, rules, SENSITIVITY), encoding="utf-8")
    if chosen.json:
        print(json.dumps({name: asdict(shares) for name, shares in rules.items()}, indent=1))
    else:
        _show(runs)


def _run(town: Town, seed: int) -> Run:
    """Split the meters, learn on one half, judge the other one."""
    design, test = split(town, seed)
    learned = learn(design, seed)
    tried, judged = Half(design, random.Random(f"design {seed}")), Half(test, random.Random(f"test {seed}"))
    if not tried.cases or not judged.cases:
        sys.exit("Error: no reading has a period of use before it: give longer histories")
    before, ours, others = our_scores(tried, learned), our_scores(judged, learned), field_shares(judged)
    beside = {}
    for name, shares in field_shares(tried).items():
        setting = _setting(before, shares.bothered * _LESS)
        beside[name] = setting, ours.shares(setting)
    return Run(
        {OURS: ours.shares(SENSITIVITY), **others},
        beside,
        [ours.shares(setting) for setting in SETTINGS],
        {kind.value: ours.caught(kind, SENSITIVITY) for kind in KINDS},
        len(judged.cases),
    )


def _setting(scores: Scores, most: float) -> float:
    """Return the highest setting that bothers no more than a share; the lowest one if all do."""
    return max((one for one in SETTINGS if scores.shares(one).bothered <= most), default=SETTINGS[0])


def _mean(shares: Sequence[Shares]) -> Shares:
    columns = zip(*(asdict(one).values() for one in shares), strict=True)
    return Shares(*(round(mean(column), 5) for column in columns))


def _show(runs: Sequence[Run]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 140)
    readings = round(mean(run.readings for run in runs))
    table = Table(
        "rule", "bothered", "caught", "material caught", "", title=f"Some {readings} test readings a seed, in %"
    )
    for name in runs[0].rules:
        table.add_row(name, *_cells([run.rules[name] for run in runs]))
        if name in runs[0].beside:
            settings = [run.beside[name][0] for run in runs]
            words = f"ours, sensitivity {min(settings):g} to {max(settings):g}"
            table.add_row("", *_cells([run.beside[name][1] for run in runs]), words)
    console.print(table)
    curve = Table("sensitivity", "bothered", "caught", "material caught", title="Ours by its setting, in %")
    for setting in _SHOWN:
        curve.add_row(f"{setting:.2g}", *_cells([run.curve[SETTINGS.index(setting)] for run in runs]))
    console.print(curve)
    kinds = Table("mistake", "caught", title="Ours as shipped, by kind of mistake, in %")
    for kind in runs[0].kinds:
        kinds.add_row(kind, _cell([run.kinds[kind] for run in runs]))
    console.print(kinds)


def _cells(shares: Sequence[Shares]) -> list[str]:
    return [_cell(column) for column in zip(*(asdict(one).values() for one in shares), strict=True)]


def _cell(shares: Sequence[float]) -> str:
    return f"{100 * mean(shares):.1f} ± {100 * pstdev(shares):.1f}"


def _arguments() -> argparse.Namespace:
    parser = arguments("bench.limits", __doc__, "shares")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the curve over the setting there")
    parser.add_argument("--learn", action="store_true", help="print what all the meters teach: what the package ships")
    return parser.parse_args()


if __name__ == "__main__":
    main()
