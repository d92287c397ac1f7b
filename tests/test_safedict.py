"""The shared dictionaries: against a plain dict one step at a time, and by many threads at once."""

import copy
import operator
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from metermt.safedict import ThreadSafeDict, _MeterDict

DEADLINE = 20  # seconds; the slowest of these takes one, so only a deadlock gets there
USERS = ("ada", "ben", "cyd")
METERS = ("G72168", "E445691", "W1", "W2", "W3")


@dataclass(frozen=True)
class Reading:
    username: str
    value: int = 0


class Yielding:
    """A key whose hash and equality are Python code, where the interpreter may change threads."""

    def __init__(self, number):
        self.number = number

    def __hash__(self):
        return hash(self.number)

    def __eq__(self, other):
        return isinstance(other, Yielding) and self.number == other.number


def run_together(*works):
    """Start every work at one barrier, wait for all, raise what any raised, return what each returned."""
    barrier = threading.Barrier(len(works))
    returned, raised = {}, []

    def run(place, work):
        try:
            barrier.wait(DEADLINE)
            returned[place] = work()
        except BaseException as error:  # noqa: BLE001 (the caller raises it)
            raised.append(error)

    threads = [
        threading.Thread(target=run, args=placed, daemon=True, name=f"work {placed[0]}") for placed in enumerate(works)
    ]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # change threads as often as can be: races are met in few rounds
    try:
        until = time.monotonic() + DEADLINE
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
    finally:
        sys.setswitchinterval(interval)
    if raised:
        raise raised[0]
    stuck = [thread.name for thread in threads if thread.is_alive()]
    assert not stuck, f"still running after {DEADLINE} s: {stuck}"
    return [returned[place] for place in range(len(works))]


def outcome(call, dictionary):
    """Return what the call gave or the class of what it raised, so that two dictionaries can be compared."""
    try:
        return "returned", call(dictionary)
    except (KeyError, TypeError, ValueError) as error:
        return "raised", type(error)


class Keyed:
    """The least that update() takes for a mapping."""

    def __init__(self, pairs):
        self.pairs = dict(pairs)

    def keys(self):
        return self.pairs.keys()

    def __getitem__(self, key):
        return self.pairs[key]


# 0, False and 0.0 are one key, of which dict keeps the first: the machine compares texts to see that too.
any_key = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from([0.0, 1.0, b"", frozenset({1})]),
    st.text("ab", max_size=2),
    st.tuples(st.integers(0, 1), st.text("a", max_size=1)),
)
any_value = st.one_of(st.none(), st.integers(), st.lists(st.integers(), max_size=2))
any_pairs = st.lists(st.tuples(any_key, any_value), max_size=5)
any_names = st.dictionaries(st.sampled_from(["a", "b", "self", "pairs", "source", "key"]), any_value, max_size=3)
refused_sources = st.sampled_from([None, 1, "abc", [1], [(1, 2, 3)], [("a", 1), ([], 2)], [("b", 1), ("c",)]])


