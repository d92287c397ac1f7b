"""What the door for HTTP knows of the inner parts of asyncio's TLS, which keep much and read without bounds."""

from asyncio import Transport
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable
from functools import partial
from typing import Any, cast

MAX_READ = 32 * 1024
"""Bytes that are read of a connection at once."""

_RESUMED = 24 * 1024  # bytes, of which more than a record of TLS that has not come whole: who waits for it must read on

Step = Callable[[], None]


def keep_small_buffers() -> None:
    """Have all connections to come keep no more. Their class is told: a buffer is made before anybody has it."""
    SSLProtocol.max_size = MAX_READ


class TlsReads:
    """The reads of a connection over TLS, of which many may bring no text."""

    def __init__(self, transport: Transport, taken: Callable[[Step], None]) -> None:
        """From now on `taken` is to take each read, by calling it, until `end`; what waits for that is bounded."""
        self._protocol: Any = cast(Any, transport)._ssl_protocol
        self._taken = taken
        cast(Any, transport).set_read_buffer_limits(MAX_READ, _RESUMED)
        self._protocol._do_read = partial(self._read, self._protocol._do_read)

    def end(self) -> None:
        """Let go of the connection."""
        del self._protocol._do_read

    def _read(self, step: Step) -> None:
        if self._protocol._app_reading_paused:
            step()  # which reads nothing then
        else:
            self._taken(step)


def unsent(transport: Transport) -> int:
    """Return how many bytes were not sent yet. Over TLS what is encrypted waits in a transport of its own."""
    if not hasattr(transport, "_ssl_protocol"):
        return transport.get_write_buffer_size()
    if not (tls := transport._ssl_protocol):  # it was closed twice
        return 0
    lower = tls._transport
    return transport.get_write_buffer_size() + (lower.get_write_buffer_size() if lower else 0)
