"""One thread that answers all who have not logged in, each in turn, and takes a small part of a processor for that.

A thread for each of them would cost most by being woken, and those who are logged in would wait until it had been.
What takes long, a login or a handshake, has a thread of its own for that time.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Thread
from typing import Any

from metermt.calls.asking import Ask, Weight
from metermt.calls.desk import BegunAnswers, Desk, Outcome
from metermt.calls.regulars import network_of
from metermt.rules.sharing import FairQueue
from metermt.transport.answerer import LOOK_AGAIN, Answerer
from metermt.transport.away import Away, Step
from metermt.transport.conversation import Conversation
from metermt.transport.deadline import Deadline
from metermt.transport.guests import Guests
from metermt.transport.resting import rest_after
from metermt.transport.serverend import Called
from metermt.transport.switchboard import Switchboard
from metermt.transport.watch import NOTHING, READ, WRITE

# However many strangers there are, those who are logged in hardly notice: strangers have this part of a processor. As
# long as those are heard who have just come, in their first few turns, it is larger, so that a whole crew is in soon.
_SHARE, _NEWCOMERS_SHARE, _NEWCOMERS_TURNS = 0.05, 0.15, 4
_TURN = 16  # of whom the store is asked something at once: the interpreter is not given to others meanwhile
_LOOK = 0.1  # seconds between two looks who has taken too long

Call = tuple[Called, Ask[Any]]


def _waiting() -> FairQueue[Conversation]:
    return FairQueue(most=sys.maxsize, long=sys.maxsize)  # they cannot be more than there are connections


@dataclass(slots=True)
class _Queue:
    """Strangers who wait for the store."""

    waiting: FairQueue[Conversation] = field(default_factory=_waiting)
    calls: dict[Conversation, Call] = field(default_factory=dict)
    begun: tuple[dict[Conversation, Call], BegunAnswers] | None = None
    """Those that the store is at."""


class Strangers(Answerer):
    """Answers clients until they log in."""

    def __init__(
        self,
        desk: Desk,
        guests: Guests,
        switchboard: Switchboard,
        ended: Callable[[Conversation, BaseException | None], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Answer by the desk; the guests are told who need not make room.

        The switchboard goes on with who has logged in. `ended` is told of each client that is gone, and why; `failed`
        of the error that has ended the thread.
        """
        super().__init__("strangers", desk, guests, ended, failed)
        self._switchboard = switchboard
        self._turns = _waiting()
        self._queues = {weight: _Queue() for weight in (Weight.READ, Weight.WRITE)}
        desk.counting.waiting["strangers, reading"] = self._turns.__len__
        desk.counting.waiting["strangers, asking"] = lambda: sum(len(queue.calls) for queue in self._queues.values())
        self._until: dict[Conversation, float] = {}  # of those who are to do something: how long that may take
        self._next_look = 0.0  # when to look who has taken too long
        self._away = Away(self.wake)  # those who have a thread to themselves
        self._share = _NEWCOMERS_SHARE  # of a processor, that the last of its rounds may take
        self._stopping = Event()

    def stop(self, deadline: Deadline) -> bool:
        """Rest no more, and stop."""
        self._stopping.set()
        return super().stop(deadline)

    # --- the loop

    @property
    def _has_asked(self) -> bool:
        return any(queue.calls or queue.begun for queue in self._queues.values())

    def _go_round(self) -> None:
        began = time.thread_time()
        super()._go_round()
        self._stopping.wait(rest_after(time.thread_time() - began, self._share))

    def _patience(self) -> float | None:
        queues = self._queues.values()
        if (len(self._turns) and self._is_open) or any(queue.calls and not queue.begun for queue in queues):
            return 0.0
        if any(queue.begun for queue in queues):
            return LOOK_AGAIN
        return max(0.0, self._next_look - time.monotonic()) if self._until else None

    def _answer_some(self) -> None:
        self._share = self._serve_next()
        for queue in self._queues.values():
            self._ask_store(queue)

    def _serve_next(self) -> float:
        """Hear whoever is next; return which part of a processor that may take."""
        if not self._is_open or not (conversation := self._turns.next()):
            return _NEWCOMERS_SHARE
        self._guarded(self._look_at, conversation)
        conversation.turns += 1
        return _NEWCOMERS_SHARE if conversation.turns <= _NEWCOMERS_TURNS else _SHARE

    def _ask_store(self, queue: _Queue) -> None:
        """Have the store look up or keep what some have asked for, and answer as soon as it has."""
        if not queue.begun and queue.calls:
            asked: dict[Conversation, Call] = {}
            while len(asked) < _TURN and (who := queue.waiting.next()):
                asked[who] = queue.calls.pop(who)
            queue.begun = asked, self._desk.begin([ask for _, ask in asked.values()], self.wake)
        if not queue.begun:
            return
        asked, answers = queue.begun
        if not answers.begun.wait(0.0):
            return
        queue.begun = None
        try:
            outcomes = answers.outcomes()
        except Exception:  # noqa: BLE001 - one of them has spoilt the transaction: each gets one of its own
            for conversation, call in asked.items():
                self._guarded(partial(self._have_answered, call=call), conversation)
        else:
            for (conversation, call), outcome in zip(asked.items(), outcomes, strict=True):
                self._guarded(partial(self._tell, call=call, outcome=outcome), conversation)

    def _keep_time(self) -> None:
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK
        for conversation in [conversation for conversation, until in self._until.items() if until <= now]:
            self._guarded(self._overdue, conversation)

    # --- one client

    def _hear(self, conversation: Conversation) -> None:
        """Have a client wait for its turn."""
        self._wait_in(self._turns, conversation)

    _welcome = _hear

    def _wait_in(self, waiting: FairQueue[Conversation], conversation: Conversation) -> None:
        """Have a client wait for something, in the name of its address; nothing is heard of it meanwhile."""
        self._watch_for(conversation, NOTHING)
        address = conversation.caller.address
        waiting.came(conversation, self._desk.regulars.knows_address(address), network_of(address))

    def _look_at(self, conversation: Conversation) -> None:
        """Look at what a client has sent, a few requests at most."""
        if not conversation.has_begun:
            if conversation.wants_tls:
                # Something may come along with its end, of which the socket does not tell.
                self._start(conversation, Conversation.begin, self._hear)
                return
            conversation.begin()
        if not conversation.has_more:  # or the rest waits in its socket, which need not have anything now
            conversation.receive_now()
        if not (call := conversation.next_call()):
            self._send(conversation)
            return
        _, ask = call
        conversation.send_now()
        if ask.call.weight is Weight.LIGHT:
            self._tell(conversation, call, self._desk.answer([ask])[0])
        elif ask.call.weight in (Weight.LONG, Weight.WAITING):
            self._have_answered(conversation, call)
        else:
            queue = self._queues[ask.call.weight]
            queue.calls[conversation] = call
            self._wait_in(queue.waiting, conversation)

    def _tell(self, conversation: Conversation, call: Call, outcome: Outcome) -> None:
        conversation.answer(*call, outcome)
        self._send(conversation)

    def _send(self, conversation: Conversation) -> None:
        if conversation.is_trusted:
            self._hand_over(conversation)
            return
        conversation.send_now()
        until = conversation.settle()
        if until <= time.monotonic():
            conversation.overdue()
        if conversation.has_more:
            self._hear(conversation)
        else:
            self._watch_for(conversation, WRITE if conversation.needs_room else READ)
            self._until[conversation] = until

    def _hand_over(self, conversation: Conversation) -> None:
        """Let whoever answers those who are logged in go on with a client, and send the answers that there are."""
        self._guests.note_idle(conversation)  # and no stranger any more
        if not self._switchboard.take(conversation):
            conversation.send_now()
            raise EOFError("the server stops")
        self._forget(conversation)

    def _watch_for(self, conversation: Conversation, events: int) -> None:
        """Wait for these events of a client from now on."""
        self._until.pop(conversation, None)
        self._watch.watch(conversation, events)

    def _forget(self, conversation: Conversation) -> None:
        self._until.pop(conversation, None)
        self._turns.went(conversation)
        super()._forget(conversation)

    # --- what takes long, in a thread of its own

    def _have_answered(self, conversation: Conversation, call: Call) -> None:
        self._guests.note_busy(conversation)
        self._start(conversation, partial(self._answer, call=call), self._is_answered)

    def _start(self, conversation: Conversation, step: Step, then: Step) -> None:
        """Have a step taken with a client by a thread of its own, and then another one here."""
        self._watch_for(conversation, NOTHING)
        address = conversation.caller.address

        def run(work: Callable[[], None]) -> None:
            Thread(target=work, name=f"client {address}", daemon=True).start()

        try:
            self._away.send(run, step, then, conversation)
        except (RuntimeError, MemoryError) as error:  # no more threads to be had
            self._desk.journal.warning("clients without a thread", "", "cannot serve %s: %s", address, error)
            self._drop(conversation, error)

    def _answer(self, conversation: Conversation, call: Call) -> None:
        called, ask = call
        conversation.answer(called, ask, self._desk.answer([ask])[0])

    def _is_answered(self, conversation: Conversation) -> None:
        self._guests.note_idle(conversation)
        conversation.stranger_since = time.monotonic()
        self._send(conversation)
