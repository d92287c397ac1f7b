"""RPyC's frames: bytes in, whole frames out, within bounds. No I/O."""

import zlib

from rpyc.core.channel import Channel

from metermt.model import Role

MAX_FRAME = 64 * 1024
"""Bytes of a frame from somebody who has not logged in: a name and a password take less than five thousand."""
MAX_READER_FRAME = 2 * 1024 * 1024
"""Bytes of a frame from somebody who has: a thousand readings with the longest reasons take less."""
MAX_BULK_FRAME = 8 * 1024 * 1024
"""Bytes of a frame from an admin, who imports routes, and of one from a server."""
SMALL_FRAME = 4096
"""Bytes of a frame that is read in no time: all that a reader sends but bulk."""
FRAME_SECONDS = 10.0
"""A frame that has begun must end within this time, in either direction."""


def most_bytes(role: Role | None) -> int:
    """Return how large a frame may be from somebody of this role; None has not logged in."""
    if role is None:
        return MAX_FRAME
    return MAX_BULK_FRAME if role is Role.ADMIN else MAX_READER_FRAME


_HEADER = Channel.FRAME_HEADER
_FLUSHER = Channel.FLUSHER
_SIZE = _HEADER.size
_COMPRESSED = _SIZE - 1  # where a header says so


class RefusedFrame(EOFError):
    """The peer announced a frame that is not taken; the connection is of no more use."""


class Violation(EOFError):
    """The peer sent what none of ours sends; the connection is of no more use."""


class Frames:
    """Takes bytes as they come, and gives the frames in them, compressed or not, of `most` bytes each at most."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.given = 0
        """How many there were so far."""
        self.received = bytearray()
        """What has come and was not given."""

    def receive(self, chunk: bytes) -> None:
        """Take some bytes."""
        self.received += chunk

    @property
    def is_small(self) -> bool:
        """Whether what comes next is read in no time: unless it is a whole frame that is large, or compressed."""
        received = self.received
        if len(received) <= SMALL_FRAME and not any(received[_COMPRESSED:_SIZE]):  # nearly always
            return True
        length, compressed = _HEADER.unpack_from(received)
        return not self.has_whole or (length <= SMALL_FRAME and not compressed) or length > self.most

    @property
    def has_whole(self) -> bool:
        """Whether a whole frame is there, or one that will be refused."""
        received = self.received
        if len(received) < _HEADER.size:
            return False
        length, _ = _HEADER.unpack_from(received)
        return not 0 < length <= self.most or len(received) >= _HEADER.size + length + len(_FLUSHER)

    def next(self) -> bytes | None:
        """Return the next frame, None if it has not come whole. Raises `RefusedFrame`."""
        received = self.received
        if len(received) < _HEADER.size:
            return None
        length, compressed = _HEADER.unpack_from(received)
        if not 0 < length <= self.most:
            raise RefusedFrame(f"a frame of {length} bytes")
        end = _HEADER.size + length
        if len(received) < end + len(_FLUSHER):
            return None
        with memoryview(received) as view:
            frame = bytes(view[_HEADER.size : end])
        del received[: end + len(_FLUSHER)]
        self.given += 1
        return self._inflated(frame) if compressed else frame

    def _inflated(self, frame: bytes) -> bytes:
        inflater = zlib.decompressobj()
        try:
            inflated = inflater.decompress(frame, self.most)
        except zlib.error:
            raise RefusedFrame("a compressed frame that is none") from None
        if not inflated or not inflater.eof:
            raise RefusedFrame(f"a compressed frame of more than {self.most} bytes, or a part of one")
        return inflated


def framed(content: bytes) -> bytes:
    """Return a frame with this in it."""
    frame: bytes = _HEADER.pack(len(content), 0) + content + _FLUSHER
    return frame
