"""`metermt readings`: what was read."""

import csv
import os
import sys
from pathlib import Path
from typing import IO

import click

from metermt.cli.common import MeterGroup, database_option
from metermt.cli.office import office
from metermt.config import DatabasePlace
from metermt.errors import StoreError
from metermt.store.base import Tx
from metermt.wholefile import whole_file

COLUMNS = (
    *("cycle", "route", "sequence", "meter", "kind", "address", "previous", "previous_date"),
    *("reading", "reason", "read_at", "reader", "recorded_at", "counts", "key"),
)


@click.group(cls=MeterGroup)
def readings() -> None:
    """Fetch what was read. Works beside a running server."""


@readings.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--cycle", help="Only this reading period, for example 2026-11.  [default: all]")
@database_option
def export(file: Path, cycle: str | None, database: DatabasePlace) -> None:
    """Write every reading to FILE, a CSV in UTF-8; - is standard output.

    \b
    Columns:
        cycle, route, sequence,  the job, as it was imported
        meter, kind, address,
        previous, previous_date
        reading                  the register; empty when there is only a reason
        reason                   why there is no reading, or a remark
        read_at                  when the reader stood at the meter, UTC
        reader                   the user name
        recorded_at              when the server accepted it, UTC
        counts                   1, or 0 if the same reader has corrected it since
        key                      the client's id of the submission

    \b
    Example:
        metermt readings export november-read.csv --cycle 2026-11
    """
    with office(database, create=False) as opened:
        try:
            if str(file) == "-":
                out = click.open_file("-", "w", encoding="utf-8")
                count = opened.store.read(lambda tx: _write(out, tx, cycle))
                out.flush()
            else:
                with whole_file(file) as out:
                    count = opened.store.read(lambda tx: _write(out, tx, cycle))
        except BrokenPipeError:
            raise  # whoever read has had enough, which click knows how to end
        except OSError as error:
            if str(file) == "-":  # what could not be written is not tried again at exit
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise StoreError(f"Cannot write {file}: {error.strerror}") from error
    where = "standard output" if str(file) == "-" else str(file)
    click.echo(f"{count} {'reading' if count == 1 else 'readings'} written to {where}", err=True)


def _write(out: IO[str], tx: Tx, cycle: str | None) -> int:
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    count = 0
    for count, (job, reading) in enumerate(tx.readings.all(cycle), start=1):  # noqa: B007 - the last one is the answer
        meter, said = job.meter, reading.answer
        writer.writerow(
            (
                *(job.cycle, job.route, job.sequence, meter.number, meter.kind, meter.address),
                *(job.previous, job.previous_date, said.value, said.reason),
                *(f"{said.when:%Y-%m-%dT%H:%M:%SZ}", reading.username, f"{reading.recorded_at:%Y-%m-%dT%H:%M:%SZ}"),
                *(int(reading.counts), said.key),
            )
        )
    return count
