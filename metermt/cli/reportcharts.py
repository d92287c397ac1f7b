"""Charts of a report, as SVG that stands in a page by itself: no scripts, and nothing is fetched."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH = 680
"""Of each chart, in units of which 96 are an inch on paper: it fits between the margins of A4."""
_LABELS, _VALUES = 150, 90  # units for the names on the left and the numbers on the right
_ROW, _BAR = 22, 13
_LONGEST = 22  # characters of a name that are shown


class Part(NamedTuple):
    """A part of a bar."""

    name: str
    value: float
    colour: str


class Row(NamedTuple):
    """A name with one bar below the other, and a number beside each."""

    name: str
    bars: Sequence[Sequence[Part]]
    numbers: Sequence[str]


def longest(rows: Sequence[Row]) -> float:
    """Return the sum of the longest bar, at least a little."""
    return max((sum(part.value for part in bar) for row in rows for bar in row.bars), default=0) or 1


def bars(title: str, rows: Sequence[Row], most: float) -> str:
    """Return bars from 0, for which there is room up to `most`; `title` is for who cannot see them."""
    room = WIDTH - _LABELS - _VALUES
    drawn, top = [], 4.0
    for row in rows:
        middle = top + len(row.bars) * _BAR / 2
        name = row.name if len(row.name) <= _LONGEST else row.name[: _LONGEST - 1] + "…"
        drawn.append(_text(_LABELS - 8, middle + 4, name, "end"))
        for bar, number in zip(row.bars, row.numbers, strict=True):
            left = float(_LABELS)
            for part in bar:
                wide = max(part.value, 0.0) / most * room
                drawn.append(
                    f'<rect x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{_BAR - 2}" fill="{part.colour}">'
                    f"<title>{escape(part.name)}: {part.value:g}</title></rect>"
                )
                left += wide
            drawn.append(_text(left + 5, top + 9, number))
            top += _BAR
        top += _ROW - _BAR
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH} {top:.0f}" width="{WIDTH}"'
        f' height="{top:.0f}" font-family="sans-serif" font-size="11"><title>{escape(title)}</title>'
        f"{''.join(drawn)}</svg>"
    )


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#222">{escape(words)}</text>'
