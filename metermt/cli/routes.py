"""`metermt routes`: what is to be read."""

import click

from metermt.calls.office import Cycle, Removal, close_cycle, list_routes, remove_jobs, reopen_cycle
from metermt.cli.common import MeterGroup, database_option
from metermt.cli.office import office
from metermt.cli.routeimport import import_
from metermt.cli.unread import missing, release
from metermt.config import DatabasePlace
from metermt.rules.cycles import none_is_open


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
        cycles = opened.store.read(lambda tx: tx.jobs.cycles())
    if not found:
        are_closed = cycles and not any(cycles.values())
        words = none_is_open(cycles) if are_closed else "No routes: import some with 'metermt routes import'"
        click.echo(f"{words}.", err=True)
        return
    width = max(len(progress.route) for progress in found)
    for progress in found:
        click.echo(f"{progress.cycle}  {progress.route:{width}}  {progress.done}/{progress.total}")


@routes.command(short_help="Close a cycle at its end.")
@click.option("--cycle", required=True, help="The reading period, for example 2026-10.")
@database_option
def close(cycle: str, database: DatabasePlace) -> None:
    """Close a cycle: its unread meters are handed out no more, its readings stay.

    \b
    Example:
        metermt routes close --cycle 2026-10
    """
    with office(database, create=False) as opened:
        missed = opened.ask(close_cycle, Cycle(cycle))
    click.echo(f"Closed cycle {cycle}; {missed} {'meter was' if missed == 1 else 'meters were'} not read.")


@routes.command(short_help="Open a closed cycle again.")
@click.argument("named", metavar="[CYCLE]", required=False)
@click.option("--cycle", help="The reading period, for example 2026-10.")
@database_option
def reopen(named: str | None, cycle: str | None, database: DatabasePlace) -> None:
    """Open a cycle again, which was closed too early: the meters that were missed are handed out again.

    \b
    Example:
        metermt routes reopen --cycle 2026-10
    """
    if (cycle is None) == (named is None):
        raise click.UsageError("Name one cycle: --cycle 2026-10")
    cycle = cycle or named or ""
    with office(database, create=False) as opened:
        count = opened.ask(reopen_cycle, Cycle(cycle))
    click.echo(f"Cycle {cycle} is open again; {count} {'meter is' if count == 1 else 'meters are'} to be read.")


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
