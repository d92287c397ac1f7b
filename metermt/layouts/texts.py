"""Values become texts, as their columns want them."""

from collections.abc import Callable
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import Any, cast

from metermt.files.dateformat import DateForm
from metermt.files.formulas import as_text
from metermt.layouts.fields import NUMBERS, TEXTS, Sort
from metermt.layouts.layout import Column, Format, Output

Write = Callable[[Any], str]
"""Writes a value; raises `ValueError` with what is wrong with it."""


def text_writer(column: Column, output: Output) -> Write:
    """Return what writes the values of a column of a file of text, to its width."""
    if column.field is None:
        text = _fitted(column, column.text)
        return lambda _value: text
    plain = _plain(column, output)
    blank = _fitted(column, column.empty) if column.empty or column.width is None else " " * column.width

    def write(value: Any) -> str:
        return blank if is_empty(value) else _fitted(column, plain(value))

    return write


def is_empty(value: object) -> bool:
    """Tell whether there is nothing to be written."""
    return value is None or value in ("", ())


def meant(column: Column, code: object) -> str:
    """Return what stands for a text, or for a code. Raises `ValueError`."""
    text = str(code)
    if column.mapping is None:
        return text
    found = column.mapping.get(text, column.otherwise)
    if found is None:
        raise ValueError("is not in the map of the column")
    return found


def moment_in(zone: tzinfo, when: date) -> date:
    """Return a moment in this zone; a day stays as it is."""
    return when.astimezone(zone) if isinstance(when, datetime) else when


def digits_of(column: Column, number: Decimal | int) -> str:
    """Write a number with the decimals of its column, and a point. Raises `ValueError` if it has more."""
    exact = Decimal(number)
    if column.decimals is None:
        text = f"{exact:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    text = f"{exact:.{column.decimals}f}"
    if Decimal(text) != exact:
        raise ValueError(f"has more than {column.decimals} decimals")
    return text


def _plain(column: Column, output: Output) -> Write:
    if column.sort is Sort.CODES:
        between = column.separator or ""
        return lambda codes: between.join([meant(column, code) for code in codes])
    if column.sort in TEXTS:
        if column.mapping is None and output.format is Format.CSV:
            return lambda text: as_text(str(text))
        return lambda text: meant(column, text)
    if column.sort in NUMBERS:
        return lambda number: digits_of(column, number).replace(".", column.point)
    form = cast(DateForm, column.form)
    return lambda when: form.write(moment_in(output.zone, when))


def _fitted(column: Column, text: str) -> str:
    """Bring a text to the width of its column. Raises `ValueError` if it is longer, and must not be cut."""
    width = column.width
    if width is None:
        return text
    if len(text) > width:
        if not column.cut:
            raise ValueError(f"has {len(text)} characters as {text!r}, and the column {width}")
        return text[:width]
    if not column.right:
        return text.ljust(width, column.pad)
    if column.pad == "0" and column.sort in NUMBERS:
        return text.zfill(width)  # behind the sign
    return text.rjust(width, column.pad)
