"""Who may log in, and as what: for admins; and a password of one's own."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from metermt.audit import What
from metermt.calls.asking import Ask, Caller, Weight
from metermt.calls.credentials import hashed, verified
from metermt.calls.desk import Desk
from metermt.calls.sessions import end_sessions
from metermt.calls.table import call
from metermt.calls.turn import Turn
from metermt.errors import AccountDisabled, LoginError, SessionError, TooManyFailures, UserError
from metermt.model import Account, Role, User
from metermt.names import is_pseudonym
from metermt.passwords import warning_of
from metermt.rules.answers import shown
from metermt.rules.clocks import can_have_been
from metermt.rules.lockout import locked_until
from metermt.store.base import Tx


@dataclass(frozen=True, slots=True)
class NewUser:
    """Somebody who is to be let in."""

    user: User
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Username:
    """Whom a call is about."""

    username: str


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A user's password from now on."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChangedPassword:
    """The password of who asks, and what it is to be from now on."""

    old: str = field(repr=False)
    new: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewName:
    """A user's full name from now on."""

    username: str
    full_name: str


@dataclass(frozen=True, slots=True)
class NewRole:
    """A user's role from now on."""

    username: str
    role: Role


@dataclass(frozen=True, slots=True)
class UserState:
    """A user, and how their logins are. Times are in seconds since 1970, UTC."""

    user: User
    locked_until: float | None = None
    """Until when the right password does not help at some address; None when it does everywhere."""
    used_at: float | None = None
    """When one of their sessions was used last; None when that is not known any more."""


@call(Role.ADMIN, Weight.READ)
def list_users(turn: Turn, ask: Ask[None]) -> list[User]:  # noqa: ARG001 - it is told nothing
    """Return all users, sorted by name."""
    return turn.tx.accounts.users()


@call(Role.ADMIN, Weight.READ)
def list_user_states(turn: Turn, ask: Ask[None]) -> list[UserState]:  # noqa: ARG001 - it is told nothing
    """Return all users, sorted by name, and how their logins are."""
    users = turn.tx.accounts.users()
    last_used = turn.tx.accounts.last_used(user.username for user in users)
    used_at = {username: at for username, at in last_used.items() if can_have_been(at, turn.now)}
    window, most = turn.policy.login_window.total_seconds(), turn.policy.login_failures
    locked: dict[str, float] = {}
    for (username, _), failures in turn.tx.failures.since(turn.now - window).items():
        if until := locked_until(failures, turn.now, most=most, window=window):
            locked[username] = max(until, locked.get(username, until))
    return [UserState(user, locked.get(user.username), used_at.get(user.username)) for user in users]


@call(Role.ADMIN, Weight.READ)
def find_user(turn: Turn, ask: Ask[Username]) -> User:
    """Return a user. Raises `UserError` if there is none of this name."""
    return _account(turn, ask.request.username).user


@call(Role.ADMIN, Weight.LONG)
def add_user(desk: Desk, ask: Ask[NewUser]) -> str | None:
    """Let somebody in; return a warning if the password is easily guessed.

    Raises `UserError` if the name is taken, or the password cannot be used.
    """
    user = ask.request.user
    if is_pseudonym(user.username):
        raise UserError(f"{user.username!r} is a name for somebody whose own was erased: choose another one")
    account = Account(user, hashed(ask.caller, ask.request.password))

    def work(turn: Turn) -> None:
        add_accounts(turn, [account])
        turn.record(ask, What.USER_ADDED, whom=user.username, after=user.role)

    desk.write(work)
    return warning_of(ask.request.password)


@call(Role.ADMIN, Weight.LONG)
def set_password(desk: Desk, ask: Ask[NewPassword]) -> str | None:
    """Give a user a new password, end their sessions, and forget their failed logins.

    Returns a warning if the password is easily guessed. What the sessions hold is left to their reader. Who is disabled
    stays so. Raises `UserError`.
    """
    username, password_hash = ask.request.username, hashed(ask.caller, ask.request.password)

    def work(turn: Turn) -> set[str]:
        turn.tx.accounts.put([replace(_account(turn, username), password_hash=password_hash)])
        turn.tx.failures.forget([username])
        end_sessions(turn, turn.tx.sessions.of([username]), free_jobs=False)
        turn.record(ask, What.PASSWORD, whom=username)
        return turn.ended

    desk.sessions.forget(desk.write(work))
    return warning_of(ask.request.password)


