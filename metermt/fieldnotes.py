"""What the field tells the office besides readings: why there is none, what a place is like, what else was found."""

import re
from dataclasses import dataclass
from datetime import datetime

from metermt.errors import InvalidReport, ReasonError
from metermt.model import KINDS, MAX_DIALS, highest
from metermt.names import MAX_TEXT, is_meter_number
from metermt.printable import has_control_characters

MAX_NOTE = 200
"""Characters in a note, and in the words that say where a meter was found."""

ACCEPTED, DISMISSED = "accepted", "dismissed"
"""What the office decides about meters that were found."""

_CODE = re.compile(r"[a-z][a-z0-9-]{0,31}")
_SHOWN = 60  # characters of a refused text


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a meter could not be read, or what is remarkable about it, as the office has it on its list.

    `wants_reread` says that somebody is to go there again; no reading can come along with one that does not
    `allows_reading`. A `retired` one is on record only. Raises `ReasonError`.
    """

    code: str
    text: str
    wants_reread: bool = False
    allows_reading: bool = True
    retired: bool = False

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.code):
            raise ReasonError(
                f"Invalid code {_shown(self.code)}: use up to 32 small letters, digits and -, beginning with a letter"
            )
        text = self.text.strip()
        if text != self.text or not 0 < len(text) <= MAX_TEXT or has_control_characters(text):
            raise ReasonError(
                f"Invalid text {_shown(self.text)}: use 1 to {MAX_TEXT} printable characters, no blanks around them"
            )
        if self.text.isdecimal():
            raise ReasonError(f"Invalid text {_shown(self.text)}: readers choose reasons by numbers, so use words")


@dataclass(frozen=True, slots=True)
class Note:
    """What a reader has left about a place, known by the number of its meter, at a time in UTC."""

    meter: str
    text: str
    username: str
    left_at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """A meter that was found and is on no list, at a time in UTC.

    `dials` and `reading` are None where they could not be seen, `kind` is empty; `where` is in the reader's words. `id`
    names it when it is decided.
    """

    number: str
    kind: str
    dials: int | None
    reading: int | None
    where: str
    username: str
    found_at: datetime
    id: int = 0


def check_note(text: str) -> str:
    """Return the text of a note without blanks around it. Raises `InvalidReport` if it is none."""
    return _words("The note", text, field="text")


def check_found(number: str, kind: str, dials: int | None, reading: int | None, where: str) -> str:
    """Return the words that say where a meter was found. Raises `InvalidReport` if it cannot be such a meter."""
    if not is_meter_number(number):
        raise InvalidReport(
            f"Invalid meter number {_shown(number)}: use 1 to 32 capital letters, digits, and - . / inside,"
            " as on the meter",
            field="number",
        )
    if kind not in KINDS:
        raise InvalidReport(f"Invalid kind {_shown(kind)}: use E for electricity, G for gas, W for water", field="kind")
    if dials is not None and not 1 <= dials <= MAX_DIALS:
        raise InvalidReport(f"Invalid dials {dials}: a register has 1 to {MAX_DIALS} digits", field="dials")
    if reading is not None and not 0 <= reading <= highest(dials):
        raise InvalidReport(f"Invalid reading {reading}: the register goes from 0 to {highest(dials)}", field="reading")
    return _words("The place", where, field="where")


def likely_kind(number: str) -> str:
    """Return the kind that the number of a meter begins with, empty if it begins with none."""
    return number[:1] if number[:1] in KINDS else ""


def _words(what: str, text: str, *, field: str) -> str:
    text = text.strip()
    if not text:
        raise InvalidReport(f"{what} is empty: say it in a few words", field=field)
    if len(text) > MAX_NOTE:
        raise InvalidReport(f"{what} has {len(text)} characters: {MAX_NOTE} are allowed", field=field)
    if has_control_characters(text):
        raise InvalidReport(f"{what} has control characters in it, such as a line end: {_shown(text)}", field=field)
    return text


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")
