"""Real readings of a town, from a file: `meter, read_date, previous, current, days`, and other columns."""

import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from metermt.rules.history import Read

DEFAULT = Path(__file__).parents[2] / "shared" / "data" / "readings.csv.gz"
_COLUMNS = ("meter", "read_date", "previous", "current", "days")


class BadFile(Exception):
    """The file cannot be used; the text says why."""


@dataclass(frozen=True)
class Row:
    """A reading with the one before it."""

    on: date
    previous: int
    value: int
    days: int


Town = dict[str, list[Row]]
"""The rows of each meter by time, in the order of the file: the walk."""


def load(file: Path) -> Town:
    """Read a file of readings, packed or not. Raises `BadFile`."""
    try:
        packed = file.read_bytes()
        text = (gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise BadFile(f"{file} cannot be read: {error}; name a file of readings with --data") from None
    lines = csv.DictReader(io.StringIO(text, newline=""))
    missing = [column for column in _COLUMNS if column not in (lines.fieldnames or ())]
    if missing:
        raise BadFile(f"{file} has no column {', '.join(missing)}: it needs {', '.join(_COLUMNS)}")
    town: Town = {}
    for line in lines:
        try:
            row = Row(
                date.fromisoformat(line["read_date"]), int(line["previous"]), int(line["current"]), int(line["days"])
            )
        except (ValueError, TypeError) as error:
            raise BadFile(f"{file}, line {lines.line_num}: {error}") from None
        if row.previous < 0 or row.value < 0 or row.days < 0:
            raise BadFile(f"{file}, line {lines.line_num}: a register or a number of days is below zero")
        town.setdefault(line["meter"], []).append(row)
    if len(town) < 4:
        raise BadFile(f"{file} has {len(town)} meters: two halves of at least two are needed")
    for rows in town.values():
        rows.sort(key=lambda row: row.on)
    return town


def reads_of(rows: list[Row]) -> Iterator[Read]:
    """Yield the readings of a meter; where a row does not go on from the one before, another device does."""
    last = None
    for row in rows:
        if row.previous != last:
            yield Read(row.on - timedelta(days=row.days), row.previous, exchanged=last is not None)
        yield Read(row.on, row.value)
        last = row.value
