"""Days and times in the forms that files of others want, such as `DD.MM.YYYY hh:mm`."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from metermt.errors import LayoutError

_PARTS = {
    "YYYY": r"(?P<year>\d{4})",
    "YY": r"(?P<short>\d\d)",
    "MM": r"(?P<month>\d\d)",
    "DD": r"(?P<day>\d\d)",
    "JJJ": r"(?P<nth>\d{3})",
    "hh": r"(?P<hour>\d\d)",
    "mm": r"(?P<minute>\d\d)",
    "ss": r"(?P<second>\d\d)",
    "Z": r"(?P<offset>Z|[+-]\d\d:\d\d)",
}
_CODES = {
    **{"YYYY": "%Y", "YY": "%y", "MM": "%m", "DD": "%d", "JJJ": "%j"},
    **{"hh": "%H", "mm": "%M", "ss": "%S"},
}
_OF_TIMES = ("hh", "mm", "ss", "Z")
_PIECE = re.compile("|".join([*_PARTS, "T", "[^A-Za-z]", "."]))
KNOWN = "YYYY YY MM DD JJJ (the day of the year) hh mm ss Z (the offset from UTC), T, and what is no letter"
"""What a form may be made of."""


@dataclass(frozen=True, slots=True)
class DateForm:
    """How a day or a moment is written: `YYYY-MM-DD` and so on; `hh` counts to 23, and YY stands for 2000 to 2099."""

    pieces: tuple[str, ...]

    @property
    def has_time(self) -> bool:
        """Whether there is more in it than a day has."""
        return any(piece in _OF_TIMES for piece in self.pieces)

    @property
    def text(self) -> str:
        """The form as it was written."""
        return "".join(self.pieces)

    def write(self, when: date) -> str:
        """Write a day, or a moment in the zone that it is in."""
        if "Z" not in self.pieces:
            return when.strftime(_codes(self.pieces))
        offset = when.isoformat()[-6:]  # a moment's: a form with times in it is for moments only
        zone = "Z" if offset == "+00:00" else offset
        return when.strftime(_codes(tuple(zone if piece == "Z" else piece for piece in self.pieces)))

    def read_day(self, text: str) -> date:
        """Read a day, whatever time stands beside it. Raises `ValueError` if it is none, or is not in this form."""
        pattern = "".join([_PARTS.get(piece) or re.escape(piece) for piece in self.pieces])
        found = re.fullmatch(pattern, text, re.ASCII)
        if not found:
            raise ValueError(f"write it like {self.text}")
        said = found.groupdict()
        year = int(said.get("year") or 2000 + int(said["short"]))
        if said.get("nth"):
            day = date(year, 1, 1) + timedelta(days=int(said["nth"]) - 1)
            if day.year != year:
                raise ValueError(f"{year} has no such day")
            return day
        return date(year, int(said["month"]), int(said["day"]))


def date_form(text: str) -> DateForm:
    """Return the form that a text describes. Raises `LayoutError`."""
    pieces = tuple(_PIECE.findall(text))
    if unknown := [piece for piece in pieces if piece.isalpha() and piece not in (*_PARTS, "T")]:
        raise LayoutError(f"the form {text!r} has {unknown[0]!r} in it: it is made of {KNOWN}")
    parts = [piece for piece in pieces if piece in _PARTS]
    if not parts:
        raise LayoutError(f"the form {text!r} names no part of a day or a time: it is made of {KNOWN}")
    if len(parts) > len(set(parts)):
        raise LayoutError(f"the form {text!r} has the same part twice")
    return DateForm(pieces)


def day_form(text: str) -> DateForm:
    """Return a form that tells a whole day, so that it can be read. Raises `LayoutError`."""
    form = date_form(text)
    has_day = "JJJ" in form.pieces or {"MM", "DD"} <= set(form.pieces)
    if not has_day or not {"YYYY", "YY"} & set(form.pieces):
        raise LayoutError(f"the form {text!r} must tell year, month and day")
    return form


@lru_cache(maxsize=64)
def _codes(pieces: tuple[str, ...]) -> str:
    return "".join([_CODES.get(piece) or piece.replace("%", "%%") for piece in pieces])
