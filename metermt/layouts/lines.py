"""Files of text lines: CSV, and columns of fixed widths."""

import codecs
import csv
from collections.abc import Callable, Iterable, Sequence
from typing import Any, BinaryIO, Literal

from metermt.layouts.fields import HEADER, READING
from metermt.layouts.layout import Format, Layout, Output, Record
from metermt.layouts.records import Values
from metermt.layouts.refusals import refusal
from metermt.layouts.texts import text_writer

_BREAKS = frozenset("\r\n\0\v\f\x1c\x1d\x1e\x85\u2028\u2029")  # some program ends a line at each


def write_lines(layout: Layout, output: Output, records: Iterable[tuple[Record, Values]], out: BinaryIO) -> None:
    """Write records, and nothing after the first that cannot be written. Raises `LayoutError`, `OSError`."""
    rows = _Rows(output, out)
    writers = {
        kind: [(column.field or "", text_writer(column, output)) for column in record.columns]
        for kind, record in output.records.items()
    }
    names = [column.name for column in output.records[READING].columns]
    waits_for_names = output.names and output.format is Format.CSV
    for record, values in records:
        if waits_for_names and record.kind != HEADER:
            rows.write(names)
            waits_for_names = False
        try:
            rows.write([write(values.get(field)) for field, write in writers[record.kind]])
        except ValueError as error:
            for column, (field, write) in zip(record.columns, writers[record.kind], strict=True):
                try:
                    rows.check(write(values.get(field)))
                except ValueError as why:
                    raise refusal(layout.name, record, values, column, why) from error
            raise
    if waits_for_names:
        rows.write(names)


class _Rows:
    """Rows of texts, as bytes. What cannot be written raises `ValueError`, and nothing of its row is written."""

    def __init__(self, output: Output, out: BinaryIO) -> None:
        self._output = output
        self._encode: Callable[[str], bytes] = codecs.getincrementalencoder(output.encoding)().encode
        self._out = out
        # Fields without quotes must not have in them what stands between them.
        self._is_bare = output.format is Format.FIXED or output.quoting == "never"
        self._between = "" if output.format is Format.FIXED else output.delimiter
        quoting: Literal[0, 1] = csv.QUOTE_ALL if output.quoting == "all" else csv.QUOTE_MINIMAL
        # With this end it puts quotes around a lone return as well as around a line feed.
        self._csv: Any = csv.writer(
            _Sink(lambda row: self._put(row.removesuffix("\r\n"))),
            delimiter=output.delimiter,
            quoting=quoting,
            lineterminator="\r\n",
        )

    def write(self, texts: Sequence[str]) -> None:
        """Write a row."""
        if not self._is_bare:
            self._csv.writerow(texts)
            return
        row = self._between.join(texts)
        if not row.isprintable() or self._output.quoting == "never":
            for text in texts:
                self._check_bare(text)
        self._put(row)

    def check(self, text: str) -> None:
        """Raise `ValueError` with what is wrong with a text."""
        if self._is_bare:
            self._check_bare(text)
        try:
            text.encode(self._output.encoding)
        except UnicodeEncodeError as error:
            letter = text[error.start]
            raise ValueError(f"has the letter {letter!r}, which there is not in {self._output.encoding}") from error

    def _check_bare(self, text: str) -> None:
        if _BREAKS & set(text):
            raise ValueError("has a line break or a control character in it")
        if self._between and self._between in text:
            raise ValueError(f"has {self._between!r} in it, which parts the columns: let quoting be 'needed'")

    def _put(self, row: str) -> None:
        self._out.write(self._encode(row + self._output.line_end))


class _Sink:
    """A file for `csv`, which hands it one whole row after the other."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self.write = write
