"""`metermt cycles`: reading periods."""

from collections.abc import Collection, Sequence
from datetime import date

import click

from metermt.calls.cycles import CycleProgress
from metermt.cli.columns import print_columns
from metermt.cli.common import MeterGroup
from metermt.cli.moments import Day
from metermt.cli.opened import OpenOffice, office_options
from metermt.printable import counted
from metermt.rules.cycles import is_unlike


@click.group(cls=MeterGroup)
def cycles() -> None:
    """Open and close reading periods, and see how far they are. Works beside a running server."""


@cycles.command(name="open", short_help="Have all active meters read.")
@click.argument("cycle")
@click.option("--route", "routes", multiple=True, metavar="ROUTE", help="Only this route; may be given several times.")
@click.option("--due", type=Day(), help="The day by which it is to be read.")
@office_options
def open_(cycle: str, routes: tuple[str, ...], due: date | None, open_office: OpenOffice) -> None:
    """Open CYCLE: one job of every active meter, to be judged by what the meter has shown before.

    Meters are known from imported route files. A cycle that is open gets the jobs that it lacks, such as those of more
    routes, and another --due moves its day.

    \b
    Example:
        metermt cycles open 2026-12 --due 2026-12-15
        metermt cycles open 2026-12 --route Harbour
    """
    with open_office() as office:
        before = office.list_cycles()
        done = office.open_cycle(cycle, routes, due)
    _warn(cycle, before)
    there = f"; {done.there} had one already" if done.there else ""
    click.echo(f"Cycle {cycle} is open: {counted(done.added, 'job')} added{there}.")
    if done.elsewhere:
        meters = ", ".join(done.elsewhere)
        click.echo(f"Not in this cycle, as they have a job of another place in it: {meters}", err=True)
    if done.without_history:
        meters = counted(done.without_history, "meter has", "meters have")
        click.echo(f"{meters} no history to judge a reading by.", err=True)


@cycles.command(name="list", short_help="List the cycles and how far they are.")
@office_options
def list_(open_office: OpenOffice) -> None:
    """List all cycles: read, estimated among these, without access, skipped, left; of open ones each route.

    Of a closed one, left is what was missed. Sums of its routes and readers are in 'metermt report'.

    \b
    Example:
        metermt cycles list
    """
    with open_office() as office:
        found = office.list_cycles()
    if not found:
        click.echo("No cycles: open one with 'metermt cycles open', or import a route file for one.", err=True)
        return
    headings = ("cycle", "state", "due", "route", "read", "estimated", "no access", "skipped", "left")
    print_columns(
        [headings, *(row for cycle in found for row in _rows(cycle))], numbers=[4, 5, 6, 7, 8], spare=(5, 7, 2)
    )


@cycles.command(short_help="Close a cycle at its end.")
@click.argument("cycle")
@click.option("--force", is_flag=True, help="Though meters are not read: they are missed.")
@office_options
def close(cycle: str, force: bool, open_office: OpenOffice) -> None:
    """Close CYCLE: its readings stay, and none is taken for it any more.

    \b
    Example:
        metermt cycles close 2026-10
    """
    with open_office() as office:
        missed = office.close_cycle(cycle, force=force)
    click.echo(f"Closed cycle {cycle}; {counted(missed, 'meter was', 'meters were')} not read.")


@cycles.command(short_help="Open a closed cycle again.")
@click.argument("cycle")
@office_options
def reopen(cycle: str, open_office: OpenOffice) -> None:
    """Open CYCLE again, which was closed too early: the meters that were missed are handed out again.

    \b
    Example:
        metermt cycles reopen 2026-10
    """
    with open_office() as office:
        count = office.reopen_cycle(cycle)
    click.echo(f"Cycle {cycle} is open again; {counted(count, 'meter is', 'meters are')} to be read.")


@cycles.command(short_help="Remove a cycle that was opened by mistake.")
@click.argument("cycle")
@click.option("--yes", is_flag=True, help="Do not ask.")
@office_options
def remove(cycle: str, yes: bool, open_office: OpenOffice) -> None:
    """Remove CYCLE, open or closed, in which nothing was read or estimated, such as one with a wrong name.

    Its jobs go, also from whoever holds them, with what came with them in a file for it; meters and their past stay. A
    cycle with readings is never removed.

    \b
    Example:
        metermt cycles remove 12-2026
    """
    if not yes:
        click.confirm(f"Remove cycle {cycle} with all its jobs?", abort=True, err=True)
    with open_office() as office:
        count = office.remove_cycle(cycle)
    click.echo(f"Removed cycle {cycle} with {counted(count, 'job')}.")


def warn_of_its_name(cycle: str, cycles: Collection[str]) -> None:
    """Warn of a new cycle that is named unlike those that there are."""
    if cycle not in cycles and is_unlike(cycle, cycles):
        click.echo(f"Warning: the new cycle {cycle} is named unlike the others, such as {max(cycles)}", err=True)


def _warn(cycle: str, before: Sequence[CycleProgress]) -> None:
    """Warn of a new cycle that is named unlike the others, or is opened beside another one."""
    names = [one.cycle for one in before]
    warn_of_its_name(cycle, names)
    if cycle not in names and (still_open := [one.cycle for one in before if one.is_open]):
        others = ", ".join(still_open)
        click.echo(f"Warning: open, too: {others}; readers are sent to a meter once for each open cycle", err=True)


def _rows(cycle: CycleProgress) -> list[tuple[str, ...]]:
    said = (cycle.cycle, "open" if cycle.is_open else "closed", _shown(cycle.due))
    if closed := cycle.closed:
        return [(*said, "", *map(str, (closed.read, closed.estimated, closed.no_access)), "", str(closed.missed))]
    if not cycle.routes:
        return [(*said, *[""] * 6)]
    return [
        (*said, route.route, *map(str, (route.read, route.estimated, route.no_access, route.skipped, route.left)))
        for route in cycle.routes
    ]


def _shown(due: date | None) -> str:
    return due.isoformat() if due else ""
