"""The tables of a SQLite file, for a copy of them."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import cast

import apsw

from metermt.errors import StoreError
from metermt.store.sql.dialect import Row
from metermt.store.sqlite.database import APPLICATION_ID, StoreErrors, open_database
from metermt.store.sqlite.newfile import new_file
from metermt.store.tables import Table, Tables

_BUSY_SECONDS = 10.0  # longer than any transaction of ours
_ALL = (
    "SELECT found.name, columns.name FROM sqlite_schema AS found, pragma_table_info(found.name) AS columns"
    " WHERE found.type = 'table' AND found.name NOT GLOB 'sqlite_*' ORDER BY found.name, columns.cid"
)


@contextmanager
def snapshot_of(path: Path) -> Iterator[Tables]:
    """Look at a database as it stands now, until the block ends; others may go on writing."""
    with closing(open_database(path, create=False, busy_seconds=_BUSY_SECONDS)) as connection:
        tables = SqliteTables(connection, path)
        with StoreErrors(path):
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
        tables.all()  # the snapshot is that of the first look
        yield tables


@contextmanager
def new_database(path: Path) -> Iterator[Tables]:
    """Write to the tables of a new database, which is there, and on the disk, when the block has ended without error.

    Cut off before, it leaves a folder `….metermt-part` with what is not taken for a database, which the next one
    removes. Raises `StoreError` if there is something at the path.
    """
    with (
        new_file(path, "The copy") as part,
        closing(open_database(part, create=True, busy_seconds=_BUSY_SECONDS)) as connection,
    ):
        # Nothing is ever rolled back: what is not whole is removed.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "foreign_keys = OFF", "application_id = 0"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN EXCLUSIVE")
        yield SqliteTables(connection, path)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")


class SqliteTables(Tables):
    """The tables that a connection sees."""

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._errors = StoreErrors(path)

    def all(self) -> list[Table]:
        columns: dict[str, list[str]] = {}
        with self._errors:
            for table, column in self._connection.execute(_ALL):
                columns.setdefault(table, []).append(column)
        return [Table(table, tuple(names)) for table, names in columns.items()]

    def count(self, table: Table) -> int:
        with self._errors:
            [(count,)] = self._connection.execute(f"SELECT count(*) FROM {table.name}")
            return cast(int, count)

    def rows(self, table: Table) -> Generator[Row]:
        with self._errors:
            yield from self._connection.execute(f"SELECT {', '.join(table.columns)} FROM {table.name}")

    def put(self, table: Table, rows: Iterable[Row]) -> None:
        places = ", ".join("?" * len(table.columns))
        with self._errors:
            self._connection.executemany(
                f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({places})", rows
            )

    def complete(self) -> None:
        # New rows get the number behind the highest anyway.
        with self._errors:
            for table, *_ in self._connection.execute("PRAGMA foreign_key_check"):
                raise StoreError(f"The copy {self._path} is not whole: rows of {table} refer to rows that are missing")
