"""A database as its tables: what a copy of it is made of, whatever is in them."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable
from typing import NamedTuple

from metermt.store.sql.dialect import Row


class Table(NamedTuple):
    """A table, and those of its columns that are meant."""

    name: str
    columns: tuple[str, ...]


class Tables(ABC):
    """The tables of a database, seen in one transaction. Each call may raise `StoreError`."""

    @abstractmethod
    def all(self) -> list[Table]:
        """Return the tables with all of their columns, by name."""

    @abstractmethod
    def count(self, table: Table) -> int:
        """Return how many rows a table has."""

    @abstractmethod
    def rows(self, table: Table) -> Generator[Row]:
        """Yield these columns of all rows, in any order. To be closed before the transaction ends."""

    @abstractmethod
    def put(self, table: Table, rows: Iterable[Row]) -> None:
        """Add rows of these columns; what they refer to may come later."""

    @abstractmethod
    def complete(self) -> None:
        """See that what rows refer to is there, and that new rows get numbers behind the highest."""
