"""The bytes between two ends: a socket stream that buffers what it reads and keeps deadlines."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rpyc.core.stream import SocketStream

from metermt.errors import TlsError
from metermt.transport.deadline import Deadline
from metermt.transport.tls import ALERTS

_CHUNK = 64_000  # bytes asked of the socket at once

# A peer that is gone without a word is found out after IDLE + COUNT * INTERVAL = 2 minutes, and one that takes no
# more bytes after the same time. Shorter would cost telephones their battery.
_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 120_000}


def tune(sock: socket.socket) -> None:
    """Send small frames at once, and find out when the peer has vanished."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE.items():
        if hasattr(socket, option):  # the names and their number differ between systems
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


class DeadlineStream(SocketStream):  # type: ignore[misc]  # rpyc has no type information
    """RPyC's stream, with two differences.

    It asks the socket for all there is, so that a frame costs one system call and not three; `received` holds what was
    not read yet. And a read or a write that is not done when `deadline` is over raises `DeadlineExceeded`, where RPyC's
    goes on waiting.
    """

    __slots__ = ("_deadline", "_timeout_is_fresh", "received")

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._deadline: Deadline | None = None
        self._timeout_is_fresh = False
        self.received = bytearray()

    @property
    def deadline(self) -> Deadline | None:
        """Until when all reads and writes must be done; None for no limit."""
        return self._deadline

    @deadline.setter
    def deadline(self, deadline: Deadline | None) -> None:
        self._deadline = deadline
        self._timeout_is_fresh = True
        if not self.closed:
            self.sock.settimeout(deadline.check() if deadline else None)

    @property
    def buffered(self) -> int:
        """How many bytes have come that were not read yet."""
        return len(self.received)

    def poll(self, timeout: object) -> bool:  # noqa: ARG002 - RPyC's signature
        """Say that there is something to read: `read` itself waits for it, no longer than until the deadline."""
        return True

    def receive(self) -> None:
        """Buffer what there is, if the socket does not wait; what has gone wrong is for `fill` to find out."""
        with suppress(OSError):
            self.received += self.sock.recv(_CHUNK)

    def write_now(self, data: bytes) -> bytes:
        """Send what goes without waiting, if the socket does not wait; return the rest."""
        sent = 0
        with suppress(OSError):
            sent = self.sock.send(data)
        return data[sent:]

    def fill(self, count: int) -> None:
        """Wait until so many bytes are buffered. Raises `DeadlineExceeded`, or `EOFError`."""
        while len(self.received) < count:
            with self._deadline_kept():
                chunk = self.sock.recv(_CHUNK)
            if not chunk:
                self.close()
                raise EOFError("the peer closed the connection")
            self.received += chunk

    def peek(self, count: int) -> bytes:
        """Return the next so many bytes, and leave them for `read`. Raises as that."""
        self.fill(count)
        return bytes(self.received[:count])

    def read(self, count: int) -> bytes:
        """Return exactly so many bytes. Raises `DeadlineExceeded`, or `EOFError` when the connection is gone."""
        self.fill(count)
        taken = bytes(self.received[:count])
        del self.received[:count]
        return taken

    def write(self, data: bytes) -> None:
        """Send all of it. Raises `DeadlineExceeded`, or `EOFError` when the connection is gone."""
        with self._deadline_kept():
            self.sock.sendall(data)  # which spreads the time-out over all it sends

    @contextmanager
    def _deadline_kept(self) -> Iterator[None]:
        deadline = self._deadline
        try:
            # The time-out set with the deadline holds for the first step; a peer that comes in drops is given less
            # for each.
            if deadline and not self._timeout_is_fresh:
                self.sock.settimeout(deadline.check())
            self._timeout_is_fresh = False
            yield
        except TimeoutError:
            raise (deadline or Deadline(0)).exceeded() from None
        except ssl.SSLError as error:
            self.close()
            if error.reason in ALERTS:  # with TLS 1.3 a server refuses a client's certificate after the handshake
                raise TlsError(f"The server ended the encrypted link: {ALERTS[error.reason]}") from error
            raise EOFError(str(error)) from error
        except OSError as error:
            self.close()
            raise EOFError(str(error)) from error
