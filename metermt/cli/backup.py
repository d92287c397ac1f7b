"""`metermt backup` and `metermt restore`: a copy of the database, and the way back."""

from pathlib import Path

import click

from metermt.cli.common import MeterCommand, database_option
from metermt.cli.keptfiles import check_apart
from metermt.cli.opened import office
from metermt.config import DatabaseLocation, is_url
from metermt.errors import StoreError
from metermt.printable import counted, local_time


@click.command(cls=MeterCommand, short_help="Copy the database while the server runs.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--verify", is_flag=True, help="Read all of the copy afterwards, and say what is in it.")
@database_option
def backup(file: Path, database: DatabaseLocation, *, verify: bool) -> None:
    """Copy the database, as it is at this moment, to a new FILE in a folder that is there, while the server runs.

    The copy is a database: serve it, or export from it, with --database FILE.

    \b
    Example:
        metermt backup /backup/metermt-2026-11-20.db --verify
    """
    check_apart(file, database)
    with office(database, create=False) as opened:
        opened.store.backup(file)
    click.echo(f"Copied {database} to {file}")
    if verify:
        from metermt.store.sqlite.inspection import inspected  # noqa: PLC0415 - the store that is used is loaded only

        click.echo(f"{file} is whole: {inspected(file).in_words()}")


@click.command(cls=MeterCommand, short_help="Put a backup in the place of the database.")
@click.argument("file", type=click.Path(path_type=Path))
@database_option
def restore(file: Path, database: DatabaseLocation) -> None:
    """Put the backup FILE in the place of the database. Stop its servers first.

    FILE is read through before anything is changed. The database that was there is kept beside it, under another name;
    readings that are in that one only are counted.

    \b
    Example:
        metermt restore /backup/metermt-2026-11-20.db
    """
    if is_url(database):
        raise StoreError(
            "A PostgreSQL database is restored by its own tools, or from a file into an empty database by"
            f" 'metermt database copy {file} URL'"
        )
    from metermt.store.sqlite.restoring import restore as put_back  # noqa: PLC0415 - likewise

    found, kept = put_back(file, Path(database))
    click.echo(f"Restored {database} from {file}: {found.in_words()}")
    if kept:
        click.echo(f"What was there is {kept} now{_tell_of_lacking(Path(database), kept)}")


def _tell_of_lacking(database: Path, kept: Path) -> str:
    """Say which readings are in the database that was kept only."""
    from metermt.store.sqlite.inspection import lacking  # noqa: PLC0415 - likewise

    try:
        only_there = lacking(database, kept)
    except StoreError as error:
        return f", and cannot be compared with the backup. {error}"
    if not only_there:
        return ", and has no reading that the backup lacks"
    readings = counted(only_there.count, "reading that the backup lacks", "readings that the backup lacks")
    return (
        f".\nOnly there: {readings}, accepted from {local_time(only_there.since)} to"
        f" {local_time(only_there.until)};"
        f" see 'metermt readings export FILE --database {kept}'"
    )
