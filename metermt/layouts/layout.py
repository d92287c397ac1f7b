"""What a layout says, once it was read and checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum

from metermt.files.dateformat import DateForm
from metermt.files.foreign import Foreign
from metermt.layouts.fields import Sort


class Format(StrEnum):
    """What sort of file it is."""

    CSV = "csv"
    FIXED = "fixed"
    XLSX = "xlsx"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a record: a `field`, or, when that is None, a fixed `text`.

    `width` is in characters, None for any. A text that is longer is an error, or is cut if `cut`. `empty` stands for
    nothing. `form` is that of a day or a moment. `decimals` is None for as many as there are; `point` parts them from
    the rest, and may be empty. `mapping` is None for texts as they are; what is not in it becomes `otherwise`, or is
    an error when that is None. Several codes have the `separator` between them; None leaves them a list.
    """

    name: str
    field: str | None
    sort: Sort
    text: str = ""
    width: int | None = None
    right: bool = False
    pad: str = " "
    cut: bool = False
    empty: str = ""
    form: DateForm | None = None
    decimals: int | None = None
    point: str = "."
    mapping: Mapping[str, str] | None = None
    otherwise: str | None = None
    separator: str | None = None

    @property
    def own_texts(self) -> tuple[str, ...]:
        """The texts that the layout itself puts into the file."""
        mapped = self.mapping.values() if self.mapping else ()
        return self.text, self.empty, self.otherwise or "", self.separator or "", *mapped


@dataclass(frozen=True, slots=True)
class Record:
    """A kind of record, of `metermt.layouts.fields.RECORDS`; the sheet that it stands in is for spreadsheets."""

    kind: str
    columns: tuple[Column, ...]
    sheet: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """How files are written. `records` are by their kind; moments are told in `zone`."""

    format: Format
    records: Mapping[str, Record]
    zone: tzinfo
    encoding: str = "utf-8"
    line_end: str = "\r\n"
    delimiter: str = ","
    quoting: str = "needed"
    names: bool = True


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout: how files for billing are written, how files of meters are read, or both."""

    name: str
    """Of a shipped one, or a path."""
    about: str
    output: Output | None
    foreign: Foreign | None
