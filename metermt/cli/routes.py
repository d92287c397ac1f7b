"""`metermt routes`: what is to be read."""

import click

from metermt.calls.office import Removal, list_routes, remove_jobs
from metermt.cli.common import MeterGroup, database_option
from metermt.cli.office import office
from metermt.cli.routeimport import import_
from metermt.cli.unread import missing, release
from metermt.config import DatabasePlace


@click.group(cls=MeterGroup)
def routes() -> None:
    """Say what is to be read, and see how far it is. Works beside a running server."""


routes.add_command(import_)


@routes.command(name="list", short_help="List the routes of the open cycles.")
@database_option
def list_(database: DatabasePlace) -> None:
    """List the routes of the open cycles, with the jobs done and all jobs.

    \b
    Example:
        metermt routes list
    """
    with office(database, create=False) as opened:
        found = opened.ask(list_routes, None)
    if not found:
        click.echo("No routes: import some with 'metermt routes import'.", err=True)
        return
    width = max(len(progress.route) for progress in found)
    for progress in found:
        click.echo(f"{progress.cycle}  {progress.route:{width}}  {progress.done}/{progress.total}")


@routes.command(short_help="Take a meter out of a cycle.")
@click.argument("meter")
@click.option("--cycle", required=True, help="The reading period, for example 2026-11.")
@database_option
def remove(meter: str, cycle: str, database: DatabasePlace) -> None:
    """Take METER, which was not read, out of a cycle: it was imported by mistake, or the meter is gone.

    What was read is never removed.

    \b
    Example:
        metermt routes remove G72168 --cycle 2026-11
    """
    number = meter.upper()
    with office(database, create=False) as opened:
        opened.ask(remove_jobs, Removal(cycle, [number]))
    click.echo(f"Meter {number} is not to be read in {cycle}.")


routes.add_command(missing)
routes.add_command(release)
