"""A few threads for calls that take long."""

import threading

import pytest
from conftest import wait_until

from metermt.transport.deadline import Deadline
from metermt.transport.pool import Pool


@pytest.fixture
def pool():
    pool = Pool(2)
    yield pool
    assert pool.stop(Deadline(20))


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "long calls"]


def test_threads_are_started_when_there_is_something_to_do_and_no_more_than_allowed(pool):
    goes_on, running, done = threading.Event(), [], []

    def work(number):
        running.append(number)
        assert goes_on.wait(20)
        done.append(number)

    assert threads() == []
    for number in range(5):
        pool.run(lambda number=number: work(number))
    wait_until(lambda: len(running) == 2, "two are running")
    assert len(threads()) == 2
    goes_on.set()
    wait_until(lambda: sorted(done) == [0, 1, 2, 3, 4], "all are done")
    assert len(threads()) == 2


def test_one_after_the_other_needs_one_thread(pool):
    for _ in range(5):
        done = threading.Event()
        pool.run(done.set)
        assert done.wait(20)
        wait_until(lambda: pool._idle == 1, "the thread is free again")

    assert len(threads()) == 1


def test_work_that_fails_ends_nothing_else(pool, expected_errors):
    done = threading.Event()
    for _ in range(3):
        pool.run(lambda: 1 / 0)
    pool.run(done.set)

    assert done.wait(20)
    wait_until(lambda: len(expected_errors) == 3, "each is logged")


def test_what_waits_is_done_before_it_stops():
    pool, done = Pool(1), []
    for number in range(20):
        pool.run(lambda number=number: done.append(number))

    assert pool.stop(Deadline(20))
    assert done == list(range(20))
    assert threads() == []
    with pytest.raises(RuntimeError, match="closed"):
        pool.run(done.clear)
    assert pool.stop(Deadline(0))


def test_work_that_does_not_end_is_waited_for_until_the_deadline():
    pool, goes_on = Pool(1), threading.Event()
    pool.run(goes_on.wait)

    assert not pool.stop(Deadline(0.05))
    goes_on.set()
    assert pool.stop(Deadline(20))


def test_without_a_thread_to_be_had_it_says_so_or_makes_do_with_those_it_has(pool, monkeypatch):
    def start(_thread):
        raise RuntimeError("can't start new thread")

    done = threading.Event()
    with monkeypatch.context() as patches:
        patches.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="can't start"):
            pool.run(done.set)
    goes_on = threading.Event()
    pool.run(goes_on.wait)
    with monkeypatch.context() as patches:
        patches.setattr(threading.Thread, "start", start)
        pool.run(done.set)
    assert not done.wait(0.01)
    goes_on.set()

    assert done.wait(20)
    assert len(threads()) == 1
