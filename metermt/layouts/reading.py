"""A layout is read from TOML, and checked whole before anything is written by it."""

import tomllib
from datetime import tzinfo
from zoneinfo import ZoneInfo

from metermt.errors import LayoutError
from metermt.layouts.columns import read_columns
from metermt.layouts.encodings import has_long_letters, known_encoding
from metermt.layouts.fields import CORRECTION, READING, RECORDS, ROUTE
from metermt.layouts.incoming import read_import
from metermt.layouts.layout import Format, Layout, Output, Record
from metermt.layouts.tables import Table
from metermt.printable import has_control_characters

_ALWAYS = ("about", "format", "zone", *RECORDS, "import")
_KEYS_OF = {
    Format.CSV: (*_ALWAYS, "encoding", "line_end", "delimiter", "quoting", "names"),
    Format.FIXED: (*_ALWAYS, "encoding", "line_end"),
    Format.XLSX: (*_ALWAYS, "names"),
    Format.JSON: _ALWAYS,
}
_LINE_ENDS = {"crlf": "\r\n", "lf": "\n"}
_QUOTING = ("needed", "all", "never")
_NO_DELIMITER = "\"'=+-@. \r\n"
_IN_NO_SHEET = set("[]:*?/\\'")
_SHEET = "Readings"
_SHEET_LENGTH = 31


def read_layout(name: str, text: str) -> tuple[Layout | None, list[str]]:
    """Return the layout that a TOML text describes, or None and all that is wrong with it."""
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        return None, [f"This is no TOML: {error}"]
    faults: list[str] = []
    top = Table("", content, faults)
    about = top.text("about")
    foreign = read_import(top.table("import", "import")) if "import" in top else None
    output = _output(top) if "format" in top or "import" not in top else None
    if output is None:
        top.check_no_more(("about", "format", "import"), " without a format")
    return (None, faults) if faults else (Layout(name, about, output, foreign), [])


def _output(top: Table) -> Output | None:
    said = top.value("format")
    if said not in tuple(Format):
        top.fault(f"format is {said!r}: use {' or '.join(map(repr, map(str, Format)))}")
        for key in _KEYS_OF[Format.CSV]:
            top.value(key)
        return None
    file = Format(said)
    encoding = top.made("encoding", known_encoding, "utf-8") or "utf-8"
    if file is Format.FIXED and has_long_letters(encoding):
        top.fault(
            f"encoding: in {encoding} a letter may have several bytes, and columns would shift;"
            " use one with one byte a letter, such as ascii, latin-1 or cp1252"
        )
    records = {kind: _record(kind, top, file) for kind in RECORDS if kind in top}
    output = Output(
        format=file,
        records=records,
        zone=top.made("zone", _zone, "UTC") or ZoneInfo("UTC"),
        encoding=encoding,
        line_end=_LINE_ENDS[top.choice("line_end", tuple(_LINE_ENDS), "crlf")],
        delimiter=top.character("delimiter", ",", _NO_DELIMITER),
        quoting=top.choice("quoting", _QUOTING, "needed"),
        names=top.flag("names", True),
    )
    for key in top:
        if key in _KEYS_OF[Format.CSV] and key not in _KEYS_OF[file]:
            top.fault(f"{key} means nothing in {file}")
    top.check_no_more(_KEYS_OF[file])
    _check_records(top, output)
    return output


def _record(kind: str, top: Table, file: Format) -> Record:
    table = top.table(kind, kind)
    columns = read_columns(kind, table, file)
    sheet = table.text("sheet", _SHEET)
    if "sheet" in table and file is not Format.XLSX:
        table.fault(f"sheet means nothing in {file}")
    elif not 0 < len(sheet) <= _SHEET_LENGTH or set(sheet) & _IN_NO_SHEET:
        table.fault(f"sheet is {sheet!r}: use up to {_SHEET_LENGTH} characters without [ ] : * ? / \\ '")
    table.check_no_more(("columns", "sheet") if file is Format.XLSX else ("columns",))
    return Record(kind, columns, sheet)


def _zone(text: str) -> tzinfo:
    try:
        return ZoneInfo(text)
    except (OSError, ValueError, LookupError) as error:
        raise LayoutError(f"there is no time zone {text!r}: write it like Europe/Vienna, or UTC") from error


def _check_records(top: Table, output: Output) -> None:
    """Note what does not go together."""
    records = output.records
    if READING not in records:
        top.fault("there is no [reading], which says what a line looks like")
        return
    if output.format is Format.JSON and ROUTE in records:
        top.fault("route: JSON has no route records: the route stands in each line")
    told = {column.field for column in records[READING].columns}
    if CORRECTION not in records and not told & {"kind", "corrects"}:
        top.fault("a correction could not be told from a reading: add a [correction], or the field kind to [reading]")
    for kind, record in records.items():
        _check_names(top, output, kind, record)


def _check_names(top: Table, output: Output, kind: str, record: Record) -> None:
    names = [column.name for column in record.columns]
    named = output.format is Format.JSON or (output.names and (output.format is Format.XLSX or kind == READING))
    if named and "" in names:
        top.fault(f"{kind}, column {names.index('') + 1}: name is missing")
    if named and (twice := [name for name in names if names.count(name) > 1]):
        top.fault(f"{kind}: two columns are named {twice[0]!r}")
    if kind == CORRECTION and output.names and output.format in (Format.CSV, Format.XLSX):
        reading = output.records[READING]
        if record.sheet == reading.sheet and names != [column.name for column in reading.columns]:
            top.fault("correction: the names of the columns in [reading] stand above: name them here as there")
    for place, column in enumerate(record.columns, 1):
        for text in (*((column.name,) if named else ()), *column.own_texts):
            if why := _unwritable(output, text):
                top.fault(f"{kind}, column {place} ({column.name}): {text!r} {why}")


def _unwritable(output: Output, text: str) -> str:
    """Say why a text of the layout itself cannot stand in its files, nothing if it can."""
    if has_control_characters(text):
        return "has control characters in it"
    if output.format is Format.CSV and output.quoting == "never" and output.delimiter in text:
        return f"has {output.delimiter!r} in it, which parts the columns: let quoting be 'needed'"
    if output.format in (Format.CSV, Format.FIXED):
        try:
            text.encode(output.encoding)
        except UnicodeEncodeError as error:
            return f"has the letter {text[error.start]!r}, which there is not in {output.encoding}"
    return ""
