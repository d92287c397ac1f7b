"""`metermt backup`: a copy of the database."""

from pathlib import Path

import click

from metermt.cli.common import MeterCommand, database_option
from metermt.cli.office import office
from metermt.config import DatabasePlace


@click.command(cls=MeterCommand, short_help="Copy the database while the server runs.")
@click.argument("file", type=click.Path(path_type=Path))
@database_option
def backup(file: Path, database: DatabasePlace) -> None:
    """Copy the database, as it is at this moment, to a new FILE, while the server runs.

    The copy is a database: serve it, or export from it, with --database FILE.

    \b
    Example:
        metermt backup /backup/metermt-2026-11-20.db
    """
    with office(database, create=False) as opened:
        opened.store.backup(file)
    click.echo(f"Copied {database} to {file}")
