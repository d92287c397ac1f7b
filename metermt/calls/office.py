"""What is to be read, and how far it is: for the office."""

from collections import Counter
from dataclasses import dataclass

from metermt.calls.table import Ask, Turn, Weight, call
from metermt.errors import RouteError
from metermt.model import ImportCount, Job, Role, RouteProgress, check_cycle


@dataclass(frozen=True, slots=True)
class Import:
    """Jobs of one cycle."""

    cycle: str
    jobs: list[Job]


@dataclass(frozen=True, slots=True)
class Cycle:
    """Which cycle a call is about."""

    cycle: str


@call(Role.ADMIN, Weight.WRITE, is_large=lambda _request: True)
def import_jobs(turn: Turn, ask: Ask[Import]) -> ImportCount:
    """Add jobs of one cycle, which is opened if it is new.

    A job that stands already is brought up to date; who holds or has read it is kept. Raises `RouteError` if the cycle
    was closed.
    """
    cycle, jobs = check_cycle(ask.request.cycle), ask.request.jobs
    if not turn.tx.jobs.cycles().get(cycle, True):
        raise RouteError(f"Cycle {cycle} is closed: import into a new one")
    if strange := next((job for job in jobs if job.cycle != cycle), None):
        raise RouteError(f"Meter {strange.meter.number} is to be read in {strange.cycle}, not in {cycle}")
    turn.tx.jobs.open_cycle(cycle)
    there = turn.tx.jobs.find(cycle, [job.meter.number for job in jobs])
    new: dict[str, Job] = {}
    changed: dict[str, Job] = {}
    count: Counter[str] = Counter()
    for job in jobs:
        number = job.meter.number
        known = new.get(number) or changed.get(number) or there.get(number)
        count["added" if known is None else "unchanged" if known == job else "changed"] += 1
        (changed if number in there else new)[number] = job
    turn.tx.jobs.add(new.values())
    turn.tx.jobs.change([job for number, job in changed.items() if job != there[number]])
    return ImportCount(**count)


@call(Role.ADMIN, Weight.WRITE, is_large=lambda _request: True)
def close_cycle(turn: Turn, ask: Ask[Cycle]) -> int:
    """Close a cycle: what was not read is missed, handed out no more, and its readings no longer count in the status.

    Returns the number of jobs that were missed. Raises `RouteError` if there is no such open cycle.
    """
    if not turn.tx.jobs.cycles().get(ask.request.cycle, False):
        raise RouteError(f"There is no open cycle {ask.request.cycle!r}")
    return turn.tx.jobs.close_cycle(ask.request.cycle)


@call(Role.SUPERVISOR, Weight.READ)
def list_routes(turn: Turn, ask: Ask[None]) -> list[RouteProgress]:  # noqa: ARG001 - it is told nothing
    """Return how far each route of the open cycles is, sorted."""
    return turn.tx.jobs.progress()
