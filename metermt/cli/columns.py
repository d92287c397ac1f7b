"""Rows of texts, printed in columns."""

from collections.abc import Sequence

import click

from metermt.printable import printable


def print_columns(rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = ()) -> None:
    """Print rows, the first of which are the headings; columns of numbers, by their places, end at the same place.

    What others have named is shown without control characters.
    """
    rows = [[printable(field) for field in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        fields = (
            f"{field:{'>' if place in numbers else '<'}{width}}"
            for place, (field, width) in enumerate(zip(row, widths, strict=True))
        )
        click.echo("  ".join(fields).rstrip())
