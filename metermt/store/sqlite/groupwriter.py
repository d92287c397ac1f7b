"""Many callers, one writing connection: whoever comes first commits for all who came meanwhile."""

import random
from collections.abc import Callable, Iterable
from math import inf
from threading import Lock
from time import monotonic, sleep
from typing import Any, Generic, TypeVar, cast

import apsw

from metermt.counting import Histogram

A = TypeVar("A")
T = TypeVar("T")


class Task(Generic[T]):
    """A unit of work on its way, and what became of it. What may change is guarded by the writer's lock."""

    __slots__ = ("_outcome", "asleep", "error", "finished", "is_away", "since", "unit", "wake")

    def __init__(self, unit: Callable[[Any], T], wake: Callable[[], None] | None = None) -> None:
        """`wake` calls a caller who does not stay to wait."""
        self.unit = unit
        self.wake = wake
        self.since = monotonic()
        self.error: BaseException | None = None
        self._outcome: T | None = None
        self.finished = False
        self.asleep: Lock | None = None  # what its caller sleeps in, until another lets it go on
        self.is_away = wake is not None  # its caller neither sleeps nor leads, and was not called since it left

    def run(self, given: Any) -> None:
        """Run the unit and keep what it returns."""
        self._outcome = self.unit(given)

    def result(self) -> T:
        """Return what the unit returned, or raise what it or the commit raised."""
        if self.error is not None:
            raise self.error
        return cast(T, self._outcome)


