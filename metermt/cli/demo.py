"""`metermt demo`: a server inside, the console in front."""

import click

from metermt.cli.common import MeterCommand, Target
from metermt.console import read_meters
from metermt.demo import USERS
from metermt.gui.command import open_window
from metermt.serving import RunningServer, ServerSettings


@click.command(cls=MeterCommand, short_help="Read made-up meters; needs nothing else.")
@click.option("--gui", is_flag=True, help="The window in front instead.")
def demo(*, gui: bool) -> None:
    """Read made-up meters: a demo server inside, the console in front.

    Nothing is kept, and nobody but this machine can reach it.

    \b
    Example:
        metermt demo
        metermt demo --gui
    """
    if gui:
        open_window(Target("localhost", 0, {}), demo=True)
        return
    *names, last = USERS
    with RunningServer(ServerSettings(port=0, demo=True)) as server:
        click.echo(f"Demo: a meter server for this machine only, on localhost:{server.port}; nothing is kept.")
        click.echo(f"Log in as {', '.join(names)} or {last}; the password is the name.")
        read_meters(Target("localhost", server.port, {}))
