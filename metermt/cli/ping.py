"""`metermt ping`: is there a server?"""

import click

from metermt.cli.common import MeterCommand, address_options
from metermt.client import connect


@click.command(cls=MeterCommand)
@address_options("ask")
def ping(host: str, port: int) -> None:
    """Ask a server whether it is there, and say how long it took. Exit status 1 if it is not.

    \b
    Example:
        metermt ping -h meter.example.org
    """
    with connect(host, port) as client:
        click.echo(f"{host}:{port} answers in {client.ping() * 1000:.1f} ms")
