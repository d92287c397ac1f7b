"""`metermt database`: a database moves to another place."""

import click

from metermt.cli.columns import print_columns
from metermt.cli.common import Database, MeterGroup, check_told_database
from metermt.cli.opened import office
from metermt.cli.progressbar import ProgressBar
from metermt.cli.seen import servers_of
from metermt.config import DatabaseLocation
from metermt.errors import StoreError
from metermt.store.copying import copy_database


@click.group(cls=MeterGroup)
def database() -> None:
    """Move a database to another place."""


@database.command(short_help="Copy everything into a new database.")
@click.argument("source", metavar="FROM", type=Database(), callback=check_told_database)
@click.argument("target", metavar="TO", type=Database(), callback=check_told_database)
@click.option("--while-serving", is_flag=True, help="Copy although servers run on FROM.")
def copy(source: DatabaseLocation, target: DatabaseLocation, *, while_serving: bool) -> None:
    """Copy everything from one database into a new one: a file, or a PostgreSQL database.

    TO is a file that is not there yet, or postgresql://USER@HOST/NAME, an empty database. The copy is there when all
    of it was written and read back; cut off before, it leaves nothing, and may be begun anew.

    Stop the servers of FROM first: the copy is of the moment when it begins, and what is submitted later is not in it.

    \b
    Example:
        metermt database copy metermt.db postgresql://metermt@db1/metermt
        metermt database copy service=metermt metermt.db
    """
    if not while_serving:
        _check_idle(source)
    with ProgressBar("Copying") as show:
        counts = copy_database(source, target, lambda done, total: show(total, done, total))
    print_columns([("table", "rows"), *((table, str(count)) for table, count in counts.items())], numbers=[1])
    click.echo(f"Copied {source} to {target}, and read back every row: all are the same.")


def _check_idle(source: DatabaseLocation) -> None:
    """Raise `StoreError` if servers run on a database."""
    with office(source, create=False) as opened:
        alive = [seen.server.name for seen in servers_of(opened) if seen.is_alive]
    if alive:
        raise StoreError(
            f"What {', '.join(alive)} takes meanwhile would not be in the copy: stop that first, or use --while-serving"
        )