class DictMachine(RuleBasedStateMachine):
    """Does everything to a ThreadSafeDict and to a plain dict, and sees no difference."""

    @initialize(pairs=any_pairs, names=any_names)
    def make(self, pairs, names):
        self.shared, self.plain = ThreadSafeDict(pairs, **names), dict(pairs, **names)
        self.left = []

    def both(self, call):
        """Check that the call gives the same on either dictionary."""
        expected = outcome(call, self.plain)
        assert repr(outcome(call, self.shared)) == repr(expected)

    @rule(key=any_key, value=any_value)
    def set_item(self, key, value):
        self.both(lambda d: operator.setitem(d, key, value))

    @rule(key=any_key)
    def delete_item(self, key):
        self.both(lambda d: operator.delitem(d, key))

    @rule(key=any_key, default=any_value)
    def look_up(self, key, default):
        self.both(lambda d: d[key])
        self.both(lambda d: d.get(key))
        self.both(lambda d: d.get(key, default))
        self.both(lambda d: key in d)

    @rule(key=any_key, default=any_value)
    def set_default(self, key, default):
        self.both(lambda d: d.setdefault(key, default))

    @rule(key=any_key)
    def set_default_of_none(self, key):
        self.both(lambda d: d.setdefault(key))

    @rule(key=any_key)
    def pop(self, key):
        self.both(lambda d: d.pop(key))

    @rule(key=any_key, default=any_value)
    def pop_with_default(self, key, default):
        self.both(lambda d: d.pop(key, default))

    @rule()
    def pop_item(self):
        self.both(lambda d: d.popitem())

    @precondition(lambda self: self.plain)
    @rule()
    def clear(self):
        self.both(lambda d: d.clear())

    @rule(pairs=any_pairs, names=any_names)
    def update_from_a_mapping(self, pairs, names):
        self.both(lambda d: d.update(dict(pairs), **names))

    @rule(pairs=any_pairs)
    def update_from_what_has_keys(self, pairs):
        self.both(lambda d: d.update(Keyed(pairs)))

    @rule(pairs=any_pairs, names=any_names)
    def update_from_pairs(self, pairs, names):
        self.both(lambda d: d.update(pairs, **names))

    @rule(pairs=any_pairs)
    def update_from_an_iterator(self, pairs):
        self.both(lambda d: d.update(list(pair) for pair in pairs))

    @rule(names=any_names)
    def update_from_names(self, names):
        self.both(lambda d: d.update(**names))

    @rule(pairs=any_pairs, names=any_names)
    def update_from_another_of_its_class(self, pairs, names):
        self.both(lambda d: d.update(ThreadSafeDict(pairs), **names))

    @rule()
    def update_from_itself(self):
        self.both(lambda d: d.update(d))

    @rule(source=refused_sources)
    def be_refused_whole(self, source):
        expected = outcome(lambda d: d.update(source), dict(self.plain))
        assert outcome(lambda d: d.update(source), self.shared) == expected
        assert outcome(ThreadSafeDict, source) == outcome(dict, source) == expected

    @rule()
    def set_under_an_unhashable_key(self):
        self.both(lambda d: operator.setitem(d, [], 1))
        self.both(lambda d: d.setdefault([], 1))

    @rule(copied=st.sampled_from([ThreadSafeDict.copy, copy.copy, ThreadSafeDict]))
    def go_on_with_a_copy(self, copied):
        twin = copied(self.shared)
        assert type(twin) is ThreadSafeDict
        assert twin is not self.shared
        self.left.append((self.shared, dict(self.plain)))
        self.shared = twin

    @rule(pairs=any_pairs)
    def compare(self, pairs):
        same = self.plain == dict(pairs)
        for other in (dict(pairs), ThreadSafeDict(pairs)):
            assert (self.shared == other) is (other == self.shared) is same
            assert (self.shared != other) is (other != self.shared) is not same

    @invariant()
    def looks_the_same(self):
        for shared, plain in [(self.shared, self.plain), *self.left[-2:]]:
            assert shared == plain == shared == ThreadSafeDict(plain)
            assert len(shared) == len(plain)
            assert bool(shared) is bool(plain)
            assert repr(list(shared)) == repr(list(shared.keys())) == repr(list(plain))
            assert repr(list(shared.values())) == repr(list(plain.values()))
            assert repr(list(shared.items())) == repr(list(plain.items()))
            assert repr(shared) == f"ThreadSafeDict({plain!r})"


TestThreadSafeDictIsADict = DictMachine.TestCase
TestThreadSafeDictIsADict.settings = settings(max_examples=60, stateful_step_count=30, database=None)

any_meter = st.sampled_from(METERS)
any_reading = st.one_of(st.none(), st.builds(Reading, st.sampled_from(USERS), st.integers(0, 2)))
any_round = st.dictionaries(any_meter, any_reading, max_size=4)


