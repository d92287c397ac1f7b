"""Lets a few threads through at a time, and the others by turns."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from threading import Event, Lock

from metermt.errors import DeadlineExceeded, ServerBusy
from metermt.rules.sharing import FairQueue


class Turnstile:
    """A few places, and threads that wait for one: who is next is what `FairQueue` says."""

    def __init__(self, places: int, *, most: int, long: int) -> None:
        """Let so many threads in; `most` may wait, and where more than `long` do the newest is next."""
        self._lock = Lock()  # guards the two below, and what became of those who wait
        self._free = places
        self._waiting: FairQueue[_Turn] = FairQueue(most, long)

    def __len__(self) -> int:
        return len(self._waiting)

    @contextmanager
    def place(self, is_gone: Callable[[], bool], *names: Hashable) -> Iterator[None]:
        """Have a place during the block, in the name of something, level by level.

        Whoever `is_gone` when it is their turn gets none. Raises `ServerBusy` when too many wait, `DeadlineExceeded`
        for who is gone.
        """
        turn = _Turn(is_gone)
        with self._lock:
            if self._free:
                self._free -= 1
                turn.end(None)
            elif left_out := self._waiting.came(turn, *names):
                left_out.end(ServerBusy("More are logging in than the server can let in at once: try again in a while"))
        turn.ended.wait()
        if turn.error:
            raise turn.error
        try:
            yield
        finally:
            self._let_next_in()

    def _let_next_in(self) -> None:
        with self._lock:
            while turn := self._waiting.next():
                if not turn.is_gone():
                    turn.end(None)
                    return
                turn.end(DeadlineExceeded("The client did not wait for its turn"))
            self._free += 1


class _Turn:
    """Somebody who wants a place, until it is known whether they get one."""

    def __init__(self, is_gone: Callable[[], bool]) -> None:
        self.is_gone = is_gone
        self.ended = Event()
        self.error: Exception | None = None

    def end(self, error: Exception | None) -> None:
        self.error = error
        self.ended.set()
