"""Group commit: one transaction for all who wait, and each of them on their own in it.

The commits are counted by SQLite's commit hook. Its return value decides: true turns the COMMIT into a failure.
"""

import threading
from contextlib import ExitStack

import apsw
import pytest
from conftest import DEADLINE, run_together, start, wait_until

from metermt.store import groupwriter
from metermt.store.groupwriter import GroupWriter


class Book:
    """A database with one table, its writer, and what can be seen of it from another connection."""

    def __init__(self, path):
        self.connection = apsw.Connection(str(path))
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA foreign_keys = ON")
        self.connection.execute(
            "CREATE TABLE pages (word TEXT UNIQUE, parent TEXT REFERENCES pages (word) DEFERRABLE INITIALLY DEFERRED)"
        )
        self.observer = apsw.Connection(str(path))
        self.writer = GroupWriter(self.connection, busy_seconds=0)
        self.commits = 0
        self.failing = set()  # numbers of the commits that are to fail, from 1
        self.connection.set_commit_hook(self.on_commit)

    def on_commit(self):
        self.commits += 1
        return self.commits in self.failing

    def close(self):
        self.observer.close()
        self.connection.close()

    def words(self):
        """Return what others see: only what was committed."""
        return sorted(word for (word,) in self.observer.execute("SELECT word FROM pages"))

    def write(self, word, then=None):
        def unit(db):
            db.execute("INSERT INTO pages (word) VALUES (?)", (word,))
            if then:
                then()
            return word.upper()

        return self.writer.run(unit)

    def write_soon(self, word):
        """Write from a thread of its own: should nobody lead any more, only that thread would wait for ever."""
        return start(lambda: self.write(word))()


class Held:
    """A leader that is held inside its unit, and those who queue behind it."""

    def __init__(self, book):
        self.book = book
        self._inside, self._may_go = threading.Event(), threading.Event()
        self.leader = start(lambda: book.write("leader", then=self._hold))
        assert self._inside.wait(DEADLINE)
        self.queued = []

    def _hold(self):
        self._inside.set()
        assert self._may_go.wait(DEADLINE)

    def queue(self, *works):
        """Start each work in a thread; return when all of their units wait, in this order."""
        for work in works:
            length = len(self.book.writer._waiting) + 1  # nothing else tells that a caller waits
            self.queued.append(start(work))
            wait_until(lambda length=length: len(self.book.writer._waiting) == length, "the unit is queued")

    def let_go(self):
        self._may_go.set()

    def results(self):
        """Let the leader go on; return what each who queued got, errors as they are."""
        self.let_go()
        assert self.leader() == "LEADER"
        return [outcome(result) for result in self.queued]


def outcome(result):
    try:
        return result()
    except BaseException as error:  # noqa: BLE001 - it is what the test asks about
        return error


@pytest.fixture
def book(tmp_path):
    book = Book(tmp_path / "book.db")
    yield book
    book.close()


@pytest.fixture
def held(book):
    held = Held(book)
    with ExitStack() as stack:
        stack.callback(held.let_go)
        yield held


class Refused(Exception):
    """What a unit may raise."""


def refuse():
    raise Refused


# --- alone


def test_a_lone_unit_is_committed_and_its_answer_returned(book):
    assert book.write("a") == "A"
    assert book.words() == ["a"]
    assert book.commits == 1


def test_a_lone_caller_is_served_in_its_own_thread(book):
    assert book.writer.run(lambda _: threading.current_thread()) is threading.current_thread()


def test_a_unit_that_raises_leaves_nothing_and_the_next_one_works(book):
    with pytest.raises(Refused):
        book.write("a", then=refuse)
    assert book.words() == []
    assert book.write_soon("b") == "B"
    assert book.words() == ["b"]


def test_a_statement_that_fails_takes_its_whole_unit_with_it(book):
    book.write("a")

    def unit(db):
        db.execute("INSERT INTO pages (word) VALUES ('b')")
        db.execute("INSERT INTO pages (word) VALUES ('a')")

    with pytest.raises(apsw.ConstraintError):
        book.writer.run(unit)
    assert book.words() == ["a"]


