"""How those are answered who have not logged in, by whichever door they came: by turns, and with a small share."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

from metermt.calls.regulars import Regulars, network_of
from metermt.calls.table import Caller
from metermt.calls.turnstile import Turnstile
from metermt.transport.resting import rest_after

# How many strangers at once are read, and have the store asked something. However many there are, those who are logged
# in hardly notice: what strangers do takes this part of a processor at most.
_READ, _ASK, _SHARE = 1, 2, 0.05


class Strangers:
    """The two turnstiles that strangers pass: to be read, and to have the store asked."""

    def __init__(self, regulars: Regulars, most: int) -> None:
        """`most` are there at once."""
        self._regulars = regulars
        self._reading = Turnstile(_READ, most=most, long=most)
        self._asking = Turnstile(_ASK, most=most, long=most)
        self._stopping = Event()

    def queues(self) -> dict[str, Callable[[], int]]:
        """Return what tells how many wait for their turn, by what for."""
        return {"strangers, reading": self._reading.__len__, "strangers, asking": self._asking.__len__}

    @contextmanager
    def reading(self, caller: Caller) -> Iterator[None]:
        """Wait until it is this stranger's turn to be read; then let the processor rest. Raises as `Turnstile`."""
        with self._turn(self._reading, caller):
            yield

    @contextmanager
    def asking(self, caller: Caller) -> Iterator[None]:
        """Wait until it is this stranger's turn to ask the store; then let the processor rest. Raises likewise."""
        with self._turn(self._asking, caller):
            yield

    def stop(self) -> None:
        """Rest no more: the server ends."""
        self._stopping.set()

    @contextmanager
    def _turn(self, turnstile: Turnstile, caller: Caller) -> Iterator[None]:
        is_regular = self._regulars.knows_address(caller.address)
        with turnstile.place(caller.is_gone, is_regular, network_of(caller.address)):
            began = time.thread_time()
            try:
                yield
            finally:
                self._stopping.wait(rest_after(time.thread_time() - began, _SHARE))
