"""By what values are judged: computed from the history of all meters, and stored with the jobs of a cycle."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from itertools import groupby

from msgspec.structs import replace

from metermt.audit import What
from metermt.calls.asking import Ask, Weight
from metermt.calls.desk import Desk
from metermt.calls.exchanges import still_reported
from metermt.calls.settings import sensitivity_of
from metermt.calls.table import call, in_parts
from metermt.calls.towns import histories_of, keep_seasons, towns_of
from metermt.calls.turn import Turn
from metermt.model import Job, Role
from metermt.rules.cycles import check_is_open
from metermt.rules.history import History, Read
from metermt.rules.limits import JobLimits, Limits, limits_of, with_neighbours
from metermt.rules.times import day_of
from metermt.rules.town import Town
from metermt.store.base import Tx

_NAMED = 20  # meters that an answer names


@dataclass(frozen=True, slots=True)
class Renewal:
    """The cycle whose limits are to be computed anew."""

    cycle: str
    routes: list[str] = field(default_factory=list)
    """Only these; none for all."""


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


@dataclass(frozen=True, slots=True)
class Judged:
    """A job, and what its reading is judged by.

    Its `previous` is the last accepted reading, from which billing goes on, an estimate included; it is judged against
    the last actual one.
    """

    job: Job
    limits: JobLimits


@call(Role.ADMIN, Weight.LONG)
def renew_limits(desk: Desk, ask: Ask[Renewal]) -> Renewed:
    """Compute the limits of the unread jobs of an open cycle anew, from what is known of their meters by now.

    Where a meter has a history, its last accepted reading becomes the `previous` of the job. Others work on meanwhile:
    it is kept in parts of 1,000 jobs, and what was read since it was computed stays as it was. Raises `RouteError` if
    there is no such open cycle.
    """
    cycle = ask.request.cycle
    check_is_open(cycle, desk.store.read(lambda tx: tx.cycles.all()))
    first_day = desk.store.read(lambda tx: tx.cycles.days())[cycle][0]
    kept: list[tuple[Job, Judged]] = []
    judged, towns = judged_by(desk, cycle, first_day, _walks(desk, cycle, ask.request.routes))
    for part in in_parts(judged):

        def keep(tx: Tx, part: list[Judged] = part) -> list[tuple[Job, Judged]]:
            return _keep(tx, cycle, part)

        kept += desk.store.write(keep)

    def end(turn: Turn) -> None:
        keep_seasons(turn.tx, cycle, towns)
        turn.record(ask, What.LIMITS, cycle, after=f"{len(kept)} jobs")

    desk.write(end)
    different = [
        Disagreement(before.meter.number, before.previous, now.job.previous, now.job.previous_date)
        for before, now in kept
        if before.previous is not None
        and now.job.previous is not None
        and now.job.previous_date is not None
        and before.previous != now.job.previous
    ]
    without = sum(now.limits.limits.known_until is None for _, now in kept)
    return Renewed(len(kept), without, len(different), different[:_NAMED])


def judged_by(
    desk: Desk, cycle: str, first_day: date | None, jobs: Sequence[Job]
) -> tuple[list[Judged], dict[str, Town]]:
    """Return by what each job of a cycle is judged, and what was learned for that of each kind of meters.

    They come in the order of their walks, of which none has gaps.
    A meter without a history of ours has the `previous` of its job instead, as far as that has a date.
    """
    sensitivity = desk.store.read(sensitivity_of)
    opened = first_day or day_of(desk.store.read(desk.turn).moment)
    towns, known = towns_of(desk, cycle, opened, {job.meter.kind for job in jobs})
    nowhere = Town()
    own: list[tuple[Job, Limits, date | None]] = []
    for part in in_parts(jobs):
        others = histories_of(desk, cycle, [job.meter for job in part if job.meter.number not in known])
        for job in part:
            number = job.meter.number
            history = known[number] if number in known else others[number]
            if history.accepted is None and job.previous is not None and job.previous_date is not None:
                history = History(Read(job.previous_date, job.previous))
            limits = limits_of(history, towns.get(job.meter.kind, nowhere), opened)
            estimated_on = history.estimate.on if history.estimate else None
            own.append((_with_previous(job, history), limits, estimated_on))
    found: list[Judged] = []
    for _, walk in groupby(own, key=lambda one: one[0].route):
        stops = list(walk)
        for place, (job, limits, estimated_on) in enumerate(stops):
            beside = [stops[at][1] for at in (place - 1, place + 1) if 0 <= at < len(stops)]
            whole = with_neighbours(limits, beside)
            found.append(Judged(job, JobLimits(whole, first_day, job.meter.active, sensitivity, estimated_on)))
    return found, towns


def with_reports(tx: Tx, part: Sequence[Judged]) -> list[Judged]:
    """Return jobs with what says that the office has to look at the next value, where a reader has told of an exchange.

    That is for as long as nobody has read the new device, also over cycles in which it was missed.
    """
    reported = still_reported(tx, [one.job.meter.number for one in part])
    return [
        Judged(one.job, replace(one.limits, reported=True)) if one.job.meter.number in reported else one for one in part
    ]


def _keep(tx: Tx, cycle: str, part: list[Judged]) -> list[tuple[Job, Judged]]:
    """Keep by what jobs are judged that are unread still; return these as they were, and what they are now."""
    numbers = [one.job.meter.number for one in part]
    ids = {one.meter: one.job for one in tx.rounds.standings(numbers) if one.cycle == cycle and not one.is_done}
    there = tx.jobs.find(cycle, ids)
    mine = [one for one in part if one.job.meter.number in there]
    kept = [(there[one.job.meter.number], one) for one in with_reports(tx, mine)]
    changed = ((job, replace(job, previous=now.job.previous, previous_date=now.job.previous_date)) for job, now in kept)
    tx.jobs.change(after for before, after in changed if before != after)
    tx.jobs.set_limits({ids[job.meter.number]: now.limits.as_text() for job, now in kept})
    return kept


def _walks(desk: Desk, cycle: str, routes: Sequence[str]) -> list[Job]:
    """Return all jobs of a cycle on some routes, or on any if none is named, in the order of the walk."""
    names = routes or [one.route for one in desk.store.read(lambda tx: tx.progress.routes(cycle))]
    jobs: list[Job] = []
    for part in in_parts(desk.store.read(lambda tx: tx.jobs.on_routes(cycle, names))):
        there = desk.store.read(partial(_find, cycle, part))
        jobs += [there[number] for number in part if number in there]
    return jobs


def _find(cycle: str, numbers: list[str], tx: Tx) -> dict[str, Job]:
    return tx.jobs.find(cycle, numbers)


def _with_previous(job: Job, history: History) -> Job:
    """Return the job with the last accepted reading of its place, as far as there is one."""
    accepted = history.accepted
    return replace(job, previous=accepted.value, previous_date=accepted.on) if accepted else job
