"""The first account of an empty database, so that somebody can log in.

It is an admin's: who starts a server on an empty database owns that database.
"""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from metermt.config import DatabaseLocation, default_database

if TYPE_CHECKING:
    from metermt.cli.opened import Office


class FirstAccount:
    """Tells whether a database has accounts, and creates the first.

    `database` is None for the one that all programs use.

    Its methods take a while. The database driver and argon2 are loaded by those who call them.
    """

    def __init__(self, database: DatabaseLocation | None) -> None:
        self._database = database

    def is_needed(self) -> bool:
        """Tell whether nobody can log in. Raises `StoreError`."""
        from metermt.calls.accounts import list_users  # noqa: PLC0415

        with self._opened() as office:
            return not office.call(list_users, None)

    def create(self, username: str, full_name: str, password: str) -> None:
        """Let somebody in, as an admin. Raises `UserError` or `StoreError`."""
        from metermt.calls.accounts import NewUser, add_user  # noqa: PLC0415
        from metermt.model import Role, User  # noqa: PLC0415

        with self._opened() as office:
            office.call(add_user, NewUser(User(username, full_name.strip(), role=Role.ADMIN), password))

    def _opened(self) -> "AbstractContextManager[Office]":
        from metermt.cli.opened import office  # noqa: PLC0415

        return office(self._database or default_database(), create=False)
