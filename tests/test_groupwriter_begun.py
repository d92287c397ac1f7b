"""Group commit: units that are begun and looked for now and then, by callers who have no time to wait."""

import random
import threading
import time

import apsw
import pytest
from book import Held, Refused, outcome, refuse, unit, wait_in_vain, wait_soon
from book_fixtures import *  # noqa: F403 - the fixtures
from conftest import DEADLINE, run_together, start, wait_until

# --- alone


def test_who_looks_for_a_begun_unit_leads(book):
    threads = []
    task = book.begin("a", then=lambda: threads.append(threading.current_thread()))
    assert book.words() == []
    assert book.wait(task, 0)
    assert task.result() == "A"
    assert threads == [threading.current_thread()]
    assert book.words() == ["a"]
    assert book.calls[task] == [], "it was there itself"


def test_a_begun_unit_that_is_over_may_be_asked_again(book):
    task = book.begin("a")
    assert [book.wait(task), book.wait(task, 0), task.result(), task.result()] == [True, True, "A", "A"]
    assert book.commits == 1


def test_a_begun_unit_that_raises_leaves_nothing_and_the_next_one_works(book):
    task = book.begin("a", then=refuse)
    assert book.wait(task)
    with pytest.raises(Refused):
        task.result()
    assert book.words() == []
    assert book.write_soon("b") == "B"


def test_a_begun_unit_whose_commit_fails_says_so(book):
    book.failing = {1}
    task = book.begin("a")
    assert book.wait(task)
    with pytest.raises(apsw.ConstraintError):
        task.result()
    assert book.write_soon("b") == "B"
    assert book.words() == ["b"]


def test_an_interrupt_while_a_begun_unit_is_written_is_raised_by_its_result(book):
    def interrupt():
        raise KeyboardInterrupt

    task = book.begin("a", then=interrupt)
    assert book.wait(task)
    with pytest.raises(KeyboardInterrupt):
        task.result()
    assert book.write_soon("b") == "B"
    assert book.words() == ["b"]


# --- beside others of this process


def test_a_begun_unit_is_written_by_whoever_comes(book):
    task = book.begin("a")
    assert book.write("b") == "B"
    assert book.commits == 1
    assert len(book.calls[task]) == 1
    assert book.wait(task, 0)
    assert task.result() == "A"
    assert book.words() == ["a", "b"]


def test_a_begun_unit_that_nobody_looks_for_hinders_nobody(book):
    book.begin("a")
    book.begin("b", then=refuse)
    assert [book.write_soon(word) for word in "cd"] == ["C", "D"]
    assert book.words() == ["a", "c", "d"]


def test_units_that_were_begun_share_a_commit(book):
    first, second, third = (book.begin(word) for word in "abc")
    assert book.wait(second)
    assert book.commits == 1
    assert [len(book.calls[task]) for task in (first, second, third)] == [1, 0, 1]
    assert [task.result() for task in (first, second, third)] == ["A", "B", "C"]


def test_who_looks_while_another_leads_waits_no_longer_than_said(book, held):
    task = book.begin("a")
    wait_in_vain(book, task)
    wait_in_vain(book, task, 0)
    held.results()
    assert book.words() == ["leader"]
    assert len(book.calls[task]) == 1, "nobody leads: it is worth asking again"
    assert book.wait(task)
    assert task.result() == "A"


def test_who_waits_for_a_leader_leads_next(book, held):
    task = book.begin("a")
    held.queued.append(wait_soon(book, task))
    assert held.results() == [True]
    assert task.result() == "A"
    assert book.calls[task] == []


def test_of_those_who_wait_one_with_a_long_patience_leads_for_all(book, held):
    threads = []

    def note():
        threads.append(threading.current_thread().name)

    def patient():
        return book.write("b", then=note)

    task, away = book.begin("a", then=note), book.begin("c", then=note)
    held.queued.append(wait_soon(book, task))
    held.queue(patient)
    assert held.results() == [True, "B"]
    assert threads == ["patient"] * 3
    assert book.commits == 2
    assert (book.calls[task], len(book.calls[away])) == ([], 1)


