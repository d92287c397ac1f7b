"""An end to waiting for a database that does not answer: no setting of libpq bounds a server that stands still."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Condition, Thread
from time import monotonic
from typing import Any

import psycopg

_TICK = 0.1  # seconds between two looks at what is going on


class Patience:
    """Cuts connections to a database that takes too long, from a thread of its own."""

    def __init__(self) -> None:
        self._changed = Condition()  # guards what follows
        self._until: dict[int, float] = {}  # by descriptor, one of our own: the connection may close its own meanwhile
        self._cut: set[int] = set()
        self._is_used = False  # since the thread looked last
        self._sleeps = False  # until it is woken
        self._is_open = True
        self._thread = Thread(target=self._run, name="database patience", daemon=True)
        self._thread.start()

    @contextmanager
    def limit(self, connection: psycopg.Connection[Any], until: float) -> Iterator[Callable[[float], None]]:
        """Cut a connection that is not done with this block by a time of the monotonic clock.

        What waits for an answer then raises `psycopg.OperationalError`. The block gets what changes the time.
        """
        descriptor = os.dup(connection.fileno())
        with self._changed:
            self._until[descriptor] = until
            self._is_used = True
            if self._sleeps:
                self._changed.notify()

        def change(until: float) -> None:
            with self._changed:
                self._until[descriptor] = until

        try:
            yield change
        finally:
            with self._changed:
                del self._until[descriptor]
                self._cut.discard(descriptor)
                os.close(descriptor)

    def close(self) -> None:
        """End the thread. Closing twice is harmless."""
        with self._changed:
            self._is_open = False
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        with self._changed:
            while self._is_open:
                # It looks once more after it was needed last: being woken for each transaction would cost more.
                self._sleeps = not self._is_used and not self._until
                self._is_used = False
                self._changed.wait(None if self._sleeps else _TICK)
                now = monotonic()
                for descriptor, until in self._until.items():
                    if until <= now and descriptor not in self._cut:
                        self._cut.add(descriptor)
                        _cut(descriptor)


def _cut(descriptor: int) -> None:
    """End a connection. That takes no descriptor: there may be none left when a database stands still."""
    with suppress(OSError):
        link = socket.socket(fileno=descriptor)
        try:
            link.shutdown(socket.SHUT_RDWR)
        finally:
            link.detach()
