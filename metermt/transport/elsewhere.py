"""What would hold up the switchboard is done elsewhere: by threads of pools, which have a client to themselves.

They share the interpreter with the switchboard. So they are few, and rest between two steps as long as others are being
answered: who asks for much waits behind who asks for little.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from metermt.calls.asking import Ask, Weight
from metermt.calls.desk import Desk
from metermt.transport.away import Away, Step
from metermt.transport.conversation import Conversation
from metermt.transport.deadline import Deadline
from metermt.transport.pool import Pool
from metermt.transport.resting import rest_after
from metermt.transport.serverend import Called

_LOGINS = 4  # at once, and they wait for others most of the time
_BULKS = 1  # two would hinder each other, and the switchboard twice as much
_WATCHERS = 8  # they wait nearly all of the time, and hold up one another only
_SHARE = 0.25  # of a processor, while others are being answered


class Elsewhere(Away):
    """Takes steps with clients that take long. `turns` is how many turns of others the switchboard has answered."""

    def __init__(self, desk: Desk, wake: Callable[[], None], then: Step) -> None:
        """Call `wake`, in any thread, when a client is back, with which `then` is the next step."""
        super().__init__(wake)
        self._desk = desk
        self._then = then
        self._logins, self._bulks, self._watchers = Pool(_LOGINS), Pool(_BULKS), Pool(_WATCHERS)
        desk.resting = self._resting
        desk.counting.waiting |= {"long calls": self._logins.__len__, "bulks": self._bulks.__len__}
        self.turns = 0

    # --- for the switchboard

    def read(self, conversation: Conversation) -> None:
        """Have what takes long to be read, read, and answered if it is a call."""
        self._send_to(self._bulks, self._read, conversation)

    def answer(self, called: Called, ask: Ask[Any], conversation: Conversation) -> None:
        """Have a call answered."""
        pool = {Weight.LONG: self._logins, Weight.WAITING: self._watchers}.get(ask.call.weight, self._bulks)
        self._send_to(pool, partial(self._answer, called, ask), conversation)

    def stop(self, deadline: Deadline) -> bool:
        """Take no more steps; return whether the last was taken within the deadline."""
        in_time = [pool.stop(deadline) for pool in (self._logins, self._bulks, self._watchers)]
        return all(in_time)

    def _send_to(self, pool: Pool, step: Step, conversation: Conversation) -> None:
        self.send(lambda work: pool.run(work, conversation.caller.address), step, self._then, conversation)

    # --- in threads of the pools

    def _read(self, conversation: Conversation) -> None:
        with self._resting():
            asked = conversation.next_call(self._desk.check)
        if asked:
            self._answer(*asked, conversation)

    def _answer(self, called: Called, ask: Ask[Any], conversation: Conversation) -> None:
        try:
            outcome = self._desk.answer_in_parts(ask)
        except BaseException as error:  # noqa: BLE001 - whoever has asked is told
            outcome = error
        conversation.answer(called, ask, outcome)

    @contextmanager
    def _resting(self) -> Iterator[None]:
        """Let others have the processor after the block, if there are any."""
        began, turns = time.thread_time(), self.turns
        try:
            yield
        finally:
            if self.turns != turns:
                time.sleep(rest_after(time.thread_time() - began, _SHARE))