@call(Role.READER, Weight.LONG)
def change_password(desk: Desk, ask: Ask[ChangedPassword]) -> str | None:
    """Change the password of who asks, and end their other sessions; what these hold is left to their reader.

    Returns a warning if the new one is easily guessed. Asking again for what was done is harmless, as when the first
    answer was lost: so where the old password is wrong the new one is tried, and each counts as a failed login. Raises
    `LoginError`, its subclass `TooManyFailures`, or `UserError` if the new one cannot be used.
    """
    own, new = ask.reader, ask.request.new
    try:
        old_hash = verified(desk, own.username, ask.caller, ask.request.old).password_hash
    except (TooManyFailures, AccountDisabled):
        raise
    except LoginError:
        _check_changed(desk, own.username, ask.caller, new)
        return warning_of(new)
    new_hash = hashed(ask.caller, new)

    def work(turn: Turn) -> set[str] | None:
        tx = turn.tx
        account = _account(turn, own.username)
        if account.user.disabled:
            raise AccountDisabled
        if own.key not in tx.sessions.find([own.key]):
            raise SessionError
        if account.password_hash != old_hash:
            return None
        tx.accounts.put([replace(account, password_hash=new_hash)])
        end_sessions(turn, [key for key in tx.sessions.of([own.username]) if key != own.key], free_jobs=False)
        turn.record(ask, What.PASSWORD, whom=own.username)
        return turn.ended

    ended = desk.write(work)
    if ended is None:  # it was changed meanwhile: look again
        return change_password.function(desk, ask)  # type: ignore[no-any-return]
    desk.sessions.forget(ended)
    return warning_of(new)


def _check_changed(desk: Desk, username: str, caller: Caller, new: str) -> None:
    """Raise `LoginError` unless a password was changed into this one already; a wrong one counts as any guess."""
    try:
        verified(desk, username, caller, new)
    except (TooManyFailures, AccountDisabled):
        raise
    except LoginError:
        raise LoginError("The old password is wrong") from None


@call(Role.ADMIN, Weight.WRITE)
def set_role(turn: Turn, ask: Ask[NewRole]) -> None:
    """Give a user another role, from their next call on. Raises `UserError`."""
    before = _change(turn, ask.request.username, role=ask.request.role)
    turn.record(ask, What.ROLE, whom=before.username, before=before.role, after=ask.request.role)


@call(Role.ADMIN, Weight.WRITE)
def rename_user(turn: Turn, ask: Ask[NewName]) -> None:
    """Give a user another full name. Raises `UserError`."""
    _check_not_erased(ask.request.username)
    _change(turn, ask.request.username, full_name=ask.request.full_name)
    turn.record(ask, What.RENAMED, whom=ask.request.username)


@call(Role.ADMIN, Weight.WRITE)
def unlock_user(turn: Turn, ask: Ask[Username]) -> None:
    """Forget the failed logins of a user, so that they need not wait any longer. Raises `UserError`."""
    turn.tx.failures.forget([_account(turn, ask.request.username).user.username])
    turn.record(ask, What.UNLOCKED, whom=ask.request.username)


@call(Role.ADMIN, Weight.WRITE)
def disable_user(turn: Turn, ask: Ask[Username]) -> None:
    """Let a user in no more, and free their jobs. Their readings stay.

    Their sessions are good for nothing but being told so. Raises `UserError`, also for the account of who asks: nothing
    is kept for who is disabled, not even that.
    """
    if ask.request.username == ask.username:
        raise UserError(f"{ask.username} is your own account: have another admin disable it, or do it on the database")
    _change(turn, ask.request.username, disabled=True)
    turn.tx.leases.end_of(turn.tx.sessions.of([ask.request.username]))
    turn.record(ask, What.DISABLED, whom=ask.request.username)


@call(Role.ADMIN, Weight.WRITE)
def enable_user(turn: Turn, ask: Ask[Username]) -> None:
    """Let a user in again who was disabled; the password is the old one. Raises `UserError`.

    Who had logged in before has to do so again.
    """
    _check_not_erased(ask.request.username)
    if _account(turn, ask.request.username).user.disabled:
        _change(turn, ask.request.username, disabled=False)
        end_sessions(turn, turn.tx.sessions.of([ask.request.username]), free_jobs=True)
        turn.record(ask, What.ENABLED, whom=ask.request.username)


def add_accounts(turn: Turn, accounts: list[Account]) -> None:
    """Add accounts. Raises `UserError` if a name is taken."""
    for username in turn.tx.accounts.find([account.user.username for account in accounts]):
        raise UserError(f"There is a user {username!r} already")
    turn.tx.accounts.put(accounts)


def _change(turn: Turn, username: str, **changes: Any) -> User:
    """Change what is known of a user; return what it was. Raises `UserError`."""
    account = _account(turn, username)
    turn.tx.accounts.put([replace(account, user=replace(account.user, **changes))])
    turn.ended.update(turn.tx.sessions.of([username]))  # to be read again
    return account.user


def _check_not_erased(username: str) -> None:
    if is_pseudonym(username):
        raise UserError(f"{username} was erased, which cannot be undone: add a new user")


def accounts_of(tx: Tx, usernames: Sequence[str]) -> list[Account]:
    """Return the accounts of some users. Raises `UserError` if there is none of one of these names."""
    there = tx.accounts.find(usernames)
    if (missing := next((username for username in usernames if username not in there), None)) is not None:
        raise UserError(f"There is no user {shown(missing)}")
    return [there[username] for username in usernames]


def _account(turn: Turn, username: str) -> Account:
    return accounts_of(turn.tx, [username])[0]
