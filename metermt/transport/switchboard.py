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
from threading import Lock, Thread
from typing import Any, NamedTuple

from metermt.calls.desk import BegunAnswers, Desk, Outcome
from metermt.calls.table import Ask, Weight
from metermt.calls.telling import fault_of
from metermt.errors import ConnectionFailed
from metermt.transport.conversation import Conversation
from metermt.transport.deadline import Deadline
from metermt.transport.elsewhere import Elsewhere
from metermt.transport.guests import Guests
from metermt.transport.serverend import Called
from metermt.transport.watch import NOTHING, READ, WRITE, Watch

_TURN = 64  # requests that are answered in one go: the last of them waits for all
_STORE_SECONDS = 0.02  # that a turn waits for the store; longer, and those who only read would notice
_LOOK_AGAIN = 0.002  # seconds until a store that was not ready is asked again, if it does not say so itself


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


class Switchboard:
    """Answers calls in the order in which they come, in a thread of its own between `start` and `stop`."""

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
        self._desk = desk
        self._guests = guests
        self._watch = Watch()
        self.wake = self._watch.wake
        """Have it look around. For any thread."""
        self._elsewhere = Elsewhere(desk, self.wake, self._go_on)
        self._ended = ended
        self._failed = failed
        self._quiet: dict[Conversation, float] = {}  # until when each may be silent, in that order
        self._pressing: dict[Conversation, float] = {}  # until when each has to do what it has begun
        self._unread: dict[Conversation, None] = {}  # those of whom something has come that was not looked at
        self._queues = (_Queue(), _Queue())  # for the store: of those who read, and of those who write
        for name, queue in zip(("reads", "writes"), self._queues, strict=True):
            desk.counting.waiting[name] = queue.__len__
        desk.counting.waiting["requests"] = self._unread.__len__
        self._gone: list[tuple[Conversation, BaseException | None]] = []
        self._lock = Lock()  # guards the two below
        self._arrivals: list[Conversation] = []
        self._is_open = False
        self.rounds = 0
        """How often it has looked around. If that is no more some time after it was woken, it hangs."""
        self._thread = Thread(target=self._run, name="switchboard", daemon=True)

    # --- for other threads

    def start(self) -> None:
        """Begin."""
        self._is_open = True
        self._thread.start()

    def take(self, conversation: Conversation) -> bool:
        """Go on with a conversation; returns False when it has stopped."""
        with self._lock:
            if not self._is_open:
                return False
            self._arrivals.append(conversation)
        self.wake()
        return True

    def stop(self, deadline: Deadline) -> bool:
        """Answer what is being answered, and hang up on everybody.

        Returns whether that was done within the deadline. Stopping twice is harmless.
        """
        with self._lock:
            was_open, self._is_open = self._is_open, False
        self.wake()
        if self._thread.is_alive():
            self._thread.join(deadline.left)
        elif not was_open:
            self._close()  # it was never started, or has closed itself
        in_time = not self._thread.is_alive()
        return self._elsewhere.stop(deadline) and in_time

    # --- the loop

    def _run(self) -> None:
        try:
            while self._is_open or self._elsewhere or any(queue.waiting or queue.begun for queue in self._queues):
                self._look_around()
                self.rounds += 1
                self._answer(self._requests())
                for queue in self._queues:
                    self._ask_store(queue)
                self._keep_time()
                self._let_go()
        except BaseException as error:  # noqa: BLE001 - a server whose switchboard has failed must not seem to be well
            with self._lock:
                self._is_open = False
            self._failed(error)
        finally:
            self._close()

    def _look_around(self) -> None:
        """Wait until there is something to do, and take what has come."""
        for conversation in self._watch.ready(self._patience()):
            self._guarded(self._send if conversation.has_unsent else self._hear, conversation)
        with self._lock:
            arrivals, self._arrivals = self._arrivals, []
        for conversation in arrivals:
            self._watch.add(conversation)
            self._guarded(self._send, conversation)  # the answers that it came with
        for conversation, step in self._elsewhere.take_back():
            self._guarded(step, conversation)

    def _patience(self) -> float | None:
        """Return how many seconds there are until something is to be done anyway; None for ever."""
        if (self._unread and self._is_open) or any(queue.waiting and not queue.begun for queue in self._queues):
            return 0.0
        if any(queue.begun for queue in self._queues):
            return _LOOK_AGAIN
        soonest = min(chain(self._pressing.values(), [*self._quiet.values()][:1]), default=None)
        return None if soonest is None else max(0.0, soonest - time.monotonic())

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
        self._guests.is_busy(conversation)

    def _go_on(self, conversation: Conversation) -> None:
        """Go on with a client that was elsewhere."""
        self._guests.is_idle(conversation)
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
        if not answers.begun.wait(seconds):
            for request in chain(requests, queue.waiting):
                self._guarded(partial(self._watch_for, events=NOTHING), request.conversation)
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
        """Let go of those who have kept us waiting for too long."""
        now = time.monotonic()
        late = [conversation for conversation, until in self._pressing.items() if until <= now]
        for conversation, until in self._quiet.items():
            if until > now:
                break
            late.append(conversation)
        for conversation in late:
            self._guarded(self._overdue, conversation)

    def _let_go(self) -> None:
        """Tell of those who are gone."""
        callers = []
        while self._gone:
            conversation, why = self._gone.pop()
            callers.append(conversation.caller)
            self._ended(conversation, why)
        if callers:
            self._desk.hang_up(callers)

    def _close(self) -> None:
        with self._lock:
            arrivals, self._arrivals = self._arrivals, []
        self._gone += [(conversation, None) for conversation in chain(self._watch, arrivals)]
        self._let_go()
        self._watch.close()

    # --- one client; whatever goes wrong with it, ends it alone

    def _guarded(self, step: Callable[[Conversation], None], conversation: Conversation) -> None:
        if conversation not in self._watch:  # it has hung up while it was being answered
            return
        try:
            step(conversation)
        except (EOFError, OSError, ConnectionFailed) as error:
            self._drop(conversation, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends this client alone
            self._desk.journal.error(
                "faults with clients", fault_of(error), "a client could not be answered", error=error
            )
            self._drop(conversation, error)

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

    def _overdue(self, conversation: Conversation) -> None:
        conversation.overdue()
        self._send(conversation)

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

    def _drop(self, conversation: Conversation, why: BaseException) -> None:
        if conversation in self._watch:
            self._quiet.pop(conversation, None)
            self._pressing.pop(conversation, None)
            self._unread.pop(conversation, None)
            self._watch.remove(conversation)
            self._gone.append((conversation, why))
