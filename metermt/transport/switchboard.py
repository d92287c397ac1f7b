"""One thread that answers the short calls of all who are logged in.

A thread for each of them would spend most of its time on being woken and on waiting for the interpreter. Here the
requests that have come in are answered in one go, and what they write is flushed to the disk once for all of them.
What takes long, or is out of the ordinary, is given back, to be answered in a thread of its own.
"""

import logging
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Lock, Thread

from metermt.errors import StoreError
from metermt.store.base import Store
from metermt.transport.conversation import Conversation
from metermt.transport.deadline import Deadline
from metermt.transport.serverend import ShortRequest

_log = logging.getLogger("metermt.server")

_TURN = 64  # requests that are answered in one go: the last of them waits for all


class Switchboard:
    """Answers short calls in the order in which they come, in a thread of its own between `start` and `stop`."""

    def __init__(self, store: Store, idle_seconds: float, give_back: Callable[[Conversation], None]) -> None:
        """Let go of who says nothing for `idle_seconds`; `give_back` gets those who must be heard in another thread."""
        self._store = store
        self._idle_seconds = idle_seconds
        self._give_back = give_back
        self._quiet: dict[Conversation, float] = {}  # when each was heard last, in that order
        self._lock = Lock()  # guards the two below
        self._arrivals: list[Conversation] = []
        self._is_open = False
        self._thread = Thread(target=self._run, name="switchboard", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._selector = selectors.DefaultSelector()
        self._bell, self._button = socket.socketpair()
        self._bell.setblocking(False)
        self._button.setblocking(False)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._is_open = True
        self._thread.start()

    def take(self, conversation: Conversation) -> bool:
        """Go on with a conversation; returns False when it has stopped."""
        with self._lock:
            if not self._is_open:
                return False
            self._arrivals.append(conversation)
            self._ring()
        return True

    def stop(self, deadline: Deadline) -> bool:
        """Answer what is being answered, and give all conversations back.

        Returns whether that was done within the deadline. Stopping twice is harmless.
        """
        with self._lock:
            if self._is_open:
                self._ring()
            self._is_open = False
        if self._thread.is_alive():
            self._thread.join(deadline.left)
        return not self._thread.is_alive()

    def _ring(self) -> None:
        with suppress(BlockingIOError):  # it has been rung often enough
            self._button.send(b"!")

    def _run(self) -> None:
        more: Sequence[Conversation] = ()
        while self._is_open:
            ready = list(dict.fromkeys([*more, *self._ready(0.0 if more else self._patience())]))
            more = []
            for first in range(0, len(ready), _TURN):
                more += self._guarded_turn(ready[first : first + _TURN])
            self._let_go()
            more = [conversation for conversation in more if conversation in self._quiet]
        self._close()

    def _close(self) -> None:
        self._admit()
        for conversation in list(self._quiet):
            self._leave(conversation)
        self._selector.close()
        self._bell.close()
        self._button.close()

    # --- who is here

    def _patience(self) -> float | None:
        """Return how many seconds there are until somebody has said nothing for too long."""
        for heard_at in self._quiet.values():
            return max(0.0, heard_at + self._idle_seconds - time.monotonic())
        return None

    def _ready(self, timeout: float | None) -> list[Conversation]:
        events = self._selector.select(timeout)
        ready = [key.data for key, _ in events if key.data is not None]
        if len(ready) < len(events):
            self._admit()
        return ready

    def _admit(self) -> None:
        with suppress(BlockingIOError):
            self._bell.recv(4096)
        with self._lock:
            arrivals, self._arrivals = self._arrivals, []
        for conversation in arrivals:
            try:
                self._selector.register(conversation.sock, selectors.EVENT_READ, conversation)
            except (OSError, ValueError):  # it was closed meanwhile
                self._give_back(conversation)
            else:
                self._quiet[conversation] = time.monotonic()

    def _leave(self, conversation: Conversation) -> None:
        """Let it be heard in another thread, which finds out for itself what is out of the ordinary."""
        self._selector.unregister(conversation.sock)
        del self._quiet[conversation]
        self._give_back(conversation)

    def _let_go(self) -> None:
        """Hang up on who has said nothing for too long."""
        while self._patience() == 0.0:
            conversation = next(iter(self._quiet))
            with suppress(OSError):
                socket.socket.shutdown(conversation.sock, socket.SHUT_RDWR)  # that of TLS would let go of its keys
            self._leave(conversation)

    # --- answering

    def _guarded_turn(self, ready: Sequence[Conversation]) -> list[Conversation]:
        """Answer one request of each; what nobody has thought of ends these conversations, and not all others."""
        try:
            return self._turn(ready)
        except Exception:  # noqa: BLE001 - whatever it is
            _log.exception("a turn of the switchboard failed")
            for conversation in ready:
                if conversation in self._quiet:
                    self._leave(conversation)
            return []

    def _turn(self, ready: Sequence[Conversation]) -> list[Conversation]:
        """Answer one request of each; return who has sent another one already."""
        asked = []
        for conversation in ready:
            if request := conversation.short_request():
                asked.append((conversation, request))
            else:
                self._leave(conversation)
        reads = [pair for pair in asked if not pair[1].writes]
        writes = [pair for pair in asked if pair[1].writes]
        answered = self._answered(reads)
        if writes:
            answered += self._written(writes)
        return answered

    def _answered(self, asked: Sequence[tuple[Conversation, ShortRequest]]) -> list[Conversation]:
        return self._sent([(conversation, conversation.end.answer(request)) for conversation, request in asked])

    def _written(self, asked: Sequence[tuple[Conversation, ShortRequest]]) -> list[Conversation]:
        answers: list[tuple[Conversation, bytes]] = []

        def step() -> None:
            answers.extend((conversation, conversation.end.answer(request)) for conversation, request in asked)

        try:
            if not self._store.together(step):
                for conversation, _ in asked:
                    self._leave(conversation)
                return []
        except StoreError as error:
            answers = [(conversation, conversation.end.refuse(request, error)) for conversation, request in asked]
        return self._sent(answers)

    def _sent(self, answers: Sequence[tuple[Conversation, bytes]]) -> list[Conversation]:
        more = []
        now = time.monotonic()
        for conversation, answer in answers:
            if not conversation.send(answer):
                self._leave(conversation)
                continue
            del self._quiet[conversation]
            self._quiet[conversation] = now
            if conversation.has_more:
                more.append(conversation)
        return more
