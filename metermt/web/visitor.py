"""One connection over HTTP: uvicorn's own, within bounds of bytes and time."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from metermt.calls.table import Caller
from metermt.calls.telling import fault_of
from metermt.config import Limits
from metermt.sparinglog import SparingLog
from metermt.transport.frames import FRAME_SECONDS
from metermt.transport.guests import Guests
from metermt.transport.tls import name_in
from metermt.web.gate import Gate

MAX_HEAD = 16 * 1024
"""Bytes of the first line and the headers of a request."""

MAX_READ = 32 * 1024
"""Bytes that are read of a connection at once."""

_RESUMED = 24 * 1024  # bytes, of which more than a record of TLS that has not come whole: who waits for it must read on


class Hall:
    """What all visitors share."""

    def __init__(self, config: Config, limits: Limits, guests: Guests, gate: Gate, journal: SparingLog) -> None:
        self.config = config
        self.limits = limits
        self.guests = guests
        self.gate = gate
        self.journal = journal
        self.state = ServerState()
        self.loop = asyncio.get_running_loop()


class Visitor(H11Protocol):
    """A guest of the server's who speaks HTTP. Only `leave` may be called from another thread."""

    def __init__(self, hall: Hall, address: str, ended: Callable[["Visitor"], None]) -> None:
        """`ended` is told when the connection has."""
        super().__init__(hall.config, hall.state, {"visitor": self}, hall.loop)
        self.address = address
        self.caller = Caller(address, is_gone=lambda: self.is_over)
        self.is_over = False
        """Whether the connection has ended."""
        self.logger = cast(Any, _Journal(hall.journal, address))
        self._hall = hall
        self._ended = ended
        self._since = time.monotonic()  # when the visitor began what is waited for, or was answered

    # --- as a guest

    @property
    def is_trusted(self) -> bool:
        """Whether a valid session was shown on this connection."""
        return bool(self.caller.sessions)

    @property
    def is_busy(self) -> bool:
        """Whether a request of theirs is being answered."""
        return self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete

    def leave(self) -> None:
        """Hang up, from any thread."""
        self.loop.call_soon_threadsafe(self.hang_up)

    # --- for the door

    def hang_up(self) -> None:
        """End the connection now."""
        if self.transport:
            self.transport.abort()

    def finish(self) -> None:
        """End the connection as soon as nothing is being answered."""
        if self.is_busy:
            self.cycle.keep_alive = False
        else:
            self.hang_up()

    def is_late(self, now: float) -> bool:
        """Tell whether they have kept the server waiting for too long."""
        if self.is_busy and not self._has_unsent:
            return False
        if self._is_between_requests:
            limit = self._hall.limits.idle if self.is_trusted else self._hall.limits.handshake
            return now - self._since > limit.total_seconds()
        return now - self._since > FRAME_SECONDS

    @property
    def _is_between_requests(self) -> bool:
        nothing_begun = self.cycle is None or self.cycle.response_complete
        return nothing_begun and not self.conn.trailing_data[0] and not self._has_unsent

    @property
    def _has_unsent(self) -> bool:
        return self.transport is not None and _unsent(self.transport) > 0

    # --- for the gate

    def pause(self) -> None:
        """Read no more of what comes."""
        self.transport.pause_reading()

    def resume(self) -> None:
        """Read what comes next; if uvicorn has stopped reading, it goes on by itself."""
        if not (self.transport.is_closing() or self.flow.read_paused):
            self.transport.resume_reading()

    def fail(self, error: Exception) -> None:
        """End the connection, of which something has failed that nobody has expected."""
        self._hall.journal.error("faults with clients", fault_of(error), "a visitor was let go of", error=error)
        self.loop.call_soon(self.hang_up)  # if that fails, too, the loop logs it

    # --- what happens

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin; nothing is read before it is their turn."""
        super().connection_made(transport)
        if hasattr(transport, "max_size"):  # what is read at once, a quarter of a megabyte, is all kept
            transport.max_size = MAX_READ
        if transport.get_extra_info("sslcontext"):
            self.caller.certified_name = name_in(transport.get_extra_info("peercert"))
            # What is kept encrypted while it is not their turn.
            cast(Any, transport).set_read_buffer_limits(MAX_READ, _RESUMED)
        self._hall.gate.came(self)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        began = time.thread_time()
        parts = [data]
        if self._is_between_requests:
            self._since = time.monotonic()
            parts = [data[: MAX_HEAD + 1], data[MAX_HEAD + 1 :]]  # h11 looks how much it has of a head that has no end
        try:
            for part in parts:
                if part and not self.transport.is_closing():
                    super().data_received(part)
        except h11.LocalProtocolError:  # nonsense after a request that is being answered
            self.hang_up()
            return
        if self.is_busy:
            self._hall.guests.is_busy(self)
        if self.is_busy and not self.is_trusted and self.conn.trailing_data[0]:
            self.cycle.keep_alive = False  # a stranger's next request has to wait for a turn, and this one would not
        if not (self.is_trusted or self.transport.is_closing()):
            self._hall.gate.came(self, time.thread_time() - began)

    def pause_writing(self) -> None:
        """Note that they do not take their answer."""
        self._since = time.monotonic()
        super().pause_writing()

    def on_response_complete(self) -> None:
        """Go on with the next request."""
        self._since = time.monotonic()
        super().on_response_complete()
        if not self.is_busy:
            self._hall.guests.is_idle(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that it is over."""
        self.is_over = True
        self._hall.gate.went(self)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # uvicorn leaves the timer, and us with it, after a reset
        self._ended(self)
        # What is in a ring is kept until somebody looks for rings.
        self.scope = self.cycle = None  # type: ignore[assignment]  # as uvicorn has them before a request
        self.app_state = {}
        self.caller.is_gone = lambda: True


def _unsent(transport: asyncio.Transport) -> int:
    """Return how many bytes were not sent yet. Over TLS what is encrypted waits in a transport of its own."""
    if not hasattr(transport, "_ssl_protocol"):
        return transport.get_write_buffer_size()
    if not (tls := transport._ssl_protocol):  # it was closed twice
        return 0
    lower = tls._transport
    return transport.get_write_buffer_size() + (lower.get_write_buffer_size() if lower else 0)


class _Journal:
    """What uvicorn's protocol takes for its log: what a visitor causes is told sparingly."""

    level = 100  # so that it does not tell of each connection

    def __init__(self, journal: SparingLog, address: str) -> None:
        self._journal = journal
        self._address = address

    def warning(self, words: str) -> None:
        self._journal.warning(
            "bad HTTP requests", self._address, "%s sent a bad HTTP request: %s", self._address, words
        )

    def error(self, words: str, *args: object, exc_info: BaseException | None = None) -> None:
        if isinstance(exc_info, asyncio.CancelledError):  # the server ends
            return
        words = words.strip() % args if args else words.strip()
        error = exc_info if isinstance(exc_info, Exception) else None
        self._journal.error("faults with clients", words, "a visitor could not be answered: %s", words, error=error)


def visitor_of(scope: Any) -> Visitor:
    """Return whose request this is, by its ASGI scope."""
    return cast(Visitor, scope["state"]["visitor"])