def test_who_has_begun_never_does_the_work_of_those_who_have_time(book):
    """It may be long."""
    threads = []
    with book.locked():
        task = book.begin("a")
        waiting = wait_soon(book, task)

        def patient():
            return book.write("b", then=lambda: threads.append(threading.current_thread().name))

        writing = start(patient)
        wait_until(lambda: book.waiting() == 2, "both wait")
    assert (waiting(), task.result(), writing()) == (True, "A", "B")
    assert threads == ["patient"]
    assert book.commits == 2


def test_a_unit_that_raises_spoils_no_begun_one(book):
    task = book.begin("a")
    with pytest.raises(Refused):
        book.write("b", then=refuse)
    assert task.result() == "A"
    assert book.words() == ["a"]


def test_a_begun_unit_that_raises_spoils_no_other(book):
    task = book.begin("a", then=refuse)
    assert book.write("b") == "B"
    assert isinstance(outcome(task.result), Refused)
    assert book.words() == ["b"]


def test_a_failed_commit_fails_the_begun_ones_too(book):
    task = book.begin("a")
    book.failing = {1}
    with pytest.raises(apsw.ConstraintError):
        book.write("b")
    assert isinstance(outcome(task.result), apsw.ConstraintError)
    assert len(book.calls[task]) == 1
    assert book.words() == []


def test_who_is_away_is_called_once_until_it_asks_again(book, held):
    task = book.begin("a")
    held.results()
    assert len(book.calls[task]) == 1, "nobody leads"
    assert book.write("b") == "B"
    assert task.finished
    assert len(book.calls[task]) == 1, "it has not answered the first call yet"


def test_who_asked_in_vain_is_called_again(book, held):
    task = book.begin("a")
    wait_in_vain(book, task, 0)
    held.results()
    second = Held(book, "second")
    assert len(book.calls[task]) == 1
    wait_in_vain(book, task, 0)
    second.let_go()
    wait_until(lambda: len(book.calls[task]) == 2, "it is called")
    assert task.finished
    second.leader()


def test_a_call_may_ask_for_the_result(book):
    """Nothing is locked while it is made."""
    results = []
    task = book.begin("a", wake=lambda: results.append((book.wait(task), task.result())))
    book.write("b")
    assert results == [(True, "A")]


# --- everything at once


def test_in_a_crowd_nobody_waits_in_vain_for_being_called(book):
    def write(name):
        return [book.write(f"{name}{number}") for number in range(60)]

    def begin(name):
        called = threading.Event()
        for number in range(60):
            task = book.begin(f"{name}{number}", wake=called.set)
            while not book.wait(task, random.choice([0, 0, 0.0005])):
                assert called.wait(DEADLINE)
                called.clear()
            assert task.result() == f"{name}{number}".upper()

    run_together(*(lambda name=name: write(name) for name in "ab"), *(lambda name=name: begin(name) for name in "cdef"))
    assert len(book.words()) == 360


def test_in_a_crowd_everything_is_written_once_and_nobody_waits_for_long(book):
    """Threads that wait, threads that have begun, some of which never ask again, and another process."""
    busy = threading.Event()

    def write(name):
        return [book.write(f"{name}{number}") for number in range(40)]

    def begin(name):
        results = []
        for number in range(40):
            task = book.writer.begin(unit(f"{name}{number}"), wake=lambda: None)
            while not book.wait(task, random.choice([0, 0.0005, 0.002])):
                time.sleep(0.0002)
            results.append(task.result())
        return results

    def forget(name):
        for number in range(40):
            task = book.writer.begin(unit(f"{name}{number}"), wake=lambda: None)
            book.wait(task, 0)
        return []

    def disturb():
        while not busy.is_set():
            with book.locked():
                time.sleep(0.002)
            time.sleep(0.002)

    disturbing = start(disturb)
    try:
        works = [*(lambda name=name: write(name) for name in "abc"), *(lambda name=name: begin(name) for name in "de")]
        run_together(*works, lambda: forget("f"))
    finally:
        busy.set()
        disturbing()
    book.write("last")
    assert book.words() == sorted([*(f"{name}{number}" for name in "abcdef" for number in range(40)), "last"])
    assert not book.writer._waiting
    assert not book.writer._led
