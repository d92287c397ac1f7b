"""Who there is, in SQL."""

from collections.abc import Iterable
from functools import lru_cache

from metermt.model import Account, Role, User
from metermt.store.base import Accounts
from metermt.store.sql.dialect import Steps

_COLUMNS = ("username", "full_name", "password_hash", "disabled", "role")
_FIND = "SELECT username, full_name, disabled, role, password_hash FROM users WHERE username {among}"
_ALL = "SELECT username, full_name, disabled, role FROM users ORDER BY username"
_REPLACE = (
    "ON CONFLICT (username) DO UPDATE SET full_name = excluded.full_name, password_hash = excluded.password_hash,"
    " disabled = excluded.disabled, role = excluded.role"
)


class SqlAccounts(Steps, Accounts):
    """The table `users`."""

    def find(self, usernames: Iterable[str]) -> dict[str, Account]:
        return {row[0]: Account(user_of(*row[:-1]), row[-1]) for row in self._sql.rows_among(_FIND, usernames)}

    def users(self) -> list[User]:
        return [user_of(*row) for row in self._sql.rows(_ALL)]

    def put(self, accounts: Iterable[Account]) -> None:
        self._sql.insert("users", _COLUMNS, map(_row_of, accounts), _REPLACE)


@lru_cache(maxsize=1024)  # the same few users are asked for with each call, and checking one takes microseconds
def user_of(username: str, full_name: str, disabled: int, role: str) -> User:
    """Make a user of these columns."""
    return User(username, full_name, bool(disabled), Role(role))


def _row_of(account: Account) -> tuple[object, ...]:
    user = account.user
    return user.username, user.full_name, account.password_hash, int(user.disabled), user.role.value
