"""The shared dictionary does what a plain dict does, one step at a time."""

import copy
import operator

import pytest
from conftest import run_together
from dictionaries import BothMachine, Keyed, outcome
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from metermt.safedict import ThreadSafeDict, _MeterDict

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


class DictMachine(BothMachine):
    """Does everything to a ThreadSafeDict and to a plain dict, and sees no difference."""

    keys, values = any_key, any_value

    @initialize(pairs=any_pairs, names=any_names)
    def make(self, pairs, names):
        self.shared, self.plain = ThreadSafeDict(pairs, **names), dict(pairs, **names)
        self.left = []

    @rule(key=any_key, default=any_value)
    def look_up(self, key, default):
        self.both(lambda d: d[key])
        self.both(lambda d: d.get(key))
        self.both(lambda d: d.get(key, default))
        self.both(lambda d: key in d)

    @rule(key=any_key)
    def set_default_of_none(self, key):
        self.both(lambda d: d.setdefault(key))

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
TestThreadSafeDictIsADict.settings = settings(max_examples=20, stateful_step_count=30, database=None)


def test_views_and_iterators_do_not_change_with_the_dictionary():
    shared = ThreadSafeDict(a=1, b=2)
    iterator, keys, values, items = iter(shared), shared.keys(), shared.values(), shared.items()
    shared.clear()
    assert list(iterator) == list(keys) == ["a", "b"]
    assert list(values) == [1, 2]
    assert list(items) == [("a", 1), ("b", 2)]


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
