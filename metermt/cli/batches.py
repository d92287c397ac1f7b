"""`metermt batches`: what billing was given."""

from pathlib import Path

import click

from metermt.cli.batchfiles import write_file
from metermt.cli.columns import print_columns
from metermt.cli.common import MeterGroup
from metermt.cli.opened import OpenOffice, office_options
from metermt.cli.outfile import check_free
from metermt.errors import DecisionError, LayoutError
from metermt.layouts.finding import checked_layout, find_layout
from metermt.printable import counted, local_time


@click.group(cls=MeterGroup)
def batches() -> None:
    """See what billing was given, and write it again. Works beside a running server."""


@batches.command(name="list", short_help="List the batches.")
@office_options
def list_(open_office: OpenOffice) -> None:
    """List the batches that billing was given, with what they add up to.

    \b
    Example:
        metermt batches list
    """
    with open_office() as office:
        found = office.list_batches()
    if not found:
        click.echo("No batches: make one with 'metermt export'.", err=True)
        return
    headings = ("batch", "when", "who", "cycle", "route", "lines", "billed use", "layout")
    rows = [
        (
            *(str(one.head.number), local_time(one.head.made_at), one.head.made_by),
            *(one.head.cycle or "", one.head.route or "", str(one.head.lines), str(one.head.sum_billed_use)),
            one.layout,
        )
        for one in found
    ]
    print_columns([headings, *rows], numbers=[0, 5, 6], cut={2: 6, 4: 6, 7: 6}, spare=(7, 2, 4))


@batches.command(short_help="Write a batch again.")
@click.argument("number", type=click.IntRange(min=1))
@click.option(
    "--to",
    "file",
    type=click.Path(path_type=Path, allow_dash=True),
    default="-",
    metavar="FILE",
    help="The file to write.  [default: standard output]",
)
@click.option("--format", "name", metavar="LAYOUT", help="Another layout.  [default: that it was made by]")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@office_options
def show(number: int, file: Path, name: str | None, force: bool, open_office: OpenOffice) -> None:
    """Write batch NUMBER again, with the same bytes as at first unless the name of who made it was erased since.

    \b
    Example:
        metermt batches show 3 --to november-again.csv
    """
    check_free(file, open_office.database, force=force)
    other = find_layout(name) if name else None
    with open_office() as office:
        found = {one.head.number: one for one in office.list_batches()}
        if number not in found:
            which = f"there are 1 to {max(found)}" if found else "there is none yet"
            raise DecisionError(f"There is no batch {number}: {which}")
        layout = other or checked_layout(found[number].layout, office.batch_layout(number))
        try:
            write_file(office, found[number].head, layout, file)
        except LayoutError as error:
            raise LayoutError(f"{error}. Name a layout that it fits into with --format") from error
    if str(file) != "-":
        click.echo(f"{counted(found[number].head.lines, 'line')} written to {file}.", err=True)
