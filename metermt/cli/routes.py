"""`metermt routes`: what is to be read."""

import click

from metermt.calls.office import Removal, list_routes, remove_jobs
from metermt.calls.walks import Assigning, assign_route, list_assignments, unassign_route
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
    """List the routes of the open cycles, with the jobs done, all jobs, and who is given the route.

    \b
    Example:
        metermt routes list
    """
    with office(database, create=False) as opened:
        found = opened.ask(list_routes, None)
        given = opened.ask(list_assignments, None)
    if not found:
        click.echo("No routes: import some with 'metermt routes import'.", err=True)
        return
    width = max(len(progress.route) for progress in found)
    for progress in found:
        names = ", ".join(one.username for one in given if one.route == progress.route)
        said = f"{progress.cycle}  {progress.route:{width}}  {progress.done}/{progress.total}"
        click.echo(f"{said}  {names}".rstrip())


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


@routes.command(short_help="Give a route to readers.")
@click.argument("route")
@click.argument("users", metavar="USER...", nargs=-1, required=True)
@click.option("--reverse", is_flag=True, help="They begin at its end.")
@database_option
def assign(route: str, users: tuple[str, ...], reverse: bool, database: DatabasePlace) -> None:
    """Give ROUTE to readers: they get its jobs, nobody else does, and they get no others.

    Who is given several walks one after the other. What nobody is given is for all who are given none.

    \b
    Example:
        metermt routes assign Harbour carol
        metermt routes assign Harbour eric --reverse
    """
    with office(database, create=False) as opened:
        opened.ask(assign_route, Assigning(route, list(users), reverse))
    click.echo(f"Route {route} is given to {', '.join(users)}.")


@routes.command(short_help="Take a route from readers.")
@click.argument("route")
@click.argument("users", metavar="USER...", nargs=-1, required=True)
@database_option
def unassign(route: str, users: tuple[str, ...], database: DatabasePlace) -> None:
    """Take ROUTE from readers. What they hold of it they may still read; 'metermt routes release' takes that, too.

    \b
    Example:
        metermt routes unassign Harbour carol
    """
    with office(database, create=False) as opened:
        opened.ask(unassign_route, Assigning(route, list(users)))
    click.echo(f"Route {route} is not given to {', '.join(users)} any more.")


routes.add_command(missing)
routes.add_command(release)
