"""A server's sign of life, for those that share its database."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from metermt.calls.audit import seal
from metermt.calls.desk import Desk
from metermt.calls.servers import BEAT_SECONDS, say_alive, say_goodbye
from metermt.calls.telling import fault_of
from metermt.errors import StoreAway, StoreError

_log = logging.getLogger("metermt.server")

_PARTS = 20  # of what is on record, sealed at a time: others must not take this server for dead meanwhile


@contextmanager
def heartbeat(
    desk: Desk, watch: Callable[[], None] = lambda: None, answered: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Say that the server of this desk is alive, every few seconds until the block ends, and goodbye then.

    As often `watch` is called, what the log has to tell of the last minute is told, and what was put on record gets its
    place in the chain; so does, as a rule, what was put there last, at the end. `answered` is called whenever the store
    has answered, be it that its database is away; that is no fault of this server's. What else goes wrong is logged,
    and does not count as answered. What sessions hold that were connected to it in an earlier life is left to their
    readers first. Raises `StoreError`.
    """
    heart = _Heart(desk, watch, answered)
    desk.store.write(lambda tx: say_goodbye(desk.turn(tx)))
    heart.beat()
    thread = Thread(target=heart.run, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        heart.ending.set()
        thread.join()
        desk.journal.tell_counts(at_once=True)
        _leave(desk)


class _Heart:
    """What a server does every few seconds, until it is `ending`."""

    def __init__(self, desk: Desk, watch: Callable[[], None], answered: Callable[[], None]) -> None:
        self.ending = Event()
        self._desk = desk
        self._watch = watch
        self._answered = answered

    def run(self) -> None:
        """Do it over and over."""
        while not self.ending.wait(BEAT_SECONDS):
            has_looked = self._goes_well(self._look)
            if self._goes_well(self._live) and has_looked:
                self._goes_well(self._answered)

    def beat(self) -> None:
        """Say that the server is alive. Raises `StoreError`."""
        self._desk.store.write(lambda tx: say_alive(self._desk.turn(tx), self._desk.sessions.connected))

    def _look(self) -> None:
        self._desk.journal.tell_counts()
        self._watch()

    def _live(self) -> None:
        self.beat()
        self._desk.leave_again()
        seal(self._desk.store, _PARTS)

    def _goes_well(self, step: Callable[[], None]) -> bool:
        """Take a step; return False if what nobody has expected came of it."""
        kind, journal = "signs of life that failed", self._desk.journal
        try:
            step()
        except StoreAway:  # the store has logged it
            pass
        except StoreError as error:
            journal.warning(kind, "", "the server could not say that it is alive: %s", error)
        except Exception as error:  # noqa: BLE001 - others would take a server without this thread for dead
            journal.error(kind, fault_of(error), "the server could not look after itself", error=error)
            return False
        return True


def _leave(desk: Desk) -> None:
    """Say goodbye, and seal what was put on record last; what cannot be done now, others do later."""
    try:
        desk.store.write(lambda tx: say_goodbye(desk.turn(tx)))
    except StoreError as error:
        _log.warning("what readers hold here is left to them later, when others see that it ended: %s", error)
        return  # what it has to seal would only be waited for once more
    try:
        seal(desk.store, _PARTS)
    except StoreError as error:
        _log.warning("what was put on record last gets its place in the chain later: %s", error)
