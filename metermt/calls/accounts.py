"""Who may log in, and as what: for admins."""

from dataclasses import dataclass, replace

from metermt.calls.desk import Desk
from metermt.calls.sessions import end_sessions
from metermt.calls.table import Ask, Turn, Weight, call
from metermt.errors import UserError
from metermt.model import Account, Role, User
from metermt.passwords import hash_password
from metermt.store.base import Tx


@dataclass(frozen=True, slots=True)
class NewUser:
    """Somebody who is to be let in."""

    user: User
    password: str


@dataclass(frozen=True, slots=True)
class Username:
    """Whom a call is about."""

    username: str


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A user's password from now on."""

    username: str
    password: str


@dataclass(frozen=True, slots=True)
class NewRole:
    """A user's role from now on."""

    username: str
    role: Role


@call(Role.ADMIN, Weight.READ)
def list_users(turn: Turn, ask: Ask[None]) -> list[User]:  # noqa: ARG001 - it is told nothing
    """Return all users, sorted by name."""
    return turn.tx.accounts.users()


@call(Role.ADMIN, Weight.READ)
def find_user(turn: Turn, ask: Ask[Username]) -> User:
    """Return a user. Raises `UserError` if there is none of this name."""
    return _account(turn, ask.request.username).user


@call(Role.ADMIN, Weight.LONG)
def add_user(desk: Desk, ask: Ask[NewUser]) -> None:
    """Let somebody in. Raises `UserError` if the name is taken, or the password cannot be used."""
    user = ask.request.user
    account = Account(user, hash_password(ask.request.password))
    desk.store.write(lambda tx: add_accounts(desk.turn(tx), [account]))


@call(Role.ADMIN, Weight.LONG)
def set_password(desk: Desk, ask: Ask[NewPassword]) -> None:
    """Give a user a new password, and end their sessions; what these hold is left to their reader.

    Raises `UserError`.
    """
    username, password_hash = ask.request.username, hash_password(ask.request.password)

    def work(tx: Tx) -> set[str]:
        turn = desk.turn(tx)
        turn.tx.accounts.put([replace(_account(turn, username), password_hash=password_hash)])
        end_sessions(turn, turn.tx.sessions.of([username]), free_jobs=False)
        return turn.ended

    desk.sessions.forget(desk.store.write(work))


@call(Role.ADMIN, Weight.WRITE)
def set_role(turn: Turn, ask: Ask[NewRole]) -> None:
    """Give a user another role, from their next call on. Raises `UserError`."""
    account = _account(turn, ask.request.username)
    turn.tx.accounts.put([replace(account, user=replace(account.user, role=ask.request.role))])
    turn.ended.update(turn.tx.sessions.of([ask.request.username]))  # to be read again


@call(Role.ADMIN, Weight.WRITE)
def disable_user(turn: Turn, ask: Ask[Username]) -> None:
    """Let a user in no more, end their sessions, and free their jobs. Their readings stay. Raises `UserError`."""
    account = _account(turn, ask.request.username)
    turn.tx.accounts.put([replace(account, user=replace(account.user, disabled=True))])
    end_sessions(turn, turn.tx.sessions.of([ask.request.username]), free_jobs=True)


def add_accounts(turn: Turn, accounts: list[Account]) -> None:
    """Add accounts. Raises `UserError` if a name is taken."""
    for username in turn.tx.accounts.find([account.user.username for account in accounts]):
        raise UserError(f"There is a user {username!r} already")
    turn.tx.accounts.put(accounts)


def _account(turn: Turn, username: str) -> Account:
    if account := turn.tx.accounts.find([username]).get(username):
        return account
    raise UserError(f"There is no user {username!r}")
