"""Who walks which route: the office gives routes to readers."""

from collections.abc import Sequence
from dataclasses import dataclass

from metermt.audit import What
from metermt.calls.accounts import accounts_of
from metermt.calls.asking import Ask, Weight
from metermt.calls.table import always, call
from metermt.calls.turn import Turn
from metermt.errors import RouteError, UserError
from metermt.model import Assignment, Role
from metermt.rules.answers import shown
from metermt.store.base import Tx


@dataclass(frozen=True, slots=True)
class Assigning:
    """A route, and the readers who are to walk it, or not any more; with `reverse` from its end."""

    route: str
    usernames: list[str]
    reverse: bool = False


@call(Role.SUPERVISOR, Weight.WRITE, is_large=always)  # it looks through all places
def assign_route(turn: Turn, ask: Ask[Assigning]) -> None:
    """Give a route to readers: from their next job on they get its jobs, nobody else does, and they get no others.

    Raises `RouteError` if no meter is on such a route, `UserError` if there is no such user.
    """
    asked = ask.request
    there = turn.tx.places.routes()
    if asked.route not in there:
        raise RouteError(f"There is no route {shown(asked.route)} with an active meter; there are {', '.join(there)}")
    _check_readers(turn.tx, asked.usernames)
    turn.tx.walks.assign([Assignment(asked.route, username, asked.reverse) for username in asked.usernames])
    turn.tx.walks.stop_all()
    for username in asked.usernames:
        turn.record(ask, What.ROUTE_ASSIGNED, asked.route, whom=username, after="reverse" if asked.reverse else "")


@call(Role.SUPERVISOR, Weight.WRITE)
def unassign_route(turn: Turn, ask: Ask[Assigning]) -> None:
    """Take a route from readers. What they hold of it they may still read.

    Raises `UserError` if there is no such user, `RouteError` if one of them was not given the route.
    """
    asked = ask.request
    _check_readers(turn.tx, asked.usernames)
    given = {one.username for one in turn.tx.walks.assignments() if one.route == asked.route}
    if other := next((username for username in asked.usernames if username not in given), None):
        raise RouteError(f"Route {asked.route!r} is not given to {other}")
    turn.tx.walks.unassign([(asked.route, username) for username in asked.usernames])
    turn.tx.walks.stop_all()
    for username in asked.usernames:
        turn.record(ask, What.ROUTE_UNASSIGNED, asked.route, whom=username)


@call(Role.SUPERVISOR, Weight.READ)
def list_assignments(turn: Turn, ask: Ask[None]) -> list[Assignment]:  # noqa: ARG001 - it is told nothing
    """Return which routes are given to whom, sorted by route and user name."""
    return turn.tx.walks.assignments()


def _check_readers(tx: Tx, usernames: Sequence[str]) -> None:
    if not usernames:
        raise UserError("Name a reader")
    accounts_of(tx, usernames)