class MeterMachine(RuleBasedStateMachine):
    """Does everything to a _MeterDict, and finds in its status what a walk over a plain dict finds."""

    def __init__(self):
        super().__init__()
        self.meters, self.plain = _MeterDict(), {}
        self.left = []

    def both(self, call):
        expected = outcome(call, self.plain)
        assert outcome(call, self.meters) == expected

    @initialize(walked=any_round, names=any_round)
    def make(self, walked, names):
        self.meters, self.plain = _MeterDict(walked, **names), {**walked, **names}

    @rule(meter=any_meter, reading=any_reading)
    def insert_if_missing(self, meter, reading):
        assert self.meters.insert_if_missing(meter, reading) is (meter not in self.plain)
        self.plain.setdefault(meter, reading)

    @rule(meter=any_meter)
    def insert_unread_if_missing(self, meter):
        assert self.meters.insert_if_missing(meter) is (meter not in self.plain)
        self.plain.setdefault(meter)

    @rule(meter=any_meter, reading=any_reading)
    def set_reading(self, meter, reading):
        self.both(lambda d: operator.setitem(d, meter, reading))

    @rule(meter=any_meter)
    def delete(self, meter):
        self.both(lambda d: operator.delitem(d, meter))

    @rule(meter=any_meter, reading=any_reading)
    def set_default(self, meter, reading):
        self.both(lambda d: d.setdefault(meter, reading))

    @rule(meter=any_meter)
    def pop(self, meter):
        self.both(lambda d: d.pop(meter))

    @rule(meter=any_meter, reading=any_reading)
    def pop_with_default(self, meter, reading):
        self.both(lambda d: d.pop(meter, reading))

    @rule()
    def pop_item(self):
        self.both(lambda d: d.popitem())

    @precondition(lambda self: self.plain)
    @rule()
    def clear(self):
        self.both(lambda d: d.clear())

    @rule(walked=any_round, names=any_round, kind=st.sampled_from([dict, list, _MeterDict, ThreadSafeDict]))
    def update(self, walked, names, kind):
        source = list(walked.items()) if kind is list else kind(walked)
        self.both(lambda d: d.update(source, **names))

    @rule(meter=any_meter)
    def refuse_what_has_no_username(self, meter):
        for refused in (
            lambda: operator.setitem(self.meters, meter, "12345"),
            lambda: operator.setitem(self.meters, meter, Reading(username=[])),
            lambda: operator.setitem(self.meters, [], Reading("ada")),
        ):
            with pytest.raises((AttributeError, TypeError)):
                refused()

    @rule(copied=st.sampled_from([_MeterDict.copy, copy.copy, _MeterDict]))
    def go_on_with_a_copy(self, copied):
        twin = copied(self.meters)
        assert type(twin) is _MeterDict
        self.left.append((self.meters, dict(self.plain)))
        self.meters = twin

    @invariant()
    def status_is_what_a_walk_finds(self):
        for meters, plain in [(self.meters, self.plain), *self.left[-2:]]:
            assert meters == plain
            assert list(meters) == list(plain)
            walked = Counter(reading.username for reading in plain.values() if reading is not None)
            for user in (*USERS, "nobody"):
                assert meters.status(user) == (walked[user], walked.total())
            assert dict(meters._read_by) == dict(walked), "a tally of zero was kept"


TestMeterDictKeepsItsTallies = MeterMachine.TestCase
TestMeterDictKeepsItsTallies.settings = settings(max_examples=60, stateful_step_count=30, database=None)


def test_no_number_is_won_twice_by_sixteen_threads():
    numbers = [f"E{number:06}" for number in range(400)]
    meters = _MeterDict()

    def insert_all(user):
        return [number for number in numbers if meters.insert_if_missing(number, Reading(user))]

    users = [f"reader{place}" for place in range(16)]
    won = run_together(*(lambda user=user: insert_all(user) for user in users))

    assert sorted(number for wins in won for number in wins) == numbers
    assert sorted(meters) == numbers
    for user, wins in zip(users, won, strict=True):
        assert meters.status(user) == (len(wins), len(numbers))
        assert all(meters[number].username == user for number in wins)


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


def test_two_meter_dictionaries_that_update_and_compare_each_other_keep_their_tallies():
    first, second = _MeterDict(W1=Reading("ada")), _MeterDict(W2=Reading("ben"))

    def mingle(mine, yours, user):
        for turn in range(150):
            mine["W3"] = Reading(user, turn)
            mine.update(yours)
            assert (mine == yours) in (True, False)
            assert mine.copy() != {}

    run_together(*[lambda: mingle(first, second, "ada"), lambda: mingle(second, first, "ben")] * 3)
    for meters in (first, second):
        for user in USERS:
            by_user = sum(reading.username == user for reading in meters.values())
            assert meters.status(user) == (by_user, 3)


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


def test_views_and_iterators_do_not_change_with_the_dictionary():
    shared = ThreadSafeDict(a=1, b=2)
    iterator, keys, values, items = iter(shared), shared.keys(), shared.values(), shared.items()
    shared.clear()
    assert list(iterator) == list(keys) == ["a", "b"]
    assert list(values) == [1, 2]
    assert list(items) == [("a", 1), ("b", 2)]


