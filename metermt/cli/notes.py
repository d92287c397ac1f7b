"""`metermt notes`: what readers leave about places."""

import click

from metermt.cli.columns import print_columns
from metermt.cli.common import MeterGroup
from metermt.cli.opened import OpenOffice, office_options
from metermt.printable import local_time


@click.group(cls=MeterGroup)
def notes() -> None:
    """Read what readers have left about places. Works beside a running server."""


@notes.command(name="list", short_help="List the notes.")
@office_options
def list_(open_office: OpenOffice) -> None:
    """List all notes, oldest first. The last one about a place is shown to whoever reads the meter next.

    \b
    Example:
        metermt notes list
    """
    with open_office() as office:
        found = office.list_notes()
    if not found:
        click.echo("No notes.", err=True)
        return
    rows = [(local_time(note.left_at), note.username, note.meter, note.text) for note in found]
    print_columns([("when", "who", "meter", "note"), *rows])
