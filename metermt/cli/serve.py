"""`metermt serve`: run a server."""

import logging
from datetime import timedelta
from pathlib import Path

import click

from metermt.cli.common import MeterCommand, address_options
from metermt.config import IN_MEMORY, SERVICE, Rules, default_database
from metermt.discovery import Registry
from metermt.serving import ServerSettings
from metermt.serving import serve as run_server


@click.command(cls=MeterCommand)
@address_options("listen on (port 0: any free one)")
@click.option(
    "--database",
    type=click.Path(path_type=Path),
    envvar="METERMT_DATABASE",
    help="The database file, made if there is none, or :memory: to forget everything at the end."
    "  [default: metermt.db in your data folder; with --demo, :memory:]",
)
@click.option("--demo", is_flag=True, help="Let adam, carol, eric and gwenda in, and make meters up.")
@click.option(
    "--registry",
    is_flag=False,
    flag_value="localhost",
    metavar="[HOST[:PORT]]",
    help="Register there, so that clients find the server by name. 'tcp:' before the host uses TCP.",
)
@click.option("--name", default=SERVICE, show_default=True, help="The name to register under.")
@click.option(
    "--notify", type=click.Path(path_type=Path), help="Write HOST:PORT into this file once clients can connect."
)
@click.option("--dump/--no-dump", default=None, help="Print the readings at the end.  [default: with --demo only]")
@click.option(
    "--lease-minutes",
    type=click.FloatRange(0, min_open=True),
    default=30.0,
    show_default=True,
    help="How long a meter stays with the reader it was handed to.",
)
@click.option(
    "--session-hours",
    type=click.FloatRange(0, min_open=True),
    default=12.0,
    show_default=True,
    help="How long a login lasts when it is not used.",
)
def serve(
    *,
    host: str,
    port: int,
    database: Path | None,
    demo: bool,
    registry: str | None,
    name: str,
    notify: Path | None,
    dump: bool | None,
    lease_minutes: float,
    session_hours: float,
) -> None:
    """Run a meter server until Ctrl+C or SIGTERM.

    It may be killed at any moment: what readers were told is accepted is in the database.

    \b
    Example:
        metermt serve --database /var/lib/metermt/metermt.db
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    if database is None and not demo:
        database = default_database()
    settings = ServerSettings(
        host=host,
        port=port,
        database=None if database is None or str(database) == IN_MEMORY else database,
        demo=demo,
        registry=Registry.parse(registry) if registry else None,
        name=name,
        rules=Rules(session_idle=timedelta(hours=session_hours), lease=timedelta(minutes=lease_minutes)),
    )
    run_server(settings, notify=notify, dump=demo if dump is None else dump)
