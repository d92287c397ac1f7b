"""`metermt reasons`: why meters are not read."""

import click

from metermt.cli.columns import print_columns
from metermt.cli.common import MeterGroup
from metermt.cli.opened import OpenOffice, office_options


@click.group(cls=MeterGroup)
def reasons() -> None:
    """See to the reasons that readers choose from. Works beside a running server."""


@reasons.command(name="list", short_help="List the reasons and their numbers.")
@office_options
def list_(open_office: OpenOffice) -> None:
    """List the reasons in use, with the numbers that readers type.

    \b
    Example:
        metermt reasons list
    """
    with open_office() as office:
        found = office.list_reasons()
    headings = ("no.", "code", "text", "with a reading", "read again")
    rows = [
        (str(number), one.code, one.text, "yes" if one.allows_reading else "no", "yes" if one.wants_reread else "no")
        for number, one in enumerate(found, 1)
    ]
    print_columns([headings, *rows], numbers=[0], cut={2: 8})


@reasons.command(short_help="Add a reason.")
@click.argument("code")
@click.argument("text")
@click.option("--reread", is_flag=True, help="Somebody is to go there again.")
@click.option("--no-reading", is_flag=True, help="Refuse a reading that comes with it.")
@office_options
def add(code: str, text: str, reread: bool, no_reading: bool, open_office: OpenOffice) -> None:
    """Add a reason at the end of the list; TEXT is what readers see. One that was retired comes back at its old place.

    \b
    Example:
        metermt reasons add bees "Wasps or bees" --reread --no-reading
    """
    with open_office() as office:
        office.add_reason(code, text, wants_reread=reread, allows_reading=not no_reading)
    click.echo(f"Added the reason {code}.")


@reasons.command(short_help="Take a reason off the list.")
@click.argument("code")
@office_options
def retire(code: str, open_office: OpenOffice) -> None:
    """Have the reason CODE given no more. Readings that have it keep it.

    \b
    Example:
        metermt reasons retire vacant
    """
    with open_office() as office:
        office.retire_reason(code)
    click.echo(f"Retired the reason {code}.")
