"""Rows of a route file that were set aside, in a file beside it."""

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, TextIO

from metermt.errors import RouteError
from metermt.files.routes import OF_REJECTS, BadRow

_TOLD = 10  # rows that a dry run shows
_OF_REJECTS = re.compile(r"\.rejected(-[0-9]+)?$")


class Rejects:
    """The file of rows set aside, beside the route file; made when the first row comes. None that is there is touched.

    Those of `november.csv` are in `november.rejected.csv`, or `november.rejected-2.csv` and so on; so are those of such
    a file. With `dry_run` there is no file.
    """

    def __init__(self, beside: Path, columns: list[str], meter_place: int, *, dry_run: bool = False) -> None:
        self._stem = _OF_REJECTS.sub("", beside.stem)
        self.path = beside.with_name(f"{self._stem}.rejected.csv")
        self.count = 0
        self.first: list[BadRow] = []
        """Some of them, to be told."""
        self.meters: set[str] = set()
        """The numbers of the meters that stand in them, as far as they can be told."""
        self._meter = meter_place
        self._dry_run = dry_run
        # A file of rejects that is imported again has its own line and reason, which are those of another file.
        self._dropped = {place for place, column in enumerate(columns) if column in OF_REJECTS}
        self._columns = [column for place, column in enumerate(columns) if place not in self._dropped]
        self._file: TextIO | None = None
        self._writer: Any = None

    def add(self, row: BadRow) -> None:
        """Set a row aside. Raises `RouteError` if it cannot be written."""
        self.count += 1
        if len(self.first) < _TOLD:
            self.first.append(row)
        if len(row.fields) > self._meter:
            self.meters.add(row.fields[self._meter].strip().upper())
        if self._dry_run:
            return
        with self._errors_told():
            if self._writer is None:
                self._file = self._made()
                self._writer = csv.writer(self._file)
                self._writer.writerow(["line", "reason", *self._columns])
            fields = (field for place, field in enumerate(row.fields) if place not in self._dropped)
            self._writer.writerow([row.line, row.reason, *fields])

    def __enter__(self) -> "Rejects":
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._file:
            with self._errors_told():
                self._file.close()

    def _made(self) -> TextIO:
        for number in count(2):
            try:
                # What is no UTF-8 is written as it came, so that it is not taken for good when it comes again.
                return self.path.open("x", encoding="utf-8", errors="surrogateescape", newline="")
            except FileExistsError:
                self.path = self.path.with_name(f"{self._stem}.rejected-{number}.csv")
        raise AssertionError("numbers do not end")

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RouteError(f"Cannot write {self.path}: {error.strerror}") from error
