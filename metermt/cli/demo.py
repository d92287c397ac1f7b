"""`metermt demo`: a demo server, and the console or the window for it, in one program."""

from importlib.util import find_spec

import click

from metermt.cli.common import MeterCommand
from metermt.cli.logsetup import set_up_log
from metermt.cli.target import Target
from metermt.console.dialogue import read_meters
from metermt.demo import USERS
from metermt.gui.command import open_window
from metermt.serving import RunningServer, ServerSettings


@click.command(cls=MeterCommand, short_help="Read made-up meters; needs nothing else.")
@click.option("--gui", is_flag=True, help="Open the window instead of the console.")
def demo(*, gui: bool) -> None:
    """Read the meters of a made-up town: a demo server and the console in one.

    Nothing is kept, and nobody but this machine can reach it.

    \b
    Example:
        metermt demo
        metermt demo --gui
    """
    set_up_log("error")  # the console is in front of the server
    if gui:
        open_window(Target("localhost", 0, {}), demo=True)
        return
    *names, last = USERS
    http = ("localhost", 0) if find_spec("uvicorn") else None  # where its extra is installed
    with RunningServer(ServerSettings(port=0, demo=True, http=http)) as server:
        click.echo(f"Demo: a meter server for this machine only, on localhost:{server.port}; nothing is kept.")
        if server.http_port:
            click.echo(
                f"For programs in any language: http://localhost:{server.http_port}/meter (XML-RPC) and /api (JSON)."
            )
        click.echo(f"Log in as {', '.join(names)} or {last}; the password is the name.")
        read_meters(Target("localhost", server.port, {}))
