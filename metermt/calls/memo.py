"""What nobody waits for is written down when the store is ready."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from metermt.errors import StoreAway, StoreError
from metermt.sparinglog import SparingLog
from metermt.store.base import Store, Tx
from metermt.store.begun import Begun


class Memo:
    """What is written down as soon as the store is ready, by whoever finds it so."""

    def __init__(
        self, store: Store, work: Callable[[Tx], None], journal: SparingLog, noted: Callable[[], None]
    ) -> None:
        """Write by this work; `noted` is called once that is kept."""
        self._store = store
        self._work = work
        self._journal = journal
        self._noted = noted
        self._begun: Begun[None] | None = None
        # Whoever looks has it. Nobody waits for it: who looks may wake others, who would wait for each other then.
        self._looking = Lock()
        self._again = False  # whether somebody came meanwhile

    def begin(self) -> None:
        """Begin to write it down."""
        with self._only_logged():
            self._begun = self._store.begin(self._work, self.look)

    def look(self) -> None:
        """Look whether it was written down, or can be now. If somebody looks already, they do so once more."""
        self._again = True
        while self._again and self._looking.acquire(blocking=False):
            try:
                self._again = False
                self._look()
            finally:
                self._looking.release()

    def _look(self) -> None:
        with self._only_logged():
            if self._begun and self._begun.wait(0):
                begun, self._begun = self._begun, None
                begun.result()
                self._noted()

    @contextmanager
    def _only_logged(self) -> Iterator[None]:
        """Let whatever goes wrong with a note end nothing but that note."""
        try:
            yield
        except StoreAway:  # the store has logged it
            pass
        except StoreError as error:
            self._journal.warning("notes that failed", "", "who is connected was not noted: %s", error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end more than this
            self._journal.error("notes that failed", "unexpectedly", "who is connected was not noted", error=error)
