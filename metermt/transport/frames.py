"""Frames: how many bytes one may have, and how long one may take."""

from rpyc.core.channel import Channel

from metermt.transport.deadline import Deadline
from metermt.transport.stream import DeadlineStream

MAX_FRAME = 1024 * 1024
"""Bytes of a frame from somebody who has not logged in."""
MAX_BULK_FRAME = 8 * 1024 * 1024
"""Bytes of a frame from somebody who has, and of one from a server."""
FRAME_SECONDS = 10.0
"""A frame that has begun must end within this time, in either direction."""


class RefusedFrame(EOFError):
    """The peer announced a frame that is not taken; the connection is closed."""


class Violation(EOFError):
    """The peer sent what none of ours sends; the connection is closed."""


class BoundedChannel(Channel):  # type: ignore[misc]  # rpyc has no type information
    """RPyC's channel, which refuses what is too large, compressed, or too slow.

    `patience` is how many seconds the next frame may take to begin; None leaves all times to the stream's deadline.
    """

    __slots__ = ("max_frame", "patience")

    def __init__(self, stream: DeadlineStream, max_frame: int, patience: float | None) -> None:
        super().__init__(stream, compress=False)
        self.max_frame = max_frame
        self.patience = patience

    def recv(self) -> bytes:
        """Return the next frame. Raises `DeadlineExceeded`, or `EOFError` when the connection is of no more use.

        Nothing is taken from the stream before the whole frame is there, so that a deadline loses nothing.
        """
        stream = self.stream
        if self.patience is not None:
            if not stream.buffered:
                stream.deadline = Deadline(self.patience)
                stream.fill(1)
            stream.deadline = Deadline(FRAME_SECONDS)
        size = self.FRAME_HEADER.size
        length, compressed = self.FRAME_HEADER.unpack(stream.peek(size))
        if not self._takes(length, compressed):
            stream.close()
            raise RefusedFrame(f"a frame of {length} bytes{', compressed' if compressed else ''}")
        frame: bytes = stream.read(size + length + len(self.FLUSHER))
        return frame[size : size + length]

    def at_hand(self) -> bytes:
        """Return the next frame and leave it for `recv` or `drop`; nothing if it has not come whole, or is refused.

        Waits for nothing.
        """
        length, size = self._length_at_hand(), self.FRAME_HEADER.size
        if not length:  # what is there already comes first, so that no more is kept than was asked for once
            self.stream.receive()
            length = self._length_at_hand()
        return bytes(self.stream.received[size : size + length])

    def _length_at_hand(self) -> int:
        received, size = self.stream.received, self.FRAME_HEADER.size
        if len(received) < size:
            return 0
        length: int
        length, compressed = self.FRAME_HEADER.unpack_from(received)
        is_whole = len(received) >= size + length + len(self.FLUSHER)
        return length if is_whole and self._takes(length, compressed) else 0

    def _takes(self, length: int, compressed: int) -> bool:
        return not compressed and 0 < length <= self.max_frame

    def drop(self) -> None:
        """Let go of the frame that is `at_hand`."""
        received = self.stream.received
        length, _ = self.FRAME_HEADER.unpack_from(received)
        del received[: self.FRAME_HEADER.size + length + len(self.FLUSHER)]

    def send(self, data: bytes) -> None:
        """Send a frame. Raises `DeadlineExceeded`, or `EOFError` when the connection is of no more use."""
        if self.patience is not None:
            self.stream.deadline = Deadline(FRAME_SECONDS)
        self.stream.write(framed(data))

    def send_now(self, data: bytes) -> bytes:
        """Send a frame as far as that needs no waiting; return the rest of it, for `finish`."""
        rest: bytes = self.stream.write_now(framed(data))
        return rest

    def finish(self, rest: bytes) -> None:
        """Send the rest of a frame. Raises as `send`."""
        self.stream.deadline = Deadline(FRAME_SECONDS)
        self.stream.write(rest)


def framed(data: bytes) -> bytes:
    """Return a frame with this in it."""
    frame: bytes = Channel.FRAME_HEADER.pack(len(data), 0) + data + Channel.FLUSHER
    return frame
