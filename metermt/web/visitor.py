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
from metermt.config import Limits
from metermt.transport.frames import FRAME_SECONDS


class Visitor(H11Protocol):
    """A guest of the server's who speaks HTTP. Only `leave` may be called from another thread."""

    def __init__(
        self, config: Config, state: ServerState, loop: asyncio.AbstractEventLoop, address: str, limits: Limits
    ) -> None:
        super().__init__(config, state, {"visitor": self}, loop)
        self.caller = Caller(address, is_gone=lambda: self.is_over)
        self.is_over = False
        """Whether the connection has ended."""
        self.is_leaving = False
        self.ended: Callable[[], None] = lambda: None
        """Called when it has."""
        self.stranger_since = time.monotonic()
        self._limits = limits
        self._since = self.stranger_since  # when the visitor began what is waited for, or was answered

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
        self.is_leaving = True
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
            limit = self._limits.idle if self.is_trusted else self._limits.handshake
            return now - self._since > limit.total_seconds()
        return now - self._since > FRAME_SECONDS

    @property
    def _is_between_requests(self) -> bool:
        nothing_begun = self.cycle is None or self.cycle.response_complete
        return nothing_begun and not self.conn.trailing_data[0] and not self._has_unsent

    @property
    def _has_unsent(self) -> bool:
        return self.flow is not None and self.flow.write_paused

    # --- what comes in

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        if self._is_between_requests:
            self._since = time.monotonic()
        try:
            super().data_received(data)
        except h11.LocalProtocolError:  # nonsense after a request that is being answered
            self.hang_up()

    def pause_writing(self) -> None:
        """Note that they do not take their answer."""
        self._since = time.monotonic()
        super().pause_writing()

    def on_response_complete(self) -> None:
        """Go on with the next request."""
        self._since = self.stranger_since = time.monotonic()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that it is over."""
        self.is_over = True
        super().connection_lost(exc)
        self.ended()


def visitor_of(scope: Any) -> Visitor:
    """Return whose request this is, by its ASGI scope."""
    return cast(Visitor, scope["state"]["visitor"])
