"""The bytes between two ends: a socket that never blocks, and keeps deadlines."""

import select
import socket
import ssl
from collections.abc import Callable
from math import ceil
from typing import Any

from metermt.errors import TlsError
from metermt.transport.deadline import Deadline
from metermt.transport.encrypted import EncryptedSocket
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


class Stream:
    """A connected socket, encrypted or not.

    The socket itself never waits: setting its time-outs would cost a system call each.
    """

    def __init__(self, sock: socket.socket | EncryptedSocket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._encrypted = sock if isinstance(sock, EncryptedSocket) else None
        self._wait_to_read = _wait_of(sock, writing=False)
        self.wants_to_send = False
        """Whether TLS has something to say, for which there is no room yet, before it takes more."""
        self.is_in_record = False
        """Whether something has come that TLS cannot make a text of yet, or never will."""

    def receive_now(self) -> bytes | None:
        """Return what there is, None for nothing yet. Raises `EOFError` when the connection is gone."""
        self.wants_to_send = False
        try:
            chunk = self.sock.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError):
            self.is_in_record = self._encrypted is not None  # it was looked at because something had come
            return None
        except ssl.SSLWantWriteError:  # it is to answer a change of keys, and its peer reads no answers
            self.wants_to_send = self.is_in_record = True
            return None
        except OSError as error:
            raise _broken(error) from error
        if not chunk:
            raise EOFError("the peer closed the connection")
        self.is_in_record = False
        return chunk

    def receive_some(self, deadline: Deadline | None) -> bytes | None:
        """Wait until something has come; return what there is of it, None for nothing yet. Raises as `receive`."""
        if not (self._encrypted and self._encrypted.pending()):  # which has come with the end of the handshake
            self._wait(_wait_of(self.sock, writing=True) if self.wants_to_send else self._wait_to_read, deadline)
        return self.receive_now()

    def receive(self, deadline: Deadline | None) -> bytes:
        """Wait for some bytes. Raises `DeadlineExceeded`, or `EOFError` when the connection is gone."""
        while (chunk := self.receive_some(deadline)) is None:
            pass
        return chunk

    def send_now(self, content: bytes) -> bytes:
        """Send what goes without waiting; return the rest. Raises `EOFError` when the connection is gone."""
        try:
            return content[self.sock.send(content) :]
        except (BlockingIOError, ssl.SSLWantWriteError):
            return content
        except OSError as error:
            raise _broken(error) from error

    def send(self, content: bytes, deadline: Deadline) -> None:
        """Send all of it. Raises `DeadlineExceeded`, or `EOFError` when the connection is gone."""
        while content := self.send_now(content):
            self._wait(_wait_of(self.sock, writing=True), deadline)

    def close(self) -> None:
        """Hang up. Closing twice is harmless."""
        self.sock.close()

    def _wait(self, wait: Callable[[int | None], object], deadline: Deadline | None) -> None:
        if deadline is None:
            wait(None)
        elif not wait(ceil(1000 * deadline.check())):
            raise deadline.exceeded()


def _broken(error: OSError) -> Exception:
    """Return what is to be raised when a socket has failed."""
    if isinstance(error, ssl.SSLError) and error.reason in ALERTS:
        # With TLS 1.3 a server refuses a client's certificate after the handshake.
        return TlsError(f"The server ended the encrypted link: {ALERTS[error.reason]}")
    return EOFError(str(error))


def _wait_of(sock: socket.socket | EncryptedSocket, *, writing: bool) -> Callable[[int | None], object]:
    """Return what waits so many milliseconds, or for ever, until a socket is ready, and tells whether it is."""
    if hasattr(select, "poll"):
        poller = select.poll()
        poller.register(sock, select.POLLOUT if writing else select.POLLIN)
        return poller.poll
    waiting: tuple[list[Any], list[Any]] = ([], [sock]) if writing else ([sock], [])
    return lambda ms: any(select.select(*waiting, [], None if ms is None else ms / 1000))
