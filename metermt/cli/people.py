"""`metermt people`: what is kept about people."""

import click

from metermt.cli.common import MeterGroup
from metermt.cli.opened import OpenOffice, office_options


@click.group(cls=MeterGroup)
def people() -> None:
    """See to what is kept about people. Works beside a running server."""


@people.command(short_help="Replace somebody's name by a pseudonym.")
@click.argument("username", metavar="USER")
@click.option("--yes", is_flag=True, help="Do not ask.")
@office_options
def erase(username: str, yes: bool, open_office: OpenOffice) -> None:
    """Replace the name of USER by a pseudonym, everywhere and for ever.

    USER is disabled before (metermt users disable). Readings, decisions and the record stay, under the pseudonym, and
    the record's chain still verifies. Not changed are the lines of batches, which billing was given as they are; texts
    that people have typed, such as notes; and what is outside of the database: logs, backups, exported files.

    \b
    Example:
        metermt people erase carol
    """
    if not yes:
        click.confirm(f"Erase the name of {username} for ever?", abort=True, err=True)
    with open_office() as office:
        pseudonym = office.erase_user(username)
    click.echo(f"{username} is {pseudonym} from now on.")
