"""What the benches on real readings have in common: their arguments, their file, and its halves."""

import argparse
import random
import sys
from pathlib import Path

from bench.townfile import DEFAULT, BadFile, Town, load


def arguments(prog: str, description: str | None, figures: str) -> argparse.ArgumentParser:
    """Return a parser of --data, --json, which prints such figures, and --seeds."""
    parser = argparse.ArgumentParser(prog=f"python -m {prog}", description=description)
    parser.add_argument(
        "--data", type=Path, default=DEFAULT, metavar="FILE", help="real readings [default: %(default)s]"
    )
    parser.add_argument("--json", action="store_true", help=f"print the {figures} as JSON")
    parser.add_argument("--seeds", type=_whole, default=20, metavar="N", help="how many splits [default: %(default)s]")
    return parser


def loaded(file: Path) -> Town:
    """Read a file of readings; end the program if it cannot be used."""
    try:
        return load(file)
    except BadFile as error:
        sys.exit(f"Error: {error}")


def split(town: Town, seed: int) -> tuple[Town, Town]:
    """Return two halves of the meters, by chance: one to learn from and to choose on, one to be judged."""
    meters = list(town)
    design = set(random.Random(seed).sample(meters, len(meters) // 2))
    return (
        {meter: rows for meter, rows in town.items() if meter in design},
        {meter: rows for meter, rows in town.items() if meter not in design},
    )


def _whole(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 1000")
    return int(text)
