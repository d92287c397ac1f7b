"""What a server has to do with one client that is connected to it."""

import socket
import ssl
from collections.abc import Callable
from threading import Event

from metermt.config import Limits
from metermt.manager import Manager
from metermt.transport.frames import MAX_FRAME, BoundedChannel
from metermt.transport.serverend import ServerEnd, ShortRequest
from metermt.transport.service import MeterService
from metermt.transport.stream import DeadlineStream, tune
from metermt.transport.tls import common_name

_CONFIG = {"bind_threads": False, "logger": None, "include_local_traceback": False, "include_local_version": False}


class Conversation:
    """One client, and how it is answered: by one thread at a time, its own or one that it shares with others.

    `go_on` answers in the calling thread. Where that ends because the conversation was taken over, `short_request` and
    `send` are for the thread that has it.
    """

    def __init__(
        self, sock: socket.socket, address: str, manager: Manager, limits: Limits, tls: ssl.SSLContext | None
    ) -> None:
        self.sock = sock
        self.address = address
        self._manager = manager
        self._limits = limits
        self._tls = tls
        self._end: ServerEnd | None = None  # until hands were shaken
        self._unsent = b""

    def go_on(self, stopping: Event, take_over: Callable[["Conversation"], bool]) -> bool:
        """Answer one request after the other until the client is gone, silent for too long, or `stopping`.

        Somebody who is logged in is taken over, if they can be; returns whether that was so. Raises `EOFError`,
        `OSError` or `DeadlineExceeded`.
        """
        end = self._end or self._begin()
        unsent, self._unsent = self._unsent, b""
        if unsent:
            self._channel.finish(unsent)
        while not stopping.is_set() and not end.closed:
            end.serve(None)
            self._channel.patience = self._limits.idle.total_seconds()
            if end.is_trusted and not self.has_more and take_over(self):
                return True
        return False

    def _begin(self) -> ServerEnd:
        tune(self.sock)
        handshake = self._limits.handshake.total_seconds()
        if self._tls:
            self.sock.settimeout(handshake)
            # Shaking hands is a step of its own, so that a server that stops can hang up meanwhile.
            encrypted = self._tls.wrap_socket(self.sock, server_side=True, do_handshake_on_connect=False)
            self.sock = encrypted
            encrypted.do_handshake()
        self._channel = BoundedChannel(DeadlineStream(self.sock), MAX_FRAME, handshake)
        self._service = MeterService(self._manager, self.address, common_name(self.sock))
        self._end = self._service._connect(self._channel, dict(_CONFIG))
        return self._end

    def short_request(self) -> ShortRequest | None:
        """Return the next request, None if it has not come whole or is not a short one; waits for nothing."""
        frame = self._channel.at_hand()
        return self.end.short_request(frame) if frame else None

    def send(self, answer: bytes) -> bool:
        """Send the answer to the request at hand; returns whether all of it went out at once."""
        self._channel.drop()
        self._unsent = self._channel.send_now(answer)
        return not self._unsent

    @property
    def end(self) -> ServerEnd:
        """What answers."""
        assert self._end, "hands were not shaken yet"
        return self._end

    @property
    def has_more(self) -> bool:
        """Whether something has come that was not answered yet."""
        buffered: int = self._channel.stream.buffered
        return buffered > 0

    def drop(self) -> None:
        """Hang up, and write nothing about it: the jobs of its sessions stay with these."""
        if self._end:
            self._service.forget_sessions()
        self.close()

    def close(self) -> None:
        """Hang up. Closing twice is harmless."""
        if self._end:
            self._end.close()
        self.sock.close()
