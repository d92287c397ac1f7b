"""The calls of the office, on a database of this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from metermt.calls.desk import Desk
from metermt.calls.table import Call, Caller
from metermt.config import DatabasePlace
from metermt.model import Role
from metermt.store.base import Store
from metermt.store.opening import open_store

Q = TypeVar("Q")
R = TypeVar("R")


class Office:
    """Asks for calls as an admin: whoever may open the database file is one."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._desk = Desk(store)

    def ask(self, call: Call[Q, R], request: Q) -> R:
        """Return the result of a call, or raise what it raises."""
        return self._desk.ask(call, request, caller=Caller(role=Role.ADMIN))


@contextmanager
def office(database: DatabasePlace, *, create: bool = True) -> Iterator[Office]:
    """Open a database until the block ends; one that is not there is made, unless told not to. Raises `StoreError`."""
    with open_store(database, create=create) as store:
        yield Office(store)
