"""One thread that answers clients: how it begins and ends, and what ends one client alone."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import chain
from threading import Lock, Thread

from metermt.calls.desk import Desk
from metermt.calls.telling import fault_of
from metermt.errors import ConnectionFailed
from metermt.transport.away import Away, Step
from metermt.transport.conversation import Conversation
from metermt.transport.deadline import Deadline
from metermt.transport.guests import Guests
from metermt.transport.watch import Watch

LOOK_AGAIN = 0.002
"""Seconds until a store that was not ready is asked again, if it does not say so itself."""


class Answerer(ABC):
    """Answers clients in a thread of its own between `start` and `stop`.

    It goes round and round: it looks who has come, said something, or is back, has some answered, and lets go of those
    who are gone. What goes wrong with one client ends that client; what goes wrong beside that ends the thread.
    """

    _away: Away
    """The clients that another thread takes a step with."""

    def __init__(
        self,
        name: str,
        desk: Desk,
        guests: Guests,
        ended: Callable[[Conversation, BaseException | None], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Answer by the desk, in a thread of this name.

        `ended` is told of each client that is gone, and why; `failed` of the error that has ended the thread.
        """
        self._desk = desk
        self._guests = guests
        self._ended = ended
        self._failed = failed
        self._watch = Watch()
        self.wake = self._watch.wake
        """Have it look around. For any thread."""
        self._gone: list[tuple[Conversation, BaseException | None]] = []
        self._lock = Lock()  # guards the two below while they change
        self._arrivals: list[Conversation] = []
        self._is_open = False
        self.rounds = 0
        """How often it has looked around. If that is no more some time after it was woken, it hangs."""
        self._thread = Thread(target=self._run, name=name, daemon=True)

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
        return not self._thread.is_alive()

    # --- the loop

    def _run(self) -> None:
        try:
            while self._is_open or self._away or self._has_asked:
                self._go_round()
        except BaseException as error:  # noqa: BLE001 - a server that hears nobody must not seem to be well
            with self._lock:
                self._is_open = False
            self._failed(error)
        finally:
            self._close()

    def _go_round(self) -> None:
        self._look_around()
        self.rounds += 1
        self._answer_some()
        self._keep_time()
        if self._gone:
            self._let_go()

    def _look_around(self) -> None:
        """Wait until there is something to do, and see who has come, said something, or is back."""
        for conversation in self._watch.ready(self._patience()):
            self._guarded(self._send if conversation.has_unsent else self._hear, conversation)
        if self._arrivals:  # whoever comes just now wakes it again
            for conversation in self._take_arrivals():
                self._watch.add(conversation)
                self._guarded(self._welcome, conversation)
        for conversation, step in self._away.take_back():
            self._guarded(step, conversation)

    def _take_arrivals(self) -> list[Conversation]:
        with self._lock:
            arrivals, self._arrivals = self._arrivals, []
        return arrivals

    def _let_go(self) -> None:
        """Tell of those who are gone."""
        try:
            self._desk.hang_up([conversation.caller for conversation, _ in self._gone])
        except Exception as error:  # noqa: BLE001 - they are let go of all the same
            self._log_fault("it could not be noted who is gone", error)
        while self._gone:
            self._ended(*self._gone.pop())

    def _close(self) -> None:
        self._gone += [(conversation, None) for conversation in chain(self._watch, self._take_arrivals())]
        self._let_go()
        self._watch.close()

    # --- one client; whatever goes wrong with it, ends it alone

    def _guarded(self, step: Step, conversation: Conversation) -> None:
        if conversation not in self._watch:  # it has hung up while it was being answered
            return
        try:
            step(conversation)
        except (EOFError, OSError, ConnectionFailed) as error:  # how every conversation ends
            self._drop(conversation, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends this client alone
            self._log_fault("a client could not be answered", error)
            self._drop(conversation, error)

    def _log_fault(self, words: str, error: Exception) -> None:
        self._desk.journal.error("faults with clients", fault_of(error), words, error=error)

    def _overdue(self, conversation: Conversation) -> None:
        conversation.overdue()
        self._send(conversation)

    def _drop(self, conversation: Conversation, why: BaseException) -> None:
        if conversation in self._watch:
            self._forget(conversation)
            self._gone.append((conversation, why))

    def _forget(self, conversation: Conversation) -> None:
        """Have nothing more to do with a client."""
        self._watch.remove(conversation)

    # --- what each does in its own way

    @property
    @abstractmethod
    def _has_asked(self) -> bool:
        """Whether somebody waits for the store, who is answered even if it stops."""

    @abstractmethod
    def _patience(self) -> float | None:
        """Return how many seconds there are until something is to be done anyway; None for ever."""

    @abstractmethod
    def _answer_some(self) -> None:
        """Look at what has come, and have some of it answered."""

    @abstractmethod
    def _keep_time(self) -> None:
        """Let go of those who have kept us waiting for too long."""

    @abstractmethod
    def _welcome(self, conversation: Conversation) -> None:
        """Begin with a client."""

    @abstractmethod
    def _hear(self, conversation: Conversation) -> None:
        """Take note that a client has said something."""

    @abstractmethod
    def _send(self, conversation: Conversation) -> None:
        """Send what is to be sent, and wait for what the client has to do next."""
