"""`metermt routes import`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from metermt.calls.limits import Renewal, Renewed, renew_limits
from metermt.calls.places import Places, import_places
from metermt.calls.routes import Import, ImportCount, Routes, import_jobs, list_meters
from metermt.cli.common import MeterCommand, database_option
from metermt.cli.cycles import warn_of_its_name
from metermt.cli.opened import Office, office
from metermt.cli.progressbar import ProgressBar
from metermt.cli.rejects import Rejects
from metermt.config import DatabaseLocation, is_url
from metermt.errors import LayoutError, RouteError
from metermt.files.foreign import Foreign
from metermt.files.routes import SAVE_IT, UTF_8, BadRow, RouteFile
from metermt.model import Job, Place
from metermt.printable import counted, printable
from metermt.store.memory.store import MemoryStore

_BATCH = 2000  # jobs in one transaction: some 40 ms, so that a running server's readers do not notice
_ROUTES = 200  # whose meters are asked for at once
_NAMED = 10  # meters that a message names
_SET_ASIDE = 3  # the exit status when all went well but for some rows


@click.command(name="import", cls=MeterCommand, short_help="Import a route file.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--cycle", help="Have these meters read in this reading period, for example 2026-11.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@click.option(
    "--encoding",
    show_default=f"{UTF_8}, or what the layout says",
    help="How FILE is written; a spreadsheet may use cp1252.",
)
@click.option("--layout", metavar="NAME|FILE", help="What FILE calls its columns; see `metermt layouts`.")
@database_option
def import_(
    file: Path, cycle: str | None, encoding: str | None, layout: str | None, dry_run: bool, database: DatabaseLocation
) -> None:
    """Import a route file: meters in the order of the walk, and with --cycle a job for each of them.

    FILE is a CSV with commas or semicolons. Its first line names the columns, in any order: meter and route,
    and if you have them kind (E, G or W), sequence, address, dials, previous, previous_date (like 2026-10-31),
    instructions, multiplier and status (active or inactive). Rows that cannot be used are set aside, with line and
    reason, in a new file beside it; mend and import that. Importing a file again changes nothing; importing a newer one
    brings meters and jobs up to date, but for jobs that were read.

    A file from elsewhere, with other names for its columns, comes in by a layout that says which is which.

    The exit status is 3 if rows were set aside, and 1 if nothing could be imported.

    \b
    Example:
        metermt routes import meters.csv
        metermt routes import november.csv --cycle 2026-11
        metermt routes import export.txt --layout billing.toml
    """
    with RouteFile(file, cycle, encoding, _foreign(layout)) as route_file, _office(database, dry_run) as opened:
        if route_file.ignored:
            click.echo(printable(f"Columns not used: {', '.join(route_file.ignored)}"), err=True)
        with Rejects(file, route_file.columns, route_file.meter_place, dry_run=dry_run) as rejects:
            if cycle is None:
                is_empty = _import_places(opened, route_file, rejects, dry_run)
            else:
                is_empty = _import_jobs(opened, route_file, rejects, cycle, dry_run)
    if rejects.count:
        _tell_of_rejects(rejects, dry_run)
        if route_file.not_read:
            _tell_of_letters(file, route_file.encoding, route_file.not_read)
        if is_empty:
            raise RouteError("No row of the file can be used")
        click.get_current_context().exit(_SET_ASIDE)


def _foreign(layout: str | None) -> Foreign | None:
    if layout is None:
        return None
    from metermt.layouts.finding import find_layout  # noqa: PLC0415 - which few imports need

    foreign = find_layout(layout).foreign
    if foreign is None:
        raise LayoutError(f"The layout {layout} says nothing of files to import: it has no [import]")
    return foreign


def _import_places(opened: Office, route_file: RouteFile, rejects: Rejects, dry_run: bool) -> bool:
    """Import what is known of meters, and nothing that is to be done; tell whether there was nothing to import."""
    meters = changed = 0
    for jobs in _batches(route_file, rejects):
        meters += len(jobs)
        places = [Place(job.meter, job.route, job.sequence) for job in jobs]
        changed += opened.call(import_places, Places(places, dry_run))
    would = " would be" if dry_run else ""
    click.echo(f"{changed} of {counted(meters, 'meter')}{would} new or changed.")
    return not meters


def _import_jobs(opened: Office, route_file: RouteFile, rejects: Rejects, cycle: str, dry_run: bool) -> bool:
    """Import what is to be read in a cycle; tell whether there was nothing to import."""
    warn_of_its_name(cycle, opened.store.read(lambda tx: tx.cycles.all()))
    total = ImportCount()
    for jobs in _batches(route_file, rejects):
        total += opened.call(import_jobs, Import(cycle, jobs, dry_run))
    left_out = [
        meter
        for meter in _meters_on(opened, cycle, route_file.routes)
        if meter not in route_file and meter not in rejects.meters
    ]
    is_empty = total == ImportCount()
    renewed = None if dry_run or is_empty else opened.call(renew_limits, Renewal(cycle, route_file.routes))
    # Rows that were set aside and mended are a part of their routes only.
    _tell(cycle, total, [] if route_file.is_of_rejects else left_out, dry_run)
    if renewed:
        _tell_of_limits(renewed)
    return is_empty


@contextmanager
def _office(database: DatabaseLocation, dry_run: bool) -> Iterator[Office]:
    """Open a database; a dry run makes none, and does as if an empty one were there."""
    if dry_run and not is_url(database) and not Path(database).exists():
        with MemoryStore() as store:
            yield Office(store)
    else:
        with office(database, create=not dry_run) as opened:
            yield opened


def _meters_on(opened: Office, cycle: str, routes: list[str]) -> Iterator[str]:
    if cycle not in opened.store.read(lambda tx: tx.cycles.all()):  # a dry run begins none
        return
    for first in range(0, len(routes), _ROUTES):
        yield from opened.call(list_meters, Routes(cycle, routes[first : first + _ROUTES]))


def _tell(cycle: str, total: ImportCount, left_out: list[str], dry_run: bool) -> None:
    counts = [f"{total.added} added", f"{total.changed} changed", f"{total.unchanged} unchanged"]
    if total.kept:
        counts.append(f"{total.kept} read already and left as {'it was' if total.kept == 1 else 'they were'}")
    click.echo(f"Cycle {cycle}{' would have' if dry_run else ''}: {', '.join(counts)}.")
    for other, count in sorted(total.elsewhere.items()):
        meters = counted(count, "meter of the file is", "meters of the file are")
        click.echo(f"Warning: {meters} to be read in {other}, too, which is open", err=True)
    if left_out:
        meters = counted(len(left_out), "meter of these routes is", "meters of these routes are")
        names = ", ".join(left_out[:_NAMED]) + (", …" if len(left_out) > _NAMED else "")
        click.echo(f"{meters} in the cycle, and not in the file: {names}", err=True)


def _tell_of_limits(renewed: Renewed) -> None:
    if renewed.disagreeing:
        meters = counted(renewed.disagreeing, "meter has", "meters have")
        click.echo(f"{meters} another previous reading here, which is taken:", err=True)
        for one in renewed.examples:
            click.echo(f"  {one.meter}: {one.given} in the file, {one.ours} on {one.ours_on} here", err=True)
        if renewed.disagreeing > len(renewed.examples):
            click.echo("  …", err=True)


def _tell_of_rejects(rejects: Rejects, dry_run: bool) -> None:
    rows = counted(rejects.count, "row")
    if not dry_run:
        click.echo(f"{rows} set aside, with line and reason, in {rejects.path}", err=True)
        return
    click.echo(f"{rows} would be set aside:", err=True)
    for row in rejects.first:
        click.echo(f"  line {row.line}: {row.reason}", err=True)
    if rejects.count > len(rejects.first):
        click.echo("  …", err=True)


def _tell_of_letters(file: Path, encoding: str, lines: list[int]) -> None:
    others = len(lines) - 1
    and_others = f", nor are {others} other rows" if others > 1 else ", nor is another row" if others else ""
    click.echo(f"Line {lines[0]} of {file} is not {encoding}{and_others}: {SAVE_IT}; then import it again", err=True)


def _batches(route_file: RouteFile, rejects: Rejects) -> Iterator[list[Job]]:
    jobs: list[Job] = []
    with ProgressBar("Importing") as show:
        for row_number, row in enumerate(route_file.jobs(), start=1):
            if isinstance(row, BadRow):
                rejects.add(row)
            else:
                jobs.append(row)
            if len(jobs) == _BATCH:
                yield jobs
                jobs = []
            if row_number % _BATCH == 0 and (bytes_read := route_file.bytes_read) is not None:
                show(row_number, bytes_read, route_file.size)
        if jobs:
            yield jobs
