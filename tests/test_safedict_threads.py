"""A shared dictionary that many threads use at once: each step is whole, and none is lost or done twice."""

import threading

import pytest
from conftest import run_together
from dictionaries import Reading, Yielding

from metermt.safedict import ThreadSafeDict, _MeterDict


def test_two_dictionaries_that_update_and_compare_each_other_never_deadlock():
    first, second = ThreadSafeDict(a=1, shared=0), ThreadSafeDict(b=2, shared=0)

    def mingle(mine, yours):
        for turn in range(300):
            mine["shared"] = turn
            mine.update(yours)
            assert (mine == yours) in (True, False)
            mine.update(yours, shared=turn)
            assert mine != {}

    run_together(*[lambda: mingle(first, second), lambda: mingle(second, first)] * 3)
    assert set(first) == set(second) == {"a", "b", "shared"}


def test_what_another_dictionary_loses_meanwhile_never_makes_an_update_raise():
    losing = ThreadSafeDict()

    def lose():
        for _ in range(150):
            losing.update((Yielding(number), number) for number in range(20))
            for number in range(20):
                del losing[Yielding(number)]

    def take():
        for _ in range(300):
            ThreadSafeDict(a=1).update(losing, b=2)
            assert len(losing.copy()) <= 20
            assert len(ThreadSafeDict(losing)) <= 20

    run_together(lose, take, take)


def test_setdefault_gives_every_thread_the_same_value():
    shared = ThreadSafeDict()

    def ask():
        return [shared.setdefault(Yielding(number), object()) for number in range(200)]

    first, *others = run_together(*[ask] * 8)
    assert len(set(first)) == 200
    assert all(other == first for other in others)


def test_every_value_is_popped_by_one_thread():
    shared = ThreadSafeDict((Yielding(number), number) for number in range(300))

    def pop_all():
        popped = [shared.pop(Yielding(number), None) for number in range(300)]
        return [number for number in popped if number is not None]

    taken = run_together(*[pop_all] * 8)
    assert sorted(number for some in taken for number in some) == list(range(300))
    assert not shared


@pytest.mark.parametrize("make", [ThreadSafeDict, _MeterDict])
def test_every_pair_is_popped_last_in_first_out_by_one_thread(make):
    pairs = [(f"W{number:04}", Reading("ada", number)) for number in range(500)]
    shared = make(pairs)

    def pop_until_empty():
        popped = []
        while True:
            try:
                popped.append(shared.popitem())
            except KeyError:
                return popped

    taken = run_together(*[pop_until_empty] * 8)
    assert sorted(pair[0] for some in taken for pair in some) == [meter for meter, _ in pairs]
    assert all(some == sorted(some, key=lambda pair: pair[0], reverse=True) for some in taken)
    assert not shared


def test_an_update_and_a_clear_are_seen_whole_or_not_at_all():
    shared = ThreadSafeDict()
    keys = [Yielding(number) for number in range(40)]
    done = threading.Event()

    def write():
        try:
            for turn in range(150):
                shared.update(dict.fromkeys(keys, turn))
                shared.update((key, -turn) for key in keys)
                shared.clear()
        finally:
            done.set()

    def look():
        while not done.is_set():
            assert len(shared) in (0, 40)
            values = list(shared.values())
            assert len(values) in (0, 40)
            assert len(set(values)) <= 1

    run_together(write, look, look)


def test_iteration_never_raises_while_other_threads_write():
    shared = ThreadSafeDict((number, number) for number in range(50))
    done = threading.Event()

    def write(start):
        try:
            for turn in range(400):
                shared[start + turn] = start + turn
                shared.pop(turn % 50, None)
                shared.setdefault(turn % 50, turn % 50)
                shared.popitem()
        finally:
            done.set()

    def read():
        while not done.is_set():
            assert all(isinstance(key, int) for key in shared)
            assert all(key == value for key, value in shared.items())
            keys, pairs = shared.keys(), shared.items()
            assert len(list(keys)) == len(keys)
            assert dict(pairs) == ThreadSafeDict(pairs)
            assert len(list(shared.values())) <= 850
            assert repr(shared).startswith("ThreadSafeDict({")
            assert len(shared.copy()) <= 850

    run_together(lambda: write(1_000), lambda: write(2_000), read, read)
