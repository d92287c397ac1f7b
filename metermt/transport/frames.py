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
        if compressed or not 0 < length <= self.max_frame:
            stream.close()
            raise RefusedFrame(f"a frame of {length} bytes{', compressed' if compressed else ''}")
        frame: bytes = stream.read(size + length + len(self.FLUSHER))
        return frame[size : size + length]

    def send(self, data: bytes) -> None:
        """Send a frame. Raises `DeadlineExceeded`, or `EOFError` when the connection is of no more use."""
        if self.patience is not None:
            self.stream.deadline = Deadline(FRAME_SECONDS)
        self.stream.write(self.FRAME_HEADER.pack(len(data), 0) + data + self.FLUSHER)
