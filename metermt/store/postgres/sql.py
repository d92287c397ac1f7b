"""The verbs of `Sql` on a PostgreSQL connection."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, Final, NamedTuple, cast

import psycopg
from psycopg.pq import Escaping
from psycopg.sql import quote

from metermt.store.sql.dialect import Row, Sql

CLOSING: Final = 0x4D544331
"""The advisory lock that all who write share, and who closes a cycle has alone."""


class Connection(psycopg.Connection[Row]):
    """A connection of the pool, used by one thread at a time."""

    used_at = 0.0
    """By the monotonic clock."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.prepared: dict[str, str] = {}
        """The names of its prepared statements, by their texts."""


class _Told(NamedTuple):
    """A statement that is to be sent, and who looks at what it returns."""

    text: str
    look: Callable[[list[Row]], None] | None = None


class PostgresSql(Sql):
    """One transaction on a PostgreSQL connection.

    What it costs is going there and back: so a statement whose rows nobody needs at once goes with the next one that
    somebody waits for. Statements are prepared, and sent together as one text. A set of rows crosses as one JSON text,
    which PostgreSQL reads by the types of its table: one statement, however many rows there are.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        writes: bool,
        began: Callable[[], None] = lambda: None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        """`writes` tells whether the transaction may keep something.

        `began` and `ended` are told when something is asked for after `end`, and of that: the work goes on.
        """
        self.writes = writes
        self.has_ended = False
        """Whether it has ended once: what was found may have been passed on."""
        self._began, self._ended = began, ended
        self._connection = connection
        self._waiting: list[_Told] = []
        self._has_begun = False
        self._asked: dict[str, list[Row] | None] = {}  # what was found, by the call; None for not sent yet
        self._is_ahead = False

    def rows(self, sql: str, *values: Any) -> list[Row]:
        call = self._call_of(sql, values)
        if call not in self._asked:
            self._asked[call] = None
            self._waiting.append(_Told(call, partial(self._asked.__setitem__, call)))
        if self._is_ahead:
            return []
        if self._asked[call] is None:
            self._send()
        return self._asked.pop(call) or []

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """Take what is asked for in this block, where nothing is found, along with the next statement.

        It is found when it is asked for again after the block.
        """
        self._is_ahead = True
        try:
            yield
        finally:
            self._is_ahead = False

    def keep(self, sql: str, *values: Any) -> None:
        """Run a statement that returns nothing, at the latest before the transaction ends."""
        self._waiting.append(_Told(self._call_of(sql, values)))

    def end(self) -> None:
        """Commit. Raises `psycopg.InternalError` if PostgreSQL has taken all back instead, without an error."""
        if not self._waiting and not self._has_begun:
            return
        waiting, self._waiting = self._begun(self._waiting), []
        ended = self._run([*waiting, _Told("COMMIT")])
        self._has_begun, self.has_ended = False, True
        self._ended()
        if ended != "COMMIT":  # so is a failed transaction answered
            raise psycopg.InternalError(f"it has answered COMMIT by {ended}")

    def stream(self, sql: str, *values: Any) -> Iterator[Row]:
        yield from self.rows(sql, *values)

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
        waiting, self._waiting = self._begun(self._waiting), []
        self._run(waiting)

    def _begun(self, waiting: list[_Told]) -> list[_Told]:
        if self._has_begun:
            return waiting
        self._has_begun = True
        self._began()
        return [*(_BEGIN_TO_WRITE if self.writes else _BEGIN_TO_READ), *waiting]

    def _run(self, waiting: list[_Told]) -> str | None:
        """Send statements, have their rows looked at, and return how the last one ended."""
        cursor = self._connection.execute(cast(Any, "; ".join(told.text for told in waiting)))
        ended = None
        for told in waiting:
            ended = cursor.statusmessage
            if told.look:
                told.look(cursor.fetchall() if cursor.pgresult and cursor.pgresult.nfields else [])
            cursor.nextset()
        return ended

    def _call_of(self, sql: str, values: Sequence[Any]) -> str:
        """Return what runs a statement that is prepared, if need be now."""
        prepared = self._connection.prepared
        name = prepared.get(sql)
        if name is None:
            name = f"s{len(prepared)}"
            self._connection.execute(cast(Any, f"PREPARE {name} AS {_numbered(sql)}"))
            prepared[sql] = name
        told = ", ".join(map(self._literal, values))
        return f"EXECUTE {name}({told})" if values else f"EXECUTE {name}"

    def _literal(self, value: object) -> str:
        if isinstance(value, str):
            return Escaping(self._connection.pgconn).escape_literal(value.encode()).decode()
        return quote(value, self._connection)


_BEGIN_TO_READ = [_Told("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")]
_BEGIN_TO_WRITE = [_Told("BEGIN"), _Told(f"SELECT pg_advisory_xact_lock_shared({CLOSING})")]


def as_json(columns: tuple[str, ...], rows: Iterable[Row]) -> str | None:
    """Return rows as PostgreSQL reads them, by the names of their columns; None for no rows."""
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    return json.dumps(named) if named else None


# --- texts, each made once


@cache
def among_these(sql: str) -> str:
    """Return a statement with `= ANY(?)` for its `{among}`."""
    return sql.replace("{among}", "= ANY(?)")


@cache
def _numbered(sql: str) -> str:
    first, *others = sql.split("?")
    return first + "".join(f"${number}{text}" for number, text in enumerate(others, 1))


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
