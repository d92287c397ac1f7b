"""The client's end of a connection: one request a call, within a deadline, in errors of ours."""

import socket
from collections.abc import Callable, Sequence
from typing import Any

from metermt.errors import CallError, NotAMeterServer, ServerLost, ServerUnreachable
from metermt.transport.clientend import ClientEnd
from metermt.transport.deadline import Deadline
from metermt.transport.frames import RefusedFrame, Violation
from metermt.transport.plainvalues import is_plain
from metermt.transport.stream import Stream, tune
from metermt.transport.tls import ClientTls


class ServerConnection:
    """A connection to a meter server. One thread at a time may use it."""

    def __init__(
        self, host: str, port: int, deadline: Deadline, tls: ClientTls | None = None, name: str | None = None
    ) -> None:
        """Connect; with `tls` the server must prove that it is `name`, or `host` without one.

        Raises `ServerUnreachable`, `ServerLost`, `TlsError` or `DeadlineExceeded`.
        """
        sock = connect_socket(host, port, deadline)
        try:
            self._stream = Stream(tls.wrap(sock, name or host, deadline) if tls else sock)
        except BaseException:
            sock.close()
            raise
        self._end = ClientEnd(self._stream)

    def call(self, name: str, args: tuple[Any, ...], deadline: Deadline) -> Any:
        """Call an exposed method with plain values and return its plain result.

        Raises what the server raised, and `ServerLost`, `NotAMeterServer` or `DeadlineExceeded`. After any of these
        the connection is of no more use: a late answer could be on its way.
        """
        if not is_plain(args):
            raise CallError("Only numbers, texts and None can be sent to a server")
        try:
            return self._end.call(name, args, deadline)
        except ValueError as error:  # raised while writing the request
            raise CallError("A text with half a character, or a number too long, cannot be sent to a server") from error
        except (RefusedFrame, Violation) as error:
            raise NotAMeterServer(
                "What answers at that address is no meter server, or speaks TLS: check host and port, or give --tls-ca"
            ) from error
        except EOFError as error:
            if not self._end.knows_the_server:
                raise ServerLost("The server hung up before it said a word: does it want TLS (--tls-ca)?") from error
            raise ServerLost("The connection to the server was lost") from error

    def wait_while(self, still_there: Callable[[], bool]) -> None:
        """Wait for an answer, after a second of silence, only if this says that the server is still there.

        A call raises `ServerLost` then.
        """
        self._end.still_there = still_there

    def close(self) -> None:
        """Hang up. Closing twice is harmless."""
        self._stream.close()


def connect_socket(host: str, port: int, deadline: Deadline) -> socket.socket:
    """Return a socket that is connected there. Raises `ServerUnreachable` or `DeadlineExceeded`.

    Each address of the host has its share of the time: one that lets nothing pass leaves enough for the next.
    """
    try:
        sock = _first_connected(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), deadline)
    except (OSError, UnicodeError) as error:  # UnicodeError: no host can have such a name
        words = error.strerror if isinstance(error, OSError) else "no such host name"
        raise ServerUnreachable(f"Nobody answers at {host}:{port}: {words}") from error
    if _is_itself(sock):
        # Nobody listens, and the system has given this end the very port that it was to reach: TCP joins it to itself.
        sock.close()
        raise ServerUnreachable(f"Nobody answers at {host}:{port}: Connection refused")
    tune(sock)
    return sock


def _first_connected(addresses: Sequence[tuple[Any, ...]], deadline: Deadline) -> socket.socket:
    """Return a socket that is connected to the first of them that answers.

    When the others have failed, those that were slow rather than gone are given the time that is left. Raises
    `DeadlineExceeded` when there is none, or `OSError`, of the last one, when all are gone.
    """
    slow: list[tuple[Any, ...]] = []
    for tried, address in enumerate(addresses):
        try:
            return _connected(address, deadline.check() / (len(addresses) - tried))
        except TimeoutError:
            slow.append(address)
        except OSError:
            if tried == len(addresses) - 1 and not slow:
                raise
    return _first_connected(slow, deadline)


def _connected(address: tuple[Any, ...], seconds: float) -> socket.socket:
    """Connect to an address as `getaddrinfo` tells it. Raises `OSError`."""
    *kind, _, place = address
    sock = socket.socket(*kind)
    try:
        sock.settimeout(seconds)
        sock.connect(place)
    except BaseException:
        sock.close()
        raise
    return sock


def _is_itself(sock: socket.socket) -> bool:
    """Tell whether a socket is connected to itself, as the system may do with a free port of its own choice."""
    try:
        return bool(sock.getsockname() == sock.getpeername())
    except OSError:  # the server died just now; what is asked on this socket next says so
        return False
