"""`metermt demo`: a server inside, the console in front."""

from functools import partial

import click

from metermt.cli.common import MeterCommand
from metermt.client import connect
from metermt.console import read_meters
from metermt.demo import USERS
from metermt.serving import RunningServer, ServerSettings


@click.command(cls=MeterCommand)
def demo() -> None:
    """Read made-up meters: a demo server inside, the console in front.

    Nothing is kept, and nobody but this machine can reach it.

    \b
    Example:
        metermt demo
    """
    *names, last = USERS
    with RunningServer(ServerSettings(port=0, demo=True)) as server:
        click.echo(f"Demo: a meter server for this machine only, on localhost:{server.port}; nothing is kept.")
        click.echo(f"Log in as {', '.join(names)} or {last}; the password is the name.")
        read_meters(partial(connect, "localhost", server.port))
