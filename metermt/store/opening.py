"""Which store a database is: a file is SQLite's, a URL PostgreSQL's."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metermt.config import DatabaseLocation, is_url
from metermt.errors import SettingError
from metermt.store.base import Store


def open_store(location: DatabaseLocation, *, create: bool = True) -> Store:
    """Open a database; one that is not there, or is empty, is set up if `create` says so.

    Raises `SettingError` for a URL that makes no sense, and `StoreError`.
    """
    if not is_url(location):
        from metermt.store.sqlite.store import SqliteStore  # noqa: PLC0415 - only the store that is used is loaded

        return SqliteStore(Path(location), create=create)
    with postgres_packages():
        from metermt.store.postgres.store import PostgresStore  # noqa: PLC0415 - likewise, and it may not be installed
    return PostgresStore(location, create=create)


@contextmanager
def postgres_packages() -> Iterator[None]:
    """Say what to do if what is imported for PostgreSQL is not installed. Raises `SettingError`."""
    try:
        yield
    except ImportError as error:
        raise SettingError(f"PostgreSQL needs more packages: pip install 'metermt[postgres]' ({error})") from error
