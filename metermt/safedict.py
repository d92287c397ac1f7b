"""Dictionaries that many threads may share."""

from __future__ import annotations

from collections import Counter
from collections.abc import ItemsView, Iterable, Iterator, KeysView, MutableMapping, ValuesView
from threading import RLock
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, TypeVar

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

if TYPE_CHECKING:
    from _typeshed import SupportsKeysAndGetItem

    _Pairs: TypeAlias = SupportsKeysAndGetItem[K, V] | Iterable[tuple[K, V]]

_ABSENT: Any = object()


class ThreadSafeDict(MutableMapping[K, V]):
    """A dict behind one lock: every method is one atomic step, and every view is of a private copy.

    For a plain copy take `dict(shared.items())`: `dict(shared)` asks key by key, which is many steps.
    """

    def __init__(self, pairs: _Pairs[K, V] = (), /, **kwargs: V) -> None:
        # Guards _items and what a subclass keeps beside it; no second dictionary's lock is taken under it.
        # Re-entrant, because a key's __eq__ or __hash__, or a finalizer that the collector may run at any
        # moment, can touch this dictionary in the very thread that holds the lock, and must not wait for it.
        self._lock = RLock()
        self._items: dict[K, V] = {}
        self.update(pairs, **kwargs)

    # Every change is made by these three, under the lock. A subclass extends them to keep tallies.

    def _replace(self, key: K, value: V) -> None:
        self._items[key] = value

    def _remove(self, key: K) -> V:
        return self._items.pop(key)

    def _remove_last(self) -> tuple[K, V]:
        return self._items.popitem()

    def _snapshot(self) -> dict[K, V]:
        with self._lock:
            return self._items.copy()

    def __getitem__(self, key: K) -> V:
        with self._lock:
            return self._items[key]

    def __setitem__(self, key: K, value: V) -> None:
        with self._lock:
            self._replace(key, value)

    def __delitem__(self, key: K) -> None:
        with self._lock:
            self._remove(key)

    def __len__(self) -> int:
        with self._lock:
            return len(self._items)

    def __iter__(self) -> Iterator[K]:
        return iter(self._snapshot())

    def __eq__(self, other: object) -> bool:
        # Copies are compared, so that the values' own __eq__ runs under no lock.
        if isinstance(other, ThreadSafeDict):
            other = other._snapshot()
        return self._snapshot() == other if isinstance(other, dict) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # what can change has no hash, as in dict

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._snapshot()!r})"

    def keys(self) -> KeysView[K]:
        """Return the keys as they are now."""
        return self._snapshot().keys()

    def values(self) -> ValuesView[V]:
        """Return the values as they are now."""
        return self._snapshot().values()

    def items(self) -> ItemsView[K, V]:
        """Return the pairs as they are now."""
        return self._snapshot().items()

    def copy(self) -> Self:
        """Return a dictionary of the same class with the same pairs and a lock of its own."""
        return type(self)(self._snapshot())

    __copy__ = copy  # otherwise copy.copy would make a second face of the same pairs

    def setdefault(self, key: K, default: V = None) -> V:  # type: ignore[assignment]  # None, as in dict
        """Return the key's value, after setting it to the default if it was missing."""
        with self._lock:
            if key not in self._items:
                self._replace(key, default)
            return self._items[key]

    def pop(self, key: K, default: V | T = _ABSENT) -> V | T:
        """Remove the key and return its value, or the default if it was missing.

        Raises KeyError when it was missing and no default is given.
        """
        with self._lock:
            if key in self._items or default is _ABSENT:
                return self._remove(key)
            return default

    def popitem(self) -> tuple[K, V]:
        """Remove and return the pair that came last; raises KeyError when there is none."""
        with self._lock:
            return self._remove_last()

    def clear(self) -> None:
        """Remove every pair."""
        removed = []  # outlives the lock, so that a value's finalizer finds the work done
        with self._lock:
            while self._items:
                removed.append(self._remove_last())

    def update(self, pairs: _Pairs[K, V] = (), /, **kwargs: V) -> None:
        """Set every pair that dict() makes of the arguments; when dict() raises, nothing has changed."""
        # Read before the lock is taken: the source may be slow, or have a lock of its own.
        source = pairs._snapshot() if isinstance(pairs, ThreadSafeDict) else pairs
        arrivals: dict[Any, V] = dict(source, **kwargs)
        with self._lock:
            for key, value in arrivals.items():
                self._replace(key, value)


class _Reading(Protocol):
    @property
    def username(self) -> str: ...


R = TypeVar("R", bound=_Reading)


class _MeterDict(ThreadSafeDict[str, R | None]):
    """Meter number to its reading, or None while it has none; a reading's username must not change."""

    def __init__(self, pairs: _Pairs[str, R | None] = (), /, **kwargs: R | None) -> None:
        self._read_by: Counter[str] = Counter()
        self._read_by_all = 0
        super().__init__(pairs, **kwargs)

    def _tally(self, reading: R | None, change: int) -> None:
        if reading is None:
            return
        username = reading.username
        self._read_by[username] += change
        self._read_by_all += change
        if not self._read_by[username]:
            del self._read_by[username]

    def _replace(self, key: str, value: R | None) -> None:
        replaced = self._items.get(key)
        self._tally(value, +1)  # before the change: a value without a username is refused whole
        super()._replace(key, value)
        self._tally(replaced, -1)

    def _remove(self, key: str) -> R | None:
        removed = super()._remove(key)
        self._tally(removed, -1)
        return removed

    def _remove_last(self) -> tuple[str, R | None]:
        key, removed = super()._remove_last()
        self._tally(removed, -1)
        return key, removed

    def insert_if_missing(self, key: str, value: R | None = None) -> bool:
        """Insert the meter unless it is there, in one step; return whether it was inserted."""
        with self._lock:
            if key in self._items:
                return False
            self._replace(key, value)
            return True

    def status(self, username: str) -> tuple[int, int]:
        """Return how many readings are by this user and how many by all; the cost never grows."""
        with self._lock:
            return self._read_by[username], self._read_by_all
