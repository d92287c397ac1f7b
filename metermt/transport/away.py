"""Clients that a thread takes a step with, which would hold up others: away from the thread that answers all."""

from collections.abc import Callable
from functools import partial
from threading import Lock

from metermt.transport.conversation import Conversation

Step = Callable[[Conversation], None]
Run = Callable[[Callable[[], None]], None]
"""Has a thread do some work."""


class Away:
    """Who is away. Its methods are for the thread that answers all."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """Call `wake`, in any thread, when a client is back."""
        self._wake = wake
        self._number = 0
        self._lock = Lock()  # guards the one below
        self._back: list[tuple[Conversation, Step]] = []

    def __len__(self) -> int:
        """Return how many are away, or on their way back."""
        return self._number

    def send(self, run: Run, step: Step, then: Step, conversation: Conversation) -> None:
        """Have a thread, to be found by `run`, take a step with a client, and `then` be the next. Raises as `run`."""
        run(partial(self._take, step, then, conversation))
        self._number += 1

    def take_back(self) -> list[tuple[Conversation, Step]]:
        """Return the clients that are back, each with the next step, which raises what went wrong, if anything."""
        with self._lock:
            back, self._back = self._back, []
        self._number -= len(back)
        return back

    def _take(self, step: Step, then: Step, conversation: Conversation) -> None:
        try:
            step(conversation)
        except BaseException as error:  # noqa: BLE001 - it is raised again by whoever goes on with the client
            then = partial(_fail, error)
        with self._lock:
            self._back.append((conversation, then))
        self._wake()


def _fail(error: BaseException, _conversation: Conversation) -> None:
    raise error
