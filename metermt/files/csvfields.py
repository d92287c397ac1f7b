"""What the CSV files of an office have in common: their first line, whole numbers, and days."""

import csv
from datetime import date

from metermt.errors import RouteError
from metermt.names import check_day


def first_line(text: str, delimiter: str | None = None) -> tuple[str, list[str]]:
    """Return what stands between the columns, and their names in small letters; none if it is no such line.

    Unless it is known that is a comma or a semicolon, whichever there are more of.
    """
    delimiter = delimiter or (";" if text.count(";") > text.count(",") else ",")
    try:
        return delimiter, [column.strip().lower() for column in next(csv.reader([text], delimiter=delimiter), [])]
    except csv.Error:  # a line longer than any list of columns
        return delimiter, []


def whole(column: str, text: str, allowed: str) -> int:
    """Return a whole number; `allowed` says which ones may be. Raises `RouteError`."""
    if not (text.isdigit() and text.isascii() and len(text) <= 18):
        raise RouteError(f"Invalid {column} {text!r}: use a whole number {allowed}")
    return int(text)


def day(column: str, text: str) -> date:
    """Return a day. Raises `RouteError`."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise RouteError(f"Invalid {column} {text!r}: write it like 2026-11-20") from None
    return check_day(column, found)
