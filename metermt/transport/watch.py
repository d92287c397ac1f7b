"""Clients that one thread watches: it waits until one of them has sent something, or takes something."""

import selectors
import socket
from collections.abc import Iterator
from contextlib import suppress

from metermt.transport.conversation import Conversation

NOTHING, READ, WRITE = 0, selectors.EVENT_READ, selectors.EVENT_WRITE


class Watch:
    """Waits for clients. All but `wake` is for the one thread that does so."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._waker, self._wake_socket = socket.socketpair()
        self._waker.setblocking(False)
        self._wake_socket.setblocking(False)
        self._selector.register(self._waker, READ)
        self._watched: dict[Conversation, int] = {}  # all who are here, and what is waited for of each

    def __iter__(self) -> Iterator[Conversation]:
        return iter(self._watched)

    def __contains__(self, conversation: Conversation) -> bool:
        return conversation in self._watched

    def wake(self) -> None:
        """Have `ready` return, now or when it is called. For any thread."""
        with suppress(OSError):  # it has been woken often enough, or is gone
            self._wake_socket.send(b"!")

    def ready(self, seconds: float | None) -> list[Conversation]:
        """Return those of whom something has come, or for whom there is room; wait for that no longer than told."""
        ready = []
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                with suppress(BlockingIOError):
                    self._waker.recv(4096)
            else:
                ready.append(key.data)
        return ready

    def add(self, conversation: Conversation) -> None:
        """Have one more here, of whom nothing is waited for yet."""
        self._watched[conversation] = NOTHING

    def watch(self, conversation: Conversation, events: int) -> None:
        """Wait for these events of a client from now on."""
        before = self._watched[conversation]
        if events == before:
            return
        self._watched[conversation] = events
        if not before:
            self._selector.register(conversation.sock, events, conversation)
        elif not events:
            self._selector.unregister(conversation.sock)
        else:
            self._selector.modify(conversation.sock, events, conversation)

    def remove(self, conversation: Conversation) -> None:
        """Wait for nothing more of a client."""
        with suppress(OSError, ValueError, KeyError):  # its socket may have been closed
            self.watch(conversation, NOTHING)
        del self._watched[conversation]

    def close(self) -> None:
        """End, and forget all."""
        self._watched.clear()
        self._selector.close()
        self._waker.close()
        self._wake_socket.close()
