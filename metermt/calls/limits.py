"""By what values are judged: computed from the history of all meters, and stored with the jobs of a cycle."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import groupby

from metermt.audit import What
from metermt.calls.cycles import Cycle
from metermt.calls.desk import Desk
from metermt.calls.settings import sensitivity_of
from metermt.calls.table import MAX_ITEMS, Ask, Weight, call, in_parts
from metermt.errors import RouteError
from metermt.model import Job, Meter, Role
from metermt.rules.cycles import check_there_is
from metermt.rules.history import History, Read, history_of
from metermt.rules.limits import Limits, limits_of, with_neighbours
from metermt.rules.looks import JobLimits
from metermt.rules.seasons import season_of
from metermt.rules.town import Town, town_of
from metermt.store.base import Tx
from metermt.store.gathered import KnownJob

_ENOUGH = 2000  # meters of a kind, drawn evenly, that tell how the town moves
_NAMED = 20  # meters that an answer names


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A `previous` that a route file gave, and what our own history says instead."""

    meter: str
    given: int
    ours: int
    ours_on: date


@dataclass(frozen=True, slots=True)
class Renewed:
    """What became of the limits of a cycle."""

    jobs: int = 0
    """Jobs that are judged by new limits."""
    without_history: int = 0
    """Those of them that there is no history of: their readings are flagged so."""
    disagreeing: int = 0
    """Those whose `previous` was another one than that of our history, which is taken."""
    examples: list[Disagreement] = field(default_factory=list)
    """Some of these."""


@call(Role.ADMIN, Weight.LONG)
def renew_limits(desk: Desk, ask: Ask[Cycle]) -> Renewed:
    """Compute the limits of all unread jobs of an open cycle anew, from what is known of their meters by now.

    Where a meter has a history, its last reading becomes the `previous` of the job. Others work on meanwhile: it is
    kept in parts of 1,000 jobs. Raises `RouteError` if there is no such open cycle.
    """
    cycle = ask.request.cycle
    cycles = desk.store.read(lambda tx: tx.jobs.cycles())
    check_there_is(cycle, cycles)
    if not cycles[cycle]:
        raise RouteError(f"Cycle {cycle} is closed, and stays what it was")
    first_day = desk.store.read(lambda tx: tx.jobs.days())[cycle][0]
    unread = list(_unread(desk, cycle))
    found = limits_for(desk, cycle, first_day, [known.job for known in unread])
    for part in in_parts(zip(unread, found, strict=True)):
        jobs = [with_previous(known.job, one) for known, one in part]

        def keep(tx: Tx, part: list[tuple[KnownJob, JobLimits]] = part, jobs: list[Job] = jobs) -> None:
            tx.jobs.change(jobs)
            tx.jobs.set_limits({known.id: one.as_text() for known, one in part})

        desk.store.write(keep)
    desk.write(lambda turn: turn.record(ask, What.LIMITS, cycle, after=f"{len(unread)} jobs"))
    different = [
        Disagreement(known.job.meter.number, known.job.previous, one.limits.previous, one.limits.previous_on)
        for known, one in zip(unread, found, strict=True)
        if one.limits.previous is not None
        and one.limits.previous_on is not None
        and known.job.previous not in (None, one.limits.previous)
    ]
    without = sum(one.limits.known_until is None for one in found)
    return Renewed(len(unread), without, len(different), different[:_NAMED])


def limits_for(desk: Desk, cycle: str, first_day: date | None, jobs: Sequence[Job]) -> list[JobLimits]:
    """Return by what each job of a cycle is judged; they come in the order of their walks.

    A meter without a history of ours has the `previous` of its job instead, as far as that has a date.
    """
    sensitivity = desk.store.read(sensitivity_of)
    opened = first_day or desk.store.read(desk.turn).moment.astimezone().date()
    towns = _towns(desk, cycle, opened)
    nowhere = Town()
    own: list[Limits] = []
    for part in in_parts(jobs):
        histories = _histories(desk, cycle, [job.meter for job in part])
        for job in part:
            history = histories[job.meter.number]
            if history.last is None and job.previous is not None and job.previous_date is not None:
                history = History(Read(job.previous_date, job.previous))
            own.append(limits_of(history, towns.get(job.meter.kind, nowhere), opened))
    found: list[JobLimits] = []
    for _, walk in groupby(zip(jobs, own, strict=True), key=lambda pair: pair[0].route):
        stops = list(walk)
        for place, (job, limits) in enumerate(stops):
            beside = [stops[at][1] for at in (place - 1, place + 1) if 0 <= at < len(stops)]
            found.append(JobLimits(with_neighbours(limits, beside), first_day, job.meter.active, sensitivity))
    return found


def _towns(desk: Desk, cycle: str, opened: date) -> dict[str, Town]:
    """Return what the meters of each kind have in common."""
    kinds: dict[str, list[Meter]] = {}
    for place in desk.store.read(lambda tx: tx.places.active()):
        kinds.setdefault(place.meter.kind, []).append(place.meter)
    towns = {}
    for kind, meters in kinds.items():
        sample = meters[:: max(len(meters) // _ENOUGH, 1)]
        histories = [history for part in in_parts(sample) for history in _histories(desk, cycle, part).values()]
        towns[kind] = town_of(histories, opened, season_of(histories, opened))
    return towns


def _histories(desk: Desk, cycle: str, meters: Iterable[Meter]) -> Mapping[str, History]:
    """Return the histories of meters, by number, without what was read in this cycle."""
    dials = {meter.number: meter.dials for meter in meters}
    reads = desk.store.read(lambda tx: tx.places.history(dials, but_not=cycle))
    return {number: history_of(reads.get(number, ()), digits) for number, digits in dials.items()}


def _unread(desk: Desk, cycle: str) -> Iterator[KnownJob]:
    """Yield the jobs of a cycle that are not read, in the order of the walk."""
    last = ("", -1, "")

    def page(tx: Tx) -> list[KnownJob]:
        return tx.jobs.walk(cycle, MAX_ITEMS, last)

    while jobs := desk.store.read(page):
        yield from jobs
        last = jobs[-1].job.place[1:]


def with_previous(job: Job, judged: JobLimits) -> Job:
    """Return the job with the last reading of our history, as far as there is one."""
    limits = judged.limits
    return replace(job, previous=limits.previous, previous_date=limits.previous_on) if limits.previous_on else job
