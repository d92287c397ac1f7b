"""`metermt routes`: what is to be read."""

import click

from metermt.cli.columns import print_columns
from metermt.cli.common import MeterGroup
from metermt.cli.opened import OpenOffice, office_options
from metermt.cli.routeimport import import_
from metermt.cli.unread import missing, release
from metermt.rules.cycles import none_is_open


@click.group(cls=MeterGroup)
def routes() -> None:
    """Say what is to be read, and see how far it is.

    Works on a database of this machine, beside a running server; all but `import` also at a server, with --server.
    """


routes.add_command(import_)


@routes.command(name="list", short_help="List the routes of the open cycles.")
@office_options
def list_(open_office: OpenOffice) -> None:
    """List the routes of the open cycles, with the jobs done, all jobs, and who is given the route.

    \b
    Example:
        metermt routes list
    """
    with open_office() as office:
        found, given = office.list_routes(), office.list_assignments()
        cycles = [] if found else office.list_cycles()
    if not found:
        are_closed = cycles and not any(one.is_open for one in cycles)
        names = [one.cycle for one in cycles]
        words = none_is_open(names) if are_closed else "No routes: import some with 'metermt routes import'"
        click.echo(f"{words}.", err=True)
        return
    readers: dict[str, list[str]] = {}
    for one in given:
        readers.setdefault(one.route, []).append(f"{one.username} from its end" if one.reverse else one.username)
    rows = [
        (one.cycle, one.route, str(one.done), str(one.total), ", ".join(readers.get(one.route, ()))) for one in found
    ]
    print_columns([("cycle", "route", "done", "jobs", "given to"), *rows], numbers=[2, 3], cut={1: 8, 4: 12})


@routes.command(short_help="Take a meter out of a cycle.")
@click.argument("meter")
@click.option("--cycle", required=True, help="The reading period, for example 2026-11.")
@office_options
def remove(meter: str, cycle: str, open_office: OpenOffice) -> None:
    """Take METER, which was not read, out of a cycle: it was imported by mistake, or the meter is gone.

    What was read is never removed.

    \b
    Example:
        metermt routes remove G72168 --cycle 2026-11
    """
    number = meter.upper()
    with open_office() as office:
        office.remove_jobs(cycle, [number])
    click.echo(f"Meter {number} is not to be read in {cycle}.")


@routes.command(short_help="Give a route to readers.")
@click.argument("route")
@click.argument("users", metavar="USER...", nargs=-1, required=True)
@click.option("--reverse", is_flag=True, help="They begin at its end.")
@office_options
def assign(route: str, users: tuple[str, ...], reverse: bool, open_office: OpenOffice) -> None:
    """Give ROUTE to readers: they get its jobs, nobody else does, and they get no others.

    Who is given several walks one after the other. What nobody is given is for all who are given none.

    \b
    Example:
        metermt routes assign Harbour carol
        metermt routes assign Harbour eric --reverse
    """
    with open_office() as office:
        office.assign_route(route, users, reverse=reverse)
    click.echo(f"Route {route} is given to {', '.join(users)}.")


@routes.command(short_help="Take a route from readers.")
@click.argument("route")
@click.argument("users", metavar="USER...", nargs=-1, required=True)
@office_options
def unassign(route: str, users: tuple[str, ...], open_office: OpenOffice) -> None:
    """Take ROUTE from readers. What they hold of it they may still read; 'metermt routes release' takes that, too.

    \b
    Example:
        metermt routes unassign Harbour carol
    """
    with open_office() as office:
        office.unassign_route(route, users)
    click.echo(f"Route {route} is not given to {', '.join(users)} any more.")


routes.add_command(missing)
routes.add_command(release)
