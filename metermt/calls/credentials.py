"""Whether a password is right, and who has to wait after wrong ones."""

import os
from math import ceil
from threading import BoundedSemaphore

from metermt.calls.desk import Desk
from metermt.errors import LoginError, TooManyFailures
from metermt.model import Account
from metermt.passwords import hash_password, verify_password
from metermt.rules.lockout import locked_until

# Hashing takes 64 MiB and some 100 ms of several cores. A whole crew that logs in at once waits here, and leaves one
# core to those who read. No lock is held meanwhile.
_hashing = BoundedSemaphore(max(1, (os.cpu_count() or 1) - 1))


def verified(desk: Desk, name: str, address: str, password: str) -> Account:
    """Return the account of this name, if this is its password, as it stands before anybody changes it again.

    A wrong password counts as a failure of the name at the address, whether there is such a user or not. Raises
    `LoginError`, or its subclass `TooManyFailures`.
    """
    with _hashing:
        _check_failures(desk, name, address)
        account = desk.store.read(lambda tx: tx.accounts.find([name])).get(name)
        # Whoever there is or is not, it takes as long.
        usable = account if account and not account.user.disabled else None
        if verify_password(usable.password_hash if usable else None, password) and usable:
            return usable
        _remember_failure(desk, name, address)
        where = address or "this machine"
        if account:
            who = f"disabled {name}" if account.user.disabled else name
            desk.journal.warning("wrong passwords", address, "wrong password for %s from %s", who, where)
        else:  # some type their password where the name belongs, so it is not logged
            desk.journal.warning("unknown names", address, "login by an unknown name from %s", where)
        raise LoginError


def is_right(desk: Desk, name: str, password: str) -> bool:
    """Tell whether this is the password of a user. Nothing is counted: for those whose failure was."""
    account = desk.store.read(lambda tx: tx.accounts.find([name])).get(name)
    with _hashing:
        return verify_password(account.password_hash if account else None, password)


def hashed(password: str) -> str:
    """Return the hash of a new password. Raises `UserError` if it cannot be used."""
    with _hashing:
        return hash_password(password)


def _check_failures(desk: Desk, name: str, address: str) -> None:
    now, window = desk.clock(), desk.policy.login_window.total_seconds()
    failures = desk.store.read(lambda tx: tx.sessions.failures(name, address, now - window))
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
    now = desk.clock()
    forget_before = now - desk.policy.login_window.total_seconds()
    desk.store.write(lambda tx: tx.sessions.add_failure(name, address, now, forget_before))
