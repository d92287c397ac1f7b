"""A few threads for calls that take long."""

import logging
import sys
from collections.abc import Callable, Hashable
from threading import Condition, Thread

from metermt.rules.sharing import FairQueue
from metermt.transport.deadline import Deadline

_log = logging.getLogger("metermt.server")


class Pool:
    """Runs work in a few threads, which are started when there is something to do.

    Unlike those of `concurrent.futures` they are daemons: a server ends even if a call in one of them does not.
    """

    def __init__(self, threads: int) -> None:
        self._most = threads
        self._changed = Condition()  # guards the four below
        self._work: FairQueue[Callable[[], None]] = FairQueue(most=sys.maxsize, long=sys.maxsize)
        self._threads: list[Thread] = []
        self._idle = 0
        self._is_open = True

    def __len__(self) -> int:
        """Return how much work waits for a thread."""
        return len(self._work)

    def run(self, work: Callable[[], None], *names: Hashable) -> None:
        """Have some work done, in the name of something, level by level: of what waits, names take turns.

        Raises `RuntimeError` when the system has no more threads, or the pool is closed.
        """
        with self._changed:
            if not self._is_open:
                raise RuntimeError("the pool is closed")
            if len(self._work) >= self._idle and len(self._threads) < self._most:
                self._start_thread()
            self._work.came(work, *names)
            self._changed.notify()

    def forget(self, work: Callable[[], None]) -> None:
        """Leave some work undone, unless it was begun."""
        with self._changed:
            self._work.went(work)

    def _start_thread(self) -> None:
        thread = Thread(target=self._run, name="long calls", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            if not self._threads:
                raise
        else:
            self._threads.append(thread)

    def stop(self, deadline: Deadline) -> bool:
        """Do what is to be done, and no more; return whether that was done within the deadline."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(deadline.left)
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        while work := self._next():
            try:
                work()
            except Exception:  # noqa: BLE001 - whatever it is, it must not end more than this
                _log.exception("work in the background failed")

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: len(self._work) or not self._is_open)
            self._idle -= 1
            return self._work.next()
