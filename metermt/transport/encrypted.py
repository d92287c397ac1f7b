"""A socket that speaks TLS and looks at one record at a time.

OpenSSL itself reads on for as long as something comes that is no text, such as changes of keys: a peer that sends
nothing else would keep whoever reads for ever. Here so many records at most come without a text in them.
"""

import socket
import ssl
from contextlib import suppress
from typing import Any

from metermt.transport.deadline import Deadline
from metermt.transport.frames import Violation

_CHUNK = 20_000  # bytes asked of the socket at once: a record, and no more than some hundreds of the shortest ones
_PART = 256_000  # bytes that are sealed at once
_HEAD = 5  # bytes of a record before its content
_MOST = 16_384 + 2_048  # bytes of a record's content (RFC 5246, 6.2.3; less with TLS 1.3)
_BARREN = 32  # records without a text, one after the other: libraries send two or three


class EncryptedSocket:
    """TLS on a connected socket. `recv` and `send` never wait, and raise what those of an `ssl.SSLSocket` raise."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, server_hostname: str | None = None) -> None:
        """Be the server, or the client of the server of this name."""
        self._sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_hostname is None, server_hostname=server_hostname
        )
        self._received = bytearray()  # what TLS has not seen yet
        self._sealed = bytearray()  # what is to be sent
        self._promised = 0  # bytes of a text that are in there, and not told as sent yet
        self._barren = 0  # records without a text so far
        self._has_ended = False

    def shake_hands(self, deadline: Deadline) -> None:
        """Begin. Raises `OSError`, of which `ssl.SSLError` is one, or `DeadlineExceeded`."""
        while True:
            self._sock.settimeout(deadline.check())
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._sock.sendall(self._outgoing.read())
                if chunk := self._sock.recv(_CHUNK):
                    self._incoming.write(chunk)
                else:
                    self._incoming.write_eof()
            except ssl.SSLError:
                with suppress(OSError):  # it is told why, if it listens
                    self._sock.sendall(self._outgoing.read())
                raise
            else:
                break
        self._sock.sendall(self._outgoing.read())
        self._received += (
            self._incoming.read()
        )  # from the beginning of a record on: OpenSSL takes no more than it needs

    def certificate(self) -> Any:
        """Return the certificate that the peer has shown, as `ssl` does; None if it has shown none."""
        return self._tls.getpeercert()

    def pending(self) -> bool:
        """Tell whether something has come that `recv` can look at, of which the socket does not tell."""
        return self._record_end() > 0

    def recv(self, _most: int) -> bytes:
        """Return what has come, nothing at the end."""
        self._push()
        if self._has_ended:
            return b""
        if not self.pending():
            chunk = self._sock.recv(_CHUNK)
            if not chunk:
                return b""
            self._received += chunk
        text = b"".join(iter(self._next_text, None))
        if not text and not self._has_ended:
            self._push()
            raise ssl.SSLWantReadError
        return text

    def send(self, content: bytes) -> int:
        """Send some of it; return how much. After an `ssl.SSLWantWriteError` the same has to be sent again."""
        self._push()
        if not self._promised:
            self._promised = self._tls.write(content[:_PART])
            self._sealed += self._outgoing.read()
            self._push()
        sent, self._promised = self._promised, 0
        return sent

    def setblocking(self, flag: bool) -> None:
        """Do so with the socket."""
        self._sock.setblocking(flag)

    def fileno(self) -> int:
        """Return the number of the socket."""
        return self._sock.fileno()

    def close(self) -> None:
        """Hang up."""
        self._sock.close()

    def _record_end(self) -> int:
        """Return where the first record that has come ends; 0 if it has not come whole."""
        if len(self._received) < _HEAD:
            return 0
        length = int.from_bytes(self._received[3:_HEAD])
        if length > _MOST:
            raise Violation(f"a TLS record of {length} bytes")
        return _HEAD + length if len(self._received) >= _HEAD + length else 0

    def _next_text(self) -> bytes | None:
        """Return what is in the next record, None if there is none."""
        end = self._record_end()
        if not end or self._has_ended:
            return None
        self._incoming.write(self._received[:end])
        del self._received[:end]
        text = b""
        try:
            text = self._tls.read(_MOST)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:  # the peer has said goodbye
            self._has_ended = True
        finally:
            self._sealed += self._outgoing.read()
        self._barren = 0 if text else self._barren + 1
        if self._barren > _BARREN:
            raise Violation("TLS records with no text in them")
        return text

    def _push(self) -> None:
        """Send what is sealed. Raises `ssl.SSLWantWriteError` when not all of it goes."""
        if self._sealed:
            with suppress(BlockingIOError):
                del self._sealed[: self._sock.send(self._sealed)]
        if self._sealed:
            raise ssl.SSLWantWriteError
