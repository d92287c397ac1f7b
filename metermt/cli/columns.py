"""Rows of texts, printed in columns that fit on the terminal."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from itertools import zip_longest

import click

from metermt.printable import printable

_GAP = 2  # blanks between columns
_CUT = "…"


def print_columns(
    rows: Sequence[Sequence[str]],
    *,
    numbers: Sequence[int] = (),
    cut: Mapping[int, int] | None = None,
    spare: Sequence[int] = (),
    wide: bool = False,
) -> None:
    """Print rows, the first of which are the headings; columns of numbers, by their places, end at the same place.

    A heading may have two lines. On a terminal that is too narrow, the columns that can be done without are left out,
    the first of `spare` first, and said to be; those of `cut` are cut down to so many characters, if need be. What goes
    elsewhere, or is to be `wide`, has all. What others have named is shown without control characters.
    """
    headings = [heading.split("\n") for heading in rows[0]]
    lines = [list(line) for line in zip(*_alike(headings), strict=True)]
    lines += [[printable(field) for field in row] for row in rows[1:]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    places = list(range(len(widths)))
    if sys.stdout.isatty() and not wide:
        places = _fitted(widths, cut or {}, spare, shutil.get_terminal_size().columns)
    for line in lines:
        fields = (
            f"{_cut(line[place], widths[place]):{'>' if place in numbers else '<'}{widths[place]}}" for place in places
        )
        click.echo((" " * _GAP).join(fields).rstrip())
    if left_out := [" ".join(heading) for place, heading in enumerate(headings) if place not in places]:
        click.echo(f"Left out for want of room: {', '.join(left_out)}.", err=True)


def _fitted(widths: list[int], cut: Mapping[int, int], spare: Sequence[int], room: int) -> list[int]:
    """Return the places of the columns that there is room for; the widths of those that are to be cut are cut."""
    places = list(range(len(widths)))

    def needed(*, at_least: bool) -> int:
        least = (min(widths[one], cut[one]) if at_least and one in cut else widths[one] for one in places)
        return sum(least) + _GAP * (len(places) - 1)

    for one in spare:
        if needed(at_least=True) > room:
            places.remove(one)
    while needed(at_least=False) > room:
        still = [one for one in places if one in cut and widths[one] > cut[one]]
        if not still:
            break
        widths[max(still, key=widths.__getitem__)] -= 1
    return places


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + _CUT


def _alike(headings: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return headings with as many lines each, the empty ones first."""
    turned = zip_longest(*(heading[::-1] for heading in headings), fillvalue="")
    return [list(column)[::-1] for column in zip(*turned, strict=True)]
