"""How far the open cycles are, who is at it, and how fast: for whoever has to see that it gets done."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from metermt.calls.asking import Ask, Weight
from metermt.calls.table import always, call
from metermt.calls.turn import Turn
from metermt.errors import RouteError
from metermt.model import Role
from metermt.progress import CycleWork, Holding, ReaderWork, RouteWork, Work
from metermt.rules.clocks import can_have_been
from metermt.rules.cycles import check_is_open, none_is_open
from metermt.rules.pace import an_hour
from metermt.rules.schedule import is_behind, is_late
from metermt.rules.times import day_of


@dataclass(frozen=True, slots=True)
class ProgressOf:
    """Which open cycle is asked about; None for all."""

    cycle: str | None = None


@call(Role.SUPERVISOR, Weight.READ, is_large=always)  # it counts the jobs
def show_progress(turn: Turn, ask: Ask[ProgressOf]) -> Work:
    """Return how far the routes of the open cycles are and who is at them, and what all readers have done today.

    It counts the jobs of these cycles, in a tenth of a second to half a second for 200,000: ask every few seconds at
    most. Raises `RouteError` if there is no such cycle, it is closed, or none is open.
    """
    tx, asked = turn.tx, ask.request.cycle
    cycles = tx.cycles.all()
    if asked is not None:
        check_is_open(asked, cycles, f": 'metermt report {asked}' tells what became of it")
    wanted = [cycle for cycle, is_open in cycles.items() if is_open and asked in (None, cycle)]
    if not wanted:
        raise RouteError(none_is_open(cycles))
    given: dict[str, list[str]] = {}
    for one in tx.walks.assignments():
        given.setdefault(one.route, []).append(one.username)
    held = tx.overview.holdings(turn.now)
    return Work(turn.moment, [_cycle(turn, cycle, given, held) for cycle in wanted], _readers(turn, given, held))


def _cycle(turn: Turn, cycle: str, given: dict[str, list[str]], held: list[Holding]) -> CycleWork:
    today = day_of(turn.moment)
    first_day, due = turn.tx.cycles.days()[cycle]
    routes = turn.tx.progress.routes(cycle)
    done, total = sum(one.done for one in routes), sum(one.total for one in routes)
    behind = is_behind(done, total, first_day, due, today)
    work = [
        RouteWork(
            one,
            is_late(one.done, one.total, is_behind(one.done, one.total, first_day, due, today), behind),
            given.get(one.route, []),
            {hold.username: hold.jobs for hold in held if (hold.cycle, hold.route) == (cycle, one.route)},
        )
        for one in routes
    ]
    return CycleWork(cycle, first_day, due, behind, work)


def _readers(turn: Turn, given: dict[str, list[str]], held: list[Holding]) -> list[ReaderWork]:
    """Return what readers have done, and others who have read, or have something to read."""
    tx, users = turn.tx, turn.tx.accounts.users()
    names = [user.username for user in users]
    today = tx.overview.read_since(names, _midnight(day_of(turn.moment)))
    seen, connected = tx.accounts.last_used(names), tx.overview.connected()
    walks = {username: walk.route for username, walk in tx.walks.now(turn.idle_since)}
    at_work = {*today, *(one.username for one in held), *(name for readers in given.values() for name in readers)}
    return [
        ReaderWork(
            username=user.username,
            today=len(today.get(user.username, ())),
            an_hour=an_hour(sorted(today.get(user.username, ()))),
            last_seen=_last_seen(seen.get(user.username), today.get(user.username, ()), turn),
            is_connected=user.username in connected,
            route=walks.get(user.username, ""),
        )
        for user in users
        if user.username in at_work or (user.role is Role.READER and not user.disabled)
    ]


def _midnight(day: date) -> datetime:
    """Return when a day began, in UTC, by the calendar of this machine."""
    return datetime.combine(day, time()).astimezone(UTC)


def _last_seen(used_at: float | None, read_at: Iterable[datetime], turn: Turn) -> datetime | None:
    """Return when a reader was seen last, None if nobody knows.

    The use of a session is noted every few minutes only; whoever reads stood at a meter since.
    """
    noted = [datetime.fromtimestamp(used_at, UTC)] if used_at and can_have_been(used_at, turn.now) else []
    return max([*noted, *(at for at in read_at if at <= turn.moment)], default=None)
