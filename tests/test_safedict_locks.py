"""The lock of a shared dictionary: what is done while it is held, and what never is."""

import operator
import threading

import pytest
from conftest import DEADLINE, run_together
from dictionaries import Keyed, Yielding, outcome

from metermt.safedict import ThreadSafeDict, _MeterDict


def test_no_lock_is_held_while_values_are_compared():
    shared = ThreadSafeDict()

    class LetsAnotherIn:
        def __eq__(self, other):
            run_together(lambda: shared.update(seen=True))
            return True

        __hash__ = None

    shared["key"] = LetsAnotherIn()
    run_together(lambda: shared == {"key": 1}, lambda: shared == ThreadSafeDict(key=1))
    assert shared["seen"]


def test_a_text_shows_the_pairs_of_one_moment_and_is_made_under_no_lock():
    shared = ThreadSafeDict()

    class LetsAnotherIn:
        def __repr__(self):
            run_together(lambda: shared.pop("b", None))
            return "value"

    shared.update(a=LetsAnotherIn(), b=2)
    assert repr(shared) == "ThreadSafeDict({'a': value, 'b': 2})"
    assert "b" not in shared


def test_update_reads_its_source_before_it_takes_the_lock():
    shared = ThreadSafeDict()

    def pairs():
        run_together(lambda: shared.update({"other thread": 1}))
        yield "from pairs", 2

    class Slow(Keyed):
        def keys(self):
            run_together(lambda: shared.update({"yet another": 3}))
            return super().keys()

    shared.update(pairs())
    shared.update(Slow({"from a mapping": 4}))
    assert list(shared) == ["other thread", "from pairs", "yet another", "from a mapping"]


def updated_from(source):
    shared = ThreadSafeDict()
    shared.update(source)
    return shared


@pytest.mark.parametrize("take", [ThreadSafeDict, updated_from, ThreadSafeDict.copy])
def test_another_dictionary_is_taken_whole_though_it_is_emptied_meanwhile(take):
    losing = ThreadSafeDict()
    armed = False

    class Emptying(Yielding):
        def __hash__(self):
            if armed:
                losing.clear()
            return super().__hash__()

    losing.update((Emptying(number), number) for number in range(3))
    armed = True
    taken = take(losing)
    armed = False
    assert list(taken.values()) == [0, 1, 2]
    assert not losing


def test_a_key_whose_hash_and_equality_touch_the_dictionary_does_not_deadlock_itself():
    shared = ThreadSafeDict()
    touched = []

    class Touching(Yielding):
        def __hash__(self):
            touched.append(len(shared))
            return 1

        def __eq__(self, other):
            touched.append(shared.get("other"))
            return super().__eq__(other)

    def work():
        shared["other"] = 1
        shared[Touching(1)] = "one"
        shared[Touching(2)] = "two"
        assert shared.setdefault(Touching(1), "none") == "one"
        assert shared.pop(Touching(2)) == "two"
        assert Touching(2) not in shared

    run_together(work)
    assert touched


def test_a_finalizer_that_touches_the_dictionary_does_not_deadlock_itself():
    shared = ThreadSafeDict()
    gone = []

    class Leaving:
        def __init__(self, name):
            self.name = name

        def __del__(self):
            shared[self.name] = "gone"
            gone.append(self.name)

    def work():
        for name in ("replaced", "deleted", "updated", "popped", "cleared"):
            shared[name] = Leaving(name)
        shared["replaced"] = 1
        del shared["deleted"]
        shared.update(updated=1)
        shared.pop("popped")
        shared.clear()

    run_together(work)
    assert sorted(gone) == ["cleared", "deleted", "popped", "replaced", "updated"]
    assert shared == {"cleared": "gone"}, "clear() removed what a finalizer set after it"


class Visited:
    """Sends another thread into a dictionary, and notes whether it had to wait for this one to leave."""

    def __init__(self, dictionary):
        self.dictionary = dictionary
        self.visitors, self.waited = [], []

    def visit(self):
        visitor = threading.Thread(target=len, args=(self.dictionary,), daemon=True)
        visitor.start()
        visitor.join(0.02)  # it needs microseconds when nothing holds it; a slow machine can only pass wrongly
        self.visitors.append(visitor)
        self.waited.append(visitor.is_alive())

    def each_one_waited(self):
        for visitor in self.visitors:
            visitor.join(DEADLINE)
            assert not visitor.is_alive()
        return bool(self.waited) and all(self.waited)


LOOKS_FOR_A_KEY = {
    "get item": operator.getitem,
    "set item": lambda d, key: operator.setitem(d, key, None),
    "delete item": operator.delitem,
    "contains": operator.contains,
    "get": _MeterDict.get,
    "setdefault": _MeterDict.setdefault,
    "pop": _MeterDict.pop,
    "pop with default": lambda d, key: d.pop(key, None),
    "insert_if_missing": _MeterDict.insert_if_missing,
    "status": _MeterDict.status,
}


@pytest.mark.parametrize("present", [True, False])
@pytest.mark.parametrize("call", LOOKS_FOR_A_KEY.values(), ids=LOOKS_FOR_A_KEY)
def test_no_other_thread_gets_in_while_one_looks_for_a_key(call, present):
    meters = _MeterDict({"W1" if present else "W2": None})  # an empty dict may not even hash
    visited = Visited(meters)

    class Key(str):
        __slots__ = ()

        def __hash__(self):
            visited.visit()
            return super().__hash__()

    outcome(lambda d: call(d, Key("W1")), meters)
    assert visited.each_one_waited()


TALLIES = {
    "set item": lambda d, reading: operator.setitem(d, "W1", reading),
    "delete item": lambda d, reading: operator.delitem(d, "W2"),
    "setdefault": lambda d, reading: d.setdefault("W1", reading),
    "insert_if_missing": lambda d, reading: d.insert_if_missing("W1", reading),
    "pop": lambda d, reading: d.pop("W2"),
    "popitem": lambda d, reading: d.popitem(),
    "clear": lambda d, reading: d.clear(),
    "update": lambda d, reading: d.update(W1=reading, W2=reading),
}


@pytest.mark.parametrize("call", TALLIES.values(), ids=TALLIES)
def test_no_other_thread_gets_in_between_a_change_and_its_tally(call):
    meters = _MeterDict()
    visited = Visited(meters)

    class VisitedReading:
        @property
        def username(self):
            visited.visit()
            return "ada"

    meters["W2"] = VisitedReading()
    visited.waited.clear()
    call(meters, VisitedReading())
    assert visited.each_one_waited()
