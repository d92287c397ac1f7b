"""What would hold up the switchboard is done elsewhere: by threads of pools, which have a client to themselves.

They share the interpreter with the switchboard. So they are few, and rest between two steps as long as others are being
answered: who asks for much waits behind who asks for little.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from threading import Lock
from typing import Any

from metermt.calls.desk import Desk, Outcome
from metermt.calls.table import Ask, Weight
from metermt.transport.conversation import Conversation
from metermt.transport.deadline import Deadline
from metermt.transport.pool import Pool
from metermt.transport.resting import rest_after
from metermt.transport.serverend import Called

_LOGINS = 4  # at once, and they wait for others most of the time
_BULKS = 1  # two would hinder each other, and the switchboard twice as much
_WATCHERS = 8  # they wait nearly all of the time, and hold up one another only
_SHARE = 0.25  # of a processor, while others are being answered


class Elsewhere:
    """Takes steps with clients that take long. `turns` is how many turns of others the switchboard has answered."""

    def __init__(self, desk: Desk, wake: Callable[[], None]) -> None:
        """Call `wake` when a client is back."""
        self._desk = desk
        self._wake = wake
        self._logins, self._bulks, self._watchers = Pool(_LOGINS), Pool(_BULKS), Pool(_WATCHERS)
        desk.resting = self._resting
        desk.counting.waiting |= {"long calls": self._logins.__len__, "bulks": self._bulks.__len__}
        self.turns = 0
        self.away = 0
        """How many clients are there, or on their way back."""
        self._lock = Lock()  # guards the one below
        self._back: list[tuple[Conversation, BaseException | None]] = []

    # --- for the switchboard

    def read(self, conversation: Conversation) -> None:
        """Have what takes long to be read, read, and answered if it is a call."""
        self._send(self._bulks, self._read, conversation)

    def answer(self, called: Called, ask: Ask[Any], conversation: Conversation) -> None:
        """Have a call answered."""
        pool = {Weight.LONG: self._logins, Weight.WAITING: self._watchers}.get(ask.call.weight, self._bulks)
        self._send(pool, partial(self._answer, called, ask), conversation)

    def take_back(self) -> list[tuple[Conversation, BaseException | None]]:
        """Return the clients that are back, each with what went wrong, if anything. There may be answers to send."""
        with self._lock:
            back, self._back = self._back, []
        self.away -= len(back)
        for conversation, _ in back:
            conversation.is_busy = False
        return back

    def stop(self, deadline: Deadline) -> bool:
        """Take no more steps; return whether the last was taken within the deadline."""
        in_time = [pool.stop(deadline) for pool in (self._logins, self._bulks, self._watchers)]
        return all(in_time)

    def _send(self, pool: Pool, step: Callable[[Conversation], None], conversation: Conversation) -> None:
        pool.run(lambda: self._take(step, conversation), conversation.caller.address)
        conversation.is_busy = True
        self.away += 1

    # --- in threads of the pools

    def _take(self, step: Callable[[Conversation], None], conversation: Conversation) -> None:
        why: BaseException | None = None
        try:
            step(conversation)
        except BaseException as error:  # noqa: BLE001 - it is raised again by whoever goes on with the client
            why = error
        with self._lock:
            self._back.append((conversation, why))
        self._wake()

    def _read(self, conversation: Conversation) -> None:
        with self._resting():
            asked = conversation.next_call(self._desk.check)
        if asked:
            self._answer(*asked, conversation)

    def _answer(self, called: Called, ask: Ask[Any], conversation: Conversation) -> None:
        outcomes: list[Outcome] = []
        try:
            for part in ask.in_parts():
                with self._resting():
                    outcomes += self._desk.answer([part])
                if isinstance(outcomes[-1], BaseException):
                    break
        except BaseException as error:  # noqa: BLE001 - whoever has asked is told
            outcomes.append(error)
        is_whole = len(outcomes) == 1 or isinstance(outcomes[-1], BaseException)
        conversation.answer(called, ask, outcomes[-1] if is_whole else [*chain(*outcomes)])

    @contextmanager
    def _resting(self) -> Iterator[None]:
        """Let others have the processor after the block, if there are any."""
        began, turns = time.thread_time(), self.turns
        try:
            yield
        finally:
            if self.turns != turns:
                time.sleep(rest_after(time.thread_time() - began, _SHARE))
