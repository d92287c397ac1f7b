"""What is to be read, and how far it is: for the office."""

from collections import Counter
from dataclasses import dataclass, field

from msgspec.structs import replace

from metermt.audit import What
from metermt.calls.asking import Ask, Weight
from metermt.calls.places import put_places
from metermt.calls.table import MAX_PARTS, always, call
from metermt.calls.turn import Turn
from metermt.errors import RouteError
from metermt.model import Job, Place, Role
from metermt.names import check_cycle, check_day
from metermt.progress import RouteProgress
from metermt.rules.answers import shown
from metermt.rules.cycles import check_is_open, check_there_is, first_day_of


@dataclass(frozen=True, slots=True)
class Import:
    """Jobs of one cycle."""

    cycle: str
    jobs: list[Job]
    dry_run: bool = False
    """Whether it is only to be told what would become of them."""


@dataclass(frozen=True, slots=True)
class Routes:
    """Some routes of one cycle."""

    cycle: str
    routes: list[str]


@dataclass(frozen=True, slots=True)
class ImportCount:
    """What became of imported jobs."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    kept: int = 0
    """Jobs that were read already, and stay what they were though the import says otherwise."""
    elsewhere: dict[str, int] = field(default_factory=dict)
    """How many of the meters are to be read in another open cycle, too, by its name."""

    def __add__(self, other: "ImportCount") -> "ImportCount":
        return ImportCount(
            self.added + other.added,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.kept + other.kept,
            dict(Counter(self.elsewhere) + Counter(other.elsewhere)),
        )


@dataclass(frozen=True, slots=True)
class Removal:
    """Meters that are not to be read in a cycle."""

    cycle: str
    meters: list[str]


@call(Role.ADMIN, Weight.WRITE, is_large=always, most_parts=MAX_PARTS)
def import_jobs(turn: Turn, ask: Ask[Import]) -> ImportCount:
    """Add jobs of one cycle, which is opened if it is new, and the places of their meters.

    A job that stands already is brought up to date, and who holds it is kept; one that was read stays what it was.
    Raises `RouteError` if the cycle was closed, a day lies before 1970, or a meter cannot hang there so (`put_places`);
    a dry run, too.
    """
    cycle, jobs = check_cycle(ask.request.cycle), ask.request.jobs
    cycles = turn.tx.cycles.all()
    if not cycles.get(cycle, True):
        raise RouteError(f"Cycle {cycle} is closed: import into a new one, or open it again")
    if strange := next((job for job in jobs if job.cycle != cycle), None):
        raise RouteError(f"Meter {strange.meter.number} is to be read in {strange.cycle}, not in {cycle}")
    for job in jobs:
        if job.previous_date:
            check_day(f"previous_date of {job.meter.number},", job.previous_date)
    numbers = {job.meter.number for job in jobs}
    there = turn.tx.jobs.find(cycle, numbers)
    if there and not ask.request.dry_run:
        turn.tx.alone()  # or one of them might be read before it is changed
        there = turn.tx.jobs.find(cycle, numbers)
    notes = turn.tx.notes.latest(numbers)
    others_are_open = any(is_open for other, is_open in cycles.items() if other != cycle)
    standings = turn.tx.rounds.standings(numbers) if there or others_are_open else []
    read = {standing.meter for standing in standings if standing.cycle == cycle and standing.is_done}
    new: dict[str, Job] = {}
    changed: dict[str, Job] = {}
    count: Counter[str] = Counter()
    for job in jobs:
        number = job.meter.number
        note = there[number].note if number in there else notes.get(number, "")
        if job.note != note:  # which are the readers' own
            job = replace(job, note=note)  # noqa: PLW2901
        known = new.get(number) or changed.get(number) or there.get(number)
        if number in read:
            count["unchanged" if known == job else "kept"] += 1
            continue
        count["added" if known is None else "unchanged" if known == job else "changed"] += 1
        (changed if number in there else new)[number] = job
    put_places(turn.tx, [Place(job.meter, job.route, job.sequence) for job in jobs], dry_run=ask.request.dry_run)
    if not ask.request.dry_run:
        turn.tx.cycles.open(cycle, first_day_of(cycle))
        turn.tx.jobs.add(new.values())
        turn.tx.jobs.change([job for number, job in changed.items() if job != there[number]])
        turn.record(ask, What.IMPORT, cycle, after=", ".join(f"{number} {what}" for what, number in count.items()))
    elsewhere = Counter(standing.cycle for standing in standings if standing.cycle != cycle)
    return ImportCount(**count, elsewhere=dict(elsewhere))


@call(Role.SUPERVISOR, Weight.READ, is_large=always)
def list_meters(turn: Turn, ask: Ask[Routes]) -> list[str]:
    """Return the numbers of all meters on some routes of a cycle, in the order of the walk.

    Raises `RouteError` if there is no such cycle.
    """
    check_there_is(ask.request.cycle, turn.tx.cycles.all())
    return turn.tx.jobs.on_routes(ask.request.cycle, ask.request.routes)


@call(Role.ADMIN, Weight.WRITE, is_large=always)
def remove_jobs(turn: Turn, ask: Ask[Removal]) -> None:
    """Take meters that were not read out of an open cycle, whoever holds them; a reading sent later is refused.

    Raises `RouteError`, and removes nothing, if the cycle is closed, or one of the meters was read or is not in it.
    """
    cycle = ask.request.cycle
    check_is_open(cycle, turn.tx.cycles.all())
    there = {one.meter: one for one in turn.tx.rounds.standings(set(ask.request.meters)) if one.cycle == cycle}
    for meter in ask.request.meters:
        if meter not in there:
            raise RouteError(f"There is no meter {shown(meter)} in cycle {cycle}")
        if there[meter].is_done:
            by = f", by {there[meter].read_by}" if there[meter].read_by else ""
            raise RouteError(f"Meter {meter} was read in {cycle}{by}: it stays in the cycle")
    jobs = {standing.job: standing.meter for standing in there.values()}
    if sent_again := turn.tx.readings.on_record(jobs):
        raise RouteError(
            f"Meter {jobs[min(sent_again)]} was read in {cycle} before it was sent to be read again: it stays"
        )
    turn.tx.jobs.remove(jobs)
    for meter in jobs.values():
        turn.record(ask, What.REMOVED, meter, before=cycle)


@call(Role.SUPERVISOR, Weight.READ)
def list_routes(turn: Turn, ask: Ask[None]) -> list[RouteProgress]:  # noqa: ARG001 - it is told nothing
    """Return how far each route of the open cycles is, sorted."""
    return turn.tx.progress.open_routes()
