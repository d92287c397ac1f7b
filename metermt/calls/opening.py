"""A cycle is opened: one job of every active meter, with what its reading is judged by."""

from dataclasses import dataclass, field
from datetime import date

from msgspec.structs import replace

from metermt.audit import What
from metermt.calls.asking import Ask, Weight
from metermt.calls.desk import Desk
from metermt.calls.limits import Judged, judged_by, with_reports
from metermt.calls.table import call, in_parts
from metermt.calls.towns import keep_seasons
from metermt.calls.turn import Turn
from metermt.errors import RouteError
from metermt.model import Job, Role
from metermt.names import check_cycle
from metermt.rules.answers import shown
from metermt.rules.cycles import check_is_open, first_day_of
from metermt.rules.times import day_of
from metermt.store.base import Tx


@dataclass(frozen=True, slots=True)
class Opening:
    """A cycle to be opened."""

    cycle: str
    routes: list[str] = field(default_factory=list)
    """Only these; none for all."""
    due: date | None = None
    """The day by which it is to be read."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of it."""

    added: int
    """New jobs."""
    there: int
    """Meters that had one already."""
    without_history: int
    """New jobs of meters that nothing is known of: their readings are flagged so."""
    elsewhere: list[str] = field(default_factory=list)
    """Meters that get none, as they have one in the cycle of another place, where they were taken down since."""


@call(Role.ADMIN, Weight.LONG)
def open_cycle(desk: Desk, ask: Ask[Opening]) -> Opened:
    """Make a job of every active meter, or of those on some routes, that has none in the cycle yet.

    A device that has one already as that of another place, as it was moved in that cycle, gets one in the next cycle.
    `previous` is the last accepted reading, an estimate included. Others work on meanwhile: it is kept in parts of
    1,000 jobs, each whole; if it is cut off, the same again does the rest. Raises `RouteError` if the cycle was closed,
    if there is no such route, or if there are no active meters.
    """
    cycle, due = check_cycle(ask.request.cycle), ask.request.due
    first_day = first_day_of(cycle) or day_of(desk.store.read(desk.turn).moment)
    if due is not None and due < first_day:
        raise RouteError(f"Cycle {cycle} cannot be due on {due}: it begins on {first_day}")
    if not desk.store.read(lambda tx: tx.cycles.all()).get(cycle, True):
        raise RouteError(f"Cycle {cycle} is closed: open a new one, or reopen it (metermt cycles reopen {cycle})")
    wanted = _jobs(desk, cycle, ask.request.routes)
    there, elsewhere = desk.store.read(lambda tx: _in_cycle(tx, cycle, [job.meter.number for job in wanted]))
    taken = there | elsewhere
    new = [job for job in wanted if job.meter.number not in taken]
    walks = {job.route for job in new}
    whole, towns = judged_by(desk, cycle, first_day, [job for job in wanted if job.route in walks])
    judged = [one for one in whole if one.job.meter.number not in taken]

    def begin(turn: Turn) -> None:
        turn.tx.cycles.open(cycle, first_day, due)
        keep_seasons(turn.tx, cycle, towns)
        turn.record(ask, What.CYCLE_OPENED, cycle, after=f"{len(new)} jobs to add, due {due or 'any time'}")

    desk.write(begin)
    for part in in_parts(judged):

        def keep(tx: Tx, part: list[Judged] = part) -> None:
            _keep(tx, cycle, part)

        desk.store.write(keep)
    without_history = sum(one.limits.limits.known_until is None for one in judged)
    return Opened(len(new), len(there), without_history, sorted(elsewhere))


def _jobs(desk: Desk, cycle: str, routes: list[str]) -> list[Job]:
    """Return a job of every active meter, or of those on some routes, in the order of the walk."""
    places = desk.store.read(lambda tx: tx.places.active())
    if not places:
        raise RouteError("There are no active meters: import their routes first (metermt routes import FILE)")
    there = {place.route for place in places}
    if (unknown := next((route for route in routes if route not in there), None)) is not None:
        raise RouteError(
            f"There is no route {shown(unknown)} with an active meter; there are {', '.join(sorted(there))}"
        )
    wanted = set(routes) or there
    return [Job(place.meter, cycle, place.route, place.sequence) for place in places if place.route in wanted]


def _keep(tx: Tx, cycle: str, part: list[Judged]) -> None:
    """Keep some jobs with their limits, but for those that somebody else has added meanwhile.

    Raises `RouteError` if the cycle was closed or removed meanwhile.
    """
    check_is_open(cycle, tx.cycles.all(), " by now")
    there, elsewhere = _in_cycle(tx, cycle, [one.job.meter.number for one in part])
    missing = [one for one in part if one.job.meter.number not in there | elsewhere]
    new = {one.job.meter.number: one for one in with_reports(tx, missing)}
    notes = tx.notes.latest(new)
    tx.jobs.add(replace(one.job, note=notes.get(number, "")) for number, one in new.items())
    ids = tx.jobs.ids(cycle, new)
    tx.jobs.set_limits({ids[number]: one.limits.as_text() for number, one in new.items()})


def _in_cycle(tx: Tx, cycle: str, meters: list[str]) -> tuple[set[str], set[str]]:
    """Return which of these meters hang at places that have a job in a cycle, and which others were read elsewhere."""
    there = tx.places.in_cycle(cycle, meters)
    return there, tx.jobs.ids(cycle, meters).keys() - there
