"""Route files: a CSV of meters in the order of the walk, as an office exports it."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from metermt.errors import Error, RouteError
from metermt.files.csvfields import day, first_line, whole
from metermt.files.foreign import Foreign
from metermt.model import KINDS, MAX_DIALS, MAX_SEQUENCE, ONE, Job, Meter
from metermt.names import check_cycle
from metermt.printable import printable

REQUIRED = ("meter", "route")
OPTIONAL = (
    *("kind", "sequence", "address", "dials", "previous", "previous_date", "instructions"),
    *("multiplier", "status"),
)
OF_REJECTS = ("line", "reason")
"""The columns that a file of rows set aside has, too: each row's line in the file that it came from, and its fault."""

UTF_8 = "UTF-8"
_ACTIVE = {"": True, "active": True, "inactive": False}
_SET_ASIDE = ",".join(OF_REJECTS).encode() + b","  # what a file of rows set aside begins with
_NO_CYCLE = "none"  # of jobs that tell of their meters only
_NOT_READ = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of bytes that stand for no letter
_LOST = "\N{REPLACEMENT CHARACTER}"  # what programs write for a letter that they could not read
_TOLD = 200  # characters of a first line
SAVE_IT = "save it as UTF-8 (in a spreadsheet: 'CSV UTF-8'), or say what it is, like --encoding cp1252"
"""What to do with a file whose letters cannot be read."""


class BadRow(NamedTuple):
    """A row that cannot be used, and why."""

    line: int
    reason: str
    fields: list[str]