def test_tallies_are_right_after_many_threads_changed_the_same_meters():
    meters = _MeterDict()

    def change(user):
        for turn in range(300):
            meter = f"W{turn % 7}"
            meters[meter] = Reading(user, turn)
            meters.insert_if_missing(f"G{turn % 5}", Reading(user))
            by_user, by_all = meters.status(user)
            assert 0 <= by_user <= by_all <= 12
            meters.pop(f"G{turn % 3}", None)
            meters.setdefault(meter, Reading(user))
            meters.update({meter: None, "G4": Reading(user)}, W6=Reading(user))
            if turn % 10 == 4:
                meters.clear()
            if turn % 10 == 9:
                with suppress(KeyError):  # another thread may have cleared it
                    meters.popitem()

    run_together(*(lambda user=user: change(user) for user in USERS * 3))
    walked = Counter(reading.username for reading in meters.values() if reading is not None)
    for user in USERS:
        assert meters.status(user) == (walked[user], walked.total())
    assert set(meters._read_by) == set(walked)


@pytest.mark.parametrize("copied", [ThreadSafeDict.copy, copy.copy, ThreadSafeDict])
def test_a_copy_takes_keys_of_any_type_and_leads_its_own_life(copied):
    pairs = {(1, "a"): "tuple", 7: "int", None: "none", "b": "text", 2.5: "float", frozenset(): "set"}
    shared = ThreadSafeDict(pairs)
    twin = copied(shared)
    assert twin == shared == pairs
    twin[None] = "changed"
    del shared[7]
    assert (shared[None], twin[7]) == ("none", "int")
    run_together(twin.clear, lambda: shared.update(x=1))
    assert "x" in shared
    assert not twin


def test_a_copy_of_a_subclass_is_of_that_subclass_with_tallies_of_its_own():
    class Walk(_MeterDict):
        pass

    meters = Walk(W1=Reading("ada"), W2=Reading("ben"), W3=None)
    twin = meters.copy()
    assert type(twin) is Walk
    twin["W3"] = Reading("ada")
    del meters["W1"]
    assert (meters.status("ada"), twin.status("ada")) == ((0, 1), (2, 3))


def test_status_looks_at_no_reading():
    looks = Counter()

    class Watched:
        def __init__(self, user):
            self.user = user

        @property
        def username(self):
            looks[self.user] += 1
            return self.user

    meters = _MeterDict((f"W{number}", Watched(USERS[number % 3])) for number in range(900))
    looks.clear()
    assert [meters.status(user) for user in USERS] == [(300, 900)] * 3
    assert not looks
    meters["W0"] = Watched("ben")
    assert looks.total() <= 2, "a change looked at more than the old reading and the new"


def test_status_takes_as_many_steps_for_ten_thousand_meters_as_for_ten():
    def steps_of_status(meters):
        steps = 0

        def count(frame, event, argument):
            nonlocal steps
            frame.f_trace_opcodes = True
            steps += event == "opcode"
            return count

        before = sys.gettrace()
        sys.settrace(count)
        try:
            meters.status("ada")
        finally:
            sys.settrace(before)
        return steps

    few, many = (_MeterDict((str(n), Reading("ada", n)) for n in range(size)) for size in (10, 10_000))
    assert 0 < steps_of_status(few) == steps_of_status(many)


def test_it_equals_nothing_but_dictionaries_with_the_same_pairs():
    shared = ThreadSafeDict(a=1)
    assert shared == {"a": 1} == shared
    assert shared != {"a": 2}
    assert shared != [("a", 1)]
    assert shared.__eq__([("a", 1)]) is NotImplemented
    assert shared != None  # noqa: E711 (the comparison is what is tested)


def test_it_has_no_hash():
    with pytest.raises(TypeError, match="unhashable"):
        hash(ThreadSafeDict())
    with pytest.raises(TypeError, match="unhashable"):
        hash(_MeterDict())


def test_it_refuses_more_than_one_source_as_dict_does():
    for method in (ThreadSafeDict, ThreadSafeDict().update, _MeterDict):
        with pytest.raises(TypeError):
            method({}, {})


def test_its_text_names_the_class_and_shows_the_pairs():
    assert repr(ThreadSafeDict({(1, 2): None})) == "ThreadSafeDict({(1, 2): None})"
    assert repr(_MeterDict(W1=None)) == "_MeterDict({'W1': None})"
