"""What was used between two readings of a place, over rollovers and exchanges. Pure functions over values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from msgspec.structs import replace

from metermt.decisions import Result
from metermt.quality import Billing, Quality
from metermt.rules.history import Read
from metermt.rules.limits import likely_by
from metermt.rules.registers import counted_by_estimates, step_after_estimates, step_onward
from metermt.rules.times import day_of


@dataclass(frozen=True, slots=True)
class Exchange:
    """On a day one device was taken down at `final`, and another put up at `initial`.

    `dials` and `multiplier` are those of the device that was taken down, `old_meter` is its number; `new_meter` is that
    of the other one. `username` has said so (empty: somebody who worked on the database itself), at `made_at` in UTC.
    """

    on: date
    old_meter: str
    final: int
    initial: int
    dials: int | None
    multiplier: Decimal
    new_meter: str
    username: str
    made_at: datetime


class Link(NamedTuple):
    """What the result of one job of a place is, as far as its neighbours in time are concerned."""

    job: int
    meter: str
    """The number of the device."""
    cycle: str
    billing: Billing
    value: int | None
    """What the register showed, None when there is only a reason, or when the job is to be read again."""
    read_at: datetime | None
    """In UTC."""
    estimated: bool = False
    """Whether nobody has read it."""


class Span(NamedTuple):
    """A part of time, in UTC, both ends included."""

    since: datetime
    until: datetime


class Chain(NamedTuple):
    """What is known of a place over time, or in a span of it."""

    links: Sequence[Link]
    """The jobs that have, or had, a result. Of a span those that were read in it, all that are not settled, and those
    of later cycles that billing was told of.
    """
    shown: Sequence[Read]
    """What was shown before there were jobs, and at exchanges. Of a span nothing."""
    exchanges: Sequence[Exchange]
    """In order."""
    span: Span | None = None
    limits: str | None = None
    """What the result that it is about is judged by, as it is stored (`metermt.rules.limits`). Of a span only where
    something showed more than that result."""
    given: Read | None = None
    """What came with the jobs of a place of which nothing else is known, if it is no reading of ours."""


Told = tuple[str, datetime]
"""Of which device billing was told for a result, and of what time, in UTC."""


class Use(NamedTuple):
    """What was used: in units of the register, and that times the multiplier of each device."""

    registered: int
    billed: Decimal


class Before(NamedTuple):
    """What a use begins with: what was accepted last, and the exchanges between that and the reading at its end."""

    value: int
    on: date
    exchanges: Sequence[Exchange]
    trail: Sequence[int]
    """What the device really showed last, and the estimates after it: `value` comes last."""
    read_on: date
    """When it really showed the first of these."""
    limits: str | None
    """What the reading at its end is judged by, as in `Chain`."""

    def of_device(self) -> tuple[Sequence[int], date]:
        """Return the trail of the device that was read at the end, and when that began."""
        if not self.exchanges:
            return self.trail, self.read_on
        last = self.exchanges[-1]
        return [last.initial], last.on


def read_at(result: Result) -> datetime:
    """Return when a meter that has a result was read, in UTC."""
    assert result.reading
    assert isinstance(result.reading.answer.when, datetime)
    return result.reading.answer.when


def waits_for(result: Result, chain: Chain) -> Link | None:
    """Return an earlier result of the place that has to be settled first; None for nothing.

    What is waiting for a decision, or is to be read again, would be the previous reading of this one.
    """
    end = _moment_at(result, chain.exchanges)
    for link in chain.links:
        if link.billing is Billing.WAITING and link.job != result.id:
            at = _moment_of(link, chain.exchanges)
            if at and at < end:
                return link
        if link.billing is Billing.AGAIN and link.cycle < result.job.cycle:
            return link
    return None


def before(result: Result, chain: Chain) -> Before | None:
    """Return what was shown before a result that has a time; None where nothing is known.

    It is the latest value of an earlier job of the place, else the latest that was shown before there were jobs, else
    the one that came with its jobs.
    """
    exchanges = chain.exchanges
    now = _moment_at(result, exchanges)
    end, on = now[0], now[1]
    earlier = [
        (at, link.value, link.estimated)
        for link in chain.links
        if link.job != result.id and link.value is not None and (at := _moment_of(link, exchanges)) and at < now
    ]
    if earlier:
        (start, day, *_), value, estimated = max(earlier)
        if not estimated:
            return Before(value, day, exchanges[start:end], [value], day, chain.limits)
    earlier.sort()
    until = earlier[0][0][1] if earlier else on
    shown = sorted((read for read in chain.shown if read.on <= until), key=lambda read: read.on)
    seen = [(sum(one.on < read.on for one in exchanges[:end]), read) for read in shown]
    seen += [(at[0], Read(at[1], value, estimated=estimated)) for at, value, estimated in earlier]
    if not seen and chain.given:
        seen = [(sum(one.on <= chain.given.on for one in exchanges[:end]), chain.given)]
    if not seen:
        return None
    start, last = seen[-1]
    trail = _estimates(seen, exchanges)
    values = [read.value for read in trail]
    return Before(last.value, last.on, exchanges[start:end], values, trail[0].on, chain.limits)


def use_since(earlier: Before | None, result: Result) -> Use | None:
    """Return what was used since what was shown `before` a result that has a value; None where that is not known.

    (F1 - previous) * M1 + (F2 - I1) * M2 + … + (value - In) * M, where device n is taken down at Fn and the next one
    put up at In. Whether a register that fell has gone over its top is told by `metermt.rules.registers`; else the use
    is negative, as after an estimate that was too high.
    """
    assert result.reading
    value, meter = result.reading.answer.value, result.job.meter
    if earlier is None or value is None:
        return None
    registered, billed = 0, Decimal(0)
    trail = earlier.trail
    for one in earlier.exchanges:
        step = step_onward(trail[0], one.final, one.dials) - counted_by_estimates(trail, one.dials)
        registered, billed = registered + step, billed + step * one.multiplier
        trail = [one.initial]
    if result.reading.quality is Quality.ESTIMATED:
        step = step_onward(trail[-1], value, meter.dials)
    else:
        counted = _counted(earlier, result, value)
        step = value - trail[0] - counted_by_estimates(trail, meter.dials) if counted is None else counted
    return Use(registered + step, billed + step * meter.multiplier)


def has_fallen(earlier: Before | None, result: Result) -> bool:
    """Tell whether a value that was read is below what its device has really shown before, and not over its top."""
    assert result.reading
    value = result.reading.answer.value
    if earlier is None or value is None or result.reading.quality is Quality.ESTIMATED:
        return False
    return _counted(earlier, result, value) is None


def _counted(earlier: Before, result: Result, value: int) -> int | None:
    """Return the units since what its device showed last to a value that was read, None if that has fallen."""
    trail, on = earlier.of_device()
    is_likely = likely_by(earlier.limits, (day_of(read_at(result)) - on).days)
    return step_after_estimates(trail, value, result.job.meter.dials, is_likely)


def came_after(result: Result, chain: Chain, was: Told | None = None) -> list[int]:
    """Return the jobs of the place that were read after this one, and that billing was told of, by id.

    `was` is what billing was told for this one: what was read after that counts, too, as it was told from what this one
    showed then.
    """
    since = _moment_at(result, chain.exchanges)
    if was:
        since = min(since, _moment(*was, result.job.cycle, chain.exchanges))
    return [
        link.job
        for link in chain.links
        if link.billing is Billing.BILLED
        and link.job != result.id
        and (at := _moment_of(link, chain.exchanges))
        and at > since
    ]


def of_later_cycles(result: Result, chain: Chain) -> list[int]:
    """Return the jobs of later cycles that billing was told of, by id, also if they were read before this one by now.

    Billing may have been told of a later cycle only, from what this one showed before it was read anew.
    """
    return [link.job for link in chain.links if link.billing is Billing.BILLED and link.cycle > result.job.cycle]


def over_exchanges(
    shown: Iterable[Read], read: Iterable[tuple[str, Read]], exchanges: Sequence[Exchange], multiplier: Decimal
) -> list[Read]:
    """Return all that was seen at a place as it was shown, with what its devices showed when they were exchanged.

    `shown` is what was seen before there were jobs, `read` what was read for jobs, by the number of the device;
    `multiplier` is that of the device that hangs there now.
    """
    imported = sorted(shown, key=lambda one: one.exchanged)
    if not exchanges:
        return [*imported, *(one for _, one in read)]
    devices: list[list[Read]] = [[Read(one.on, one.initial, exchanged=True)] for one in exchanges]
    devices.insert(0, [])
    for one in imported:
        devices[sum(exchange.on < one.on for exchange in exchanges)].append(one)
    for meter, one in read:
        devices[place_of(meter, one.on, exchanges)].append(one)
    for reads, exchange in zip(devices, exchanges, strict=False):
        reads.sort(key=lambda one: one.on)
        reads.append(Read(exchange.on, exchange.final))
        if exchange.multiplier != multiplier:
            reads[:] = [replace(one, worth=exchange.multiplier / multiplier) for one in reads]
    return [one for reads in devices for one in reads]


def place_of(meter: str, day: date, exchanges: Sequence[Exchange]) -> int:
    """Return before which exchange a device of this number was read on a day; after all of them, their number."""
    if not exchanges:  # as nearly everywhere
        return 0
    for place, one in enumerate(exchanges):
        if one.on >= day and one.old_meter == meter:
            return place
    return sum(one.on <= day for one in exchanges)


def _estimates(seen: Sequence[tuple[int, Read]], exchanges: Sequence[Exchange]) -> list[Read]:
    """Return the estimates that end what was seen, and what was really read of that device before them.

    `seen` is in order, each with before which exchange. An estimate before which nothing is known stands for a reading.
    """
    last, read = seen[-1]
    trail = [read]
    for place, earlier in reversed(seen[:-1]):
        if _is_read(trail[-1]) or place != last:
            break
        trail.append(earlier)
    if last and not _is_read(trail[-1]):
        trail.append(Read(exchanges[last - 1].on, exchanges[last - 1].initial))
    return trail[::-1]


def _is_read(read: Read) -> bool:
    """Tell whether nothing before this counts: what a new device showed first was seen by whoever put it up."""
    return read.exchanged or not read.estimated


_Moment = tuple[int, date, str, datetime]
"""What puts the results of a place in order: devices, of one device days, on one day cycles, in one cycle times.

So on the day of an exchange those of the old device come first; and as clocks of devices tell seconds, and the office
gives a day only, of two cycles on one day the first one comes first.
"""


def _moment(meter: str, when: datetime, cycle: str, exchanges: Sequence[Exchange]) -> _Moment:
    day = day_of(when)
    return place_of(meter, day, exchanges) if exchanges else 0, day, cycle, when


def _moment_at(result: Result, exchanges: Sequence[Exchange]) -> _Moment:
    return _moment(result.job.meter.number, read_at(result), result.job.cycle, exchanges)


def _moment_of(link: Link, exchanges: Sequence[Exchange]) -> _Moment | None:
    return _moment(link.meter, link.read_at, link.cycle, exchanges) if link.read_at else None
