"""Whether a password is right, and who has to wait after wrong ones."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

from metermt.audit import Entry, What
from metermt.calls.asking import Caller
from metermt.calls.desk import Desk
from metermt.calls.regulars import network_of
from metermt.calls.turn import Turn
from metermt.calls.turnstile import Turnstile
from metermt.errors import AccountDisabled, LoginError, TooManyFailures
from metermt.model import Account
from metermt.passwords import hash_password, verify_password
from metermt.rules.lockout import locked_until

_AT_ONCE = 4  # hashes at most, however many cores there are: each takes 19 MiB and a core for 30 ms or so
_WAITING = 256  # more is told to try again: the last of a whole crew would have to wait for longer than it does
_LONG = 16  # where more wait, whoever came first may have given up

# A crew that logs in at once waits here, and so does who guesses passwords. No lock is held meanwhile.
_hashing = Turnstile(min(_AT_ONCE, os.cpu_count() or 1), most=_WAITING, long=_LONG)


def verified(desk: Desk, name: str, caller: Caller, password: str) -> Account:
    """Return the account of this name, if this is its password, as it stands before anybody changes it again.

    A wrong password counts as a failure of the name at the address, whether there is such a user or not. Raises
    `LoginError`, or its subclasses `TooManyFailures` and, for the right password only, `AccountDisabled`; `ServerBusy`
    when too many want to log in at once.
    """
    _check_failures(desk, name, caller.address)  # who has to wait takes no place
    with _turn_to_hash(desk, name, caller):
        _check_failures(desk, name, caller.address)
        account = desk.store.read(lambda tx: tx.accounts.find([name])).get(name)
        # Whoever there is or is not, it takes as long.
        is_right = verify_password(account.password_hash if account else None, password)
        where = caller.address or "this machine"
        if account and is_right:
            if account.user.disabled:
                words = "%s, who is disabled, wants to log in from %s"
                desk.journal.warning("logins of disabled users", caller.address, words, name, where)
                raise AccountDisabled
            return account
        _remember_failure(desk, name, caller.address)
        if account:
            who = f"disabled {name}" if account.user.disabled else name
            desk.journal.warning("wrong passwords", caller.address, "wrong password for %s from %s", who, where)
        else:  # some type their password where the name belongs, so it is not logged
            desk.journal.warning("unknown names", caller.address, "login by an unknown name from %s", where)
        raise LoginError


def waiting_to_hash() -> int:
    """Return how many wait until it is the turn of their password."""
    return len(_hashing)


def hashed(caller: Caller, password: str) -> str:
    """Return the hash of a new password, for somebody who has logged in. Raises `UserError` if it cannot be used."""
    with _hashing.place(caller.is_gone, True, network_of(caller.address)):
        return hash_password(password)


@contextmanager
def _turn_to_hash(desk: Desk, name: str, caller: Caller) -> Iterator[None]:
    """Wait until it is the turn of this name, from there.

    Who has logged in from there before takes turns with all others together. Whether there is such a user at all is
    not looked at: how long it takes would tell.
    """
    is_regular = desk.regulars.knows(name, caller.address)
    with _hashing.place(caller.is_gone, is_regular, network_of(caller.address)):
        yield


def _check_failures(desk: Desk, name: str, address: str) -> None:
    now, window = desk.clock(), desk.policy.login_window.total_seconds()
    failures = desk.store.read(lambda tx: tx.failures.of(name, network_of(address), now - window))
    if until := locked_until(failures, now, most=desk.policy.login_failures, window=window):
        seconds = until - now
        who = name if desk.store.read(lambda tx: tx.accounts.find([name])) else "an unknown name"
        desk.journal.warning(
            "lock-outs", address, "%s has to wait for %.0f s at %s", who, seconds, address or "this machine"
        )
        raise TooManyFailures(
            f"Too many failed logins for {name!r} from your address: try again in {ceil(seconds / 60)} minutes",
            seconds=ceil(seconds),
        )


def _remember_failure(desk: Desk, name: str, address: str) -> None:
    """Count a failure. It goes on record for users that exist: with made-up names a stranger could fill the disk.

    Whether there is such a user is looked at here, as a name that was erased since must not come back. It is looked at
    first: users are locked before their failures, as by who unlocks them.
    """

    def work(turn: Turn) -> None:
        forget_before = turn.now - desk.policy.login_window.total_seconds()
        is_known = name in turn.tx.accounts.there([name])
        turn.tx.failures.add(name, network_of(address), turn.now, forget_before)
        if is_known:
            turn.entries.append(Entry(turn.at, "", address, What.LOGIN_FAILED, whom=name))

    desk.write(work)
