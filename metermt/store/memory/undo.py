"""Changes in memory that are taken back when the transaction that makes them fails.

Nothing is copied for that: each change notes how to take it back, so a transaction costs what it changes.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Generic, TypeVar

from metermt.errors import StoreError
from metermt.safedict import ThreadSafeDict

K = TypeVar("K")
V = TypeVar("V")
Row = TypeVar("Row", bound=tuple[Any, ...])


class Undo:
    """How to take back what the running transaction has changed. Of one thread at a time."""

    def __init__(self) -> None:
        self._notes: list[Callable[[], object]] | None = None  # None while there is no transaction

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Take back everything that is changed inside, last change first, if it raises.

        One inside another is a part of it.
        """
        outer = self._notes
        notes = self._notes = []
        try:
            yield
        except BaseException:
            while notes:
                notes.pop()()
            raise
        finally:
            self._notes = outer
            if outer is not None:
                outer += notes

    def changes(self) -> int:
        """Return how much can be taken back by now."""
        return len(self._notes or ())

    def note(self, take_back: Callable[[], object]) -> None:
        """Remember how to take back a change that is about to be made. Until it is made, that must be harmless.

        Raises `StoreError` outside of a transaction that may change something.
        """
        if self._notes is None:
            raise StoreError("Nothing can be changed while a store is read: call Store.write")
        self._notes.append(take_back)

    def put(self, table: ThreadSafeDict[K, V], key: K, value: V) -> None:
        """Set a key of a dictionary."""
        if key in table:
            self.note(partial(table.__setitem__, key, table[key]))
        else:
            self.note(partial(table.pop, key, None))
        table[key] = value

    def drop(self, table: ThreadSafeDict[K, V], key: K) -> None:
        """Remove a key that is in a dictionary."""
        self.note(partial(table.__setitem__, key, table[key]))
        del table[key]

    def append(self, items: list[V], item: V) -> None:
        """Add an item at the end of a list."""
        self.note(partial(items.__delitem__, slice(len(items), None)))
        items.append(item)


class Ordered(Generic[Row]):
    """Rows in ascending order, each there once."""

    def __init__(self, undo: Undo) -> None:
        self._undo = undo
        self._rows: list[Row] = []

    def __contains__(self, row: Row) -> bool:
        return self._find(row)[1]

    def before(self, row: Row) -> list[Row]:
        """Return the rows that are less than this one, which may be shorter than they are."""
        return self._rows[: bisect_left(self._rows, row)]

    def after(self, row: Row) -> list[Row]:
        """Return the rows that are not less than this one, which may be shorter than they are."""
        return self._rows[bisect_left(self._rows, row) :]

    def first_from(self, row: Row) -> Row | None:
        """Return the first row that is not less than this one, None if there is none."""
        place = bisect_left(self._rows, row)
        return self._rows[place] if place < len(self._rows) else None

    def between(self, first: Row, beyond: Row, *, reverse: bool = False) -> Iterator[Row]:
        """Yield the rows that are not less than the first one, and less than the other, or the last of them first."""
        places = self._places(first, beyond)
        for place in reversed(places) if reverse else places:
            yield self._rows[place]

    def number_between(self, first: Row, beyond: Row) -> int:
        """Return how many rows these are."""
        return len(self._places(first, beyond))

    def add(self, row: Row) -> None:
        """Add a row, unless it is there."""
        if row not in self:
            self._undo.note(partial(self._discard, row))
            self._insert(row)

    def discard(self, row: Row) -> None:
        """Remove a row, if it is there."""
        if row in self:
            self._undo.note(partial(self._insert, row))
            self._discard(row)

    def _places(self, first: Row, beyond: Row) -> range:
        return range(bisect_left(self._rows, first), bisect_left(self._rows, beyond))

    def _find(self, row: Row) -> tuple[int, bool]:
        place = bisect_left(self._rows, row)
        return place, place < len(self._rows) and self._rows[place] == row

    def _insert(self, row: Row) -> None:
        place, there = self._find(row)
        if not there:
            self._rows.insert(place, row)

    def _discard(self, row: Row) -> None:
        place, there = self._find(row)
        if there:
            del self._rows[place]


class Groups(Generic[K, V]):
    """Members of groups, each in a group once."""

    def __init__(self, undo: Undo) -> None:
        self._undo = undo
        self._groups: dict[K, set[V]] = {}

    def of(self, group: K) -> set[V]:
        """Return the members of a group, a copy of them."""
        return set(self._groups.get(group, ()))

    def add(self, group: K, member: V) -> None:
        """Add a member, unless it is there."""
        if member not in self._groups.get(group, ()):
            self._undo.note(partial(self._discard, group, member))
            self._add(group, member)

    def discard(self, group: K, member: V) -> None:
        """Remove a member, if it is there."""
        if member in self._groups.get(group, ()):
            self._undo.note(partial(self._add, group, member))
            self._discard(group, member)

    def _add(self, group: K, member: V) -> None:
        self._groups.setdefault(group, set()).add(member)

    def _discard(self, group: K, member: V) -> None:
        members = self._groups.get(group, set())
        members.discard(member)
        if not members:
            self._groups.pop(group, None)
