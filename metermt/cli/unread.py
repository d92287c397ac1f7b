"""`metermt routes missing` and `release`: what is not read yet, and who holds it."""

import click

from metermt.cli.columns import print_columns
from metermt.cli.common import MeterCommand
from metermt.cli.opened import OpenOffice, office_options
from metermt.errors import RouteError
from metermt.printable import counted


@click.command(cls=MeterCommand, short_help="List the meters that are not read.")
@click.option("--cycle", help="Only this reading period, open or closed.  [default: all open ones]")
@click.option("--route", help="Only this route.")
@office_options
def missing(cycle: str | None, route: str | None, open_office: OpenOffice) -> None:
    """List the meters that are not read, in the order of the walk, with who was handed each.

    \b
    Example:
        metermt routes missing --cycle 2026-11
        metermt routes missing --server meter.example.org --as gwenda
    """
    with open_office() as office:
        found = office.list_missing(cycle, route)
    if found:
        rows = [(one.cycle, one.route, str(one.sequence), one.meter, one.leased_to or "", one.address) for one in found]
        print_columns([("cycle", "route", "sequence", "meter", "held by", "address"), *rows], numbers=[2])
    click.echo(f"{counted(len(found), 'meter is', 'meters are')} not read.", err=True)


@click.command(cls=MeterCommand, short_help="Let others read what somebody holds.")
@click.argument("what", metavar="[ROUTE|METER]", required=False)
@click.option("--user", "username", metavar="NAME", help="All that this reader holds.")
@click.option("--cycle", help="Only in this reading period.  [default: in all open ones]")
@office_options
def release(what: str | None, username: str | None, cycle: str | None, open_office: OpenOffice) -> None:
    """Let others read what somebody holds: the meters of ROUTE, METER, or all that a reader holds.

    Who held them may send what was read all the same, until somebody else is handed them.

    \b
    Example:
        metermt routes release Harbour
        metermt routes release G72168
        metermt routes release --user carol
    """
    if (what is None) == (username is None):
        raise click.UsageError("Name a route or a meter, or a reader with --user")
    with open_office() as office:
        if what is None:
            count = office.release_jobs(username=username, cycle=cycle)
        elif any(progress.route == what for progress in office.list_routes()):
            count = office.release_jobs(route=what, cycle=cycle)
        else:
            try:
                count = office.release_jobs(meter=what.upper(), cycle=cycle)
            except RouteError:
                if cycle:
                    raise
                raise RouteError(f"There is no route and no meter {what!r} in the open cycles") from None
    if count:
        click.echo(f"Released {counted(count, 'meter')}: anybody may be handed what was held.")
    else:
        click.echo("Nothing to release: nobody holds any of it.")
