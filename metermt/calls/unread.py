"""What is not read yet, and who holds it: for supervisors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from metermt.audit import What
from metermt.calls.accounts import accounts_of
from metermt.calls.asking import MAX_ITEMS, Ask, Weight
from metermt.calls.table import call
from metermt.calls.turn import Turn
from metermt.errors import CallError, RouteError
from metermt.model import Role
from metermt.progress import Unread
from metermt.rules.answers import shown
from metermt.rules.cycles import check_is_open, check_there_is, none_is_open
from metermt.store.base import Tx

_ALL = 10**9  # more jobs than anybody holds
_NAMED = 12  # cycles that an error names


@dataclass(frozen=True, slots=True)
class Missing:
    """Which unread meters are asked for."""

    cycle: str | None = None
    """None for all open cycles."""
    after: Unread | None = None
    """The last one of those that are known already; None for the first ones."""
    route: str | None = None
    """None for all routes."""


@dataclass(frozen=True, slots=True)
class Release:
    """Whose leases are to end: those of a route, a meter or a user, one of the three."""

    route: str | None = None
    meter: str | None = None
    username: str | None = None
    cycle: str | None = None
    """In this cycle only; None for all open ones."""


@call(Role.SUPERVISOR, Weight.READ)
def list_missing(turn: Turn, ask: Ask[Missing]) -> list[Unread]:
    """Return the first 1,000 meters that are not read, or were missed, by cycle, route, sequence and number.

    Ask again with the last of them for those that come after it. Who holds one is told until that time is over.
    Raises `RouteError` if there is no such cycle or route, or none is named and none is open.
    """
    cycles, asked, after = turn.tx.cycles.all(), ask.request.cycle, ask.request.after
    if asked is not None:
        check_there_is(asked, cycles)
    elif after is None and not any(cycles.values()):
        raise RouteError(f"{none_is_open(cycles)}{': name one' if cycles else ''}")
    wanted = [cycle for cycle, is_open in cycles.items() if is_open] if asked is None else [asked]
    route = ask.request.route
    if route is not None and after is None:
        check_there_is_route(turn.tx, route, wanted)
    found: list[Unread] = []
    for cycle in wanted:
        if after and cycle < after.cycle:
            continue
        place = after.place[1:] if after and cycle == after.cycle else (route or "", -1, "")
        unread = turn.tx.jobs.unread(cycle, MAX_ITEMS - len(found), place)
        found += [one for one in unread if route in (None, one.route)]
        if len(found) == MAX_ITEMS:
            break
    return [one if one.leased_until > turn.now else replace(one, leased_to=None, leased_until=0.0) for one in found]


@call(Role.SUPERVISOR, Weight.WRITE)
def release_jobs(turn: Turn, ask: Ask[Release]) -> int:
    """End the leases of a route, of a meter, or of a user, in all open cycles or one, so that anybody gets these jobs.

    Returns how many there were. Who held one may send its reading all the same, until somebody else is handed it.
    Raises `RouteError`, `UserError`, or `CallError` unless one of the three is named.
    """
    jobs = _held(turn, ask.request)
    turn.tx.leases.end(jobs)
    about, whom = ask.request.route or ask.request.meter or "", ask.request.username or ""
    turn.record(ask, What.RELEASED, about, whom=whom, after=f"{len(jobs)} jobs")
    return len(jobs)


def check_there_is_route(tx: Tx, route: str, cycles: Sequence[str]) -> None:
    """Raise `RouteError` unless some meter is on a route in one of these cycles."""
    if not any(tx.jobs.on_routes(cycle, [route]) for cycle in reversed(cycles)):
        where = f"any of {len(cycles)} cycles" if len(cycles) > _NAMED else ", ".join(cycles) or "the open cycles"
        raise RouteError(f"There is no route {shown(route)} in {where}")


def _held(turn: Turn, release: Release) -> list[int]:
    """Return the ids of the jobs that are meant and leased."""
    cycle, where = release.cycle, "the open cycles"
    if cycle is not None:
        where = f"cycle {cycle}"
        check_is_open(cycle, turn.tx.cycles.all(), ": nobody holds a meter in it")
    match release:
        case Release(route=str(route), meter=None, username=None):
            jobs = _held_on(turn, route, cycle)
            routes = [] if jobs else turn.tx.progress.open_routes()
            if not jobs and not any(one.route == route and cycle in (None, one.cycle) for one in routes):
                raise RouteError(f"There is no route {shown(route)} in {where}")
            return jobs
        case Release(route=None, meter=str(meter), username=None):
            standings = [one for one in turn.tx.rounds.standings([meter]) if cycle in (None, one.cycle)]
            if not standings:
                raise RouteError(f"There is no meter {shown(meter)} in {where}")
            return [standing.job for standing in standings if standing.leased_to]
        case Release(route=None, meter=None, username=str(username)):
            accounts_of(turn.tx, [username])
            sessions = turn.tx.sessions.of([username])
            held = turn.tx.leases.held(dict.fromkeys(sessions, _ALL))
            return [known.id for jobs in held.values() for known in jobs if cycle in (None, known.job.cycle)]
    raise CallError("Name a route, a meter or a user, and one of these only")


def _held_on(turn: Turn, route: str, cycle: str | None) -> list[int]:
    if cycle is None:
        return turn.tx.leases.of_routes([route])
    standings = turn.tx.rounds.standings(turn.tx.jobs.on_routes(cycle, [route]))
    return [standing.job for standing in standings if standing.leased_to and standing.cycle == cycle]
