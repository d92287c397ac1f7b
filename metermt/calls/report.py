"""What became of a cycle: its report for the office."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from itertools import groupby
from typing import cast

from metermt.calls.asking import Ask, Weight
from metermt.calls.chains import chains_of
from metermt.calls.cycles import Cycle
from metermt.calls.desk import Desk
from metermt.calls.table import call, in_parts
from metermt.decisions import Result
from metermt.model import Job, JobState, Reading, Role
from metermt.quality import Quality
from metermt.report import Estimated, Report
from metermt.rules.consumption import Use, before, use_since
from metermt.rules.cycles import check_there_is
from metermt.rules.invented import hints
from metermt.rules.limits import limits_in
from metermt.rules.reporting import CycleSums, Deviations, year_before
from metermt.rules.review import billing_of
from metermt.rules.times import day_of
from metermt.store.base import Tx

CYCLES_BEFORE = 3
"""How many cycles before it a report looks at for hints: a quarter of a year has enough readings of everybody."""
_NAMED = 1000  # meters that a report names
_OfJob = tuple[Job, list[Reading]]
_OfDay = tuple[Job, date]


@call(Role.SUPERVISOR, Weight.LONG)
def make_report(desk: Desk, ask: Ask[Cycle]) -> Report:
    """Return what became of a cycle, open or closed.

    It reads all readings of the cycle, of the three before it, and of the same one last year, page by page, each page
    as it stands then: nobody who writes waits for it. Raises `RouteError` if there is no such cycle.
    """
    cycle = ask.request.cycle
    cycles = desk.store.read(lambda tx: tx.cycles.all())
    check_there_is(cycle, cycles)
    first_day, due = desk.store.read(lambda tx: tx.cycles.days())[cycle]
    earlier = [name for name in cycles if name < cycle][-CYCLES_BEFORE:]
    last_year = year_before(cycle, cycles)
    deviations, sums = Deviations(), {}
    estimated: list[_OfDay] = []
    for name in dict.fromkeys([*([last_year] if last_year else []), *earlier, cycle]):
        watched = deviations if name in (*earlier, cycle) else None
        summed = name in (cycle, last_year, *earlier[-1:])
        reader = _Reader(desk, name, watched, is_summed=summed, with_uses=name in (cycle, last_year))
        sums[name], estimated = desk.store.read(reader)
    twice = desk.store.read(lambda tx: _estimated_twice(tx, cycle, estimated)) if estimated else []
    jobs = desk.store.read(lambda tx: sum(one.total for one in tx.progress.routes(cycle)))
    return Report(
        cycle=cycle,
        is_open=cycles[cycle],
        first_day=first_day,
        due=due,
        made_at=datetime.fromtimestamp(desk.clock(), UTC),
        shares=sums[cycle].shares(jobs=jobs, is_open=cycles[cycle]),
        readers=sums[cycle].readers(),
        routes=sums[cycle].uses(sums[last_year] if last_year else None),
        last_year=last_year,
        before=earlier,
        estimated_twice=twice[:_NAMED],
        estimated_twice_in_all=len(twice),
        hints=hints(deviations.before, deviations.latest()),
        same_reader=sums[cycle].same_readers(sums[earlier[-1]]) if earlier else [],
    )


class _Reader:
    """Adds up a cycle, and what was used, and adds its deviations, if it is told to; finds what was estimated in it."""

    def __init__(
        self, desk: Desk, cycle: str, deviations: Deviations | None, *, is_summed: bool, with_uses: bool
    ) -> None:
        self._desk, self._cycle, self._deviations = desk, cycle, deviations
        self._is_summed, self._with_uses = is_summed, with_uses

    def __call__(self, tx: Tx) -> tuple[CycleSums, list[_OfDay]]:
        sums = CycleSums()
        estimated: list[_OfDay] = []
        for part in in_parts(_by_job(tx, self._cycle)):
            with self._desk.resting():
                estimated += self._add_part(tx, part, sums)
        if self._deviations:
            self._deviations.end_cycle()
        return sums, estimated

    def _add_part(self, tx: Tx, part: Sequence[_OfJob], sums: CycleSums) -> list[_OfDay]:
        """Add a part of the cycle; return what was estimated in it."""
        uses = self._uses(tx, part) if self._with_uses else {}
        if self._is_summed:
            for job, readings in part:
                sums.add(job, readings, uses.get(job.meter.number))
        if self._deviations:
            self._add(tx, part, self._deviations)
        return _estimated(part)

    def _uses(self, tx: Tx, part: Iterable[_OfJob]) -> dict[str, Use | None]:
        """Return what the meters of a part have used, by the rule that it is billed by."""
        read = {
            job.meter.number: (job, one)
            for job, readings in part
            for one in readings
            if one.counts and one.answer.value is not None
        }
        ids = tx.jobs.ids(self._cycle, read)
        results = {
            number: Result(id_, job, JobState.DONE, billing_of(one), None, one)
            for number, id_ in ids.items()
            for job, one in (read[number],)
        }
        chains = chains_of(tx, [*results.values()])
        return {number: use_since(before(one, chains[one.id]), one) for number, one in results.items()}

    def _add(self, tx: Tx, part: Iterable[_OfJob], deviations: Deviations) -> None:
        counting = [(job, one) for job, readings in part for one in readings if one.counts]
        limits = tx.jobs.limits(self._cycle, [job.meter.number for job, _ in counting])
        for job, one in counting:
            deviations.add(job, one, limits_in(limits.get(job.meter.number)).limits)


def _estimated(part: Iterable[_OfJob]) -> list[_OfDay]:
    """Return the jobs whose estimate counts, each with the day for which that is."""
    return [
        (job, day_of(cast(datetime, one.answer.when)))
        for job, readings in part
        for one in readings
        if one.counts and one.quality is Quality.ESTIMATED
    ]


def _by_job(tx: Tx, cycle: str) -> Iterator[_OfJob]:
    for _, pairs in groupby(tx.readings.all(cycle), key=lambda pair: pair[0].place):
        of_job = list(pairs)
        yield of_job[0][0], [reading for _, reading in of_job]


def _estimated_twice(tx: Tx, cycle: str, estimated: Sequence[_OfDay]) -> list[Estimated]:
    """Return those of the meters that were estimated in a cycle whose last value before that was estimated, too."""
    found = []
    for part in in_parts(estimated):
        past = tx.places.history([job.meter.number for job, _ in part], but_not={cycle})
        for job, on in part:
            earlier = [read for read in past.get(job.meter.number, ()) if read.on < on]
            if earlier and max(earlier, key=lambda read: (read.on, not read.estimated)).estimated:
                found.append(Estimated(job.meter.number, job.route, job.sequence, job.meter.address))
    return found
