"""A made-up town: its users, its meters, and the way past them."""

from datetime import date
from typing import Final

from metermt.calls.accounts import add_accounts
from metermt.calls.asking import Caller
from metermt.calls.desk import Desk
from metermt.calls.opening import Opening, open_cycle
from metermt.calls.places import Past, Places, Shown, import_history, import_places
from metermt.calls.routes import list_routes
from metermt.demotown import stops
from metermt.errors import SettingError
from metermt.model import Account, Role, User
from metermt.passwords import hash_known_password, verify_password
from metermt.store.base import Tx

USERS: Final = {"adam": "Adam Ong", "carol": "Carol Dent", "eric": "Eric Lund", "gwenda": "Gwenda Pryce"}
"""User names and full names. Each password is the user name."""

_OFFICE = Caller(role=Role.ADMIN)


def add_town(desk: Desk) -> None:
    """Let the town's users in, and have its meters read this month.

    Users who are known already are left alone; meters are added only if there are no routes, and this month's cycle was
    not closed. Raises `SettingError` if there is something in the store, and nothing of the town.
    """
    if not desk.store.read(lambda tx: _is_empty(tx) or _has_town(tx)):
        raise SettingError(
            f"--demo would let anybody into {desk.store.location()}, which has users, meters or cycles of its own:"
            " choose another --database, or leave --demo away"
        )
    today = desk.store.read(desk.turn).moment.date()
    is_open = desk.store.read(lambda tx: tx.cycles.all()).get(f"{today:%Y-%m}", True)
    # The meters first: who is cut off after them finds a database of the town next time.
    if is_open and not desk.ask(list_routes, None, caller=_OFFICE):
        _open(desk, today)
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
            f"{desk.store.location()} was made by --demo, and lets anybody in as {', '.join(let_in)}:"
            " serve it with --demo, choose another --database, or disable these users (metermt users disable NAME)"
        )


def _is_empty(tx: Tx) -> bool:
    return not tx.accounts.users() and not tx.cycles.all() and not tx.places.active()


def _has_town(tx: Tx) -> bool:
    """Tell whether the town's first meter hangs where it does in the town."""
    first = stops()[0]
    return any(place.meter.address == first.address for place in tx.places.find([first.number]).values())


def _open(desk: Desk, today: date) -> None:
    """Have all meters read this month: with a past, made up unless they have one, and with hints at what they show."""
    month = today.replace(day=1)
    known = desk.store.read(lambda tx: tx.places.history(stop.number for stop in stops()))
    made_up = {stop.number: stop.past(month) for stop in stops() if stop.number not in known}
    pasts = known | made_up
    places = [stop.place(max(pasts[stop.number], key=lambda read: read.on), today) for stop in stops()]
    shown = [Shown(number, read.on, read.value) for number, past in made_up.items() for read in past]
    desk.ask(import_places, Places(places), caller=_OFFICE)
    desk.ask(import_history, Past(shown), caller=_OFFICE)
    desk.ask(open_cycle, Opening(f"{month:%Y-%m}"), caller=_OFFICE)
