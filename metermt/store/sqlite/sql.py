"""The verbs of `Sql` on a SQLite connection."""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import apsw
from msgspec.json import Encoder

from metermt.errors import StoreRefused
from metermt.store.sql.dialect import Row, Sql

_NO_VALUE = (OverflowError, UnicodeEncodeError)  # a number beyond 64 bits, a text with half a character in it
_encode = Encoder().encode  # in a tenth of the time that json.dumps takes


class SqliteSql(Sql):
    """One connection to a SQLite file.

    A set of rows is written with a statement for each of them, which SQLite runs in a microsecond.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        # Cursors of all statements that are over when they return, as making one costs time. There are two, so that the
        # rows that are written may be made of rows that are read meanwhile.
        self._execute, self._executemany = connection.cursor().execute, connection.cursor().executemany

    def rows(self, sql: str, *values: Any) -> list[Row]:
        try:
            return self._execute(sql, values).fetchall()
        except _NO_VALUE as error:
            raise _refused(error) from error

    def let_go(self) -> None:
        if self._connection.txn_state() == apsw.SQLITE_TXN_READ:
            self._execute("COMMIT")
            self._execute("BEGIN")  # which takes no snapshot before something is read

    def changes(self) -> int:
        return self._connection.total_changes()

    def rows_among(self, sql: str, among: Iterable[object], *values: Any) -> list[Row]:
        asked = list(among)
        if not asked:
            return []
        one = len(asked) == 1
        return self.rows(_among(sql, one), asked[0] if one else _as_json(asked), *values)

    def rows_for_each(self, sql: str, each: Iterable[Row]) -> list[Row]:
        return self._executemany(sql, each).fetchall()

    def insert(self, table: str, columns: tuple[str, ...], rows: Iterable[Row], then: str = "") -> None:
        self._executemany(_insert(table, columns, then), rows)

    def insert_numbered(self, table: str, columns: tuple[str, ...], rows: Sequence[Row]) -> Sequence[int]:
        # Nobody else writes meanwhile, so the numbers are consecutive. RETURNING would take as long as the insert.
        self.insert(table, columns, rows)
        last = self._connection.last_insert_rowid()
        return range(last - len(rows) + 1, last + 1)

    def update(self, table: str, columns: tuple[str, ...], keys: tuple[str, ...], rows: Iterable[Row]) -> None:
        self._executemany(_update(table, columns, keys), rows)

    def delete(self, table: str, column: str, values: Iterable[Any]) -> None:
        self.rows_among(_delete(table, column), values)


def _refused(error: Exception) -> StoreRefused:
    return StoreRefused(f"No database has such a number or text in it: {error}")


def _as_json(values: list[object]) -> str:
    try:
        return _encode(values).decode()
    except UnicodeEncodeError:  # a text with half a character in it, which is nowhere in a database
        return json.dumps(values)


# --- texts, each made once: SQLite finds the plan of a statement by its text


@cache
def _among(sql: str, one: bool) -> str:
    return sql.replace("{among}", "= ?" if one else "IN (SELECT value FROM json_each(?))")


@cache
def _insert(table: str, columns: tuple[str, ...], then: str) -> str:
    places = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places}) {then}"


@cache
def _update(table: str, columns: tuple[str, ...], keys: tuple[str, ...]) -> str:
    values = ", ".join(f"{column} = ?" for column in columns)
    return f"UPDATE {table} SET {values} WHERE {' AND '.join(f'{key} = ?' for key in keys)}"


@cache
def _delete(table: str, column: str) -> str:
    return f"DELETE FROM {table} WHERE {column} {{among}}"
