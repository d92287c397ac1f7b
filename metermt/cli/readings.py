"""`metermt readings`: what was read."""

from datetime import date
from functools import partial
from pathlib import Path

import click

from metermt.cli.common import MeterGroup, Register, database_option
from metermt.cli.moments import Day
from metermt.cli.opened import OpenOffice, office, office_options
from metermt.cli.outfile import check_free, in_words, written
from metermt.cli.slips import put, yes_option
from metermt.cli.spreadsheet import Spreadsheet
from metermt.config import DatabaseLocation
from metermt.printable import counted
from metermt.rules.cycles import check_there_is
from metermt.store.base import Tx

COLUMNS = (
    *("cycle", "route", "sequence", "meter", "kind", "address", "previous", "previous_date"),
    *("reading", "reason", "read_at", "reader", "recorded_at", "counts", "key"),
    *("quality", "flags", "cause", "code"),
)


@click.group(cls=MeterGroup)
def readings() -> None:
    """Fetch what was read. Works beside a running server."""


@readings.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--cycle", help="Only this reading period, for example 2026-11.  [default: all]")
@click.option("--all", "superseded_too", is_flag=True, help="Also readings that count no more.")
@click.option("--local-time", is_flag=True, help="Times in the zone of this machine, with the offset.  [default: UTC]")
@click.option("--excel", is_flag=True, help="For a double click: a byte order mark, and ; between the columns.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@database_option
def export(
    file: Path,
    cycle: str | None,
    superseded_too: bool,
    local_time: bool,
    excel: bool,
    force: bool,
    database: DatabaseLocation,
) -> None:
    """Write the readings to FILE, a CSV in UTF-8; - is standard output.

    A row is the reading that counts of a meter in a cycle. Rows come by cycle, route, sequence and meter.
    FILE can be read by you only. A text that begins with = + - @ has an apostrophe before it, or a
    spreadsheet would run it as a formula.

    \b
    Columns:
        cycle, route, sequence,  the job, as it was imported
        meter, kind, address,
        previous, previous_date
        reading                  the register; empty when there is only a reason
        reason                   why there is no reading, or a remark
        read_at                  when the reader stood at the meter
        reader                   the user name; empty: on the database itself
        recorded_at              when the server accepted it
        counts                   1; with --all, 0 for those that count no more
        key                      the client's id of the submission
        quality                  A as it was read; V odd, and typed twice;
                                 E estimated; F put by the office
        flags                    what is odd about it, blanks between
        cause                    what may lie behind that
        code                     of the reason, if it is on your list

    \b
    Example:
        metermt readings export november-read.csv --cycle 2026-11 --excel
    """
    check_free(file, database, force=force)
    with office(database, create=False) as opened:
        if cycle is not None:
            check_there_is(cycle, opened.store.read(lambda tx: tx.cycles.all()))
        with written(file) as out:
            sheet = Spreadsheet(out, for_excel=excel, local_time=local_time)
            count = opened.store.read(lambda tx: _write(sheet, tx, cycle, superseded_too))
    click.echo(f"{counted(count, 'reading')} written to {in_words(file)}", err=True)


@readings.command(short_help="Have another value count.")
@click.argument("meter")
@click.argument("value", type=Register())
@click.option("--why", required=True, help="Stays on record beside the value.")
@click.option("--cycle", help="Of this reading period.  [default: the latest in which the meter has a job]")
@click.option(
    "--on",
    type=Day(),
    help="The day on which it was read.  [default: as before, or today]",
)
@yes_option
@office_options
def correct(
    meter: str, value: int, why: str, cycle: str | None, on: date | None, yes: bool, open_office: OpenOffice
) -> None:
    """Have VALUE count for METER, whatever was read, and whether its cycle is open or closed.

    What was read stays on record. If it was billed, the next export has a correction. A meter that nobody has read gets
    its reading so, too, such as one that a customer has told by telephone. You are asked about a value that a reader
    would be asked about.

    \b
    Example:
        metermt readings correct G72168 59830 --why "by the customer's photograph"
    """
    with open_office() as office:
        correction = partial(office.correct_reading, meter.upper(), value, why, cycle, on)
        done = put(lambda sure: correction(sure=sure), yes=yes)
    click.echo(f"{value} counts for {meter.upper()} in {done.cycle}.")


def _write(sheet: Spreadsheet, tx: Tx, cycle: str | None, superseded_too: bool) -> int:
    sheet.write(COLUMNS)
    count = 0
    for job, reading in tx.readings.all(cycle):
        if not (reading.counts or superseded_too):
            continue
        count += 1
        meter, said = job.meter, reading.answer
        sheet.write(
            (
                *(job.cycle, job.route, job.sequence, meter.number, meter.kind, meter.address),
                *(job.previous, job.previous_date, said.value, said.reason),
                *(said.when, reading.username, reading.recorded_at, int(reading.counts), said.key),
                *(reading.quality.value, " ".join(reading.flags), reading.cause and reading.cause.value, reading.code),
            )
        )
    return count
