"""What is not read yet, and who holds it: for supervisors."""

from dataclasses import dataclass, replace

from metermt.calls.table import MAX_ITEMS, Ask, Turn, Weight, call
from metermt.errors import CallError, RouteError, UserError
from metermt.model import Role, Unread
from metermt.rules.cycles import check_there_is

_ALL = 10**9  # more jobs than anybody holds


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
    """Whose leases are to end: one of the three."""

    route: str | None = None
    meter: str | None = None
    username: str | None = None


@call(Role.SUPERVISOR, Weight.READ)
def list_missing(turn: Turn, ask: Ask[Missing]) -> list[Unread]:
    """Return the first 1,000 meters that are not read, or were missed, by cycle, route, sequence and number.

    Ask again with the last of them for those that come after it. Who holds one is told until that time is over.
    Raises `RouteError` if there is no such cycle or route.
    """
    cycles, asked = turn.tx.jobs.cycles(), ask.request.cycle
    if asked is not None:
        check_there_is(asked, cycles)
    wanted = [cycle for cycle, is_open in cycles.items() if is_open] if asked is None else [asked]
    after, route = ask.request.after, ask.request.route
    if route is not None and after is None:
        _check_there_is_route(turn, route, wanted)
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
    """End the leases of a route, of a meter, or of a user, in all open cycles, so that anybody gets these jobs.

    Returns how many there were. Who held one may send its reading all the same, until somebody else is handed it.
    Raises `RouteError`, `UserError`, or `CallError` unless one of the three is named.
    """
    jobs = _held(turn, ask.request)
    turn.tx.leases.end(jobs)
    return len(jobs)


def _check_there_is_route(turn: Turn, route: str, cycles: list[str]) -> None:
    if not any(turn.tx.jobs.on_routes(cycle, [route]) for cycle in cycles):
        raise RouteError(f"There is no route {route!r} in {', '.join(cycles) or 'the open cycles'}")


def _held(turn: Turn, release: Release) -> list[int]:
    """Return the ids of the jobs that are meant and leased."""
    match release:
        case Release(route=str(route), meter=None, username=None):
            jobs = turn.tx.leases.of_routes([route])
            if not jobs and not any(progress.route == route for progress in turn.tx.jobs.progress()):
                raise RouteError(f"There is no route {route!r} in the open cycles")
            return jobs
        case Release(route=None, meter=str(meter), username=None):
            standings = turn.tx.jobs.standings([meter])
            if not standings:
                raise RouteError(f"There is no meter {meter!r} in the open cycles")
            return [standing.job for standing in standings if standing.leased_to]
        case Release(route=None, meter=None, username=str(username)):
            if not turn.tx.accounts.find([username]):
                raise UserError(f"There is no user {username!r}")
            sessions = turn.tx.sessions.of([username])
            held = turn.tx.leases.held(dict.fromkeys(sessions, _ALL))
            return [known.id for jobs in held.values() for known in jobs]
    raise CallError("Name a route, a meter or a user, and one of these only")
