"""A made-up town: its users, its meters, and the way past them."""

import random
from collections.abc import Iterator
from typing import Final

from metermt.calls.accounts import add_accounts
from metermt.calls.desk import Desk
from metermt.calls.office import Import, import_jobs, list_routes
from metermt.calls.table import Caller
from metermt.errors import SettingError
from metermt.model import Account, Job, Meter, Role, User
from metermt.passwords import hash_known_password, verify_password
from metermt.store.base import Tx

USERS: Final = {"adam": "Adam Ong", "carol": "Carol Dent", "eric": "Eric Lund", "gwenda": "Gwenda Pryce"}
"""User names and full names. Each password is the user name."""

_STREETS = ("Station Road", "Mill Lane", "Harbour Street", "Church Walk", "Market Square")
_HOUSES = 200  # of each street; a meter each
_OFFICE = Caller(role=Role.ADMIN)


def add_town(desk: Desk) -> None:
    """Let the town's users in, and have its meters read this month.

    Users who are known already are left alone; meters are added only if there are no routes, and this month's cycle was
    not closed. Raises `SettingError` if there is something in the store, and nothing of the town.
    """
    if not desk.store.read(lambda tx: _is_empty(tx) or _has_town(tx)):
        raise SettingError(
            f"--demo would let anybody into {desk.store.place()}, which has users or cycles of its own:"
            " choose another --database, or leave --demo away"
        )
    cycle = f"{desk.store.read(desk.turn).moment:%Y-%m}"
    is_open = desk.store.read(lambda tx: tx.jobs.cycles()).get(cycle, True)
    # The meters first: who is cut off after them finds a database of the town next time.
    if is_open and not desk.ask(list_routes, None, caller=_OFFICE):
        desk.ask(import_jobs, Import(cycle, list(_jobs(cycle))), caller=_OFFICE)
    known = desk.store.read(lambda tx: tx.accounts.find(USERS))
    accounts = [
        Account(User(username, full_name), hash_known_password(username))
        for username, full_name in USERS.items()
        if username not in known
    ]

    def add(tx: Tx) -> None:
        add_accounts(desk.turn(tx), accounts)

    desk.store.write(add)


def check_no_town(desk: Desk) -> None:
    """Raise `SettingError` if the town is in the store, and its users can still log in by their names alone."""
    accounts = desk.store.read(lambda tx: tx.accounts.find(USERS))
    if not accounts or not desk.store.read(_has_town):
        return
    let_in = [
        username
        for username, account in sorted(accounts.items())
        if not account.user.disabled and verify_password(account.password_hash, username)
    ]
    if let_in:
        raise SettingError(
            f"{desk.store.place()} was made by --demo, and lets anybody in as {', '.join(let_in)}:"
            " serve it with --demo, choose another --database, or disable these users (metermt users disable NAME)"
        )


def _is_empty(tx: Tx) -> bool:
    return not tx.accounts.users() and not tx.jobs.cycles()


def _has_town(tx: Tx) -> bool:
    """Tell whether the town's first meter is or was to be read."""
    first = next(_jobs("any")).meter
    found = [tx.jobs.find(cycle, [first.number]) for cycle in tx.jobs.cycles()]
    return any(job.meter.address == first.address for jobs in found for job in jobs.values())


def _jobs(cycle: str) -> Iterator[Job]:
    """Yield a job for each house: gas meters G40000 to G99999, electricity meters E40000 to E999999.

    They are the same in every run.
    """
    choice = random.Random(1)  # noqa: S311 - nothing is kept secret by it
    numbers: dict[str, None] = {}
    while len(numbers) < len(_STREETS) * _HOUSES:
        kind, highest = choice.choice((("G", 99_999), ("E", 999_999)))
        numbers[f"{kind}{choice.randint(40_000, highest)}"] = None
    for place, number in enumerate(numbers):
        street, house = _STREETS[place // _HOUSES], place % _HOUSES + 1
        yield Job(Meter(number, number[0], 6, f"{house} {street}"), cycle, street, house)
