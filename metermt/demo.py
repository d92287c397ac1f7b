"""The demo's users and its made-up meters."""

import random
from typing import Final

from metermt.model import Account, Job, Meter, User
from metermt.passwords import hash_password
from metermt.store.base import Store

USERS: Final = {"adam": "Adam Ong", "carol": "Carol Dent", "eric": "Eric Lund", "gwenda": "Gwenda Pryce"}
"""User names and full names. Each password is the user name."""


def add_demo_users(store: Store) -> None:
    """Let the demo's users in, with their names as passwords. Those who are known already are left alone."""
    for username, full_name in USERS.items():
        if store.find_account(username) is None:
            store.add_user(Account(User(username, full_name), hash_password(username)))


def make_up_job(cycle: str) -> Job:
    """Think up a gas meter G40000 to G99999 or an electricity meter E40000 to E999999."""
    kind, highest = random.choice((("G", 99_999), ("E", 999_999)))  # noqa: S311 - nothing is kept secret by it
    return Job(Meter(f"{kind}{random.randint(40_000, highest)}", kind, dials=6), cycle)  # noqa: S311
