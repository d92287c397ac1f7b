"""The tables of a PostgreSQL database, for a copy of them."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg.sql import SQL, Identifier

from metermt.errors import StoreError
from metermt.store.postgres.database import bring_up_to_date, open_database, settings_of, shown, store_errors
from metermt.store.sql.dialect import Row
from metermt.store.tables import Table, Tables

# This session is idle while the other side of the copy works. Should this machine be gone, the database finds out by
# itself and ends the transaction. Who else holds a lock on a new database is waited for, but not for long.
_SESSION = (
    "SET idle_in_transaction_session_timeout = 0; SET lock_timeout = '5s';"
    " SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
)
_ALL = """
    SELECT relname, attname, atttypid FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relname <> 'metermt_schema'
    AND attnum > 0 AND NOT attisdropped ORDER BY relname, attnum
"""
_REFERENCES = """
    SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype = 'f' AND connamespace = current_schema()::regnamespace
"""
_NUMBERED = """
    SELECT attrelid::regclass::text FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = current_schema()::regnamespace AND attname = 'id' AND attidentity <> ''
"""


@contextmanager
def snapshot_of(url: str) -> Iterator[Tables]:
    """Look at a database as it stands now, until the block ends; others may go on writing."""
    open_database(url, create=False)
    with _connected(url) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield PostgresTables(connection, url)


@contextmanager
def new_database(url: str) -> Iterator[Tables]:
    """Write to the tables of an empty database; others see nothing of it before the block has ended without error.

    Raises `StoreError` if there is something in it.
    """
    with _connected(url) as connection, connection.transaction():
        bring_up_to_date(connection, url, create=True)
        tables = PostgresTables(connection, url)
        tables.claim()
        yield tables


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection[Row]]:
    with store_errors(url), psycopg.connect(settings_of(url), autocommit=True) as connection:
        connection.execute(_SESSION)
        yield connection


class PostgresTables(Tables):
    """The tables that a connection sees.

    Each call names its own errors: those of one database may pass through a block of the other one.
    """

    def __init__(self, connection: psycopg.Connection[Row], url: str) -> None:
        self._connection = connection
        self._url = url
        self._types: dict[tuple[str, str], int] = {}
        self._references: list[Row] = []
        with store_errors(url):
            for table, column, type_id in connection.execute(_ALL):
                self._types[table, column] = type_id

    def claim(self) -> None:
        """Let nobody else write, and rows come before what they refer to. Raises `StoreError` if there are any rows."""
        every = SQL(", ").join(Identifier(table.name) for table in self.all())
        self._connection.execute(SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(every))
        if any(self._rows(SQL("SELECT 1 FROM {} LIMIT 1").format(Identifier(table.name))) for table in self.all()):
            raise StoreError(f"The database {shown(self._url)} has something in it: choose an empty one")
        self._references = self._rows(_REFERENCES)
        for table, name, _ in self._references:
            self._rows(f"ALTER TABLE {table} DROP CONSTRAINT {name}")

    def all(self) -> list[Table]:
        columns: dict[str, list[str]] = {}
        for table, column in self._types:
            columns.setdefault(table, []).append(column)
        return [Table(table, tuple(names)) for table, names in columns.items()]

    def count(self, table: Table) -> int:
        with store_errors(self._url):
            return int(self._rows(SQL("SELECT count(*) FROM {}").format(Identifier(table.name)))[0][0])

    def rows(self, table: Table) -> Generator[Row]:
        with store_errors(self._url), self._copy(table, "TO STDOUT") as copy:
            yield from copy.rows()

    def put(self, table: Table, rows: Iterable[Row]) -> None:
        with store_errors(self._url), self._copy(table, "FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def complete(self) -> None:
        with store_errors(self._url):
            for table, name, definition in self._references:
                self._rows(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
            for (table,) in self._rows(_NUMBERED):
                [(highest,)] = self._rows(f"SELECT coalesce(max(id), 0) FROM {table}")
                self._rows(f"ALTER TABLE {table} ALTER id RESTART WITH {highest + 1}")
            for table in self.all():  # whoever asks first would have bad plans
                self._rows(SQL("ANALYZE {}").format(Identifier(table.name)))

    def _rows(self, sql: Any) -> list[Row]:  # psycopg wants texts that stand in the program, and these come from there
        cursor = self._connection.execute(sql)
        return cursor.fetchall() if cursor.description else []

    @contextmanager
    def _copy(self, table: Table, way: LiteralString) -> Iterator[psycopg.Copy]:
        """Have the rows of a table come or go in PostgreSQL's own form, by the types of its columns."""
        columns = SQL(", ").join(map(Identifier, table.columns))
        statement = SQL("COPY {} ({}) " + way + " (FORMAT BINARY)").format(Identifier(table.name), columns)
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types([self._types[table.name, column] for column in table.columns])
            yield copy
