"""Reading periods: they are opened, read, and closed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from metermt.audit import What
from metermt.calls.asking import Ask, Weight
from metermt.calls.exchanges import bring_up_to_date
from metermt.calls.table import always, call
from metermt.calls.turn import Turn
from metermt.errors import RouteError
from metermt.model import Role
from metermt.printable import counted
from metermt.progress import ClosedCounts, RouteCounts
from metermt.rules.cycles import check_is_open, check_there_is


@dataclass(frozen=True, slots=True)
class Cycle:
    """Which cycle a call is about."""

    cycle: str


@dataclass(frozen=True, slots=True)
class Closing:
    """Which cycle is to be closed, and whether what is not read is to be missed; else that is an error."""

    cycle: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class CycleProgress:
    """How far a cycle is. Days are None where nobody has said them."""

    cycle: str
    is_open: bool
    first_day: date | None
    due: date | None
    """The day by which it is to be read."""
    routes: list[RouteCounts]
    """Those of an open one."""
    closed: ClosedCounts | None = None
    """What became of a closed one."""


@call(Role.SUPERVISOR, Weight.READ, is_large=always)
def list_cycles(turn: Turn, ask: Ask[None]) -> list[CycleProgress]:  # noqa: ARG001 - it is told nothing
    """Return all cycles in order: the open ones with their routes, the closed ones with what became of them."""
    days, cycles = turn.tx.cycles.days(), turn.tx.cycles.all()
    closed = turn.tx.progress.closed(cycle for cycle, is_open in cycles.items() if not is_open)
    return [
        CycleProgress(
            cycle, is_open, *days[cycle], turn.tx.progress.routes(cycle) if is_open else [], closed.get(cycle)
        )
        for cycle, is_open in cycles.items()
    ]


@call(Role.ADMIN, Weight.WRITE, is_large=always)
def close_cycle(turn: Turn, ask: Ask[Closing]) -> int:
    """Close a cycle: what was not read is missed, handed out no more, and its readings no longer count in the status.

    Returns the number of jobs that were missed. Raises `RouteError` if there is no such cycle, if it is closed already,
    or if meters are not read, unless it is forced.
    """
    cycle = ask.request.cycle
    turn.tx.alone()
    check_is_open(cycle, turn.tx.cycles.all(), " already")
    left = sum(route.left + route.skipped for route in turn.tx.progress.routes(cycle))
    if left and not ask.request.force:
        meters = counted(left, "meter is", "meters are")
        raise RouteError(f"{meters} not read in {cycle}: read them first, or have them missed with --force")
    missed = turn.tx.cycles.close(cycle)
    turn.record(ask, What.CYCLE_CLOSED, cycle, after=f"{missed} missed")
    return missed


@call(Role.ADMIN, Weight.WRITE, is_large=always)
def reopen_cycle(turn: Turn, ask: Ask[Cycle]) -> int:
    """Open a closed cycle again: what was missed is to be read, and its readings count in the status.

    Where another device hangs by now, it is that one that is read. Returns the number of jobs that are open again.
    Raises `RouteError` if there is no such cycle, or it is open.
    """
    turn.tx.alone()
    cycle, cycles = ask.request.cycle, turn.tx.cycles.all()
    check_there_is(cycle, cycles)
    if cycles[cycle]:
        raise RouteError(f"Cycle {cycle} is open already")
    again = turn.tx.cycles.reopen(cycle)
    bring_up_to_date(turn.tx, cycle)
    turn.record(ask, What.CYCLE_REOPENED, cycle, after=f"{again} open again")
    return again


@call(Role.ADMIN, Weight.WRITE, is_large=always)
def remove_cycle(turn: Turn, ask: Ask[Cycle]) -> int:
    """Remove a cycle in which nothing was ever read, open or closed, with its jobs, whoever holds them.

    What is sent for it later is refused by its name. Returns the number of jobs. Raises `RouteError` if there is no
    such cycle, or there are readings in it, which estimates are, too.
    """
    tx, cycle = turn.tx, ask.request.cycle
    tx.alone()
    check_there_is(cycle, tx.cycles.all())
    routes = tx.progress.routes(cycle)
    jobs = tx.jobs.ids(cycle, tx.jobs.on_routes(cycle, [route.route for route in routes])).values()
    if results := len(tx.readings.on_record(jobs)):
        raise RouteError(f"Cycle {cycle} stays, as {_results(results, routes)}: one that is over is closed")
    tx.jobs.remove(jobs)
    tx.cycles.remove(cycle)
    turn.record(ask, What.CYCLE_REMOVED, cycle, before=counted(len(jobs), "job"))
    return len(jobs)


def _results(on_record: int, routes: Sequence[RouteCounts]) -> str:
    """Say what became of the meters of a cycle that have readings on record."""
    estimated, no_access = sum(one.estimated for one in routes), sum(one.no_access for one in routes)
    read = sum(one.read for one in routes) - estimated
    words = {
        "read": read,
        "estimated": estimated,
        "without access": no_access,
        "to be read again": on_record - read - estimated - no_access,
    }
    told = ", ".join(f"{number} {what}" for what, number in words.items() if number)
    return f"{counted(on_record, 'meter has', 'meters have')} readings in it ({told})"
