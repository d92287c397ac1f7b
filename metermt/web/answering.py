"""Requests over HTTP are answered in threads, by the desk that answers all others, within the same bounds."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event
from typing import Any, TypeVar

from metermt.calls.asking import Ask, Caller, Weight
from metermt.calls.desk import Desk, Outcome
from metermt.calls.regulars import network_of
from metermt.errors import DeadlineExceeded
from metermt.transport.deadline import Deadline
from metermt.transport.frames import SMALL_FRAME, most_bytes
from metermt.transport.pool import Pool
from metermt.transport.resting import rest_after

# Who waits for a database that another program writes to keeps a thread for as long: so those who write have their own.
_STRANGERS, _WRITING_STRANGERS = 2, 1  # threads for those of whom it is not known whether they have logged in
_STRANGERS_SHARE = 0.05  # of a processor, for each of these
_LOGINS = 8  # for calls that take long; most of them wait for their turn to be hashed
_READS, _WRITES = 2, 2  # for those who have logged in
# Of a processor, for each of these: four programs that ask without end would hold up readers.
_READS_SHARE, _WRITES_SHARE = 0.125, 0.25
_BULKS = 1  # for large ones: two would hinder each other, and whoever else is answered
_LOOKS_SHARE = 0.1  # of a processor, for who watches: any program on this machine may ask for all figures without end
_WATCHERS = 4  # for those who wait nearly all of the time, and hold up one another only

T = TypeVar("T")


class Answering:
    """Answers requests in threads. Its coroutines run on one event loop."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._stopping = Event()
        self._of_strangers, self._strangers_writes = Pool(_STRANGERS), Pool(_WRITING_STRANGERS)
        self._reads, self._writes = Pool(_READS), Pool(_WRITES)
        self._logins, self._bulks = Pool(_LOGINS), Pool(_BULKS)
        self._watchers, self._looks = Pool(_WATCHERS), Pool(1)
        named = {
            "strangers": self._of_strangers,
            "strangers' writes": self._strangers_writes,
            "long calls": self._logins,
            "reads": self._reads,
            "writes": self._writes,
            "bulks": self._bulks,
        }
        desk.counting.waiting |= {f"http {name}": pool.__len__ for name, pool in named.items()}
        # What each visitor waits for, who waits for one thing at a time.
        self._waiting: dict[Caller, tuple[Pool, Callable[[], None], asyncio.Future[Any]]] = {}

    def most_bytes(self, caller: Caller, session_id: str) -> int:
        """Return how large the body of a request may be that shows this session: as large as a frame of theirs.

        A session that was not used for a while is forgotten as soon as it was checked; who has shown it is not.
        """
        return most_bytes(self.desk.sessions.role_of(session_id) or caller.shown_role)

    async def check(self, ask: Ask[Any]) -> None:
        """Find out who asks. Raises `SessionError`, `RoleError` or `StoreError`."""
        await self._by_turns(lambda: self.desk.check(ask), ask.caller)

    async def read(self, caller: Caller, size: int, work: Callable[[], T], session_id: str = "") -> T:
        """Return what this makes of a body of so many bytes. Raises what it raises."""
        if not (self._knows(session_id) or caller.sessions):
            return await self._by_turns(work, caller)
        return work() if size <= SMALL_FRAME else await self._in(self._bulks, lambda: self._rested(work), caller)

    async def answer(self, ask: Ask[Any], write: Callable[[Outcome], T]) -> T:
        """Answer a request; return what this makes of its outcome. Raises what that raises."""
        pool, share = self._pool_for(ask)
        return await self._in(pool, lambda: write(self._outcome(ask)), ask.caller, share)

    def _pool_for(self, ask: Ask[Any]) -> tuple[Pool, float]:
        """Return where a request is answered, and with which share of a processor by each thread there."""
        weight = ask.call.weight
        if weight in (Weight.LONG, Weight.WAITING):
            return (self._logins if weight is Weight.LONG else self._watchers), 1.0
        if not (self._knows(ask.session_id) or ask.caller.sessions):
            return (self._strangers_writes if weight is Weight.WRITE else self._of_strangers), _STRANGERS_SHARE
        if _is_large(ask):
            return self._bulks, 1.0
        return (self._writes, _WRITES_SHARE) if weight is Weight.WRITE else (self._reads, _READS_SHARE)

    async def look(self, caller: Caller, work: Callable[[], T]) -> T:
        """Return what this makes, for those who watch: whoever else is answered does not keep them waiting."""
        return await self._in(self._looks, work, caller, _LOOKS_SHARE)

    def went(self, caller: Caller) -> bool:
        """Leave undone what somebody waits for who is gone; return whether they did, as it may be in hand."""
        if caller not in self._waiting:
            return False
        pool, work, done = self._waiting[caller]
        pool.forget(work)
        if not done.done():
            done.set_exception(DeadlineExceeded("The client did not wait for its turn"))
        return True

    def hurry(self) -> None:
        """Rest no more: the server stops."""
        self._stopping.set()

    def stop(self, deadline: Deadline) -> bool:
        """Answer no more; return whether what was being answered has ended within the deadline."""
        known = (self._reads, self._writes, self._logins, self._bulks, self._watchers, self._looks)
        ended = [pool.stop(deadline) for pool in (self._of_strangers, self._strangers_writes, *known)]
        return all(ended)

    def _knows(self, session_id: str) -> bool:
        return bool(session_id) and self.desk.sessions.role_of(session_id) is not None

    def _outcome(self, ask: Ask[Any]) -> Outcome:
        return self.desk.answer_in_parts(ask) if _is_large(ask) else self.desk.answer([ask])[0]

    def _rested(self, work: Callable[[], T]) -> T:
        with self.desk.resting():
            return work()

    async def _by_turns(self, work: Callable[[], T], caller: Caller) -> T:
        """Have some work done for a stranger. Raises `DeadlineExceeded` when they are gone before their turn."""
        return await self._in(self._of_strangers, work, caller, _STRANGERS_SHARE)

    async def _in(self, pool: Pool, work: Callable[[], T], caller: Caller, share: float = 1.0) -> T:
        """Have some work done in a pool, whose threads take turns by who has asked for it.

        The thread rests then, so that it takes no more than this share of a processor.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def tell(result: T | None, error: BaseException | None) -> None:
            if done.done():
                return
            if error:
                done.set_exception(error)
            else:
                done.set_result(result)  # type: ignore[arg-type]

        def run() -> None:
            began = time.thread_time()
            result, error = None, None
            try:
                result = work()
            except Exception as raised:  # noqa: BLE001 - it is raised again where it was asked for
                error = raised
            with suppress(RuntimeError):  # the loop has ended: nobody waits any more
                loop.call_soon_threadsafe(tell, result, error)
            self._stopping.wait(rest_after(time.thread_time() - began, share))

        pool.run(run, self.desk.regulars.knows_address(caller.address), network_of(caller.address))
        self._waiting[caller] = pool, run, done
        try:
            return await done
        finally:
            del self._waiting[caller]


def _is_large(ask: Ask[Any]) -> bool:
    return ask.call.is_large is not None and ask.call.is_large(ask.request)
