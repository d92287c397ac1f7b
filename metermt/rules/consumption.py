"""What was used between two readings of a place, over rollovers and exchanges. Pure functions over values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from metermt.decisions import Result
from metermt.quality import Billing
from metermt.rules.history import Read, register_step


@dataclass(frozen=True, slots=True)
class Exchange:
    """On a day one device was taken down at `final`, and another put up at `initial`.

    `dials` and `multiplier` are those of the device that was taken down, `old_meter` is its number.
    """

    on: date
    old_meter: str
    final: int
    initial: int
    dials: int | None
    multiplier: Decimal


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

    @property
    def order(self) -> "Order | None":
        """When it came in the life of the place, None for what is to be read again."""
        return _order(self.read_at, self.cycle) if self.read_at else None


class Chain(NamedTuple):
    """What is known of a place over time."""

    links: Sequence[Link]
    """The jobs that have, or had, a result."""
    shown: Sequence[Read]
    """What was shown before there were jobs, and at exchanges."""
    exchanges: Sequence[Exchange]
    """In order."""


Order = tuple[date, str, datetime]
"""What the results of a place are in order by: days, on one day cycles, in one cycle times.

Clocks of devices tell seconds, and the office gives a day only: of two cycles on one day the first one comes first.
"""


class Use(NamedTuple):
    """What was used: in units of the register, and that times the multiplier of each device."""

    registered: int
    billed: Decimal


class Before(NamedTuple):
    """The reading that a use begins with, and the exchanges between it and the one at its end."""

    value: int
    on: date
    exchanges: Sequence[Exchange]


def read_at(result: Result) -> datetime:
    """Return when a meter that has a result was read, in UTC."""
    assert result.reading
    assert isinstance(result.reading.answer.when, datetime)
    return result.reading.answer.when


def order_of(result: Result) -> Order:
    """Return when a result came in the life of its place."""
    return _order(read_at(result), result.job.cycle)


def waits_for(result: Result, chain: Chain) -> Link | None:
    """Return an earlier result of the place that has to be settled first; None for nothing.

    What is waiting for a decision, or is to be read again, would be the previous reading of this one.
    """
    here = order_of(result)
    for link in chain.links:
        if link.billing is Billing.WAITING and link.job != result.id and link.order and link.order < here:
            return link
        if link.billing is Billing.AGAIN and link.cycle < result.job.cycle:
            return link
    return None


def before(result: Result, chain: Chain) -> Before | None:
    """Return what was shown before a result that has a time; None where nothing is known.

    It is the latest value of an earlier job of the place, else the latest that was shown before there were jobs, else
    the one that came with the job.
    """
    here, job = order_of(result), result.job
    day = here[0]
    end = _place_of(job.meter.number, day, chain.exchanges)
    earlier = [
        (link.order, link.value, link.meter)
        for link in chain.links
        if link.job != result.id and link.value is not None and link.order and link.order < here
    ]
    if earlier:
        (last_day, _, _), value, meter = max(earlier)
        return Before(value, last_day, chain.exchanges[_place_of(meter, last_day, chain.exchanges) : end])
    days = {one.on for one in chain.exchanges}
    shown = [read for read in chain.shown if not read.exchanged and read.on not in days and read.on <= day]
    if shown:
        read = max(shown, key=lambda read: read.on)
        return Before(read.value, read.on, [one for one in chain.exchanges[:end] if one.on > read.on])
    if job.previous is None or job.previous_date is None:
        return None
    return Before(job.previous, job.previous_date, [one for one in chain.exchanges[:end] if one.on > job.previous_date])


def use_between(
    previous: int, value: int, exchanges: Iterable[Exchange], dials: int | None, multiplier: Decimal
) -> Use:
    """Return what was used from one reading to another, with the exchanges between them, in order.

    (F1 - previous) * M1 + (F2 - I1) * M2 + … + (value - In) * M, where device n is taken down at Fn, the next one put
    up at In, and `dials` and `multiplier` are those of the last. A register that fell has gone over its top if it went
    on by less than a tenth of what it can show; else the use is negative, as after an estimate that was too high.
    """
    registered, billed, at = 0, Decimal(0), previous
    for one in exchanges:
        step = _step(at, one.final, one.dials)
        registered, billed, at = registered + step, billed + step * one.multiplier, one.initial
    step = _step(at, value, dials)
    return Use(registered + step, billed + step * multiplier)


def _place_of(meter: str, day: date, exchanges: Sequence[Exchange]) -> int:
    """Return before which exchange a device of this number was read on a day; after all of them, their number."""
    for place, one in enumerate(exchanges):
        if one.on >= day and one.old_meter == meter:
            return place
    return sum(one.on <= day for one in exchanges)


def _step(earlier: int, later: int, dials: int | None) -> int:
    over = register_step(earlier, later, dials)
    return later - earlier if over is None else over


def _order(when: datetime, cycle: str) -> Order:
    return when.astimezone().date(), cycle, when
