"""JSON: one object with the header, a list of the lines, and the trailer; always in UTF-8."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import BinaryIO, cast

import msgspec

from metermt.files.dateformat import DateForm
from metermt.layouts import fields
from metermt.layouts.fields import TEXTS, TIMES, Sort
from metermt.layouts.layout import Column, Layout, Output, Record
from metermt.layouts.records import Values
from metermt.layouts.refusals import refusal
from metermt.layouts.texts import digits_of, is_empty, meant, moment_in

_FIRST = b'"lines": ['  # before the first line


def write_document(layout: Layout, output: Output, records: Iterable[tuple[Record, Values]], out: BinaryIO) -> None:
    """Write records, a line of the file for each, and nothing after the first that cannot be written.

    Raises `LayoutError`, `OSError`.
    """
    encode = msgspec.json.Encoder(decimal_format="number").encode
    out.write(b"{\n")
    before, trailer = _FIRST, b""
    for record, values in records:
        told = encode({column.name: _value(layout, output, record, values, column) for column in record.columns})
        match record.kind:
            case fields.HEADER:
                out.write(b'"header": ' + told + b",\n")
            case fields.TRAILER:
                trailer = b',\n"trailer": ' + told
            case _:
                out.write(before + b"\n" + told)
                before = b","
    out.write((_FIRST if before == _FIRST else b"") + b"\n]" + trailer + b"\n}\n")


def _value(layout: Layout, output: Output, record: Record, values: Values, column: Column) -> object:
    if column.field is None:
        return column.text
    value = values.get(column.field)
    try:
        return _plain(output, column, value)
    except ValueError as error:
        raise refusal(layout.name, record, values, column, error) from error


def _plain(output: Output, column: Column, value: object) -> object:
    if is_empty(value):
        return column.empty or (None if column.sort is not Sort.CODES or column.separator is not None else [])
    if column.sort is Sort.CODES:
        codes = [meant(column, code) for code in cast("tuple[str, ...]", value)]
        return codes if column.separator is None else column.separator.join(codes)
    if column.sort in TEXTS:
        return meant(column, value)
    if column.sort is Sort.DECIMAL:
        return Decimal(digits_of(column, cast(Decimal, value)))
    if column.sort in TIMES:
        return cast(DateForm, column.form).write(moment_in(output.zone, cast(date, value)))
    return value