def test_an_interrupt_in_a_unit_is_raised_and_undone(book):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        book.write("a", then=interrupt)
    assert book.words() == []
    assert book.write_soon("b") == "B"


def test_a_failed_commit_is_raised_and_the_next_one_works(book):
    book.failing = {1}
    with pytest.raises(apsw.ConstraintError):
        book.write("a")
    assert book.write_soon("b") == "B"
    assert book.words() == ["b"]


# --- in a group


def test_all_who_wait_share_one_commit(book, held):
    held.queue(*(lambda word=word: book.write(word) for word in "abcdefgh"))
    assert book.commits == 0
    assert held.results() == list("ABCDEFGH")
    assert book.commits == 2, "one for the leader, one for all who came meanwhile"
    assert book.words() == [*"abcdefgh", "leader"]


def test_units_of_a_group_run_in_the_order_of_arrival(book, held):
    order = []
    held.queue(*(lambda word=word: book.write(word, then=lambda: order.append(word)) for word in "dacb"))
    held.results()
    assert order == list("dacb")


def test_a_unit_sees_what_those_before_it_in_the_group_wrote(book, held):
    held.queue(
        lambda: book.write("a"),
        lambda: book.writer.run(lambda db: db.execute("SELECT count(*) FROM pages").fetchall()),
    )
    assert held.results() == ["A", [(2,)]]


def test_a_unit_that_raises_fails_alone(book, held):
    held.queue(
        lambda: book.write("a"),
        lambda: book.write("b", then=refuse),
        lambda: book.write("a"),
        lambda: book.write("c"),
    )
    a, b, second_a, c = held.results()
    assert (a, c) == ("A", "C")
    assert isinstance(b, Refused)
    assert isinstance(second_a, apsw.ConstraintError)
    assert book.words() == ["a", "c", "leader"]
    assert book.commits == 2


def test_a_unit_that_fails_while_it_still_reads_fails_alone(book, held):
    def unit(db):
        rows = db.execute("SELECT 1 UNION ALL SELECT 2")
        next(rows)
        db.execute("INSERT INTO pages (word) VALUES ('b')")
        error = Refused()
        error.rows = rows  # keeps the statement running as long as somebody looks at the error
        raise error

    held.queue(lambda: book.write("a"), lambda: book.writer.run(unit), lambda: book.write("c"))
    assert [type(answer) for answer in held.results()] == [str, Refused, str]
    assert book.words() == ["a", "c", "leader"]


def test_nobody_is_answered_before_the_commit(book, held):
    committing, may_commit = threading.Event(), threading.Event()

    def on_commit():
        book.commits += 1
        if book.commits == 2:
            committing.set()
            assert may_commit.wait(DEADLINE)
        return False

    book.connection.set_commit_hook(on_commit)
    held.queue(*(lambda word=word: book.write(word) for word in "abc"))
    held.let_go()
    try:
        assert committing.wait(DEADLINE)
        assert held.leader() == "LEADER", "the leader's own group is committed: it does not wait for the next"
        assert [result.is_there() for result in held.queued] == [False] * 3
        assert book.words() == ["leader"]
    finally:
        may_commit.set()
    assert held.results() == ["A", "B", "C"]
    assert book.words() == ["a", "b", "c", "leader"]


def test_a_failed_commit_fails_all_of_the_group_and_no_other_group(book, held):
    """The hook turns COMMIT into a rollback: the transaction is gone when the error comes."""
    held.queue(*(lambda word=word: book.write(word) for word in "abc"))
    book.failing = {2}
    assert [type(answer) for answer in held.results()] == [apsw.ConstraintError] * 3
    assert book.words() == ["leader"]
    assert book.write_soon("d") == "D"
    assert book.words() == ["d", "leader"]


