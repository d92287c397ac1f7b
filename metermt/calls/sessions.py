"""Logging in and out, and the first words between two programs."""

import logging
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from metermt.audit import What
from metermt.calls.asking import Ask, Weight
from metermt.calls.clocks import set_right
from metermt.calls.credentials import verified
from metermt.calls.desk import Desk
from metermt.calls.known import key_of
from metermt.calls.table import call
from metermt.calls.turn import Turn
from metermt.errors import AccountDisabled, LoginError
from metermt.model import Account, Role, Session
from metermt.names import is_username
from metermt.version import PROTOCOL, VERSION

_MOST_SESSIONS = 1000
"""Of a user: who looks for what is left to them goes through all, and so does who looks for a route to walk."""

_log = logging.getLogger("metermt.server")


@dataclass(frozen=True, slots=True)
class Hello:
    """Who calls: the version of its program, and of what it speaks."""

    version: str = ""
    protocol: int = 0


@dataclass(frozen=True, slots=True)
class Welcome:
    """Who answers, and what time it is there: ISO 8601, UTC."""

    version: str
    protocol: int
    now: str = ""


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and a password, as typed."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The session id, a secret that stands for the user in all other calls, and the user's full name."""

    session_id: str = field(repr=False)
    full_name: str


@call(None, Weight.LIGHT)
def hello(desk: Desk, ask: Ask[Hello]) -> Welcome:  # noqa: ARG001 - every version is welcome so far
    """Tell the versions of the server, and its time."""
    now = datetime.fromtimestamp(desk.clock(), UTC)
    return Welcome(VERSION, PROTOCOL, now.isoformat(timespec="milliseconds"))


@call(None, Weight.LIGHT, parameters={})
def ping(desk: Desk, ask: Ask[None]) -> str | None:  # noqa: ARG001 - it is told nothing
    """Answer at once, and say what is known to keep the store from working, None for nothing."""
    return desk.store.trouble()


@call(None, Weight.LONG, parameters={"username": "username", "password": "password"})
def login(desk: Desk, ask: Ask[Login]) -> LoggedIn:
    """Let a user in. Failures are counted for each name and address.

    The session lasts until it was idle for 12 hours, unless `Policy` says otherwise; when a user has 1,000 the one that
    was used longest ago ends, and what it holds is left to its reader. Raises `LoginError`, or its
    subclasses `TooManyFailures` and `AccountDisabled`; `ServerBusy` when too many want to log in at once.
    """
    username, password = ask.request.username, ask.request.password
    if not isinstance(username, str) or not isinstance(password, str):
        raise LoginError
    name = username.strip().lower()  # telephones write the first letter large
    _check_certificate(desk, ask.caller.certified_name, name)
    if not is_username(name):
        name = ascii(name)[:64]  # nobody's, but its failures are counted like those of any other
    session_id = secrets.token_urlsafe(32)
    session = None
    while session is None:  # nearly always once: again if the password was changed meanwhile
        account = verified(desk, name, ask.caller, password)
        session = desk.write(partial(_opened, ask, key_of(session_id), account))
    desk.sessions.learn([session], desk.clock())
    desk.sessions.shown(ask.caller, session)
    desk.regulars.logged_in(name, ask.caller.address)
    _log.info("%s has logged in from %s", name, ask.caller.address or "this machine")
    return LoggedIn(session_id, session.user.full_name)


def _check_certificate(desk: Desk, certified: str | None, name: str) -> None:
    """Raise `LoginError` if somebody has shown a certificate that is not for this user."""
    if certified is None or (name and certified.strip().lower() == name):
        return
    if not certified.strip():
        raise LoginError("Your certificate has no name in it: ask for one with your user name")
    desk.journal.warning(
        "logins by another name", certified, "whose certificate is for %s logs in by another name", certified
    )
    raise LoginError(f"Your certificate is for {certified}: log in by that name")


@call(Role.READER, Weight.WRITE, parameters={})
def logout(turn: Turn, ask: Ask[None]) -> None:
    """End a session. What it holds is free for everybody."""
    end_sessions(turn, [ask.reader.key], free_jobs=True)
    turn.record(ask, What.LOGOUT)


def end_sessions(turn: Turn, keys: list[str], *, free_jobs: bool) -> None:
    """End sessions, and free what they hold, or leave it to their readers."""
    if free_jobs:
        turn.tx.leases.end_of(keys)
    turn.tx.sessions.end(keys)
    turn.ended.update(keys)


def _opened(ask: Ask[Login], key: str, verified_as: Account, turn: Turn) -> Session | None:
    """Return a new session; None if the password that was verified is not the one of the account any more.

    Raises `LoginError` if the user is gone by now, or `AccountDisabled`.
    """
    tx, username = turn.tx, verified_as.user.username
    account = tx.accounts.find([username]).get(username)
    if account is None:
        raise LoginError
    if account.user.disabled:
        raise AccountDisabled
    if account.password_hash != verified_as.password_hash:
        return None
    set_right(turn)
    tx.sessions.forget(turn.idle_since)
    end_sessions(turn, tx.sessions.but_latest(username, _MOST_SESSIONS - 1), free_jobs=False)
    session = Session(key, account.user, turn.now, turn.server)
    tx.sessions.add([session])
    turn.record(replace(ask, session=session), What.LOGIN)
    return session
