"""Devices are exchanged: another one hangs at a place, and both count."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from msgspec.structs import replace

from metermt.audit import What
from metermt.calls.asking import MAX_ITEMS, Ask, Weight
from metermt.calls.table import always, call
from metermt.calls.turn import Turn
from metermt.decisions import Result
from metermt.errors import InvalidReport
from metermt.model import Job, JobState, Meter, Place, Role, Standing
from metermt.quality import Billing
from metermt.rules.answers import unknown_meter
from metermt.rules.consumption import Exchange, read_at
from metermt.rules.exchanges import check_exchange, exchanged_for
from metermt.rules.history import History, Read, history_of
from metermt.rules.looks import check_sure, exchanged, is_reported
from metermt.rules.times import day_of
from metermt.store.base import Tx


@dataclass(frozen=True, slots=True)
class MeterExchange:
    """One device was taken down at `final`, and another one put up at `initial`, on a day of the server's calendar.

    `dials` and `multiplier` are those of the new one, None where they are those of the old one. Unless it is `sure`, a
    last value of the old one that whoever reads it would be asked about is refused.
    """

    old: str
    new: str
    final: int
    initial: int
    on: date
    dials: int | None = None
    multiplier: Decimal | None = None
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What became of the jobs in the open cycles, by their cycles."""

    to_read: list[str] = field(default_factory=list)
    """There the new device is to be read."""
    read: list[str] = field(default_factory=list)
    """There the old one was read already, and that stays."""


@dataclass(frozen=True, slots=True)
class Exchanges:
    """Which exchanges are asked for: those after the first so many."""

    skip: int = 0


@call(Role.READER, Weight.WRITE, is_large=always)
def exchange_meter(turn: Turn, ask: Ask[MeterExchange]) -> Exchanged:
    """Hang another device up at a place, which keeps its history. The same again counts once.

    It takes effect at once: unread jobs of the old device in the open cycles become jobs of the new one, whoever holds
    them. Supervisors may; a reader may where the old device is to be read and nobody else holds it, and the next
    reading of the new one then waits for a decision. Raises `UnknownMeter`, `MeterExchanged` if the old one hangs
    nowhere any more, or `InvalidReport` or `RouteError` if it cannot be so.
    """
    asked, tx = ask.request, turn.tx
    tx.alone()
    place = tx.places.find([asked.old]).get(asked.old)
    if place is None:
        _check_is_again(tx, asked)
        return Exchanged()
    new = _new_device(place, asked)
    standings = tx.rounds.standings([asked.old, asked.new])
    mine = [one for one in standings if one.meter == asked.old]
    waiting = [one for one in mine if one.state in (JobState.OPEN, JobState.SKIPPED)]
    by_reader = _is_reader(ask)
    if by_reader:
        _check_is_there(ask, waiting, turn.now)
    old = place.meter
    showed = (asked.final, asked.initial, old.dials, old.multiplier)
    exchange = Exchange(asked.on, asked.old, *showed, asked.new, ask.username, turn.moment)
    unread = {one.job: one.cycle for one in waiting}
    jobs = {id_: tx.jobs.find(cycle, [asked.old])[asked.old] for id_, cycle in unread.items()}
    reads = tx.places.history([asked.old]).get(asked.old, [])
    history = history_of(reads, old.dials)
    unknown = None if history.accepted else _given(tx, asked.old, asked.on)
    before = tx.devices.exchanges([asked.old]).get(asked.old, [])
    limits = _limits_of(tx, asked.old)
    today = day_of(turn.moment)
    check_exchange(exchange, new, today, History(unknown) if unknown else history, before, limits)
    _check_decided(tx, exchange, new, today, before, limits)
    _check_is_free(tx, new.number, {one.cycle for one in standings if one.meter == asked.new} & {*unread.values()})
    if limits and not asked.sure:
        check_sure(asked.final, old, asked.on, limits)
    tx.devices.exchange(exchange, new)
    if unknown:
        tx.places.add_history([(new.number, unknown)])
    _rehang(tx, jobs, new, exchange, reported=by_reader)
    turn.record(ask, What.EXCHANGE, asked.old, before=str(asked.final), after=f"{asked.new} {asked.initial}")
    return Exchanged(sorted(unread.values()), sorted({one.cycle for one in mine} - {*unread.values()}))


def bring_up_to_date(tx: Tx, cycle: str) -> None:
    """Make unread jobs of a cycle those of the devices that hang there by now, as when they are open again."""
    for id_, (was, now) in tx.devices.outdated(cycle).items():
        if not tx.jobs.find(cycle, [now]):
            last = tx.devices.exchanges([now])[now][-1]
            new = tx.places.find([now])[now].meter
            reported = bool(still_reported(tx, [now]))
            _rehang(tx, {id_: tx.jobs.find(cycle, [was])[was]}, new, last, reported=reported)


def still_reported(tx: Tx, meters: Collection[str]) -> set[str]:
    """Return at which of these devices a reader has told of an exchange, and nobody has read them since.

    Whoever sends a value then has it looked at.
    """
    put_up = {number: made[-1].on for number, made in tx.devices.exchanges(meters).items()}
    read = tx.devices.last_read(put_up) if put_up else {}
    unread = [number for number, on in put_up.items() if number not in read or day_of(read[number]) < on]
    cycles: dict[str, list[str]] = {}
    for result in tx.office.of_meters(unread) if unread else ():
        cycles.setdefault(result.job.cycle, []).append(result.job.meter.number)
    return {
        number
        for cycle, numbers in cycles.items()
        for number, limits in tx.jobs.limits(cycle, numbers).items()
        if is_reported(limits)
    }


