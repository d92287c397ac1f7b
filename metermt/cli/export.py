"""`metermt export`: billing is given what is settled."""

from pathlib import Path

import click

from metermt.calls.officecalls import OfficeCalls
from metermt.cli.batchfiles import perhaps_made, write_file, written_again
from metermt.cli.common import MeterCommand
from metermt.cli.opened import OpenOffice, office_options
from metermt.cli.outfile import check_free, in_words
from metermt.errors import ConnectionFailed, DecisionError, Error, StoreAway
from metermt.layouts.finding import SHIPPED, checked_layout, layout_text
from metermt.printable import counted

_NAMED = 5  # meters; more are many


@click.command(cls=MeterCommand, short_help="Give billing what is settled.")
@click.option(
    "--to",
    "file",
    type=click.Path(path_type=Path, allow_dash=True),
    required=True,
    metavar="FILE",
    help="The file to write, or - for standard output.",
)
@click.option(
    "--format",
    "name",
    default="csv",
    show_default=True,
    metavar="LAYOUT",
    help=f"How the file looks: {', '.join(SHIPPED)}, or a file of your own.",
)
@click.option("--cycle", help="Only what was read in this period.  [default: all]")
@click.option("--route", help="Only this route.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@office_options
def export(file: Path, name: str, cycle: str | None, route: str | None, force: bool, open_office: OpenOffice) -> None:
    """Give billing what is settled and was in no batch before: a batch, written to a file.

    Each reading is in one batch. What is corrected after that is told in the next one, beside what billing was told
    before. What waits for a decision, or was not read, is held back; that is said.

    \b
    Example:
        metermt export --to november.csv --cycle 2026-11
        metermt export --to november.txt --format fixed
    """
    text = layout_text(name)
    layout = checked_layout(name, text)
    check_free(file, open_office.database, force=force)
    with open_office() as office:
        try:
            head = office.make_batch(name, text, cycle, route)
        except DecisionError:
            _tell_what_is_held_back(office, cycle, route)
            raise
        except (ConnectionFailed, StoreAway) as error:
            raise perhaps_made(error, open_office.where) from error
        try:
            below = write_file(office, head, layout, file)
        except Error as error:
            raise written_again(error, head, file, open_office.where) from error
        said = f"Batch {head.number}: {counted(head.lines, 'line')}, {head.sum_billed_use} units billed"
        click.echo(f"{said}, written to {in_words(file)}.", err=True)
        if below:
            named = ", ".join(f"{line.meter} {line.registered_use}" for line in below[:_NAMED])
            more = f" and {len(below) - _NAMED} more" if len(below) > _NAMED else ""
            click.echo(f"A use is below zero: {named}{more}. After an estimate that may be right.", err=True)
        _tell_what_is_held_back(office, cycle, route)


def _tell_what_is_held_back(office: OfficeCalls, cycle: str | None, route: str | None) -> None:
    for held in office.held_back(cycle, route):
        reasons = [
            (held.undecided, "undecided (metermt review list)"),
            (held.again, f"to be read again (metermt routes missing --cycle {held.cycle})"),
            (held.missing, f"missing (metermt routes missing --cycle {held.cycle})"),
            (held.behind, f"behind what is held back of {', '.join(held.behind_of)}"),
        ]
        said = ", ".join(f"{number} {why}" for number, why in reasons if number)
        click.echo(f"Held back of {held.cycle}: {said}.", err=True)
