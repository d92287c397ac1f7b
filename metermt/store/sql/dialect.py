"""The seam between the steps in SQL and the databases that they run on."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

Row = tuple[Any, ...]


class Sql(ABC):
    """A connection that is inside a transaction, in the few verbs that the steps are written in.

    In a statement `?` stands for a value. Each statement is one constant text, so that a database can keep its plan.
    """

    @abstractmethod
    def rows(self, sql: str, *values: object) -> list[Row]:
        """Run a statement and return its rows."""

    @abstractmethod
    def let_go(self) -> None:
        """End the snapshot of a transaction that has kept nothing: what is asked for next sees what is there by then.

        It does nothing in a transaction that may keep something.
        """

    @abstractmethod
    def changes(self) -> int:
        """Return a number that has grown if something may have been changed since it was asked for last."""

    @abstractmethod
    def rows_among(self, sql: str, among: Iterable[object], *values: object) -> list[Row]:
        """Run a statement for a set of values: in it, `{among}` after a column says that it is one of them.

        The other values come after it in the text.
        """

    @abstractmethod
    def rows_for_each(self, sql: str, each: Iterable[Row]) -> list[Row]:
        """Run a statement once for each of these rows of values, in turn; return all of their rows."""

    @abstractmethod
    def insert(self, table: str, columns: tuple[str, ...], rows: Iterable[Row], then: str = "") -> None:
        """Insert rows. `then` ends the statement: `ON CONFLICT …`."""

    @abstractmethod
    def insert_numbered(self, table: str, columns: tuple[str, ...], rows: Sequence[Row]) -> Sequence[int]:
        """Insert rows into a table whose key is `id`, a number that it gives them; return these, in order."""

    @abstractmethod
    def update(self, table: str, columns: tuple[str, ...], keys: tuple[str, ...], rows: Iterable[Row]) -> None:
        """Set columns to the first values of each row, where the key columns have the others. No key comes twice."""

    @abstractmethod
    def delete(self, table: str, column: str, values: Iterable[object]) -> None:
        """Delete the rows that have one of these values in a column."""


class Steps:
    """Steps that are taken in SQL."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
