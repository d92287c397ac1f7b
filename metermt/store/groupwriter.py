"""Many callers, one writing connection: whoever comes first commits for all who came meanwhile."""

from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar, cast

import apsw

T = TypeVar("T")
Unit = Callable[[apsw.Connection], Any]
"""A unit of work: what one caller wants done, whole or not at all."""


class _Task:
    """A unit on its way, and what became of it."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.outcome: Any = None
        self.error: BaseException | None = None
        self.finished = False
        self._asleep = Lock()
        self._asleep.acquire()

    def sleep(self) -> None:
        """Wait until another caller has finished this task, or wants this caller to lead."""
        self._asleep.acquire()

    def wake(self) -> None:
        self._asleep.release()

    def answer(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.outcome


class GroupWriter:
    """Runs units of work in transactions that are shared by all who wait.

    A caller that finds nobody writing leads: it runs all units that are waiting in one transaction, each inside
    its own savepoint, commits once, passes the lead to the first who came meanwhile, and wakes the others. A lone
    caller is therefore never handed from thread to thread, and a crowd shares one disk flush. A unit that raises
    fails alone; when the transaction itself fails, every unit in it does.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection  # used by the leader only
        self._lock = Lock()  # guards the three below; held for list operations only, never while writing
        self._waiting: list[_Task] = []
        self._led = False
        self._heir: _Task | None = None  # was told to lead and has not taken the waiting ones yet

    def run(self, unit: Callable[[apsw.Connection], T]) -> T:
        """Return what the unit returned, once it is durable. Raises what the unit or the commit raised."""
        task = _Task(unit)
        with self._lock:
            self._waiting.append(task)
            leads, self._led = not self._led, True
        if not leads:
            try:
                task.sleep()
            except BaseException:  # Ctrl+C in the main thread: the lead must not be left to somebody who is gone
                self._abandon(task)
                raise
        if not task.finished:
            self._lead(task)
        return cast(T, task.answer())

    def _lead(self, own: _Task) -> None:
        with self._lock:
            batch, self._waiting, self._heir = self._waiting, [], None
        try:
            self._commit(batch)
        except Exception as error:  # noqa: BLE001 - it is raised again, in every caller that it concerns
            for task in batch:
                task.error = error
        except BaseException as error:  # noqa: BLE001 - likewise
            # Ctrl+C in the main thread of a program of one's own: it is raised there, the others' work has failed.
            for task in batch:
                task.error = error if task is own else apsw.InterruptError("interrupted")
        with self._lock:
            self._pass_lead()
        for task in batch:
            task.finished = True
            task.wake()

    def _pass_lead(self) -> None:
        self._heir = self._waiting[0] if self._waiting else None
        self._led = self._heir is not None
        if self._heir:
            self._heir.wake()

    def _abandon(self, task: _Task) -> None:
        with self._lock:
            if task in self._waiting:
                self._waiting.remove(task)
                if task is self._heir:
                    self._pass_lead()

    def _commit(self, batch: list[_Task]) -> None:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            for task in batch:
                execute("SAVEPOINT unit")
                try:
                    task.outcome = task.unit(self._connection)
                except Exception as error:
                    task.error = error
                    if not self._connection.in_transaction:  # SQLite gave up the whole of it
                        raise
                    execute("ROLLBACK TO unit")
                execute("RELEASE unit")
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise
