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


class Chain(NamedTuple):
    """What is known of a place over time."""

    links: Sequence[Link]
    """The jobs that have, or had, a result."""
    shown: Sequence[Read]
    """What was shown before there were jobs, and at exchanges."""
    exchanges: Sequence[Exchange]
    """In order."""


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


def waits_for(result: Result, chain: Chain) -> Link | None:
    """Return an earlier result of the place that has to be settled first; None for nothing.

    What is waiting for a decision, or is to be read again, would be the previous reading of this one.
    """
    when = read_at(result)
    for link in chain.links:
        if link.billing is Billing.WAITING and link.job != result.id and link.read_at and link.read_at < when:
            return link
        if link.billing is Billing.AGAIN and link.cycle < result.job.cycle:
            return link
    return None


def before(result: Result, chain: Chain) -> Before | None:
    """Return what was shown before a result that has a time; None where nothing is known.

    It is the latest value of an earlier job of the place, else the latest that was shown before there were jobs, else
    the one that came with the job.
    """
    when, job = read_at(result), result.job
    end = _place_of(job.meter.number, _day(when), chain.exchanges)
    earlier = [
        (link.read_at, link)
        for link in chain.links
        if link.job != result.id and link.value is not None and link.read_at and link.read_at < when
    ]
    if earlier:
        at, last = max(earlier, key=lambda pair: pair[0])
        start = _place_of(last.meter, _day(at), chain.exchanges)
        assert last.value is not None
        return Before(last.value, _day(at), chain.exchanges[start:end])
    days = {one.on for one in chain.exchanges}
    shown = [read for read in chain.shown if not read.exchanged and read.on not in days and read.on <= _day(when)]
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


def _day(when: datetime) -> date:
    return when.astimezone().date()
