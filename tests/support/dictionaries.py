"""What the tests of the shared dictionaries have in common: keys and values, and what is done to every dictionary."""

import operator
from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

USERS = ("ada", "ben", "cyd")


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


class Keyed:
    """The least that update() takes for a mapping."""

    def __init__(self, pairs):
        self.pairs = dict(pairs)

    def keys(self):
        return self.pairs.keys()

    def __getitem__(self, key):
        return self.pairs[key]


def outcome(call, dictionary):
    """Return what the call gave or the class of what it raised, so that two dictionaries can be compared."""
    try:
        return "returned", call(dictionary)
    except (KeyError, TypeError, ValueError) as error:
        return "raised", type(error)


A_KEY = st.runner().flatmap(lambda machine: machine.keys)
A_VALUE = st.runner().flatmap(lambda machine: machine.values)


class BothMachine(RuleBasedStateMachine):
    """Does the same to a shared dictionary and to a plain dict, and sees no difference.

    This is what needs only a key and a value; whoever inherits it says which `keys` and `values` there are, and makes
    the two dictionaries.
    """

    keys = values = shared = plain = None

    def both(self, call):
        """Check that the call gives the same on either dictionary."""
        expected = outcome(call, self.plain)
        assert repr(outcome(call, self.shared)) == repr(expected)

    @rule(key=A_KEY, value=A_VALUE)
    def set_item(self, key, value):
        self.both(lambda d: operator.setitem(d, key, value))

    @rule(key=A_KEY)
    def delete_item(self, key):
        self.both(lambda d: operator.delitem(d, key))

    @rule(key=A_KEY, default=A_VALUE)
    def set_default(self, key, default):
        self.both(lambda d: d.setdefault(key, default))

    @rule(key=A_KEY)
    def pop(self, key):
        self.both(lambda d: d.pop(key))

    @rule(key=A_KEY, default=A_VALUE)
    def pop_with_default(self, key, default):
        self.both(lambda d: d.pop(key, default))

    @rule()
    def pop_item(self):
        self.both(lambda d: d.popitem())

    @precondition(lambda self: self.plain)
    @rule()
    def clear(self):
        self.both(lambda d: d.clear())
