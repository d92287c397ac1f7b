"""One thread that answers all who are logged in.

A thread for each of them would spend most of its time on being woken and on waiting for the interpreter. Here the
requests that have come in are answered in one go, and what they write is flushed to the disk once for all of them. It
waits for nobody: what takes long is answered elsewhere, and a store that is not ready is asked again.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from metermt.calls.asking import Ask, Weight
from metermt.calls.desk import BegunAnswers, Desk, Outcome
from metermt.transport.answerer import LOOK_AGAIN, Answerer
from metermt.transport.conversation import Conversation
from metermt.transport.deadline import Deadline
from metermt.transport.elsewhere import Elsewhere
from metermt.transport.guests import Guests
from metermt.transport.serverend import Called
from metermt.transport.watch import NOTHING, READ, WRITE

_TURN = 64  # requests that are answered in one go: the last of them waits for all
_STORE_SECONDS = 0.02  # that a turn waits for the store; longer, and those who only read would notice


class _Request(NamedTuple):
    """A call, and who has made it."""

    conversation: Conversation
    called: Called
    ask: Ask[Any]
    is_long: bool
    """Whether it would hold up others."""


@dataclass(slots=True)
class _Queue:
    """Requests that wait for the store."""

    waiting: list[_Request] = field(default_factory=list)
    begun: tuple[list[_Request], BegunAnswers] | None = None
    """Those that the store is at."""

    def __len__(self) -> int:
        return len(self.waiting)


class Switchboard(Answerer):
    """Answers calls in the order in which they come."""

    def __init__(
        self,
        desk: Desk,
        guests: Guests,
        ended: Callable[[Conversation, BaseException | None], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Answer by the desk, and what takes long elsewhere; the guests are told who waits for that.

        `ended` is told of each client that is gone, and why; `failed` of the error that has ended the switchboard.
        """
        super().__init__("switchboard", desk, guests, ended, failed)
        self._away = self._elsewhere = Elsewhere(desk, self.wake, self._go_on)
        self._quiet: dict[Conversation, float] = {}  # until when each may be silent, in that order
        self._pressing: dict[Conversation, float] = {}  # until when each has to do what it has begun
        self._unread: dict[Conversation, None] = {}  # those of whom something has come that was not looked at
        self._queues = (_Queue(), _Queue())  # for the store: of those who read, and of those who write
        for name, queue in zip(("reads", "writes"), self._queues, strict=True):
            desk.counting.waiting[name] = queue.__len__
        desk.counting.waiting["requests"] = self._unread.__len__

    def stop(self, deadline: Deadline) -> bool:
        """Stop, and what is being answered elsewhere is answered, too."""
        in_time = super().stop(deadline)
        return self._elsewhere.stop(deadline) and in_time

    # --- the loop

    @property
    def _has_asked(self) -> bool:
        return any(queue.waiting or queue.begun for queue in self._queues)

    def _patience(self) -> float | None:
        if (self._unread and self._is_open) or any(queue.waiting and not queue.begun for queue in self._queues):
            return 0.0
        if any(queue.begun for queue in self._queues):
            return LOOK_AGAIN
        soonest = min(chain(self._pressing.values(), [*self._quiet.values()][:1]), default=None)
        return None if soonest is None else max(0.0, soonest - time.monotonic())

    def _answer_some(self) -> None:
        self._answer(self._requests())
        for queue in self._queues:
            self._ask_store(queue)

    def _requests(self) -> list[_Request]:
        """Return a request of each of whom something has come, as many as a turn has."""
        requests: list[_Request] = []
        if not self._is_open:
            return requests

        def look(conversation: Conversation) -> None:
            if not conversation.is_small:
                self._is_away(conversation)
                self._elsewhere.read(conversation)
            elif asked := conversation.next_call():
                called, ask = asked
                call = ask.call
                is_large = bool(call.is_large and call.is_large(ask.request))
                is_long = is_large or call.weight in (Weight.LONG, Weight.WAITING)
                requests.append(_Request(conversation, called, ask, is_long))
            else:
                self._send(conversation)  # what needs no desk is answered

        for conversation in list(self._unread)[:_TURN]:
            del self._unread[conversation]
            self._guarded(look, conversation)
        return requests

    def _answer(self, requests: Sequence[_Request]) -> None:
        """Have requests answered: by the store, or elsewhere."""
        readers, writers = self._queues
        for request in requests:
            weight = request.ask.call.weight
            if request.is_long:
                self._guarded(partial(self._have_answered, request), request.conversation)
            elif weight is Weight.LIGHT:
                self._tell([request], self._desk.answer([request.ask]))
            else:
                queue = readers if weight is Weight.READ else writers
                queue.waiting.append(request)

    def _have_answered(self, request: _Request, conversation: Conversation) -> None:
        self._is_away(conversation)
        self._elsewhere.answer(request.called, request.ask, conversation)

    def _is_away(self, conversation: Conversation) -> None:
        """Hear nothing of a client that goes elsewhere."""
        self._watch_for(conversation, NOTHING)
        self._guests.note_busy(conversation)

    def _go_on(self, conversation: Conversation) -> None:
        """Go on with a client that was elsewhere."""
        self._guests.note_idle(conversation)
        self._send(conversation)

    def _ask_store(self, queue: _Queue) -> None:
        """Have the store look up or keep what was asked for, and answer as soon as it has."""
        seconds = 0.0
        if not queue.begun and queue.waiting:
            requests, queue.waiting = queue.waiting[:_TURN], queue.waiting[_TURN:]
            queue.begun = requests, self._desk.begin([request.ask for request in requests], self.wake)
            seconds = _STORE_SECONDS
        if not queue.begun:
            return
        requests, answers = queue.begun
        is_over = answers.begun.wait(seconds)
        # Who waits longer than this round is heard again when they were answered, and not before.
        for request in queue.waiting if is_over else chain(requests, queue.waiting):
            self._guarded(partial(self._watch_for, events=NOTHING), request.conversation)
        if not is_over:
            return
        queue.begun = None
        self._elsewhere.turns += 1
        try:
            outcomes = answers.outcomes()
        except Exception:  # noqa: BLE001 - one of them has spoilt the transaction: each gets one of its own
            for request in requests:
                self._guarded(partial(self._have_answered, request), request.conversation)
        else:
            self._tell(requests, outcomes)

    def _tell(self, requests: Sequence[_Request], outcomes: Sequence[Outcome]) -> None:
        """Send answers."""
        for request, outcome in zip(requests, outcomes, strict=True):

            def tell(conversation: Conversation, request: _Request = request, outcome: Outcome = outcome) -> None:
                conversation.answer(request.called, request.ask, outcome)
                self._send(conversation)

            self._guarded(tell, request.conversation)

    def _keep_time(self) -> None:
        now = time.monotonic()
        late = [conversation for conversation, until in self._pressing.items() if until <= now]
        for conversation, until in self._quiet.items():
            if until > now:
                break
            late.append(conversation)
        for conversation in late:
            self._guarded(self._overdue, conversation)

    # --- one client

    def _hear(self, conversation: Conversation) -> None:
        if conversation not in self._unread:  # or it sends faster than it is answered: the rest waits in its socket
            conversation.receive_now()
            self._quiet.pop(conversation, None)  # it is settled when it was looked at
            self._pressing.pop(conversation, None)
            self._unread[conversation] = None
        elif not self._is_open:  # nobody will look at it any more
            self._watch_for(conversation, NOTHING)

    def _send(self, conversation: Conversation) -> None:
        conversation.send_now()
        self._settle(conversation)

    _welcome = _send  # the answers that it came with

    def _settle(self, conversation: Conversation) -> None:
        """Wait for what the client has to do next."""
        until = conversation.settle()
        self._watch_for(conversation, WRITE if conversation.needs_room else READ)
        if conversation.is_quiet:
            self._quiet[conversation] = until
        else:
            self._pressing[conversation] = until
        if conversation.has_more:
            self._unread[conversation] = None

    def _watch_for(self, conversation: Conversation, events: int) -> None:
        """Wait for these events of a client from now on."""
        self._quiet.pop(conversation, None)
        self._pressing.pop(conversation, None)
        self._watch.watch(conversation, events)

    def _forget(self, conversation: Conversation) -> None:
        self._quiet.pop(conversation, None)
        self._pressing.pop(conversation, None)
        self._unread.pop(conversation, None)
        super()._forget(conversation)
