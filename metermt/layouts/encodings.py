"""The encodings that files are written in."""

import codecs

from metermt.errors import LayoutError

_LETTERS = "é€ßΩЖ漢"  # of these some are more than one byte in any encoding of many bytes


def known_encoding(text: str) -> str:
    """Return the name of an encoding of texts. Raises `LayoutError`."""
    try:
        "a".encode(text)
        return codecs.lookup(text).name
    except (LookupError, ValueError) as error:
        raise LayoutError(
            f"there is no encoding {text!r}: try utf-8, utf-8-sig (with a byte order mark), cp1252 or latin-1"
        ) from error


def has_long_letters(encoding: str) -> bool:
    """Tell whether some letters take more than one byte."""
    return any(len(letter.encode(encoding, "ignore")) > 1 for letter in _LETTERS)