@call(Role.SUPERVISOR, Weight.READ)
def list_exchanges(turn: Turn, ask: Ask[Exchanges]) -> list[Exchange]:
    """Return up to 1,000 exchanges in the order in which they were told, but for the first so many."""
    return turn.tx.devices.all_exchanges(MAX_ITEMS, max(ask.request.skip, 0))


def _new_device(place: Place, asked: MeterExchange) -> Meter:
    old = place.meter
    dials = old.dials if asked.dials is None else asked.dials
    multiplier = old.multiplier if asked.multiplier is None else asked.multiplier
    return replace(old, number=asked.new, dials=dials, multiplier=multiplier)


def _is_reader(ask: Ask[MeterExchange]) -> bool:
    return not (ask.caller.role or ask.reader.user.role).may_act_as(Role.SUPERVISOR)


def _check_is_again(tx: Tx, asked: MeterExchange) -> None:
    """Raise unless the very exchange of a device that hangs nowhere was told before, as after a broken link."""
    last = tx.devices.taken_down([asked.old]).get(asked.old)
    if last is None:
        raise unknown_meter(asked.old)
    if (last.new_meter, last.final, last.initial, last.on) != (asked.new, asked.final, asked.initial, asked.on):
        raise exchanged_for(last)


def _check_is_there(ask: Ask[MeterExchange], unread: Iterable[Standing], now: float) -> None:
    """Raise `InvalidReport` unless a reader may be at a device: as for a reading of it, handed out to them or not."""
    holders = {one.leased_to if one.leased_until > now else None for one in unread}
    if not holders:
        raise InvalidReport(f"{ask.request.old} is not to be read now: leave a note for the office")
    others = sorted(filter(None, holders - {ask.username}))
    if others and ask.username not in holders:
        raise InvalidReport(f"Meter {ask.request.old} is being read by {others[0]}: leave a note for the office")


def _limits_of(tx: Tx, meter: str) -> str | None:
    """Return what the last job of a device is judged by, as it is stored."""
    last = tx.office.of_meters([meter])[-1:]
    return next((tx.jobs.limits(one.job.cycle, [meter]).get(meter) for one in last), None)


def _check_is_free(tx: Tx, new: str, cycles: set[str]) -> None:
    """Raise `InvalidReport` if a device hangs somewhere, or was read elsewhere in one of these cycles."""
    if there := tx.places.find([new]).get(new):
        where = " ".join(
            filter(None, (there.meter.address and f"at {there.meter.address}", f"on route {there.route!r}"))
        )
        raise InvalidReport(f"Meter {new} hangs {where}: check the number of the new device", field="new")
    if cycles:
        raise InvalidReport(
            f"Meter {new} has a job of another place in {min(cycles)}: it cannot be put up here before that is closed",
            field="new",
        )


def _check_decided(
    tx: Tx, exchange: Exchange, new: Meter, today: date, before: Sequence[Exchange], limits: str | None
) -> None:
    """Raise `InvalidReport` if the old device goes on from a value that waits only, and not from what was before it.

    That value may be discarded, and so may those that wait after it.
    """
    old = exchange.old_meter
    undecided = (one for one in tx.office.of_meters([old]) if one.billing is Billing.WAITING)
    waiting = [one for one in undecided if _value_of(one) is not None]
    discarded: set[str] = set()  # cycles
    for result in sorted(waiting, key=lambda one: (day_of(read_at(one)), one.job.cycle), reverse=True):
        discarded.add(result.job.cycle)
        reads = tx.places.history([old], but_not=discarded).get(old, [])
        try:
            check_exchange(exchange, new, today, history_of(reads, exchange.dials), before, limits)
        except InvalidReport:
            raise InvalidReport(
                f"Invalid final reading {exchange.final}: {_value_of(result)} of {old} in {result.job.cycle}"
                " waits for a decision, and what it had before is more; decide on it first (metermt review)",
                field="final",
            ) from None


def _value_of(result: Result) -> int | None:
    return result.reading.answer.value if result.reading else None


def _given(tx: Tx, meter: str, on: date) -> Read | None:
    """Return what came last with a job of a place that nothing else is known of; of this day if it came without one."""
    results = tx.office.at_place(meter)
    given = tx.billing.chains([results[-1].id])[results[-1].id].given if results else None
    undated = [one.job.previous for one in results if one.job.previous is not None and one.job.previous_date is None]
    return Read(on, undated[-1]) if undated and not given else given


def _rehang(tx: Tx, jobs: Mapping[int, Job], new: Meter, exchange: Exchange, *, reported: bool) -> None:
    """Make unread jobs, by id, those of a new device, and have it judged from what it showed first."""
    limits = {id_: tx.jobs.limits(job.cycle, [job.meter.number]) for id_, job in jobs.items()}
    tx.devices.rehang(
        {
            id_: replace(job, meter=new, previous=exchange.initial, previous_date=exchange.on)
            for id_, job in jobs.items()
        }
    )
    tx.jobs.set_limits(
        {
            id_: exchanged(limits[id_].get(job.meter.number), exchange, new.multiplier, reported=reported)
            for id_, job in jobs.items()
        }
    )
    tx.readings.ask_again(dict.fromkeys(jobs))
