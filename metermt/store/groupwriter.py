"""Many callers, one writing connection: whoever comes first commits for all who came meanwhile."""

from collections.abc import Callable
from itertools import count
from threading import Lock, get_ident
from typing import Any, TypeVar, cast

import apsw

from metermt.store.database import Patience

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

    def __init__(self, connection: apsw.Connection, busy_seconds: float) -> None:
        """Write with this connection; another process that writes is waited for `busy_seconds`."""
        self._connection = connection  # used by the leader only
        connection.set_busy_handler(None)  # how long to wait is decided here
        self._busy_seconds = busy_seconds
        self._lock = Lock()  # guards the three below; held for list operations only, never while writing
        self._waiting: list[_Task] = []
        self._led = False
        self._heir: _Task | None = None  # was told to lead and has not taken the waiting ones yet
        self._together: int | None = None  # the thread whose step is being run; set by itself only
        self._failure: Exception | None = None  # what ended the transaction of that step before its time

    def run(self, unit: Callable[[apsw.Connection], T]) -> T:
        """Return what the unit returned, once it is durable. Raises what the unit or the commit raised.

        Inside a step of `together` it is durable when that is.
        """
        if self._together == get_ident():
            return self._run_in_step(unit)
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

    def together(self, step: Callable[[], object]) -> bool:
        """Run a step whose units, those that this thread runs meanwhile, become durable at once when this returns.

        Returns False, and has done nothing, when others are writing, in this process or another. Raises what the step
        or the commit raised; nothing was written then. A step inside a step is part of it.
        """
        if self._together == get_ident():
            step()
            return True
        with self._lock:
            if self._led:
                return False
            self._led = True
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._together = get_ident()
            try:
                step()
                if self._failure:
                    raise self._failure
                self._connection.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
            finally:
                self._together = self._failure = None
        except apsw.BusyError:
            return False
        finally:
            with self._lock:
                self._pass_lead()
        return True

    def _run_in_step(self, unit: Callable[[apsw.Connection], T]) -> T:
        if self._failure:
            raise self._failure
        try:
            return self._run_whole(unit)
        except Exception as error:
            if not self._connection.in_transaction:
                self._failure = error
            raise

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
        self._begin()
        try:
            for task in batch:
                try:
                    task.outcome = self._run_whole(task.unit)
                except Exception as error:
                    task.error = error
                    if not self._connection.in_transaction:  # SQLite gave up the whole of it
                        raise
            self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _run_whole(self, unit: Callable[[apsw.Connection], T]) -> T:
        """Run a unit in a savepoint, to be taken back alone if it raises."""
        execute = self._connection.execute
        execute("SAVEPOINT unit")
        try:
            outcome = unit(self._connection)
        except Exception:
            if self._connection.in_transaction:
                execute("ROLLBACK TO unit")
                execute("RELEASE unit")
            raise
        execute("RELEASE unit")
        return outcome

    def _begin(self) -> None:
        """Begin to write, as soon as no other process does."""
        patience = Patience(self._busy_seconds)
        for tries in count():
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except apsw.BusyError:
                if not patience(tries):
                    raise
            else:
                return

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
