"""Plain values, the only ones that cross: None, bool, int, float, str, bytes, and tuples of these.

RPyC's own loader also makes slices, sets and complex numbers, and recurses as deep as the sender likes.
"""

import struct
from typing import Any

from rpyc.core import brine

MAX_DEPTH = 12
"""How deep tuples may be nested. RPyC boxes a call in five of them; ours are flat inside."""

MAX_ITEMS = 200
"""How many items all tuples of a message may have. Ours have some ten; what comes in bulk comes as one text. An item
takes one byte on the wire, and a microsecond of a thread that answers others too."""

_PLAIN = frozenset((type(None), bool, int, float, str, bytes))

_SMALL_INTS = {tag[0]: value for tag, value in brine.IMM_INTS_LOADER.items()}
_CONSTANTS: dict[int, Any] = {
    brine.TAG_NONE[0]: None,
    brine.TAG_TRUE[0]: True,
    brine.TAG_FALSE[0]: False,
    brine.TAG_EMPTY_TUPLE[0]: (),
    brine.TAG_EMPTY_STR[0]: b"",
    **_SMALL_INTS,
}
# What follows these tags: so many items, bytes or digits, or in how many bytes that is said.
_TUPLES = {brine.TAG_TUP1[0]: 1, brine.TAG_TUP2[0]: 2, brine.TAG_TUP3[0]: 3, brine.TAG_TUP4[0]: 4}
_BYTES = {brine.TAG_STR1[0]: 1, brine.TAG_STR2[0]: 2, brine.TAG_STR3[0]: 3, brine.TAG_STR4[0]: 4}
_LONG_TUPLES = {brine.TAG_TUP_L1[0]: 1, brine.TAG_TUP_L4[0]: 4}
_LONG_BYTES = {brine.TAG_STR_L1[0]: 1, brine.TAG_STR_L4[0]: 4}
_INTS = {brine.TAG_INT_L1[0]: 1, brine.TAG_INT_L4[0]: 4}
_FLOAT, _TEXT, _NO_BYTES = brine.TAG_FLOAT[0], brine.TAG_UNICODE[0], brine.TAG_EMPTY_STR[0]
_DOUBLE = struct.Struct("!d")


class Malformed(Exception):
    """These bytes are no plain value."""


def is_plain(value: object) -> bool:
    """Tell whether a value crosses by itself, not as a handle on an object that stays here."""
    if type(value) is tuple:
        return all(map(is_plain, value))
    return type(value) in _PLAIN


class PlainReader:
    """Reads plain values, one after the other, from the bytes that RPyC's `brine` makes of them."""

    def __init__(self, data: bytes, start: int = 0, *, most_items: int = MAX_ITEMS) -> None:
        self._data = data
        self._at = start
        self._items = 0
        self._most_items = most_items

    def begin_pair(self) -> None:
        """Step into a tuple of two. Raises `Malformed`."""
        if self._byte() != brine.TAG_TUP2[0]:
            raise Malformed

    def begin_message(self) -> int:
        """Step into what follows the kind of a message, and return its number. Raises `Malformed`."""
        self.begin_pair()
        seq = self.value()
        if type(seq) is not int:
            raise Malformed
        return seq

    def value(self, depth: int = MAX_DEPTH) -> Any:
        """Return the next value. Raises `Malformed`."""
        at = self._at  # as in _byte, which would cost a call for each value
        self._at = at + 1
        try:
            tag = self._data[at]
        except IndexError:
            raise Malformed from None
        if tag in _CONSTANTS:
            return _CONSTANTS[tag]
        if tag == _TEXT:
            return self._text()
        if tag in _TUPLES:
            return self._tuple(_TUPLES[tag], depth)
        if tag in _LONG_TUPLES:
            return self._tuple(int.from_bytes(self._take(_LONG_TUPLES[tag])), depth)
        if tag in _INTS:
            return self._int(self._counted(_INTS[tag]))
        if tag == _FLOAT:
            return _DOUBLE.unpack(self._take(8))[0]
        return self._bytes(tag)

    def peek(self, count: int) -> bytes:
        """Return the next bytes, as many as there are of so many."""
        return self._data[self._at : self._at + count]

    def ends_with(self, last: bytes) -> bool:
        """Tell whether these are the last bytes of all."""
        return self._data.endswith(last)

    def skip(self, count: int) -> None:
        """Pass over so many bytes."""
        self._at += count

    def end(self) -> None:
        """Check that nothing is left. Raises `Malformed`."""
        if self._at != len(self._data):
            raise Malformed

    def _byte(self) -> int:
        at = self._at
        self._at = at + 1
        try:
            return self._data[at]
        except IndexError:
            raise Malformed from None

    def _take(self, count: int) -> bytes:
        at = self._at
        self._at = end = at + count
        if end > len(self._data):
            raise Malformed
        return self._data[at:end]

    def _counted(self, said_in: int) -> bytes:
        """Return the bytes whose number is said in so many bytes before them."""
        start = self._at + said_in
        self._at = end = start + int.from_bytes(self._data[start - said_in : start])
        if end > len(self._data) or start > len(self._data):
            raise Malformed
        return self._data[start:end]

    def _tuple(self, count: int, depth: int) -> tuple[Any, ...]:
        most = min(self._most_items - self._items, len(self._data) - self._at)  # an item has a byte at least
        if not depth or count > most:
            raise Malformed
        self._items += count
        return tuple([self.value(depth - 1) for _ in range(count)])

    def _bytes(self, tag: int) -> bytes:
        if tag in _LONG_BYTES:
            return self._counted(_LONG_BYTES[tag])
        if tag in _BYTES:
            return self._take(_BYTES[tag])
        raise Malformed

    def _text(self) -> str:
        tag = self._byte()
        if tag == _NO_BYTES:
            return ""
        try:
            return self._bytes(tag).decode()
        except UnicodeDecodeError:
            raise Malformed from None

    def _int(self, digits: bytes) -> int:
        try:
            return int(digits)
        except ValueError:  # no digits, or more than Python turns into a number
            raise Malformed from None
