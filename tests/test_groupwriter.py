"""Group commit: one transaction for all who wait, and each of them on their own in it."""

import threading
from contextlib import ExitStack
from math import inf

import apsw
import pytest
from book import Held, Refused, refuse
from book_fixtures import *  # noqa: F403 - the fixtures
from conftest import DEADLINE, run_together, wait_until

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


def statements_of(book, *works):
    """Return the words that the statements begin with which some works run."""
    seen = []
    book.connection.exec_trace = lambda _cursor, sql, _bindings: seen.append(sql.split()[0]) or True
    for work in works:
        work()
    book.connection.exec_trace = None
    return seen


def test_a_lone_unit_costs_no_more_than_its_transaction(book):
    assert statements_of(book, lambda: book.write("a")) == ["BEGIN", "INSERT", "COMMIT"]


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


def test_a_group_has_a_savepoint_for_each_unit_and_one_commit(book, held):
    held.queue(lambda: book.write("a"), lambda: book.write("b"))
    alone = ["SAVEPOINT", "INSERT", "RELEASE"]
    assert statements_of(book, held.results) == ["COMMIT", "BEGIN", *alone, *alone, "COMMIT"]


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


def test_when_the_database_cannot_be_written_all_of_the_group_fail(hasty):
    with ExitStack() as stack:
        held = Held(hasty)
        stack.callback(held.let_go)
        held.queue(*(lambda word=word: hasty.write(word) for word in "ab"))
        lock_between(hasty, stack)
        assert [type(answer) for answer in held.results()] == [apsw.BusyError] * 2
    assert hasty.words() == ["leader"]
    assert hasty.write_soon("c") == "C"


def test_the_time_that_a_leader_took_is_not_counted_as_waiting_for_another_process(book, held):
    with ExitStack() as stack:
        held.queue(lambda: book.write("a"))
        book.writer._waiting[0].since -= 2 * DEADLINE
        lock = lock_between(book, stack)
        held.let_go()
        wait_until(lambda: book.writer._locked_since < inf, "it has found the lock")
        lock.execute("COMMIT")
        assert held.results() == ["A"]


def lock_between(book, stack):
    """Have another process take the lock at the one moment when nobody writes: after a commit, before the next BEGIN.

    Returns its connection.
    """
    other = apsw.Connection(book.connection.filename)
    stack.callback(other.close)
    stack.callback(book.connection.set_wal_hook, None)

    def on_wal(_connection, _schema, _pages):
        if not other.in_transaction:
            other.execute("BEGIN IMMEDIATE")
        return apsw.SQLITE_OK

    book.connection.set_wal_hook(on_wal)
    return other


def test_a_crowd_writes_everything_once(book):
    def many(name):
        return [book.write(f"{name}{number}") for number in range(50)]

    run_together(*(lambda name=name: many(name) for name in "abcdefgh"))
    assert len(book.words()) == 400
    assert book.commits <= 400
