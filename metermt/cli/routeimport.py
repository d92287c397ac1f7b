"""`metermt routes import`."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import click

from metermt.calls.office import Import, import_jobs
from metermt.cli.common import MeterCommand, database_option
from metermt.cli.office import office
from metermt.cli.progress import ProgressBar
from metermt.config import DatabasePlace
from metermt.errors import RouteError
from metermt.model import ImportCount, Job
from metermt.routefile import BadRow, RouteFile

_BATCH = 2000  # jobs in one transaction: some 40 ms, so that a running server's readers do not notice


@click.command(name="import", cls=MeterCommand, short_help="Import a route file.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--cycle", required=True, help="The reading period, for example 2026-11.")
@database_option
def import_(file: Path, cycle: str, database: DatabasePlace) -> None:
    """Import a route file: the meters to be read in a cycle, in the order of the walk.

    FILE is a CSV, UTF-8, with commas or semicolons. Its first line names the columns, in any order: meter and route,
    and if you have them kind (E, G or W), sequence, address, dials, previous, previous_date (like 2026-10-31) and
    instructions. Rows that cannot be used are set aside, with line and reason, in a file beside it; mend and import
    that. Importing a file again changes nothing; importing a newer one brings the jobs up to date.

    \b
    Example:
        metermt routes import november.csv --cycle 2026-11
    """
    with RouteFile(file, cycle) as route_file, office(database) as opened:
        if route_file.ignored:
            click.echo(f"Columns not used: {', '.join(route_file.ignored)}", err=True)
        total = ImportCount()
        with _Rejects(file, route_file.columns) as rejects:
            for jobs in _batches(route_file, rejects):
                total += opened.ask(import_jobs, Import(cycle, jobs))
    click.echo(f"Cycle {cycle}: {total.added} added, {total.changed} changed, {total.unchanged} unchanged.")
    if rejects.count:
        rows = "row" if rejects.count == 1 else "rows"
        click.echo(f"{rejects.count} {rows} set aside, with line and reason, in {rejects.path}", err=True)
        if total == ImportCount():
            raise RouteError("No row of the file can be used")


class _Rejects:
    """The file of rows set aside, beside the route file; made when the first row comes."""

    def __init__(self, beside: Path, columns: list[str]) -> None:
        self.path = beside.with_name(f"{beside.stem}.rejected.csv")
        self.count = 0
        # A file of rejects that is imported again has its own line and reason, which are those of another file.
        self._dropped = {place for place, column in enumerate(columns) if column in ("line", "reason")}
        self._columns = [column for place, column in enumerate(columns) if place not in self._dropped]
        self._file: TextIO | None = None
        self._writer: Any = None

    def add(self, row: BadRow) -> None:
        with self._errors_told():
            if self._writer is None:
                # What is no UTF-8 is written as it came, so that it is not taken for good when it comes again.
                self._file = self.path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
                self._writer = csv.writer(self._file)
                self._writer.writerow(["line", "reason", *self._columns])
            fields = (field for place, field in enumerate(row.fields) if place not in self._dropped)
            self._writer.writerow([row.line, row.reason, *fields])
            self.count += 1

    def __enter__(self) -> "_Rejects":
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._file:
            with self._errors_told():
                self._file.close()

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RouteError(f"Cannot write {self.path}: {error.strerror}") from error


def _batches(route_file: RouteFile, rejects: _Rejects) -> Iterator[list[Job]]:
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
