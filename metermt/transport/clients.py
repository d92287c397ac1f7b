"""All clients of a server, from the moment they are let in until they are hung up on."""

import socket
import time
from contextlib import suppress
from threading import Lock

from metermt.calls.regulars import Regulars
from metermt.config import Limits
from metermt.rules.places import Places, Verdict
from metermt.transport.conversation import Conversation


class Clients:
    """Who is connected, whatever thread drives them, and who has to make room. For any thread."""

    def __init__(self, limits: Limits, regulars: Regulars) -> None:
        self._regulars = regulars
        self._lock = Lock()  # guards the two below
        self._conversations: set[Conversation] = set()
        self._places: Places[Conversation] = Places(limits.connections, limits.connections_an_address)

    def __len__(self) -> int:
        return len(self._conversations)

    def judged(self, address: str) -> Verdict[Conversation]:
        """Say whether one more client is let in. Who has to go for that has no place any more."""
        is_regular = self._regulars.knows_address(address)
        with self._lock:
            verdict = self._places.judged(address, time.monotonic(), is_regular=is_regular)
            if verdict.leaving:
                self._places.went(verdict.leaving)
            return verdict

    def came(self, conversation: Conversation) -> None:
        """Let a stranger in."""
        with self._lock:
            self._conversations.add(conversation)
            self._places.came(conversation, conversation.caller.address, conversation.stranger_since)

    def is_busy(self, conversation: Conversation) -> None:
        """Take note that a client waits for something that takes long, or has logged in."""
        with self._lock:
            self._places.is_busy(conversation)

    def is_idle(self, conversation: Conversation) -> None:
        """Take note that a client is a stranger still, who waits for nothing."""
        with self._lock:
            self._places.is_idle(conversation, time.monotonic())

    def went(self, conversation: Conversation) -> None:
        """Forget a client. Doing so twice is harmless."""
        with self._lock:
            self._conversations.discard(conversation)
            self._places.went(conversation)

    def everybody(self) -> list[Conversation]:
        """Return all who are connected."""
        with self._lock:
            return list(self._conversations)

    def shut_down(self, how: int) -> None:
        """End the connections of all, as `socket.shutdown` does."""
        for conversation in self.everybody():
            with suppress(OSError):  # it may be closed already
                socket.socket.shutdown(conversation.sock, how)
