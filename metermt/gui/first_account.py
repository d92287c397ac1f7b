"""The first account of an empty database, so that somebody can log in."""

from pathlib import Path
from typing import TYPE_CHECKING

from metermt.config import default_database

if TYPE_CHECKING:
    from metermt.store.sqlite import SqliteStore


class FirstAccount:
    """Asks and tells a database who may log in. `database` is None for the one that all programs use.

    Its methods take a while. The database driver and argon2 are loaded by those who call them.
    """

    def __init__(self, database: Path | None) -> None:
        self._database = database

    def is_needed(self) -> bool:
        """Tell whether nobody can log in. Raises `StoreError`."""
        with self._open() as store:
            return not store.users()

    def create(self, username: str, full_name: str, password: str) -> None:
        """Let somebody in. Raises `UserError` or `StoreError`."""
        from metermt.model import Account, User  # noqa: PLC0415
        from metermt.passwords import hash_password  # noqa: PLC0415

        account = Account(User(username, full_name.strip()), hash_password(password))
        with self._open() as store:
            store.add_user(account)

    def _open(self) -> "SqliteStore":
        from metermt.store.sqlite import SqliteStore  # noqa: PLC0415

        return SqliteStore(self._database or default_database(), create=False)
