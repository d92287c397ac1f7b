"""`metermt meters`: those that readers come across."""

import click

from metermt.cli.columns import print_columns
from metermt.cli.common import MeterGroup
from metermt.cli.office import Opening, office_options
from metermt.printable import local_time


@click.group(cls=MeterGroup)
def meters() -> None:
    """See which meters readers have found. Works beside a running server."""


@meters.command(short_help="List meters that were found and are on no list.")
@office_options
def found(open_office: Opening) -> None:
    """List the meters that readers have reported as they are on no list, oldest first.

    \b
    Example:
        metermt meters found
    """
    with open_office() as office:
        there = office.list_found()
    if not there:
        click.echo("No meters were reported.", err=True)
        return
    headings = ("when", "who", "meter", "kind", "dials", "reading", "where")
    rows = [
        (
            *(local_time(one.found_at), one.username, one.number, one.kind),
            *("" if number is None else str(number) for number in (one.dials, one.reading)),
            one.where,
        )
        for one in there
    ]
    print_columns([headings, *rows], numbers=[4, 5])