def test_a_commit_that_leaves_the_transaction_open_fails_all_of_the_group(book, held):
    """A foreign key that is checked at COMMIT: the transaction is still there when the error comes."""
    orphan = "INSERT INTO pages VALUES ('orphan', 'nobody')"
    held.queue(lambda: book.write("a"), lambda: book.writer.run(lambda db: db.execute(orphan)))
    assert [type(answer) for answer in held.results()] == [apsw.ConstraintError] * 2
    assert book.words() == ["leader"]
    assert book.write_soon("d") == "D"


def test_when_sqlite_gives_the_transaction_up_all_of_the_group_fail(book, held):
    def unit(db):
        db.execute("INSERT OR ROLLBACK INTO pages (word) VALUES ('leader')")

    held.queue(lambda: book.write("a"), lambda: book.writer.run(unit), lambda: book.write("c"))
    assert [type(answer) for answer in held.results()] == [apsw.ConstraintError] * 3
    assert book.words() == ["leader"]
    assert book.write_soon("d") == "D"
    assert book.words() == ["d", "leader"]


def test_when_the_database_cannot_be_written_all_of_the_group_fail(book, held):
    held.queue(*(lambda word=word: book.write(word) for word in "ab"))
    with ExitStack() as stack:
        locked = apsw.Connection(book.connection.filename)
        stack.callback(locked.close)

        # The lock is taken at the one moment when nobody writes: after the leader's commit, before the next BEGIN.
        def on_wal(_connection, _schema, _pages):
            if not locked.in_transaction:
                locked.execute("BEGIN IMMEDIATE")
            return apsw.SQLITE_OK

        book.connection.set_wal_hook(on_wal)
        assert [type(answer) for answer in held.results()] == [apsw.BusyError] * 2
        book.connection.set_wal_hook(None)
    assert book.words() == ["leader"]
    assert book.write_soon("c") == "C"


def test_a_crowd_writes_everything_once(book):
    def many(name):
        return [book.write(f"{name}{number}") for number in range(50)]

    run_together(*(lambda name=name: many(name) for name in "abcdefgh"))
    assert len(book.words()) == 400
    assert book.commits <= 400


# --- interrupted while waiting
#
# Ctrl+C reaches a thread while it sleeps in a lock. A signal goes to the main thread only and at no sure moment; so
# the sleep of one thread is made to raise KeyboardInterrupt, at the moment that the test is about.


@pytest.fixture
def interrupted(monkeypatch):
    """Let the sleep of the thread `name` raise: at once, or `after` it was woken."""
    plain_sleep = groupwriter._Task.sleep

    def arm(name, *, after, here=lambda: None):
        def sleep(task):
            if threading.current_thread().name != name:
                return plain_sleep(task)
            if after:
                plain_sleep(task)
            here()
            raise KeyboardInterrupt

        monkeypatch.setattr(groupwriter._Task, "sleep", sleep)

    return arm


def named(name, work):
    work.__name__ = name
    return work


def test_who_is_interrupted_while_waiting_leaves_the_queue(book, held, interrupted):
    queued, may_raise = threading.Event(), threading.Event()

    def here():
        queued.set()
        assert may_raise.wait(DEADLINE)

    interrupted("gone", after=False, here=here)
    held.queue(lambda: book.write("a"), named("gone", lambda: book.write("gone")), lambda: book.write("b"))
    assert queued.wait(DEADLINE)
    may_raise.set()
    wait_until(held.queued[1].is_there, "the interrupt is raised")
    a, gone, b = held.results()
    assert (a, type(gone), b) == ("A", KeyboardInterrupt, "B")
    assert book.words() == ["a", "b", "leader"]


def test_who_is_interrupted_as_next_leader_passes_the_lead_on(book, held, interrupted):
    """The first in the queue is woken to lead, and the interrupt comes before it does."""
    interrupted("heir", after=True)
    held.queue(named("heir", lambda: book.write("heir")), lambda: book.write("a"), lambda: book.write("b"))
    heir, a, b = held.results()
    assert (type(heir), a, b) == (KeyboardInterrupt, "A", "B")
    assert book.words() == ["a", "b", "leader"]


