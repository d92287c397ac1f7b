"""`metermt routes`: what is to be read."""

import click

from metermt.cli.common import MeterGroup
from metermt.cli.office import Opening, office_options
from metermt.cli.routeimport import import_
from metermt.cli.unread import missing, release
from metermt.printable import printable


@click.group(cls=MeterGroup)
def routes() -> None:
    """Say what is to be read, and see how far it is.

    Works on a database of this machine, beside a running server; all but `import` also at a server, with --server.
    """


routes.add_command(import_)


@routes.command(name="list", short_help="List the routes of the open cycles.")
@office_options
def list_(open_office: Opening) -> None:
    """List the routes of the open cycles, with the jobs done and all jobs.

    \b
    Example:
        metermt routes list
    """
    with open_office() as office:
        found = office.list_routes()
    if not found:
        click.echo("No routes: import some with 'metermt routes import'.", err=True)
        return
    names = [printable(progress.route) for progress in found]
    width = max(map(len, names))
    for name, progress in zip(names, found, strict=True):
        click.echo(f"{progress.cycle}  {name:{width}}  {progress.done}/{progress.total}")


@routes.command(short_help="Close a cycle at its end.")
@click.option("--cycle", required=True, help="The reading period, for example 2026-10.")
@office_options
def close(cycle: str, open_office: Opening) -> None:
    """Close a cycle: its unread meters are handed out no more, its readings stay.

    \b
    Example:
        metermt routes close --cycle 2026-10
    """
    with open_office() as office:
        missed = office.close_cycle(cycle)
    click.echo(f"Closed cycle {cycle}; {missed} {'meter was' if missed == 1 else 'meters were'} not read.")


@routes.command(short_help="Open a closed cycle again.")
@click.argument("cycle")
@office_options
def reopen(cycle: str, open_office: Opening) -> None:
    """Open CYCLE again, which was closed too early: the meters that were missed are handed out again.

    \b
    Example:
        metermt routes reopen 2026-10
    """
    with open_office() as office:
        count = office.reopen_cycle(cycle)
    click.echo(f"Cycle {cycle} is open again; {count} {'meter is' if count == 1 else 'meters are'} to be read.")


@routes.command(short_help="Take a meter out of a cycle.")
@click.argument("meter")
@click.option("--cycle", required=True, help="The reading period, for example 2026-11.")
@office_options
def remove(meter: str, cycle: str, open_office: Opening) -> None:
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


routes.add_command(missing)
routes.add_command(release)
