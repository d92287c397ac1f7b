"""`metermt audit`: who did what."""

import json
from collections.abc import Iterable
from dataclasses import asdict, astuple, fields
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import IO

import click

from metermt.audit import Shown
from metermt.cli.columns import print_columns
from metermt.cli.common import MeterGroup
from metermt.cli.moments import Day
from metermt.cli.opened import OpenOffice, office_options
from metermt.cli.outfile import check_free, in_words, written
from metermt.cli.spreadsheet import Spreadsheet
from metermt.errors import StoreError
from metermt.names import is_username
from metermt.printable import counted, local_time

_PAGE = 200  # entries that share their columns
_FILE = click.Path(path_type=Path)
_HEADINGS = ("at", "who", "what", "about", "before", "after", "whom", "place", "from")
_CUT = {1: 8, 2: 10, 3: 8, 4: 10, 5: 10}  # characters that remain of what may be long
_SPARE = (8, 7, 6, 4)


@click.group(cls=MeterGroup)
def audit() -> None:
    """See who did what, and that nobody has changed the record of it. Works beside a running server.

    Nothing changes or deletes what is on record. Each entry has a hash of itself and of the one before it.
    """


@audit.command(short_help="Is the record as it was written?")
@click.option("--noted", metavar="HASH", help="The last hash of an earlier time: it must be that of an entry.")
@office_options
def verify(noted: str | None, open_office: OpenOffice) -> None:
    """Look at the whole record, and name the first entry that was changed, removed, moved or put in.

    Ends with status 1 then. Whoever owns the database could write the whole chain anew: note the last hash elsewhere,
    and give it with --noted the next time.

    \b
    Example:
        metermt audit verify
        metermt audit verify --noted 3f1c…
    """
    with open_office() as office:
        found = office.verify_audit(noted.strip().lower() if noted else None)
    if found.fault:
        raise StoreError(f"The record is not as it was written. {found.fault}")
    click.echo(f"{counted(found.count, 'entry', 'entries')}, as they were written. The last hash:")
    click.echo(found.hash)


@audit.command(short_help="Show what was done.")
@click.argument("subject", metavar="[METER|USER]", required=False)
@click.option("--since", type=Day(), help="Only from this day on.")
@click.option("--wide", is_flag=True, help="All columns in full, also on a terminal that is too narrow for them.")
@office_options
def show(subject: str | None, since: date | None, wide: bool, open_office: OpenOffice) -> None:
    """Show what was done, oldest first: all of it, or about a meter, or by or about a user.

    A cycle, a route or a batch ("batch 3") may be named likewise. Times are local, with their zone. `who` is empty for
    whoever worked on the database itself, and for a login that failed. What was done in the last seconds is not shown
    yet. Where the terminal is too narrow, columns are left out and cut.

    \b
    Example:
        metermt audit show G72168
        metermt audit show carol --since 2026-11-01
    """
    with open_office() as office:
        found = iter(office.audit_entries(subject, _beginning(since)))
        first = next(found, None)
        if first is None and subject and is_username(subject):  # a meter, in small letters
            found = iter(office.audit_entries(subject.upper(), _beginning(since)))
            first = next(found, None)
        if first is None:
            click.echo("Nothing of that is on record.", err=True)
            return
        rows = [first, *islice(found, _PAGE - 1)]
        while rows:
            print_columns([_HEADINGS, *map(_row, rows)], numbers=[7], cut=_CUT, spare=_SPARE, wide=wide)
            rows = list(islice(found, _PAGE))


@audit.command(short_help="Write the record to a file.")
@click.argument("file", type=_FILE)
@click.option("--since", type=Day(), help="Only from this day on.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@office_options
def export(file: Path, since: date | None, force: bool, open_office: OpenOffice) -> None:
    """Write the record to FILE: a CSV, or, if its name ends with .jsonl, a JSON object in each line.

    Only you can read it. With the marks of people and the hashes anybody can compute the chain (docs/OPERATIONS.md); of
    a CSV only where no text begins like a formula.

    \b
    Example:
        metermt audit export audit-2026.jsonl --since 2026-01-01
    """
    check_free(file, open_office.database, force=force)
    with open_office() as office, written(file) as out:
        count = _write(out, office.audit_entries(since=_beginning(since)), file.suffix == ".jsonl")
    click.echo(f"{counted(count, 'entry', 'entries')} written to {in_words(file)}", err=True)


def _write(out: IO[str], entries: Iterable[Shown], as_json: bool) -> int:
    sheet = Spreadsheet(out, for_excel=False, local_time=False)
    if not as_json:
        sheet.write(field.name for field in fields(Shown))
    count = 0
    for entry in entries:
        count += 1
        if as_json:
            out.write(json.dumps(asdict(entry)) + "\n")
        else:
            sheet.write(astuple(entry))
    return count


def _beginning(day: date | None) -> datetime | None:
    """Return when a day begins here."""
    return datetime.combine(day, time()).astimezone() if day else None


def _row(entry: Shown) -> tuple[str, ...]:
    at = local_time(datetime.fromisoformat(entry.at))
    told = (entry.who, entry.what, entry.about, entry.before, entry.after, entry.whom)
    return (at, *told, str(entry.place), entry.address)
