"""What a meter shows on a day on which nobody could read it, estimated from what was read of it. Pure functions.

    value = last accepted reading + rate * days, from 0 on again beyond the top of the register

`days` are those since the last accepted reading, an estimate included, so that an estimate is never lower than that and
several in a row never bill a day twice. `rate`, in units a day, is learned from actual periods only: it is the middle
of the meter's habit (`metermt.rules.habits`), the weighted geometric mean of its daily uses, each moved by what the
town does from its season to this one. A period weighs exp(-age / 180 days), and one of the same season of an earlier
year twice more; what lies far off counts less.

This is the rule in common use, the same month of last year and else the mean of up to twelve periods without the
highest and the lowest, made smooth: a single month is an accident, and a mean of a year knows neither the season nor
what has changed. With one reading of 55 water meters missing it is off by a seventh less (`python -m bench.estimates`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import takewhile
from math import exp

from metermt.errors import CannotEstimate
from metermt.model import Meter, highest
from metermt.printable import counted
from metermt.quality import Billing
from metermt.rules.consumption import Chain, Exchange
from metermt.rules.habits import Experience, alike, habit_of
from metermt.rules.history import History, Period
from metermt.rules.registers import step_onward
from metermt.rules.seasons import Season
from metermt.rules.times import day_of

EXPERIENCE = Experience(fades=180.0, same_season=2.0)
"""That of the limits, but that what is read fades in half the time, and the same season counts twice as much: limits
are to hold whatever a meter did before, an estimate is to be near what it does now. Round numbers, set with 55 water
meters in sight, which are much the same by half and twice of them."""

_SAME_SEASON = 0.5  # what a period has to be alike, to be named in the method: it lies within some 24 days then
_STILL, _STILL_DAYS = 2, 45  # periods without use, and their days together, after which none is expected; one is enough
# where there was no use in the same season of earlier years either
_LEAST = 14  # days of use that have to be known: a few days after moving in say nothing of a month
_LATEST = 730  # days; an older period says nothing of today


class Method(StrEnum):
    """How a value was estimated: short names that stay the same, for records."""

    SAME_MONTH = "same-month"
    """By its last periods, and those of the same season of earlier years."""
    MEAN = "mean"
    """By its last periods, as no use in that season is known."""
    STOOD_STILL = "stood-still"
    """As it has used nothing of late, and nothing in that season before, nothing."""
    NOT_IN_USE = "not-in-use"
    """As the meter is inactive, nothing."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a meter shows on a day by estimation, and the `use` since its last accepted reading, in whole units.

    `text` says in words of the office how that was found.
    """

    on: date
    value: int
    use: int
    method: Method
    text: str


def estimate(
    history: History,
    on: date,
    dials: int | None,
    season: Season,
    *,
    active: bool = True,
    experience: Experience = EXPERIENCE,
) -> Estimate:
    """Estimate what a meter shows on a day from what is known of its place.

    `season` is that of the meters of its kind, by what was known before that day. Raises `CannotEstimate`: without a
    reading to go on from, on its day or before, when too little was really read of what the meter uses, or when it uses
    so much that the value would be taken for a lower one (`metermt.rules.registers`).
    """
    last = history.accepted
    if last is None:
        raise CannotEstimate("It cannot be estimated: there is no reading of it to go on from; have it read")
    if on <= last.on:
        raise CannotEstimate(f"It cannot be estimated for {on}: its last accepted reading is of {last.on}")
    days = (on - last.on).days
    rate, method, text = _nothing() if not active else _use_of(history.periods, on, days, season, experience)
    use = round(rate * days)
    value = (last.value + use) % (highest(dials) + 1)
    if step_onward(last.value, value, dials) != use:
        raise CannotEstimate(
            f"It cannot be estimated: {use} in {counted(days, 'day')} is half of what its register can show, or more;"
            " have it read"
        )
    return Estimate(on, value, use, method, text)


def check_hangs(meter: Meter, exchanges: Sequence[Exchange]) -> None:
    """Raise `CannotEstimate` if a device hangs at its place no more: what is known of that goes on with another one."""
    if exchanges and (last := exchanges[-1]).new_meter != meter.number:
        raise CannotEstimate(
            f"Meter {meter.number} is not estimated: {last.new_meter} hangs there since {last.on}; have that one read"
            f" again, or put what {meter.number} showed"
        )


def check_accepted(meter: Meter, on: date, cycle: str, chain: Chain) -> None:
    """Raise `CannotEstimate` if a value that an estimate for a day would go on from waits for a decision."""
    for link in chain.links:
        if link.billing is not Billing.WAITING or link.meter != meter.number or link.cycle == cycle:
            continue
        if link.value is not None and link.read_at and day_of(link.read_at) <= on:
            raise CannotEstimate(
                f"Meter {meter.number} is not estimated in {cycle}: {link.value} in {link.cycle} waits for a decision,"
                " and an estimate would go on from that; decide on it first"
            )


def _use_of(
    periods: Sequence[Period], on: date, days: int, season: Season, experience: Experience
) -> tuple[float, Method, str]:
    """Return the units a day up to a day, how they were found, and that in words. Raises `CannotEstimate`."""
    _check_enough(periods, on)
    middle = on.toordinal() - days / 2
    again = [period.use for period in periods if alike(middle - period.middle, period.days) >= _SAME_SEASON]
    still = list(takewhile(lambda period: not period.use, reversed(periods)))
    habit = habit_of(periods, middle, days, experience, season=season)
    if habit is None or (not any(again) and still and (again or _is_long(still))):
        since = still[-1].ended.toordinal() - still[-1].days
        return 0.0, Method.STOOD_STILL, f"no use, as there was none since {date.fromordinal(since)}"
    rate = exp(habit.rate)
    found = f"{rate:.3g} a day for {counted(days, 'day')}, by what was read up to {periods[-1].ended}"
    if any(again):
        return rate, Method.SAME_MONTH, f"{found}: its last use, and that of the same season of earlier years"
    return rate, Method.MEAN, f"{found}: the mean of its use, in which the last periods count most"


def _nothing() -> tuple[float, Method, str]:
    return 0.0, Method.NOT_IN_USE, "no use, as the meter is not in use"


def _check_enough(periods: Sequence[Period], on: date) -> None:
    """Raise `CannotEstimate` unless enough was read to tell what a meter uses."""
    if not periods:
        raise CannotEstimate("It cannot be estimated: its use was never read, as that takes two readings; have it read")
    known = sum(period.days for period in periods)
    if known < _LEAST:
        raise CannotEstimate(f"It cannot be estimated: its use is known of {known} days only; have it read")
    ended = periods[-1].ended
    if (on - ended).days > _LATEST:
        raise CannotEstimate(f"It cannot be estimated: what it uses was last read on {ended}; have it read")


def _is_long(still: Sequence[Period]) -> bool:
    return len(still) >= _STILL and sum(period.days for period in still) >= _STILL_DAYS
