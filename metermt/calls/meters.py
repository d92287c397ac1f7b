"""Single meters: one is put up, looked at, moved, taken out of use."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from msgspec import structs

from metermt.audit import What
from metermt.calls.asking import Ask, Weight
from metermt.calls.table import always, call
from metermt.calls.turn import Turn
from metermt.decisions import Result
from metermt.errors import RouteError
from metermt.fieldnotes import Note
from metermt.model import JobState, Place, Role, Standing
from metermt.quality import Flag
from metermt.rules.answers import unknown_meter
from metermt.rules.consumption import Exchange, read_at
from metermt.rules.exchanges import exchanged_for
from metermt.rules.history import Period, Read, history_of, likely_after
from metermt.rules.limits import likely_by
from metermt.rules.registers import IsLikely, step_after_estimates, step_onward
from metermt.rules.times import day_of
from metermt.store.base import Tx

_UNREAD = (JobState.OPEN, JobState.SKIPPED)


@dataclass(frozen=True, slots=True)
class Named:
    """The meter of this number."""

    meter: str


@dataclass(frozen=True, slots=True)
class Switching:
    """Whether a meter is in use from now on."""

    meter: str
    active: bool


@dataclass(frozen=True, slots=True)
class Moving:
    """Where a meter stands from now on."""

    meter: str
    route: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Unread:
    """What became of the unread jobs of a meter, by their cycles."""

    changed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    """There it was read once, and is to be read again: that job stays."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a place on a day of the server's calendar.

    `value` is None when there is only a `reason`. `use` is what was used since the one before, in units of the
    register, None where that cannot be told; `exchanged` says that it is the first reading of a new device. `quality`
    is empty for what was imported. `reader` is empty for the office.
    """

    on: date
    value: int | None
    use: int | None = None
    exchanged: bool = False
    quality: str = ""
    flags: tuple[Flag, ...] = ()
    reason: str = ""
    reader: str = ""


@dataclass(frozen=True, slots=True)
class MeterShown:
    """All that is known of a place: what hangs there and hung there, and what was seen and said of it, oldest first."""

    place: Place
    exchanges: list[Exchange]
    notes: list[Note]
    jobs: dict[str, JobState]
    """How its job stands, by cycle."""
    periods: list[Period]
    seen: list[Seen]


@call(Role.SUPERVISOR, Weight.WRITE, is_large=always)
def add_meter(turn: Turn, ask: Ask[Place]) -> None:
    """Put a meter up at a new place. It gets a job in the next cycle that is opened, or when an open one is anew.

    The same again counts once. Raises `RouteError` if it hangs somewhere else or otherwise already.
    """
    place = ask.request
    turn.tx.alone()
    put_up(turn.tx, place)
    turn.record(ask, What.METER_ADDED, place.meter.number, after=_stop(place))


@call(Role.SUPERVISOR, Weight.WRITE, is_large=always)
def switch_meter(turn: Turn, ask: Ask[Switching]) -> Unread:
    """Take a meter out of use, or into use again; that it is so already is no error.

    Out of use it has no jobs: its unread ones in the open cycles are removed, whoever holds them, and a reading that is
    sent later is refused; but a job that was sent to be read again stays. In use again it gets a job in the next cycle
    that is opened. What was read stays. Raises `UnknownMeter` or `MeterExchanged`.
    """
    tx, asked = turn.tx, ask.request
    tx.alone()
    place = _place(tx, asked.meter)
    tx.places.put([replace(place, meter=structs.replace(place.meter, active=asked.active))])
    turn.record(ask, What.METER_ACTIVE if asked.active else What.METER_INACTIVE, asked.meter)
    if asked.active:
        return Unread()
    unread = _unread(tx, asked.meter)
    again = tx.readings.on_record(one.job for one in unread)
    tx.jobs.remove(one.job for one in unread if one.job not in again)
    return Unread(
        [one.cycle for one in unread if one.job not in again], [one.cycle for one in unread if one.job in again]
    )


@call(Role.SUPERVISOR, Weight.WRITE, is_large=always)
def move_meter(turn: Turn, ask: Ask[Moving]) -> Unread:
    """Give a meter another stop on a route; its unread jobs in the open cycles go along, and stay with who holds them.

    What was read stays where it was read. Raises `RouteError`, `UnknownMeter` or `MeterExchanged`.
    """
    tx, asked = turn.tx, ask.request
    tx.alone()
    was = _place(tx, asked.meter)
    place = replace(was, route=asked.route, sequence=asked.sequence)
    tx.places.put([place])
    turn.record(ask, What.METER_MOVED, asked.meter, before=_stop(was), after=_stop(place))
    cycles = [one.cycle for one in _unread(tx, asked.meter)]
    jobs = [tx.jobs.find(cycle, [asked.meter])[asked.meter] for cycle in cycles]
    tx.jobs.change([structs.replace(job, route=asked.route, sequence=asked.sequence) for job in jobs])
    return Unread(cycles)


@call(Role.SUPERVISOR, Weight.READ, is_large=always)
def show_meter(turn: Turn, ask: Ask[Named]) -> MeterShown:
    """Return all that is known of the place of a meter. Raises `UnknownMeter` or `MeterExchanged`."""
    tx, number = turn.tx, ask.request.meter
    place = _place(tx, number)
    reads = sorted(tx.places.history([number]).get(number, []), key=lambda read: read.on)
    periods = history_of(reads, place.meter.dials).periods
    results = tx.office.at_place(number)
    return MeterShown(
        place,
        tx.devices.exchanges([number]).get(number, []),
        tx.notes.about(number),
        {one.job.cycle: one.state for one in results},
        list(periods),
        list(_seen(tx, reads, results, periods, place.meter.dials)),
    )


def put_up(tx: Tx, place: Place) -> None:
    """Keep a new place. Raises `RouteError` if its meter hangs somewhere else or otherwise already."""
    number = place.meter.number
    there = tx.places.find([number]).get(number)
    if there and there != place:
        where = f"on route {there.route!r} at {there.sequence}" if there.route else "on no route"
        raise RouteError(f"Meter {number} is known already, {where}: see metermt meters show {number}")
    if not there:
        tx.places.put([place])


def _place(tx: Tx, number: str) -> Place:
    if place := tx.places.find([number]).get(number):
        return place
    if exchange := tx.devices.taken_down([number]).get(number):
        raise exchanged_for(exchange)
    raise unknown_meter(number)


def _stop(place: Place) -> str:
    return f"{place.route} {place.sequence}".strip()


def _unread(tx: Tx, number: str) -> list[Standing]:
    return [one for one in tx.rounds.standings([number]) if one.state in _UNREAD]


def _uses(reads: Iterable[Read], dials: int | None, likely_at: Callable[[Read, int], IsLikely]) -> Iterable[int | None]:
    """Yield what was used before each of these, in order, None where that cannot be told; see `rules.registers`.

    `likely_at` returns what tells whether so much is likely up to what was read then, in so many days.
    """
    since: list[Read] = []  # what was read last, and the estimates after it
    for read in reads:
        if read.exchanged or not since:
            yield None
        elif read.estimated:
            yield step_onward(since[-1].value, read.value, dials)
        else:
            is_likely = likely_at(read, (read.on - since[0].on).days)
            yield step_after_estimates([one.value for one in since], read.value, dials, is_likely)
        since = [*since, read] if read.estimated and not read.exchanged else [read]


def _seen(
    tx: Tx, reads: Sequence[Read], results: Iterable[Result], periods: Sequence[Period], dials: int | None
) -> Iterable[Seen]:
    """Yield what was seen in order, with what is on record of what was read for jobs."""
    of_jobs: dict[tuple[date, int | None], Result] = {}
    for result in results:
        if result.reading:
            of_jobs[day_of(read_at(result)), result.reading.answer.value] = result
    without = [
        _as_read(Seen(on, None), result) for (on, value), result in sorted(of_jobs.items(), key=_day) if value is None
    ]
    judged = dict(of_jobs)

    def likely_at(read: Read, days: int) -> IsLikely:
        result = judged.get((read.on, read.value))
        return _likely_by_job(tx, result, days) if result else likely_after(periods, days, read.worth)

    for read, use in zip(reads, _uses(reads, dials, likely_at), strict=True):
        while without and without[0].on <= read.on:
            yield without.pop(0)
        seen = Seen(read.on, read.value, use, read.exchanged, "E" if read.estimated else "")
        yield _as_read(seen, of_jobs.pop((read.on, read.value), None) if not read.exchanged else None)
    yield from without


def _likely_by_job(tx: Tx, result: Result, days: int) -> IsLikely:
    """Return what tells how much is likely as billing is told; it is looked up where a register fell only."""
    cycle, meter = result.job.cycle, result.job.meter.number

    def is_likely(use: int) -> bool:
        return likely_by(tx.jobs.limits(cycle, [meter]).get(meter), days)(use)

    return is_likely


def _day(pair: tuple[tuple[date, int | None], Result]) -> date:
    return pair[0][0]


def _as_read(seen: Seen, result: Result | None) -> Seen:
    if result is None or result.reading is None:
        return seen
    reading = result.reading
    said = reading.answer.reason
    return replace(seen, quality=reading.quality.value, flags=reading.flags, reason=said, reader=reading.username)
