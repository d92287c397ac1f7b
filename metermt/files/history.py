"""History files: a CSV of what meters have shown in the past."""

import csv
import gzip
import io
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from metermt.errors import RouteError
from metermt.files.csvfields import day, first_line, whole
from metermt.names import is_meter_number
from metermt.quality import Quality

_NAMES = {"date": ("date", "read_date"), "value": ("value", "current", "reading")}


class ShownOn(NamedTuple):
    """What a meter showed on a day; it is estimated if nobody has read it."""

    meter: str
    on: date
    value: int
    estimated: bool = False


class HistoryRow(NamedTuple):
    """What one row tells: what a meter showed, or why the row cannot be used."""

    line: int
    shown: list[ShownOn]
    reason: str = ""


class HistoryFile:
    """A history file, open for reading: CSV in UTF-8, with `,` or `;` between the columns; `.gz` if it is packed.

    The first line names the columns, in any order: meter, date (or read_date, like 2026-10-31) and value (or current,
    or reading). Where it also has previous and days, a row tells of the day so long before, too. The quality, where
    there is one, is that of `metermt.quality`, A if it is empty; of E all that counts is that it is no reading. Others
    are ignored.
    """

    def __init__(self, path: Path) -> None:
        """Open the file and read its first line. Raises `RouteError`."""
        self._path = path
        try:
            packed = gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115 - closed by `__exit__`
            self._text = io.TextIOWrapper(packed, encoding="utf-8-sig", newline="")
        except OSError as error:
            raise RouteError(f"Cannot read {path}: {error.strerror}") from error
        try:
            self._open()
        except BaseException:
            self._text.close()
            raise

    def rows(self) -> Iterator[HistoryRow]:
        """Yield what each row tells that is not empty. Raises `RouteError` if the file cannot be read any further."""
        while True:
            try:
                fields = next(self._rows, None)
            except (OSError, EOFError, ValueError, csv.Error) as error:
                raise RouteError(f"Cannot read {self._path} beyond line {self._rows.line_num + 1}: {error}") from error
            if fields is None:
                return
            if any(fields):
                yield self._row(self._rows.line_num + 1, fields)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._text.close()

    def _open(self) -> None:
        try:
            first = self._text.readline()
        except (OSError, EOFError, ValueError) as error:
            raise RouteError(f"{self._path} is no history file: {error}") from error
        delimiter, columns = first_line(first)
        self._places = {
            name: next((columns.index(column) for column in _NAMES.get(name, (name,)) if column in columns), None)
            for name in ("meter", "date", "value", "previous", "days", "quality")
        }
        if missing := [name for name in ("meter", "date", "value") if self._places[name] is None]:
            raise RouteError(
                f"{self._path} is no history file: its first line must name {' and '.join(missing)},"
                f" and has {', '.join(filter(None, columns)) or 'no columns'}"
            )
        self._rows = csv.reader(self._text, delimiter=delimiter)
        self._estimated: set[tuple[str, date]] = set()

    def _row(self, line: int, fields: list[str]) -> HistoryRow:
        told = {
            name: fields[place].strip() if place is not None and place < len(fields) else ""
            for name, place in self._places.items()
        }
        try:
            meter, on = told["meter"].upper(), day("date", told["date"])
            if not is_meter_number(meter):
                raise RouteError(f"Invalid meter {told['meter']!r}")
            estimated = _is_estimated(told["quality"])
            shown = [ShownOn(meter, on, whole("value", told["value"], "from 0"), estimated)]
            if told["previous"] and told["days"]:
                before = on - timedelta(days=min(whole("days", told["days"], "from 0"), 36_600))
                previous = whole("previous", told["previous"], "from 0")
                shown.insert(0, ShownOn(meter, before, previous, (meter, before) in self._estimated))
            if estimated:
                self._estimated.add((meter, on))
        except RouteError as error:
            return HistoryRow(line, [], str(error))
        except OverflowError:
            return HistoryRow(line, [], f"Invalid days {told['days']!r}: so long ago there were no meters")
        return HistoryRow(line, shown)


def _is_estimated(quality: str) -> bool:
    """Tell whether nobody has read a value of such a quality. Raises `RouteError`."""
    try:
        return bool(quality) and Quality(quality.upper()) is Quality.ESTIMATED
    except ValueError:
        raise RouteError(f"Invalid quality {quality!r}: use {', '.join(Quality)}, or nothing for A") from None
