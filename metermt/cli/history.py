"""`metermt history`: what meters have shown in the past."""

from collections.abc import Iterator
from pathlib import Path

import click

from metermt.calls.places import Past, Shown, import_history
from metermt.cli.common import MeterCommand, MeterGroup, database_option
from metermt.cli.opened import Office, office
from metermt.config import DatabaseLocation
from metermt.errors import RouteError
from metermt.files.history import HistoryFile, HistoryRow
from metermt.printable import counted

_BATCH = 2000  # readings in one transaction, so that a running server's readers do not notice
_TOLD = 10  # rows that cannot be used, and are told of
_SET_ASIDE = 3  # the exit status when all went well but for some rows


@click.group(cls=MeterGroup, short_help="Say what meters have shown in the past.")
def history() -> None:
    """Say what meters have shown in the past, so that their next readings can be judged."""


@history.command(name="import", cls=MeterCommand, short_help="Import readings of earlier cycles.")
@click.argument("file", type=click.Path(path_type=Path))
@database_option
def import_(file: Path, database: DatabaseLocation) -> None:
    """Import readings of earlier cycles, of meters whose routes were imported.

    FILE is a CSV, UTF-8, with commas or semicolons; packed if its name ends in .gz. Its first line names the columns:
    meter, date (or read_date, like 2026-10-31) and value (or current); with previous and days a row tells of the
    reading before, too, and a quality of E says that nobody has read it. Importing a file again changes nothing. It
    takes part in the cycles that are opened from then on; `metermt limits renew` has those that are open judged by it,
    too.

    The exit status is 3 if rows could not be used, and 1 if none could.

    \b
    Example:
        metermt history import last-year.csv
    """
    total = _Total()
    with HistoryFile(file) as opened_file, office(database, create=False) as opened:
        for batch in _batches(opened_file, total):
            _keep(opened, batch, total)
    click.echo(f"{counted(total.kept, 'row')} imported.")
    if total.rejected:
        click.echo(f"{counted(total.rejected, 'row')} could not be used:", err=True)
        for line, reason in total.first:
            click.echo(f"  line {line}: {reason}", err=True)
        if total.rejected > len(total.first):
            click.echo("  …", err=True)
        if not total.kept:
            raise RouteError("No row of the file can be used")
        click.get_current_context().exit(_SET_ASIDE)


class _Total:
    """What became of the rows so far."""

    def __init__(self) -> None:
        self.kept = 0
        self.rejected = 0
        self.first: list[tuple[int, str]] = []

    def reject(self, line: int, reason: str) -> None:
        """Count a row that cannot be used."""
        self.rejected += 1
        if len(self.first) < _TOLD:
            self.first.append((line, reason))


def _batches(file: HistoryFile, total: _Total) -> Iterator[list[HistoryRow]]:
    batch: list[HistoryRow] = []
    for row in file.rows():
        if row.reason:
            total.reject(row.line, row.reason)
            continue
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _keep(opened: Office, batch: list[HistoryRow], total: _Total) -> None:
    shown = [(row.line, one) for row in batch for one in row.shown]
    outcomes = opened.call(import_history, Past([Shown(**one._asdict()) for _, one in shown]))
    wrong: dict[int, str] = {}
    for (line, _), error in zip(shown, outcomes, strict=True):
        if error is not None:
            wrong.setdefault(line, str(error))
    total.kept += len(batch) - len(wrong)
    for line, reason in wrong.items():
        total.reject(line, reason)