class GroupWriter(Generic[A]):
    """Runs units of work in transactions that are shared by all who wait.

    A caller that finds nobody writing leads: it runs all units that are waiting in one transaction, commits once,
    passes the lead to the first who came meanwhile, and wakes the others. A lone caller is therefore never handed
    from thread to thread, and a crowd shares one disk flush. A unit that raises fails alone; when the transaction
    itself fails, every unit in it does.

    A caller may also begin a unit and look for its outcome now and then. Such a caller leads while it looks, and never
    inherits the lead while it is away, so it hinders nobody, even if it never comes back.
    """

    def __init__(
        self, connection: apsw.Connection, given: A, busy_seconds: float, check: Callable[[], None] = lambda: None
    ) -> None:
        """Write with this connection, which is the leader's alone, as is what is `given` to each unit.

        `busy_seconds` is how long a unit waits for another process that writes. `check` is called after each commit,
        and raises if nobody may be told that it is durable.
        """
        connection.set_busy_handler(None)  # how long to wait is decided here
        self._connection = connection
        self._execute = connection.cursor().execute
        self._given = given
        self._busy_seconds = busy_seconds
        self._check = check
        self.commits = Histogram()
        """How many seconds commits took; the leader adds to it."""
        self._locked_since = inf  # when another process was first found writing; the leader's
        self._lock = Lock()  # guards what follows and the tasks; held for a few steps only, never while writing
        self._waiting: list[Task[Any]] = []  # in order of arrival
        self._led = False
        self._heir: Task[Any] | None = None  # was told to lead and has not begun to

    def __len__(self) -> int:
        """Return how many units wait."""
        return len(self._waiting)

    def hurry(self, busy_seconds: float) -> None:
        """Have units wait no longer than so many seconds for another process, also those that wait already."""
        self._busy_seconds = min(self._busy_seconds, busy_seconds)

    def run(self, unit: Callable[[A], T]) -> T:
        """Return what the unit returned, once it is durable. Raises what the unit or the commit raised."""
        task = Task(unit)
        with self._lock:
            self._waiting.append(task)
            asleep = self._lead_or_sleep(task)
        self._attend(task, asleep, inf)
        return task.result()

    def begin(self, unit: Callable[[A], T], wake: Callable[[], None]) -> Task[T]:
        """Let a unit wait for the next transaction, and return at once. Look for its outcome with `wait`.

        `wake` is called when the caller is away, once until it looks again: the unit was finished, or nobody leads any
        more. Whoever brought that about calls it, so it must be quick and raise nothing.
        """
        task = Task(unit, wake)
        with self._lock:
            self._waiting.append(task)
        return task

    def wait(self, task: Task[Any], seconds: float) -> bool:
        """Return whether a begun task is finished; wait for that, no longer than so many seconds.

        Leads when nobody does. When another process writes, nobody tells when it ends: then ask again soon.
        """
        until = monotonic() + seconds
        with self._lock:
            if task.finished:
                return True
            task.is_away = False
            asleep = self._lead_or_sleep(task)
        self._attend(task, asleep, until)
        with self._lock:
            task.is_away = not task.finished
            return task.finished

    def _attend(self, task: Task[Any], asleep: "Lock | None", until: float) -> None:
        """Bring a task to its end, if there is time for that: sleep while another leads, or lead."""
        if asleep is None or self._is_told_to_lead(task, asleep, until):
            self._lead(task, until)

    def _is_told_to_lead(self, task: Task[Any], asleep: Lock, until: float) -> bool:
        """Sleep until another caller has finished the task or passes the lead on, or the time is over."""
        try:
            _sleep(asleep, until)
            with self._lock:
                task.asleep = None
                return self._heir is task
        except BaseException:  # Ctrl+C in the main thread: the lead must not be left to somebody who is gone
            self._abandon(task)
            raise

    def _abandon(self, task: Task[Any]) -> None:
        calls: list[Callable[[], None]] = []
        with self._lock:
            task.asleep = None
            if task.wake is None and task in self._waiting:
                self._waiting.remove(task)
            task.is_away = task.wake is not None and not task.finished
            if task is self._heir:
                calls = self._pass_lead()
        _call(calls)

    # --- what only the leader does

    def _lead(self, own: Task[Any], until: float) -> None:
        """Commit what waits, and pass the lead on. Give it away when another process writes until that time."""
        batch: list[Task[Any]] = []
        try:
            if self._begin(own, until):
                batch = self._take(own)
                self._commit(batch)
        except Exception as error:  # noqa: BLE001 - it is raised again, in every caller that it concerns
            batch = batch or self._take(own)
            for task in batch:
                task.error = error
        except BaseException as error:  # noqa: BLE001 - likewise
            # Ctrl+C in the main thread of a program of one's own: it is raised there, the others' work has failed.
            batch = batch or self._take(own)
            for task in batch:
                task.error = error if task is own else apsw.InterruptError("interrupted")
        with self._lock:
            calls = self._pass_lead() + self._finish(batch)
        _call(calls)

    def _begin(self, own: Task[Any], until: float) -> bool:
        """Begin to write as soon as no other process does; return False if that is not in time."""
        while True:
            try:
                self._execute("BEGIN IMMEDIATE")
            except apsw.BusyError as error:
                now = monotonic()
                self._locked_since = min(self._locked_since, now)
                self._refuse_the_late(error, now)
                if own.finished or now >= until:
                    return False
                # At random, so that two processes do not keep step.
                sleep(min(random.uniform(0.0002, 0.001), until - now))  # noqa: S311
            else:
                self._locked_since = inf
                return True

    def _refuse_the_late(self, error: apsw.BusyError, now: float) -> None:
        """End the tasks that have waited too long for the other process."""
        with self._lock:
            late = [task for task in self._waiting if now - max(task.since, self._locked_since) >= self._busy_seconds]
            for task in late:
                task.error = error
            calls = self._finish(late)
            self._waiting = [task for task in self._waiting if not task.finished]
        _call(calls)

    def _take(self, own: Task[Any]) -> list[Task[Any]]:
        """Take what is to be done in one transaction out of the queue."""
        with self._lock:
            self._heir = None
            if own.wake is None:
                batch, self._waiting = self._waiting, []
            else:  # a caller who would not wait long must not do the long work of those who would
                batch = [task for task in self._waiting if task.wake]
                self._waiting = [task for task in self._waiting if not task.wake]
        return batch

    def _commit(self, batch: list[Task[Any]]) -> None:
        try:
            if len(batch) == 1:
                batch[0].run(self._given)  # should it raise, the whole transaction is taken back: it has no other
            else:
                for task in batch:
                    self._run_alone(task)
            began = monotonic()
            self._execute("COMMIT")
            self.commits.add(monotonic() - began)
            self._check()
        except BaseException:
            if self._connection.in_transaction:
                self._execute("ROLLBACK")
            raise

    def _run_alone(self, task: Task[Any]) -> None:
        """Run a unit in a savepoint, to be taken back alone if it raises."""
        self._execute("SAVEPOINT unit")
        try:
            task.run(self._given)
        except Exception as error:
            task.error = error
            if not self._connection.in_transaction:  # SQLite gave up the whole of it
                raise
            self._execute("ROLLBACK TO unit")
        self._execute("RELEASE unit")

    # --- under the lock; calls that are returned are to be made after it

    def _lead_or_sleep(self, task: Task[Any]) -> "Lock | None":
        """Take the lead if nobody has it; return what to sleep in if somebody has."""
        if self._led:
            task.asleep = Lock()
            task.asleep.acquire()
        self._led = True
        return task.asleep

    def _pass_lead(self) -> list[Callable[[], None]]:
        """Let one who waits lead; if there is none, nobody does, and those who are away are told so.

        Rather one with a long patience, who does everybody's work.
        """
        heirs = [task for task in self._waiting if task.asleep]
        self._heir = min(heirs, key=lambda task: task.wake is not None) if heirs else None
        self._led = self._heir is not None
        return _tell([self._heir] if self._heir else self._waiting)

    def _finish(self, batch: Iterable[Task[Any]]) -> list[Callable[[], None]]:
        for task in batch:
            task.finished = True
        return _tell(batch)


def _tell(tasks: Iterable[Task[Any]]) -> list[Callable[[], None]]:
    """End the sleep of those who sleep; return what calls those who are away."""
    calls: list[Callable[[], None]] = []
    for task in tasks:
        if task.asleep:
            task.asleep.release()
            task.asleep = None
        elif task.is_away and task.wake:
            task.is_away = False
            calls.append(task.wake)
    return calls


def _call(calls: Iterable[Callable[[], None]]) -> None:
    for call in calls:
        call()


def _sleep(asleep: Lock, until: float) -> None:
    asleep.acquire(timeout=-1 if until == inf else max(0.0, until - monotonic()))
