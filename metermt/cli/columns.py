"""Rows of texts, printed in columns."""

from collections.abc import Sequence

import click


def print_columns(rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = ()) -> None:
    """Print rows, the first of which are the headings; columns of numbers, by their places, end at the same place."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        fields = (
            f"{field:{'>' if place in numbers else '<'}{width}}"
            for place, (field, width) in enumerate(zip(row, widths, strict=True))
        )
        click.echo("  ".join(fields).rstrip())
