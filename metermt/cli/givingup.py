"""`metermt review give-up`: nobody reads a meter again that was sent back."""

import click

from metermt.cli.common import MeterCommand
from metermt.cli.opened import OpenOffice, office_options


@click.command(cls=MeterCommand, short_help="Nobody reads it again.")
@click.argument("meter")
@click.option("--why", required=True, help="Stays on record; billing is told where the reader gave no reason.")
@click.option("--cycle", help="Of this reading period, if the meter is to be read again in several.")
@office_options
def give_up(meter: str, why: str, cycle: str | None, open_office: OpenOffice) -> None:
    """Have METER end without a value that was to be read again, in an open cycle or a closed one.

    What was known before goes on counting, and billing is told of later readings. To have a value instead, say metermt
    review estimate-unread, or metermt readings correct.

    \b
    Example:
        metermt review give-up G72168 --why "the house was pulled down"
    """
    with open_office() as office:
        done = office.give_up_reread(meter.upper(), why, cycle)
    click.echo(f"{meter.upper()} has no value in {done.cycle}.")
