"""Strangers are read by turns, and with a small share of a processor: one loop reads all visitors."""

import asyncio
import time
from typing import Protocol

from metermt.calls.regulars import Regulars, network_of
from metermt.rules.sharing import Waiting
from metermt.transport.resting import rest_after

_SHARE = 0.05  # of a processor, for what strangers send
_REQUEST_SECONDS = 0.0005  # that the loop is at a request besides reading it


class Reads(Protocol):
    """A connection that can be read."""

    address: str

    def pause(self) -> None:
        """Read no more of what comes."""

    def resume(self) -> None:
        """Read what comes next."""

    def fail(self, error: Exception) -> None:
        """End the connection, which has failed."""

    def __hash__(self) -> int: ...


class Gate:
    """Has strangers wait for their turn to be read. To be used on one event loop, all but making it."""

    def __init__(self, regulars: Regulars, most: int) -> None:
        """`most` are there at once."""
        self._regulars = regulars
        self._waiting: Waiting[Reads] = Waiting(most, most)
        self._spent = 0.0  # seconds of a processor, since somebody last had a turn
        self._someone = asyncio.Event()

    def came(self, stranger: Reads, spent: float = 0.0) -> None:
        """Have a stranger wait for a turn, who has just taken so many seconds of a processor."""
        self._spent += spent
        stranger.pause()
        is_regular = self._regulars.knows_address(stranger.address)
        self._waiting.came(stranger, is_regular, network_of(stranger.address))
        self._someone.set()

    def went(self, stranger: Reads) -> None:
        """Forget a stranger, who may not wait at all."""
        self._waiting.went(stranger)

    async def open(self) -> None:
        """Give turns, for ever."""
        while True:
            if not (stranger := self._waiting.next()):
                self._someone.clear()
                await self._someone.wait()
                continue
            began = time.monotonic()
            try:
                stranger.resume()
            except Exception as error:  # noqa: BLE001 - whatever it is, it ends this stranger alone
                stranger.fail(error)
            await asyncio.sleep(0)  # what has come of theirs is read now
            await asyncio.sleep(0)
            spent, self._spent = self._spent, 0.0
            if spent:
                rest = rest_after(spent + _REQUEST_SECONDS, _SHARE) - (time.monotonic() - began)
                await asyncio.sleep(max(rest, 0.0))