class RouteFile:
    """A route file, open for reading. UTF-8 with or without a byte order mark, unless it is in another `encoding`.

    `,` or `;` stands between the columns. The first line names them, in any order: `REQUIRED` and any of `OPTIONAL`;
    others are `ignored`. Without a `kind` the first letter of the meter number tells it, if it is one of E, G, W;
    without a `sequence` the order of the file counts. A `foreign` file has other names and forms, of which a layout
    tells; its rows that were set aside are in a file in UTF-8, with commas, whatever the layout says.
    """

    def __init__(
        self, path: Path, cycle: str | None, encoding: str | None = None, foreign: Foreign | None = None
    ) -> None:
        """Open the file and read its first line; without a cycle its jobs are for none.

        `encoding` is one that Python knows; None for what the layout says, or UTF-8. Raises `RouteError`.
        """
        self._cycle = check_cycle(cycle) if cycle is not None else _NO_CYCLE
        self._foreign = foreign
        try:
            self._bytes = path.open("rb")
            self.size = path.stat().st_size
        except OSError as error:
            raise RouteError(f"Cannot read {path}: {error.strerror}") from error
        try:
            begins_as_rejects = self._bytes.peek(len(_SET_ASIDE)).startswith(_SET_ASIDE)
            written = None if begins_as_rejects else foreign
            self.encoding = encoding or (written.encoding if written else UTF_8)
            self._open(path, written.delimiter if written else None)
        except BaseException:
            self._bytes.close()
            raise
        self.is_of_rejects = begins_as_rejects if foreign else set(OF_REJECTS) <= set(self.columns)
        """Whether these are rows that were set aside, from another file."""
        of_rejects = OF_REJECTS if self.is_of_rejects else ()
        known = REQUIRED + OPTIONAL
        self.ignored = [
            name
            for name, column in zip(self.columns, self._ours, strict=True)
            if column not in known and name not in of_rejects
        ]
        self.not_read: list[int] = []
        """The lines of rows that are not in the encoding of the file, so far."""
        # Of a row with what is the same in all rows after it, and with an empty field at its end, which stands for all
        # columns that are not there.
        fixed = foreign.fixed if foreign else {}
        self._added = [*fixed.values(), ""]
        places = {column: place for place, column in enumerate([*self._ours, *fixed])}
        self._pick = itemgetter(*(places.get(column, -1) for column in known))
        self._line = 1
        self._lines_of: dict[str, int] = {}
        self._places: dict[str, int] = {}  # by route: how many of its meters were read

    @property
    def meter_place(self) -> int:
        """Which of the columns has the numbers of the meters, from 0."""
        return self._ours.index("meter")

    @property
    def bytes_read(self) -> int | None:
        """How far reading has come, in bytes of `size`; None for what has no size, such as a pipe."""
        return self._bytes.tell() if self._bytes.seekable() else None

    @property
    def routes(self) -> list[str]:
        """The routes of the jobs that were read so far."""
        return list(self._places)

    def __contains__(self, meter: str) -> bool:
        """Tell whether there was a job for the meter of this number so far."""
        return meter in self._lines_of

    def jobs(self) -> Iterator[Job | BadRow]:
        """Yield a job, or a `BadRow`, for each row that is not empty."""
        while True:
            self._line = self._rows.line_num + 2  # of the row to come; the first line of the file was read apart
            try:
                fields = next(self._rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield BadRow(self._line, str(error), [])
                continue
            except UnicodeError as error:
                raise RouteError(f"The file is not {self.encoding} from line {self._line} on: {SAVE_IT}") from error
            if any(fields):
                try:
                    yield self._job(fields)
                except Error as error:
                    yield BadRow(self._line, str(error), fields)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._bytes.close()

    def _open(self, path: Path, delimiter: str | None) -> None:
        text = _opened(self._bytes, self.encoding)
        try:
            first = text.readline()
        except UnicodeError as error:
            raise RouteError(f"{path} is not {text.encoding}: {SAVE_IT}") from error
        delimiter, self.columns = first_line(first, delimiter)
        try:
            self._ours = self._foreign.ours(self.columns) if self._foreign else self.columns
        except RouteError as error:
            raise RouteError(f"{path} is no file of this layout: {error}") from error
        missing = [column for column in REQUIRED if column not in self._ours]
        if missing and not self._foreign:
            raise RouteError(f"{path} is no route file: {_fault_of(first, self.columns, missing)}")
        times = Counter(self.columns)
        twice = [name for name, column in zip(self.columns, self._ours, strict=True) if column and times[name] > 1]
        if twice:
            raise RouteError(f"{path} names the column {twice[0]} twice")
        self._rows = csv.reader(text, delimiter=delimiter)

    def _job(self, fields: list[str]) -> Job:
        if len(fields) != len(self.columns):
            raise RouteError(f"The row has {len(fields)} fields, the first line names {len(self.columns)}")
        text = "".join(fields)
        if not text.isascii():
            self._check_letters(text)
        meter, route, kind, sequence, address, dials, previous, previous_date, instructions, multiplier, status = (
            self._picked(fields)
        )
        if not (meter and route):
            raise RouteError(f"The {'route' if meter else 'meter'} is missing")
        number = meter.upper()
        job = Job(
            Meter(
                number,
                kind.upper() or (number[0] if number[0] in KINDS else ""),
                whole("dials", dials, f"from 1 to {MAX_DIALS}") if dials else None,
                address,
                instructions,
                _multiplier(multiplier),
                _is_active(status),
            ),
            self._cycle,
            route,
            self._sequence(route, sequence),
            whole("previous", previous, "from 0") if previous else None,
            day("previous_date", previous_date) if previous_date else None,
        )
        if number in self._lines_of:
            raise RouteError(f"Meter {number} stands in line {self._lines_of[number]} already")
        self._lines_of[number] = self._line
        return job

    def _picked(self, fields: list[str]) -> tuple[str, ...]:
        """Return the fields of our columns, as a file of ours has them."""
        picked: tuple[str, ...] = self._pick([*map(str.strip, fields), *self._added])
        if not self._foreign:
            return picked
        return tuple(map(self._foreign.translated, REQUIRED + OPTIONAL, picked))

    def _check_letters(self, text: str) -> None:
        if _NOT_READ.search(text):
            self.not_read.append(self._line)
            raise RouteError(f"The row is not {self.encoding}: save the file as UTF-8")
        if _LOST in text:
            raise RouteError(f"A letter was lost, and {_LOST} stands in its place: type it again")
        if self.encoding != UTF_8 and _is_utf8_too(text, self.encoding):
            raise RouteError(f"The row is UTF-8, and would be garbled as {self.encoding}: use --encoding UTF-8")

    def _sequence(self, route: str, said: str) -> int:
        place = self._places[route] = self._places.get(route, 0) + 1
        return whole("sequence", said, f"from 0 to {MAX_SEQUENCE}") if said else place


def _opened(file: BinaryIO, encoding: str) -> io.TextIOWrapper:
    """Return the text of a file. Bytes that stand for no letter become surrogates, which spoil their own row only."""
    try:
        with_mark = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
        return io.TextIOWrapper(file, encoding=with_mark, errors="surrogateescape", newline="")
    except (LookupError, ValueError) as error:
        raise RouteError(f"There is no encoding {encoding!r}: try cp1252 (Windows), latin-1 or mac-roman") from error


def _is_utf8_too(text: str, encoding: str) -> bool:
    """Tell whether the bytes of a text are UTF-8, in which several of them stand for one letter."""
    try:
        return len(text.encode(encoding).decode(UTF_8)) < len(text)
    except UnicodeError:
        return False


def _fault_of(first: str, columns: list[str], missing: list[str]) -> str:
    """Say why a first line does not name the columns that are needed."""
    must = "its first line must name the columns meter and route, separated by commas or semicolons"
    if not first.strip():
        return f"{must}, and is empty"
    if "\0" in first or _NOT_READ.search(first):
        return f"{must}. It is not {UTF_8}: {SAVE_IT}"
    found = printable(", ".join(map(repr, columns)) or repr(first), _TOLD)
    return (
        f"{must}. There is no {' and no '.join(missing)}; it names {found}. Also known, if you have them:"
        f" {', '.join(OPTIONAL)}"
    )


def _multiplier(text: str) -> Decimal:
    if text in ("", "1"):
        return ONE
    try:
        return Decimal(text)
    except InvalidOperation:
        raise RouteError(f"Invalid multiplier {text!r}: use a number above 0, like 40 or 0.1") from None


def _is_active(text: str) -> bool:
    try:
        return _ACTIVE[text.lower()]
    except KeyError:
        raise RouteError(f"Invalid status {text!r}: use active or inactive") from None
