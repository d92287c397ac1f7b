"""Who there is, in SQL."""

from collections.abc import Iterable
from functools import lru_cache

from metermt.model import Account, Role, User
from metermt.store.sql.dialect import Row, Steps
from metermt.store.steps.people import Accounts

COLUMNS = ("username", "full_name", "password_hash", "disabled", "role")
FIND = "SELECT username, full_name, disabled, role, password_hash FROM users WHERE username {among}"
_DISABLED = "SELECT username FROM users WHERE username {among} AND disabled = 1"
_ALL = "SELECT username, full_name, disabled, role FROM users ORDER BY username"
_REPLACE = (
    "ON CONFLICT (username) DO UPDATE SET full_name = excluded.full_name, password_hash = excluded.password_hash,"
    " disabled = excluded.disabled, role = excluded.role"
)
_LAST_USED = "SELECT username, max(used_at) FROM sessions WHERE username {among} GROUP BY username"


class SqlAccounts(Steps, Accounts):
    """The table `users`, and when their `sessions` were used."""

    def find(self, usernames: Iterable[str]) -> dict[str, Account]:
        return {row[0]: account_of(row) for row in self._sql.rows_among(FIND, usernames)}

    def disabled(self, usernames: Iterable[str]) -> set[str]:
        return {username for (username,) in self._sql.rows_among(_DISABLED, usernames)}

    def users(self) -> list[User]:
        return [user_of(*row) for row in self._sql.rows(_ALL)]

    def put(self, accounts: Iterable[Account]) -> None:
        self._sql.insert("users", COLUMNS, map(row_of, accounts), _REPLACE)

    def last_used(self, usernames: Iterable[str]) -> dict[str, float]:
        return dict(self._sql.rows_among(_LAST_USED, usernames))


@lru_cache(maxsize=1024)  # the same few users are asked for with each call, and checking one takes microseconds
def user_of(username: str, full_name: str, disabled: int, role: str) -> User:
    """Make a user of these columns."""
    return User(username, full_name, bool(disabled), Role(role))


def account_of(row: Row) -> Account:
    """Make an account of a row of `FIND`."""
    return Account(user_of(*row[:-1]), row[-1])


def row_of(account: Account) -> Row:
    """Return the columns `COLUMNS` of an account."""
    user = account.user
    return user.username, user.full_name, account.password_hash, int(user.disabled), user.role.value
