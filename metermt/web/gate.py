"""Visitors are taken by turns, and with a small share of a processor: one loop serves all of them."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, Protocol

from metermt.calls.regulars import Regulars, network_of
from metermt.rules.sharing import FairQueue
from metermt.transport.resting import rest_after


class Waits(Protocol):
    """Who waits for a turn."""

    address: str

    def go_on(self) -> None:
        """Take the turn."""

    def fail(self, error: Exception) -> None:
        """End the connection, which has failed."""

    def __hash__(self) -> int: ...


class Gate:
    """Gives those who wait a turn, one after the other. To be used on one event loop, all but making it."""

    def __init__(self, regulars: Regulars, most: int, share: float) -> None:
        """`most` are there at once; what they do takes this share of a processor."""
        self._regulars = regulars
        self._share = share
        self._waiting: FairQueue[Waits] = FairQueue(most, most)
        self._spent = 0.0  # seconds of a processor, since somebody last had a turn
        self._someone = asyncio.Event()
        self._hurries = False

    def came(self, who: Waits) -> None:
        """Have somebody wait for a turn."""
        self._waiting.came(who, self._regulars.knows_address(who.address), network_of(who.address))
        self._someone.set()

    def went(self, who: Waits) -> None:
        """Forget somebody, who may not wait at all."""
        self._waiting.went(who)

    def took(self, seconds: float) -> None:
        """Take note of what somebody has taken of a processor, who had a turn."""
        self._spent += seconds

    def hurry(self) -> None:
        """Rest no more."""
        self._hurries = True

    async def open(self) -> None:
        """Give turns, for ever."""
        while True:
            if not (who := self._waiting.next()):
                self._someone.clear()
                await self._someone.wait()
                continue
            began = time.monotonic()
            try:
                who.go_on()
            except Exception as error:  # noqa: BLE001 - whatever it is, it ends this one alone
                who.fail(error)
            await asyncio.sleep(0)  # what has come of theirs is read now
            await asyncio.sleep(0)
            spent, self._spent = self._spent, 0.0
            if spent and not self._hurries:
                rest = rest_after(spent, self._share) - (time.monotonic() - began)
                await asyncio.sleep(max(rest, 0.0))


class Metered:
    """A coroutine of which is told what each step takes of a processor. To be awaited once."""

    def __init__(self, steps: Coroutine[Any, Any, None], took: Callable[[float], None]) -> None:
        """`took` is told seconds."""
        self._steps = steps
        self._took = took

    def __await__(self) -> Generator[Any, Any, None]:
        step: Callable[[], Any] = partial(self._steps.send, None)
        while True:
            began = time.thread_time()
            try:
                awaited = step()
            except StopIteration:
                return
            finally:
                self._took(time.thread_time() - began)
            try:
                yield awaited
                step = partial(self._steps.send, None)
            except BaseException as error:  # noqa: BLE001 - it is theirs
                step = partial(self._steps.throw, error)
