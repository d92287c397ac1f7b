"""The verbs of `Sql` on a PostgreSQL connection."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import psycopg

from metermt.store.postgres.connection import Connection, Statement
from metermt.store.sql.dialect import Row, Sql

CLOSING: Final = 0x4D544331
"""The advisory lock that all who write share, and that `Tx.alone` waits to have alone."""
SEALING: Final = 0x4D545345
"""The advisory lock of whoever gives entries of the record their places."""


class PostgresSql(Sql):
    """One transaction on a PostgreSQL connection.

    What it costs is going there and back: so a statement whose rows nobody needs at once goes with the next one that
    somebody waits for. A set of rows crosses as one JSON text, which PostgreSQL reads by the types of its table: one
    statement, however many rows there are.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        writes: bool,
        is_patient: bool = False,
        began: Callable[[], None] = lambda: None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        """`writes` tells whether the transaction may keep something, `is_patient` whether it may still be run again.

        `began` and `ended` are told when something is asked for after `end`, and of that: the work goes on.
        """
        self.writes = writes
        self._is_patient = is_patient
        self.has_ended = False
        """Whether it has ended once: what was found may have been passed on."""
        self._began, self._ended = began, ended
        self._connection = connection
        self._waiting: list[Statement] = []  # to be sent
        self._asked: list[Statement] = []  # that somebody wants the rows of
        self._has_begun = False
        self._is_ahead = False
        self._changes = 0  # statements that change something, whether they were sent or not

    def rows(self, sql: str, *values: Any) -> list[Row]:
        asked = next((one for one in self._asked if one.sql == sql and one.values == values), None)
        if asked is None:
            asked = Statement(sql, values)
            self._asked.append(asked)
            self._waiting.append(asked)
            self._changes += _is_change(sql)
        if self._is_ahead:
            return []
        if not asked.ended:
            self._send()
        self._asked.remove(asked)
        return asked.rows

    @property
    def may_want_more(self) -> bool:
        """Whether who has found too little may look again, or raise what has the work run again."""
        return self._is_patient and not self._is_ahead

    @contextmanager
    def ahead(self) -> Iterator[list[Statement]]:
        """Take what is asked for in this block, where nothing is found, along with the next statement.

        It is found when it is asked for again after the block. Returns what was asked for, once the block has ended.
        """
        asked: list[Statement] = []
        before = len(self._asked)
        self._is_ahead = True
        try:
            yield asked
        finally:
            self._is_ahead = False
            asked += self._asked[before:]

    def forget(self, asked: Sequence[Statement]) -> None:
        """Look again at what these would find, those of them that nobody has asked for again."""
        self._asked = [one for one in self._asked if one not in asked]

    def keep(self, sql: str, *values: Any) -> None:
        """Run a statement that returns nothing, at the latest before the transaction ends."""
        self._waiting.append(Statement(sql, values))
        self._changes += 1

    def take(self, lock: int) -> None:
        """Wait for an advisory lock, and have it alone until the transaction ends.

        What others have kept is seen from here on.
        """
        self.rows("SELECT pg_advisory_xact_lock(?)", lock)

    def changes(self) -> int:
        return self._changes

    def end(self) -> None:
        """Commit. Raises `psycopg.InternalError` if PostgreSQL has taken all back instead, without an error."""
        if not self._waiting and not self._has_begun:
            return
        commit = Statement("COMMIT")
        self._waiting.append(commit)
        self._send()
        self._has_begun, self.has_ended = False, True
        self._ended()
        if commit.ended != "COMMIT":  # so is a failed transaction answered
            raise psycopg.InternalError(f"it has answered COMMIT by {commit.ended}")

    def let_go(self) -> None:
        if not self.writes:
            self.end()

    def rows_among(self, sql: str, among: Iterable[object], *values: Any) -> list[Row]:
        asked = sorted(among)  # type: ignore[type-var]
        return self.rows(among_these(sql), asked, *values) if asked else []

    def rows_for_each(self, sql: str, each: Iterable[Row]) -> list[Row]:
        return [row for values in each for row in self.rows(sql, *values)]

    def insert(self, table: str, columns: tuple[str, ...], rows: Iterable[Row], then: str = "") -> None:
        if told := as_json(columns, rows):
            self.keep(_insert(table, columns, then), told)

    def insert_numbered(self, table: str, columns: tuple[str, ...], rows: Sequence[Row]) -> Sequence[int]:
        told = as_json(columns, rows)
        return [number for (number,) in self.rows(_insert(table, columns, "RETURNING id"), told)] if told else []

    def update(self, table: str, columns: tuple[str, ...], keys: tuple[str, ...], rows: Iterable[Row]) -> None:
        pairs = [
            {"new": dict(zip(columns, row, strict=False)), "old": dict(zip(keys, row[len(columns) :], strict=True))}
            for row in rows
        ]
        if pairs:
            self.keep(_update(table, columns, keys), json.dumps(pairs))

    def delete(self, table: str, column: str, values: Iterable[Any]) -> None:
        if asked := list(values):
            self.keep(among_these(f"DELETE FROM {table} WHERE {column} {{among}}"), asked)

    def _send(self) -> None:
        """Send what waits."""
        waiting, self._waiting = self._waiting, []
        if not self._has_begun:
            self._has_begun = True
            self._began()
            waiting = [*self._beginning(), *waiting]
        self._connection.run_together(waiting)

    def _beginning(self) -> list[Statement]:
        if self.writes:
            return [Statement("BEGIN"), Statement("SELECT pg_advisory_xact_lock_shared(?)", (CLOSING,))]
        return [Statement("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")]


def as_json(columns: tuple[str, ...], rows: Iterable[Row]) -> str | None:
    """Return rows as PostgreSQL reads them, by the names of their columns; None for no rows."""
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    return json.dumps(named) if named else None


# --- texts, each looked at or made once


@cache
def _is_change(sql: str) -> bool:
    return bool(_CHANGE.search(sql))


_CHANGE = re.compile(r"\b(INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b")  # and no lock: FOR UPDATE


@cache
def among_these(sql: str) -> str:
    """Return a statement with `= ANY(?)` for its `{among}`."""
    return sql.replace("{among}", "= ANY(?)")


@cache
def _insert(table: str, columns: tuple[str, ...], then: str) -> str:
    names = ", ".join(columns)
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM json_populate_recordset(NULL::{table}, ?) {then}"


@cache
def _update(table: str, columns: tuple[str, ...], keys: tuple[str, ...]) -> str:
    values = ", ".join(f"{column} = new.{column}" for column in columns)
    found = " AND ".join(f"{table}.{key} = old.{key}" for key in keys)
    return f"""
        UPDATE {table} SET {values} FROM json_to_recordset(?) AS pair(new JSON, old JSON),
        json_populate_record(NULL::{table}, pair.new) AS new, json_populate_record(NULL::{table}, pair.old) AS old
        WHERE {found}
    """
