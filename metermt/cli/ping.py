"""`metermt ping`: is there a server?"""

import click

from metermt.cli.common import MeterCommand
from metermt.cli.target import Target, server_options


@click.command(cls=MeterCommand, short_help="Ask a server whether it is there.")
@server_options
def ping(connect: Target) -> None:
    """Ask a server whether it is there, and say how long it took. Exit status 1 if it is not.

    \b
    Example:
        metermt ping -h meter.example.org
    """
    with connect() as client:
        click.echo(f"{client.host}:{client.port} answers in {client.ping() * 1000:.1f} ms")
