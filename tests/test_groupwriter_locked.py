"""Group commit beside another process that writes: who waits for how long, and who leads then."""

import time
from math import inf

import apsw
import pytest
from book import outcome, wait_in_vain, wait_soon
from book_fixtures import *  # noqa: F403 - the fixtures
from conftest import DEADLINE, start, wait_until


def test_who_waits_for_another_process_lets_all_who_come_meanwhile_join(book):
    with book.locked():
        works = [start(lambda word=word: book.write(word)) for word in "abc"]
        wait_until(lambda: book.waiting() == 3, "all wait")
        wait_until(lambda: book.writer._locked_since < inf, "one has found the lock")
    assert [result() for result in works] == ["A", "B", "C"]
    assert book.commits == 1


def test_who_finds_another_process_writing_waits_no_longer_than_said_and_succeeds_later(book):
    task = book.begin("a")
    with book.locked():
        wait_in_vain(book, task)
        wait_in_vain(book, task, 0)
    assert book.words() == []
    assert book.wait(task, 0)
    assert task.result() == "A"
    assert book.calls[task] == []


def test_who_waits_for_another_process_goes_on_as_soon_as_it_ends(book):
    task = book.begin("a")
    with book.locked():
        waiting = wait_soon(book, task)
    assert waiting()
    assert task.result() == "A"


def wait_a_moment(book, task):
    """Wait for a task in another thread, for a moment; return when that has found the lock."""
    while True:
        result = start(lambda: book.wait(task, 0.2))
        wait_until(
            lambda is_over=result.is_there: book.writer._locked_since < inf or is_over(), "it has found the lock"
        )
        if not result.is_there():  # else this thread was not run for all of that moment
            return result


def test_who_is_to_hurry_waits_no_longer_though_it_began_to(book):
    with book.locked():
        writing = start(lambda: book.write("a"))
        wait_until(lambda: book.writer._locked_since < inf, "it has found the lock")
        book.writer.hurry(0.0)
        with pytest.raises(apsw.BusyError):
            writing()
    assert book.write("b") == "B"


def test_who_gives_up_for_now_gives_the_lead_to_one_who_waits(book):
    task = book.begin("a")
    with book.locked():
        waiting = wait_a_moment(book, task)
        writing = start(lambda: book.write("b"))
        assert waiting() is False
        wait_until(lambda: book.waiting() == 2 and not book.writer._waiting[1].asleep, "the other leads")
        wait_in_vain(book, task)
    assert writing() == "B"
    assert task.result() == "A"
    assert len(book.calls[task]) == 1
    assert book.commits == 1


def test_two_who_have_begun_hand_the_lead_to_each_other(book):
    first, second = book.begin("a"), book.begin("b")
    with book.locked():
        waiting = wait_a_moment(book, first)
        other = wait_soon(book, second)
        assert waiting() is False
    assert other()
    assert (first.result(), second.result()) == ("A", "B")


def test_the_patience_of_a_begun_unit_ends(hasty):
    since = time.monotonic()
    task = hasty.begin("a")
    with hasty.locked():
        while not hasty.wait(task, 0.01):
            assert time.monotonic() < since + DEADLINE
    assert time.monotonic() - since >= 0.1
    with pytest.raises(apsw.BusyError):
        task.result()
    assert hasty.write_soon("b") == "B"
    assert hasty.words() == ["b"]


def test_who_leads_ends_the_waiting_of_all_whose_patience_is_over(hasty):
    task = hasty.begin("a")
    with hasty.locked(), pytest.raises(apsw.BusyError):
        hasty.write("b")
    assert isinstance(outcome(task.result), apsw.BusyError)
    assert len(hasty.calls[task]) == 1
