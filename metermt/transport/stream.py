"""The bytes between two ends: a socket stream that buffers what it reads and keeps deadlines."""

import select
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from math import ceil

from rpyc.core.stream import SocketStream

from metermt.errors import TlsError
from metermt.transport.deadline import Deadline
from metermt.transport.tls import ALERTS

_CHUNK = 64_000  # bytes asked of the socket at once
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

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
    goes on waiting. The socket itself never waits: setting its time-outs would cost a system call each.
    """

    __slots__ = ("_encrypted", "_wait_to_read", "deadline", "received")

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        sock.setblocking(False)
        self.deadline: Deadline | None = None
        self.received = bytearray()
        self._encrypted = isinstance(sock, ssl.SSLSocket)
        self._wait_to_read = _wait_of(sock, writing=False)

    @property
    def buffered(self) -> int:
        """How many bytes have come that were not read yet."""
        return len(self.received)

    def poll(self, timeout: object) -> bool:  # noqa: ARG002 - RPyC's signature
        """Say that there is something to read: `read` itself waits for it, no longer than until the deadline."""
        return True

    def receive(self) -> None:
        """Buffer what there is; what has gone wrong is for `fill` to find out."""
        with suppress(OSError, EOFError):
            self.received += self.sock.recv(_CHUNK)

    def fill(self, count: int) -> None:
        """Wait until so many bytes are buffered. Raises `DeadlineExceeded`, or `EOFError`."""
        while len(self.received) < count:
            if not (self._encrypted and self.sock.pending()):
                self._wait(self._wait_to_read)
            try:
                chunk = self.sock.recv(_CHUNK)
            except _NOT_YET:
                continue  # part of what TLS needs to make something of it
            except OSError as error:
                raise self._broken(error) from error
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
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self.sock.send(rest) :]
            except _NOT_YET:
                self._wait(_wait_of(self.sock, writing=True))
            except OSError as error:
                raise self._broken(error) from error

    def write_now(self, data: bytes) -> bytes:
        """Send what goes without waiting; return the rest. What has gone wrong is for `write` to find out."""
        sent = 0
        with suppress(OSError, EOFError):
            sent = self.sock.send(data)
        return data[sent:]

    def _wait(self, wait: Callable[[int | None], object]) -> None:
        if self.deadline is None:
            wait(None)
        elif not wait(ceil(1000 * self.deadline.check())):
            raise self.deadline.exceeded()

    def _broken(self, error: OSError) -> Exception:
        """Hang up, and return what is to be raised."""
        self.close()
        if isinstance(error, ssl.SSLError) and error.reason in ALERTS:
            # With TLS 1.3 a server refuses a client's certificate after the handshake.
            return TlsError(f"The server ended the encrypted link: {ALERTS[error.reason]}")
        return EOFError(str(error))


def _wait_of(sock: socket.socket, *, writing: bool) -> Callable[[int | None], object]:
    """Return what waits so many milliseconds, or for ever, until a socket is ready, and tells whether it is."""
    if hasattr(select, "poll"):
        poller = select.poll()
        poller.register(sock, select.POLLOUT if writing else select.POLLIN)
        return poller.poll
    waiting: tuple[list[socket.socket], list[socket.socket]] = ([], [sock]) if writing else ([sock], [])
    return lambda ms: any(select.select(*waiting, [], None if ms is None else ms / 1000))
