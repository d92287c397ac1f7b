"""Group commit: Ctrl+C while a caller waits for another.

Ctrl+C reaches a thread while it sleeps in a lock. A signal goes to the main thread only and at no sure moment; so
the sleep of one thread is made to raise KeyboardInterrupt, at the moment that the test is about.
"""

import threading

import pytest
from book_fixtures import *  # noqa: F403 - the fixtures
from conftest import DEADLINE, start, wait_until

from metermt.store.sqlite import groupwriter


@pytest.fixture
def interrupted(monkeypatch):
    """Let the sleep of the thread `name` raise: at once, or `after` it was woken."""
    plain_sleep = groupwriter._sleep

    def arm(name, *, after, here=lambda: None):
        def sleep(asleep, until):
            if threading.current_thread().name != name:
                return plain_sleep(asleep, until)
            if after:
                plain_sleep(asleep, until)
            here()
            raise KeyboardInterrupt

        monkeypatch.setattr(groupwriter, "_sleep", sleep)

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


def test_who_is_interrupted_while_looking_for_a_begun_unit_may_look_again(book, held, interrupted):
    task = book.begin("begun")
    interrupted("looking", after=False)
    held.queued.append(start(named("looking", lambda: book.wait(task))))
    wait_until(held.queued[0].is_there, "the interrupt is raised")
    assert [type(answer) for answer in held.results()] == [KeyboardInterrupt]
    assert len(book.calls[task]) == 1, "it was away when the leader was done"
    assert book.wait(task)
    assert task.result() == "BEGUN"


def test_who_is_interrupted_when_told_to_lead_for_a_begun_unit_passes_the_lead_on(book, held, interrupted):
    task, other = book.begin("begun"), book.begin("other")
    interrupted("looking", after=True)
    for work in (named("looking", lambda: book.wait(task)), lambda: book.wait(other)):
        held.queued.append(start(work))
        wait_until(lambda: [task, other][len(held.queued) - 1].asleep, "it waits")
    looking, waited = held.results()
    assert (type(looking), waited) == (KeyboardInterrupt, True)
    assert book.wait(task)
    assert (task.result(), other.result()) == ("BEGUN", "OTHER")
    assert book.commits == 2