def test_when_the_only_one_who_waits_is_interrupted_the_next_caller_leads(book, held, interrupted):
    interrupted("heir", after=True)
    held.queue(named("heir", lambda: book.write("heir")))
    assert [type(answer) for answer in held.results()] == [KeyboardInterrupt]
    assert book.write_soon("later") == "LATER"
    assert book.words() == ["later", "leader"]


def test_who_is_interrupted_when_the_unit_is_done_hinders_nobody(book, held, interrupted):
    interrupted("late", after=True)
    held.queue(lambda: book.write("a"), named("late", lambda: book.write("late")), lambda: book.write("b"))
    a, late, b = held.results()
    assert (a, type(late), b) == ("A", KeyboardInterrupt, "B")
    assert book.words() == ["a", "b", "late", "leader"], "it was in the group already, and the group is whole"
    assert book.write_soon("later") == "LATER"


# --- a step: several units of one thread


def test_the_units_of_a_step_share_one_commit(book):
    answers = []

    def step():
        answers.extend(book.write(word) for word in "abc")
        assert book.words() == []

    assert book.writer.together(step)
    assert answers == ["A", "B", "C"]
    assert book.words() == ["a", "b", "c"]
    assert book.commits == 1


def test_a_unit_of_a_step_that_raises_fails_alone(book):
    def step():
        book.write("a")
        with pytest.raises(Refused):
            book.write("b", then=refuse)
        with pytest.raises(apsw.ConstraintError):
            book.write("a")
        book.write("c")

    assert book.writer.together(step)
    assert book.words() == ["a", "c"]


def test_a_step_that_raises_leaves_nothing_and_the_next_one_works(book):
    def step():
        book.write("a")
        raise Refused

    with pytest.raises(Refused):
        book.writer.together(step)
    assert book.words() == []
    assert book.writer.together(lambda: book.write("b"))
    assert book.write("c") == "C"
    assert book.words() == ["b", "c"]


def test_a_failed_commit_of_a_step_is_raised_and_leaves_nothing(book):
    book.failing = {1}
    with pytest.raises(apsw.ConstraintError):
        book.writer.together(lambda: [book.write(word) for word in "ab"])
    assert book.words() == []
    assert book.write_soon("c") == "C"


def test_when_sqlite_gives_a_step_up_nothing_of_it_is_written(book):
    """Not even the units that come after: each would have been a transaction of its own."""
    book.write("first")

    def step():
        book.write("a")
        with pytest.raises(apsw.ConstraintError):
            book.writer.run(lambda db: db.execute("INSERT OR ROLLBACK INTO pages (word) VALUES ('first')"))
        with pytest.raises(apsw.ConstraintError):
            book.write("c")

    with pytest.raises(apsw.ConstraintError):
        book.writer.together(step)
    assert book.words() == ["first"]
    assert book.write_soon("d") == "D"


def test_a_step_inside_a_step_is_part_of_it(book):
    def step():
        book.write("a")
        assert book.writer.together(lambda: book.write("b"))
        assert book.words() == []

    assert book.writer.together(step)
    assert book.words() == ["a", "b"]
    assert book.commits == 1


def test_a_step_does_not_wait_for_another_thread_that_writes(book, held):
    assert not book.writer.together(lambda: pytest.fail("it ran"))
    held.results()
    assert book.writer.together(lambda: book.write("a"))
    assert book.words() == ["a", "leader"]


def test_a_step_does_not_wait_for_another_process_that_writes(book):
    with ExitStack() as stack:
        other = apsw.Connection(book.connection.filename)
        stack.callback(other.close)
        other.execute("BEGIN IMMEDIATE")
        assert not book.writer.together(lambda: pytest.fail("it ran"))
        other.execute("COMMIT")
    assert book.writer.together(lambda: book.write("a"))
    assert book.words() == ["a"]


def test_who_comes_during_a_step_writes_after_it(book):
    late = []

    def step():
        book.write("a")
        late.append(start(lambda: book.write("b")))
        wait_until(lambda: book.writer._waiting, "another thread waits")
        assert book.write("c") == "C"

    assert book.writer.together(step)
    assert late[0]() == "B"
    assert book.words() == ["a", "b", "c"]
    assert book.commits == 2
