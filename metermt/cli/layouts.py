"""`metermt layouts`: how files for billing look."""

import io
from pathlib import Path

import click

from metermt.cli.columns import print_columns
from metermt.cli.common import MeterCommand, MeterGroup
from metermt.errors import LayoutError
from metermt.files.foreign import Foreign
from metermt.layouts.finding import SHIPPED, find_layout, layout_text
from metermt.layouts.layout import Format, Layout
from metermt.layouts.reading import read_layout
from metermt.layouts.samples import SAMPLE_LINES, sample_head
from metermt.layouts.writing import write_batch
from metermt.printable import counted, printable


@click.group(cls=MeterGroup)
def layouts() -> None:
    """See how files for billing look.

    A layout also says what a file of meters from elsewhere calls its columns.
    """


@layouts.command(name="list", cls=MeterCommand, short_help="List the layouts that come with MeterMT.")
def list_() -> None:
    """List the layouts that come with MeterMT. Your own ones are files, named by their path.

    \b
    Example:
        metermt layouts list
    """
    print_columns([("name", "about"), *((name, find_layout(name).about) for name in SHIPPED)])


@layouts.command(cls=MeterCommand, short_help="Print a layout.")
@click.argument("name")
def show(name: str) -> None:
    """Print the layout NAME, so that it can be copied and edited.

    \b
    Example:
        metermt layouts show fixed > billing.toml
    """
    click.echo(layout_text(name), nl=False)


@layouts.command(cls=MeterCommand, short_help="Say what is wrong with a layout.")
@click.argument("file")
@click.option("--to", type=click.Path(path_type=Path), metavar="SAMPLE", help="Write the sample to a new file.")
def check(file: str, to: Path | None) -> None:
    """Say each fault of the layout FILE. If there is none, print what it makes of five made-up lines.

    \b
    Example:
        metermt layouts check billing.toml
        metermt layouts check billing.toml --to sample.txt
    """
    layout, faults = read_layout(file, layout_text(file))
    if layout is None:
        for fault in faults:
            click.echo(printable(fault), err=True)
        raise LayoutError(f"{file} has {counted(len(faults), 'fault')}")
    click.echo(f"{file} has no faults.", err=True)
    if layout.foreign:
        _tell_of_import(layout.foreign)
    if layout.output:
        _show_sample(layout, layout.output.format, layout.output.encoding, to)


def _tell_of_import(foreign: Foreign) -> None:
    rows = [(column, f"column {name!r}") for column, name in foreign.columns.items()]
    rows += [(column, f"always {text!r}") for column, text in foreign.fixed.items()]
    print_columns([("imported", "from"), *rows])


def _show_sample(layout: Layout, file: Format, encoding: str, to: Path | None) -> None:
    sample = io.BytesIO()
    try:
        write_batch(layout, sample_head(), SAMPLE_LINES, sample)
    except LayoutError as error:
        click.echo(printable(f"There is no sample of made-up lines: {error}"), err=True)
        return
    if to is not None:
        try:
            with to.open("xb") as out:
                out.write(sample.getvalue())
        except OSError as error:
            raise LayoutError(f"Cannot write {to}: {error.strerror}") from error
        click.echo(f"A sample is in {to}.", err=True)
    elif file is Format.XLSX:
        click.echo("A spreadsheet cannot be printed: write a sample with --to sample.xlsx", err=True)
    else:
        click.echo(sample.getvalue().decode("utf-8" if file is Format.JSON else encoding), nl=False)
