"""Plain values, the only ones that cross: None, bool, int, float, str, bytes, and tuples of these.

RPyC's own loader also makes slices, sets and complex numbers, and recurses as deep as the sender likes.
"""

import struct
from typing import Any

from rpyc.core import brine

MAX_DEPTH = 12
"""How deep tuples may be nested. RPyC boxes a call in five of them; ours are flat inside."""

MAX_ITEMS = 10_000
"""How many items all tuples of a message may have. Ours have some ten; what comes in bulk comes as one text. An item
may be one byte on the wire and fifty here."""

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
# What follows these tags: bytes, digits or items; how many, or in how many bytes that is said.
_SIZED: dict[int, tuple[type, int, int]] = {
    brine.TAG_STR1[0]: (bytes, 1, 0),
    brine.TAG_STR2[0]: (bytes, 2, 0),
    brine.TAG_STR3[0]: (bytes, 3, 0),
    brine.TAG_STR4[0]: (bytes, 4, 0),
    brine.TAG_STR_L1[0]: (bytes, 0, 1),
    brine.TAG_STR_L4[0]: (bytes, 0, 4),
    brine.TAG_INT_L1[0]: (int, 0, 1),
    brine.TAG_INT_L4[0]: (int, 0, 4),
    brine.TAG_TUP1[0]: (tuple, 1, 0),
    brine.TAG_TUP2[0]: (tuple, 2, 0),
    brine.TAG_TUP3[0]: (tuple, 3, 0),
    brine.TAG_TUP4[0]: (tuple, 4, 0),
    brine.TAG_TUP_L1[0]: (tuple, 0, 1),
    brine.TAG_TUP_L4[0]: (tuple, 0, 4),
}
_FLOAT, _TEXT = brine.TAG_FLOAT[0], brine.TAG_UNICODE[0]
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

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._items = 0

    def begin_pair(self) -> None:
        """Step into a tuple of two. Raises `Malformed`."""
        if self._byte() != brine.TAG_TUP2[0]:
            raise Malformed

    def value(self, depth: int = MAX_DEPTH) -> Any:
        """Return the next value. Raises `Malformed`."""
        tag = self._byte()
        if tag in _CONSTANTS:
            return _CONSTANTS[tag]
        if tag == _TEXT:
            return self._text()
        if tag == _FLOAT:
            return _DOUBLE.unpack(self._take(8))[0]
        if tag not in _SIZED:
            raise Malformed
        kind, count, said_in = _SIZED[tag]
        if said_in:
            count = int.from_bytes(self._take(said_in))
        if kind is tuple:
            return self._tuple(count, depth)
        return self._take(count) if kind is bytes else self._int(count)

    def end(self) -> None:
        """Check that nothing is left. Raises `Malformed`."""
        if self._at != len(self._data):
            raise Malformed

    def _byte(self) -> int:
        if self._at >= len(self._data):
            raise Malformed
        self._at += 1
        return self._data[self._at - 1]

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            raise Malformed
        self._at += count
        return taken

    def _tuple(self, count: int, depth: int) -> tuple[Any, ...]:
        self._items += count
        if not depth or self._items > MAX_ITEMS or count > len(self._data) - self._at:  # an item has a byte at least
            raise Malformed
        return tuple([self.value(depth - 1) for _ in range(count)])

    def _text(self) -> str:
        tag = self._byte()
        if tag == brine.TAG_EMPTY_STR[0]:
            return ""
        kind, count, said_in = _SIZED.get(tag, (None, 0, 0))
        if kind is not bytes:
            raise Malformed
        encoded = self._take(int.from_bytes(self._take(said_in)) if said_in else count)
        try:
            return encoded.decode()
        except UnicodeDecodeError:
            raise Malformed from None

    def _int(self, count: int) -> int:
        try:
            return int(self._take(count))
        except ValueError:  # no digits, or more than Python turns into a number
            raise Malformed from None
