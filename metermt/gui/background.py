"""Calls that take a while, on a thread of their own, so that the window goes on painting."""

import logging
import tkinter as tk
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any

from metermt.errors import Error

_LOOK_EVERY = 15  # milliseconds between two looks for an outcome: below what a person notices
_SLOW_AFTER = 0.5  # seconds; before that a word about waiting would only flicker
_LAST_WAIT = 1.0  # seconds that the end of the program may take

_log = logging.getLogger(__name__)


class Background:
    """One worker thread. It takes calls from one queue, and puts what is to be done with their outcomes into another.

    Only the window's thread touches Tk: a timer there empties the second queue, as long as a call is under way.
    A call to the server cannot be interrupted, and ends by itself after its time-out; the thread is a daemon so that
    a program that is told to quit meanwhile need not wait for that. It holds nothing then but a socket.
    """

    def __init__(self, window: tk.Misc) -> None:
        self._window = window
        self._calls: SimpleQueue[Callable[[], Callable[[], None]] | None] = SimpleQueue()
        self._outcomes: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._timer = ""
        self._thread = Thread(target=self._work, name="background", daemon=True)
        self._thread.start()

    def run(
        self,
        call: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Callable[[Error], None],
        slow: Callable[[], None],
    ) -> None:
        """Run the call in the background, then one of `done` and `failed` in the window's thread.

        Before that `slow`, if it takes more than half a second. What is not an `Error` of ours is a fault in the
        program: it is logged, and `failed` gets one that says so.
        """
        self._calls.put(lambda: _outcome(call, done, failed))
        self._look(slow, monotonic() + _SLOW_AFTER)

    def close(self, farewell: Callable[[], None]) -> None:
        """End the thread after a last call; leave it behind if it hangs. Nothing is delivered any more."""
        if self._timer:
            self._window.after_cancel(self._timer)
        self._calls.put(lambda: _outcome(farewell, _ignore, _ignore))
        self._calls.put(None)
        self._thread.join(_LAST_WAIT)

    def _work(self) -> None:
        while work := self._calls.get():
            self._outcomes.put(work())

    def _look(self, slow: Callable[[], None] | None, slow_at: float) -> None:
        self._timer = ""
        try:
            deliver = self._outcomes.get_nowait()
        except Empty:
            if slow and monotonic() > slow_at:
                slow()
                slow = None
            self._timer = self._window.after(_LOOK_EVERY, self._look, slow, slow_at)
        else:
            deliver()


def _outcome(
    call: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Error], None]
) -> Callable[[], None]:
    try:
        result = call()
    except Error as error:
        reason = error
    except Exception as error:  # noqa: BLE001 - logged, and shown by whoever asked for the call
        _log.exception("unexpected")
        reason = Error(f"A fault in this program: {type(error).__name__}: {error}")
    else:
        return lambda: done(result)
    return lambda: failed(reason)


def _ignore(_outcome: object) -> None:
    pass
