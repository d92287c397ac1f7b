"""Texts from elsewhere, times and numbers of things, as they are shown to people."""

import unicodedata
from datetime import datetime

_NOT_PRINTED = {"Cc", "Cs", "Zl", "Zp"}  # Unicode categories: controls, surrogates, line and paragraph ends
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def has_control_characters(text: str) -> bool:
    """Tell whether a text holds anything that would break a line, a terminal or an encoding."""
    # isprintable is fast, and never true of these; what it also takes for unprintable is looked at in turn.
    return not text.isprintable() and any(unicodedata.category(c) in _NOT_PRINTED for c in text)


def printable(text: str, most: int = 1000) -> str:
    r"""Return a text from the other side that breaks no line and commands no terminal, cut after so many characters.

    A control character is shown as `\x1b`; so are those that turn the direction in which the rest is read.
    """
    if len(text) > most:
        text = text[:most] + "…"
    return text if text.isprintable() else "".join([c if _is_harmless(c) else _escaped(c) for c in text])


def local_time(moment: datetime) -> str:
    """Return a moment to the minute, in the time of this machine, with its zone: `2026-11-20 10:00 CET`."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M %Z}"


def device_time(moment: datetime) -> str:
    """Return a moment to the minute, in the time of this device, for who stands before it."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"


def counted(number: int, thing: str, things: str = "") -> str:
    """Return how many there are of a thing: `1 meter`, `2 meters`. `things` are many of them, if not with an s."""
    return f"{number} {thing if number == 1 else things or f'{thing}s'}"


def _is_harmless(character: str) -> bool:
    return unicodedata.category(character) not in _NOT_PRINTED and character not in _TURNING


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
