"""Changes in memory are taken back, all of them, when their transaction fails."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steps import Failure

from metermt.errors import StoreError
from metermt.safedict import ThreadSafeDict
from metermt.store.memory.undo import Groups, Ordered, Undo

NUMBERS = st.integers(0, 5)
KINDS = st.sampled_from(["put", "drop", "append", "add", "discard", "join", "leave"])
CHANGES = st.lists(st.tuples(KINDS, NUMBERS, NUMBERS), max_size=12)


class Memory:
    """One of each that can be changed, with a plain one beside it that nobody takes back."""

    def __init__(self):
        self.undo = Undo()
        self.table, self.items = ThreadSafeDict(), []
        self.ordered, self.groups = Ordered(self.undo), Groups(self.undo)

    def change(self, changes):
        for change, key, value in changes:
            match change:
                case "put":
                    self.undo.put(self.table, key, value)
                case "drop" if key in self.table:
                    self.undo.drop(self.table, key)
                case "append":
                    self.undo.append(self.items, value)
                case "add":
                    self.ordered.add((key, value))
                case "discard":
                    self.ordered.discard((key, value))
                case "join":
                    self.groups.add(key, value)
                case "leave":
                    self.groups.discard(key, value)

    def all(self):
        groups = {key: self.groups.of(key) for key in range(6)}
        return dict(self.table.items()), self.items[:], list(self.ordered.between((-1,), (100,))), groups


class Plain:
    """What a change comes to."""

    def __init__(self):
        self.table, self.items, self.ordered, self.groups = {}, [], set(), {key: set() for key in range(6)}

    def change(self, changes):
        for change, key, value in changes:
            match change:
                case "put":
                    self.table[key] = value
                case "drop":
                    self.table.pop(key, None)
                case "append":
                    self.items.append(value)
                case "add":
                    self.ordered.add((key, value))
                case "discard":
                    self.ordered.discard((key, value))
                case "join":
                    self.groups[key].add(value)
                case "leave":
                    self.groups[key].discard(value)

    def all(self):
        return self.table, self.items, sorted(self.ordered), self.groups


def fail_after(memory, *works):
    """Do the works in one transaction, and fail then."""
    with pytest.raises(Failure), memory.undo.whole():  # noqa: PT012 - a transaction is more than one statement
        for work in works:
            work()
        raise Failure


def change_inside(memory, changes):
    with memory.undo.whole():
        memory.change(changes)


@given(st.lists(st.tuples(CHANGES, st.booleans()), max_size=8))
def test_what_a_transaction_changes_is_there_if_it_succeeds_and_taken_back_if_not(transactions):
    memory, plain = Memory(), Plain()
    for changes, fails in transactions:
        if fails:
            fail_after(memory, lambda changes=changes: memory.change(changes))
        else:
            change_inside(memory, changes)
            plain.change(changes)
        assert memory.all() == plain.all()


@given(CHANGES, CHANGES, CHANGES)
def test_a_transaction_inside_another_is_a_part_of_it(before, inside, after):
    memory = Memory()
    fail_after(
        memory,
        lambda: memory.change(before),
        lambda: change_inside(memory, inside),
        lambda: memory.change(after),
    )
    assert memory.all() == Memory().all()


@given(CHANGES, CHANGES)
def test_a_transaction_inside_another_may_fail_alone(before, inside):
    memory, plain = Memory(), Plain()
    with memory.undo.whole():
        memory.change(before)
        fail_after(memory, lambda: memory.change(inside))
    plain.change(before)
    assert memory.all() == plain.all()


@pytest.mark.parametrize("change", ["put", "append", "add", "join"])
def test_nothing_is_changed_outside_of_a_transaction(change):
    memory = Memory()
    with pytest.raises(StoreError, match="call Store"):
        memory.change([(change, 1, 1)])
    assert memory.all() == Memory().all()


def test_rows_are_told_in_order():
    memory = Memory()
    with memory.undo.whole():
        for row in ((3, 1), (1, 2), (2, 0), (1, 2), (1, 1)):
            memory.ordered.add(row)
    assert list(memory.ordered.between((1, 2), (3, 1))) == [(1, 2), (2, 0)]
    assert list(memory.ordered.between((1,), (2,), reverse=True)) == [(1, 2), (1, 1)]
    assert memory.ordered.number_between((1, 2), (9,)) == 3
    assert (memory.ordered.first_from((1, 3)), memory.ordered.first_from((3, 2))) == ((2, 0), None)
    assert memory.ordered.before((2, 0)) == [(1, 1), (1, 2)]
    assert memory.ordered.before((2,)) == [(1, 1), (1, 2)]
    assert ((2, 0) in memory.ordered, (2, 1) in memory.ordered) == (True, False)


def test_members_that_were_asked_for_are_a_copy():
    memory = Memory()
    with memory.undo.whole():
        memory.groups.add(1, 5)
    memory.groups.of(1).clear()
    assert memory.groups.of(1) == {5}
    assert memory.groups.of(2) == set()
