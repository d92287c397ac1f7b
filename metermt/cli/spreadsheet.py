"""Tables as spreadsheets take them: CSV, in which no text is a formula."""

import csv
from collections.abc import Iterable
from datetime import datetime
from typing import IO

from metermt.files.formulas import as_text


class Spreadsheet:
    """A CSV that is being written. Texts that a spreadsheet would take for formulas get an apostrophe before them.

    `for_excel` writes what Excel opens with a double click in countries with a decimal comma: a byte order mark, and
    `;` between the columns. Times are in UTC, or in the zone of this machine with its offset.
    """

    def __init__(self, out: IO[str], *, for_excel: bool, local_time: bool) -> None:
        if for_excel:
            out.write("\ufeff")
        self._rows = csv.writer(out, delimiter=";" if for_excel else ",")
        self._local_time = local_time

    def write(self, fields: Iterable[object]) -> None:
        """Write a row."""
        self._rows.writerow(map(self._field, fields))

    def _field(self, field: object) -> object:
        match field:
            case datetime() if self._local_time:
                return field.astimezone().isoformat(timespec="seconds")
            case datetime():
                return f"{field:%Y-%m-%dT%H:%M:%SZ}"
            case str():
                return as_text(field)
            case _:
                return field
