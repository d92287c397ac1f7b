"""Spreadsheets: an .xlsx that is the same, byte for byte, whenever it is written from the same lines."""

import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, BinaryIO, cast

from metermt.errors import LayoutError
from metermt.files.dateformat import DateForm
from metermt.files.formulas import as_text
from metermt.layouts.fields import NUMBERS, TEXTS, Sort
from metermt.layouts.layout import Column, Layout, Output, Record
from metermt.layouts.records import Values
from metermt.layouts.refusals import refusal
from metermt.layouts.texts import digits_of, is_empty, meant, moment_in

_MOST_ROWS = 1_048_576  # of a sheet
_MOST_DIGITS = 15  # of a number that a spreadsheet keeps as it is
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the time of all that is in the file: the first that a ZIP can tell
_IN_MEMORY = 16_000_000  # bytes
_CODES = {"YYYY": "yyyy", "YY": "yy", "MM": "mm", "DD": "dd", "hh": "hh", "mm": "mm", "ss": "ss"}


def write_workbook(
    layout: Layout, output: Output, made_at: datetime, records: Iterable[tuple[Record, Values]], out: BinaryIO
) -> None:
    """Write records, each kind in its sheet. Rows go to a temporary file, so that few of them are in memory.

    Raises `LayoutError` if something cannot be written, or if the library for it is not there, and `OSError`.
    """
    try:
        from openpyxl import Workbook  # noqa: PLC0415 - an extra, which nothing else needs
    except ImportError as error:
        raise LayoutError(
            "Spreadsheets need openpyxl, which is not installed: pip install 'metermt[spreadsheet]'"
        ) from error
    book = Workbook(write_only=True)
    book.properties.creator = "MeterMT"
    book.properties.created = made_at.astimezone(UTC).replace(tzinfo=None, microsecond=0)
    sheets: dict[str, _Sheet] = {}
    for record in output.records.values():
        if record.sheet not in sheets:
            sheets[record.sheet] = _Sheet(book, record, output.names)
    with (
        tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as whole,
        tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as timeless,
    ):
        try:
            for record, values in records:
                sheet = sheets[record.sheet]
                sheet.append([_cell(sheet, layout, output, record, values, column) for column in record.columns])
        finally:
            book.save(whole)  # also after a fault: its temporary files go with that
        _copy(cast(BinaryIO, whole), cast(BinaryIO, timeless))
        timeless.seek(0)
        shutil.copyfileobj(timeless, out)  # a ZIP that is written into a pipe itself has other bytes


class _Sheet:
    """A sheet that is being written."""

    def __init__(self, book: Any, first: Record, names: bool) -> None:
        from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415 - as above
        from openpyxl.utils import get_column_letter  # noqa: PLC0415

        self._new_cell = WriteOnlyCell
        self._sheet = book.create_sheet(first.sheet)
        self._rows = 0
        for place, column in enumerate(first.columns, 1):
            if column.width:
                self._sheet.column_dimensions[get_column_letter(place)].width = column.width
        if names:
            self._sheet.freeze_panes = "A2"
            self.append([self.text(column.name) for column in first.columns])

    def append(self, cells: list[Any]) -> None:
        """Write a row. Raises `LayoutError` if the sheet is full."""
        if self._rows == _MOST_ROWS:
            raise LayoutError(f"A sheet of a spreadsheet has {_MOST_ROWS} rows, and there are more: use another format")
        self._sheet.append(cells)
        self._rows += 1

    def text(self, text: str) -> Any:
        """Return a cell with a text, which stays a text though it looks like a formula. Raises `ValueError`."""
        if text.isprintable() and text[:1].isalnum():
            return text  # as nearly all are: the library makes a cell of it in less time
        cell = self._new_cell(self._sheet, text)
        cell.data_type = "s"
        if as_text(text) != text:
            cell.quotePrefix = True
        return cell

    def number(self, value: object, shown_as: str) -> Any:
        """Return a cell with a number, a day or a time."""
        if not shown_as:
            return value
        cell = self._new_cell(self._sheet, value)
        cell.number_format = shown_as
        return cell


def _cell(sheet: _Sheet, layout: Layout, output: Output, record: Record, values: Values, column: Column) -> Any:
    value = values.get(column.field) if column.field else column.text
    try:
        if is_empty(value):
            return sheet.text(column.empty) if column.empty else None
        if column.field is None:
            return sheet.text(column.text)
        if column.sort is Sort.CODES:
            codes = cast("tuple[str, ...]", value)
            return sheet.text((column.separator or "").join([meant(column, code) for code in codes]))
        if column.sort in TEXTS:
            return sheet.text(meant(column, value))
        if column.sort in NUMBERS:
            return sheet.number(_exact(column, cast(Decimal, value)), _decimals(column.decimals))
        when = moment_in(output.zone, cast(date, value))
        return sheet.number(
            when.replace(tzinfo=None, microsecond=0) if isinstance(when, datetime) else when,
            _date_format(cast(DateForm, column.form).pieces),
        )
    except ValueError as error:  # the library's own for characters that no spreadsheet can have is one, too
        raise refusal(layout.name, record, values, column, error) from error


def _exact(column: Column, number: Decimal | int) -> Decimal | int:
    text = digits_of(column, number)
    if len(text.replace(".", "").strip("-0")) > _MOST_DIGITS:
        raise ValueError(f"has more than the {_MOST_DIGITS} digits that a spreadsheet keeps")
    return Decimal(text) if "." in text else int(text)


def _decimals(decimals: int | None) -> str:
    return f"0.{'0' * decimals}" if decimals else ""


@lru_cache(maxsize=64)
def _date_format(pieces: tuple[str, ...]) -> str:
    return "".join([_CODES.get(piece) or f"\\{piece}" for piece in pieces])


def _copy(book: BinaryIO, out: BinaryIO) -> None:
    """Write a workbook without the times at which it was made."""
    with zipfile.ZipFile(book) as made, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as kept:
        for member in made.infolist():
            told = zipfile.ZipInfo(member.filename, _LONG_AGO)
            told.compress_type = zipfile.ZIP_DEFLATED
            with made.open(member) as source, kept.open(told, "w", force_zip64=True) as target:
                if member.filename == "docProps/core.xml":
                    target.write(_without_now(source.read()))
                else:
                    shutil.copyfileobj(source, target, 1 << 16)


def _without_now(properties: bytes) -> bytes:
    """Have a workbook modified when it was created, which is when its batch was made."""
    created = re.search(rb"<dcterms:created[^>]*>([^<]*)", properties)
    assert created, "the library writes when a workbook was created"
    return re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + created[1], properties)
