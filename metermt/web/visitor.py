"""One connection over HTTP: uvicorn's own, within bounds of bytes and time."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

import h11
from uvicorn import Config
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from metermt.calls.asking import Caller
from metermt.calls.telling import fault_of
from metermt.config import Limits
from metermt.sparinglog import SparingLog
from metermt.transport.frames import FRAME_SECONDS
from metermt.transport.guests import Guests
from metermt.transport.tls import name_in
from metermt.web.gate import Gate, Metered
from metermt.web.tlsparts import MAX_READ, TlsReads, unsent

MAX_HEAD = 16 * 1024
"""Bytes of the first line and the headers of a request."""

_BARREN_SECONDS = 0.05  # of a processor, for reads over TLS that bring no text: some 2,000 changes of keys
# Bytes that h11 is given at once, unless it knows how long a body is: in chunks of a byte they take a millisecond, and
# a head that has no end is found out as it should be.
_PART = (MAX_HEAD + 1) // 29
_READ_SECONDS = 0.001  # of a processor, for what was read at once


class Hall:
    """What all visitors share: strangers are read by turns, and who is known is answered by turns."""

    def __init__(
        self, config: Config, limits: Limits, guests: Guests, strangers: Gate, known: Gate, journal: SparingLog
    ) -> None:
        self.config = config
        self.limits = limits
        self.guests = guests
        self.strangers = strangers
        self.known = known
        self.journal = journal
        self.state = ServerState()
        self.loop = asyncio.get_running_loop()


class Visitor(H11Protocol):
    """A guest of the server's who speaks HTTP. Only `leave` may be called from another thread."""

    def __init__(self, hall: Hall, address: str, ended: Callable[["Visitor"], None]) -> None:
        """`ended` is told when the connection has."""
        super().__init__(hall.config, hall.state, {"visitor": self}, hall.loop)
        self.app = self._answered  # which `hall.config` has otherwise
        self.address = address
        self.caller = Caller(address, is_gone=lambda: self.is_over)
        self.is_over = False
        """Whether the connection has ended."""
        self.handshake: asyncio.Task[None] | None = None
        """What leads to the connection."""
        self.logger = cast(Any, _Journal(hall.journal, address))
        self._hall = hall
        self._turn: _Turn | None = None
        self._tls_reads: TlsReads | None = None
        self._barren = 0.0  # seconds of a processor for what was read since there was a text
        self._unread = b""  # what has come and waits for its turn
        self._taken = 0.0  # seconds of a processor for what was taken of it, while TLS was read
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
        if self.is_over:
            return
        if self.transport:
            self.transport.abort()
        elif self.handshake:
            self.handshake.cancel()

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
        return nothing_begun and not (self._unread or self.conn.trailing_data[0] or self._has_unsent)

    @property
    def _announced(self) -> int:
        """How many bytes of a body are still to come, 0 if that is not known: h11 takes them as they are."""
        return getattr(self.conn._reader, "_remaining", 0)

    @property
    def _has_unsent(self) -> bool:
        return self.transport is not None and unsent(self.transport) > 0

    # --- for a gate

    def go_on(self) -> None:
        """Take what is left, or read what comes next; if uvicorn has stopped reading, it goes on by itself."""
        if self.transport.is_closing():
            return
        if self._unread:
            self._take()
        elif not self.flow.read_paused:
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
            self._tls_reads = TlsReads(transport, self._read_over_tls)
            self._wait()
        else:
            self.loop.call_soon(self._read_on)  # the transport begins to read once this is over

    def data_received(self, data: bytes) -> None:
        """Take what has come, or have it wait for its turn behind what has come before."""
        self._barren = 0.0
        if self._unread:
            self._unread += data
            self.transport.pause_reading()
            return
        if self._is_between_requests:
            self._since = time.monotonic()
        self._unread = data
        self._take()

    def _take(self) -> None:
        """Take a request of what has come, or a part of one; the rest waits for its turn."""
        took, began = 0.0, time.thread_time()
        try:
            while self._unread and took < _READ_SECONDS and not (self.is_busy or self.transport.is_closing()):
                size = max(_PART, self._announced)
                part, self._unread = self._unread[:size], self._unread[size:]
                super().data_received(part)
                took = time.thread_time() - began
        except h11.LocalProtocolError:  # nonsense after a request that is being answered
            self.hang_up()
            return
        if self.is_busy:
            self._hall.guests.note_busy(self)
        if self.is_busy and not self.is_trusted and (self._unread or self.conn.trailing_data[0]):
            self.cycle.keep_alive = False  # a stranger's next request has to wait for a turn, and this one would not
        self._taken += took
        self._gate.took(took)
        self._read_on(took)

    def _read_over_tls(self, step: Callable[[], None]) -> None:
        began, self._taken = time.thread_time(), 0.0
        step()
        took = time.thread_time() - began
        self._gate.took(took - self._taken)  # of which it knows
        self._barren += took - self._taken
        if self._barren > _BARREN_SECONDS:
            words = "hung up on %s: it goes on and on in TLS and says nothing"
            self._hall.journal.warning("connections hung up on", self.address, words, self.address)
            self.loop.call_soon(self.hang_up)  # asyncio goes on with what it has begun
        self._read_on(took)

    def pause_writing(self) -> None:
        """Note that they do not take their answer."""
        self._since = time.monotonic()
        super().pause_writing()

    def on_response_complete(self) -> None:
        """Go on with the next request."""
        self._since = time.monotonic()
        super().on_response_complete()
        if not self.is_busy:
            self._hall.guests.note_idle(self)
            if self._unread:
                self._read_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that it is over."""
        self.is_over = True
        for gate in (self._hall.strangers, self._hall.known):
            gate.went(self)
        if self._turn and not self._turn.has_come.done():
            self._hall.known.went(self._turn)
            self._turn.go_on()
        super().connection_lost(exc)
        if self._tls_reads:
            self._tls_reads.end()
            self._tls_reads = None
        self._unset_keepalive_if_required()  # uvicorn leaves the timer, and us with it, after a reset
        self._ended(self)
        # What is in a ring is kept until somebody looks for rings.
        self.app = self.scope = self.cycle = None  # type: ignore[assignment]  # none is asked for any more
        self.app_state = {}
        self.caller.is_gone = lambda: True

    @property
    def _gate(self) -> Gate:
        return self._hall.known if self.is_trusted else self._hall.strangers

    def _read_on(self, took: float = 0.0) -> None:
        """Read what comes next: at once, if they are known and what they sent has not taken long, or by turns."""
        if self.transport.is_closing():
            return
        if self._unread and self.is_busy:
            self.transport.pause_reading()  # until that is answered
        elif not self.is_trusted or self._unread or took > _READ_SECONDS:
            self._wait()
        elif not self.flow.read_paused:
            self.transport.resume_reading()

    def _wait(self) -> None:
        """Be read no more before it is their turn."""
        self.transport.pause_reading()
        self._gate.came(self)

    async def _answered(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Have a request answered: as an ASGI application."""
        gate = self._gate
        if self.is_trusted:
            self._turn = _Turn(self.address, self.loop)
            gate.came(self._turn)
            await self._turn.has_come
        if not self.is_over:
            await Metered(self._hall.config.loaded_app(scope, receive, send), gate.took)


class _Turn:
    """A request that waits for its turn to be answered."""

    def __init__(self, address: str, loop: asyncio.AbstractEventLoop) -> None:
        self.address = address
        self.has_come = loop.create_future()

    def go_on(self) -> None:
        self.has_come.set_result(None)

    def fail(self, error: Exception) -> None:
        self.has_come.set_exception(error)


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
