"""What a meter has used in the past: from its readings to periods of use. Pure functions over readings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from statistics import median

from msgspec import Struct
from msgspec.structs import replace

from metermt.model import ONE
from metermt.rules.registers import IsLikely, step_to_reading

MISSING = 3.5
"""For how many of its usual periods the history of a meter is good: with three missed cycles and the one at hand it is
four since the last reading, with two it is three, give or take some days."""


_LIKELY = 2  # times what a place usually uses a day, for a register that may have gone over its top


class Read(Struct, frozen=True):
    """What the register showed on a day.

    `exchanged` says that it is the first one of a new device, `estimated` that nobody has read it. `worth` is how many
    units of the device that hangs there now one of its units is: another than 1 where the multiplier has changed.
    """

    on: date
    value: int
    exchanged: bool = False
    estimated: bool = False
    worth: Decimal = ONE


class Period(Struct, frozen=True):
    """What was used between two readings of one device: `use` units in `days` days, up to the day `ended`."""

    ended: date
    days: int
    use: int

    @property
    def middle(self) -> float:
        """The middle of the period, in days (`date.toordinal`)."""
        return self.ended.toordinal() - self.days / 2


@dataclass(frozen=True, slots=True)
class History:
    """The last actual reading of a place, None if there is none, and its periods of use, oldest first.

    `estimates` are those that were accepted for later days though nobody has read them, oldest first. Whatever is
    judged or learned goes by actual readings only; what was used since it was billed last is counted from what was
    `accepted` last.
    """

    last: Read | None = None
    periods: tuple[Period, ...] = ()
    estimates: tuple[Read, ...] = ()

    @property
    def estimate(self) -> Read | None:
        """The last of the estimates, None if there is none."""
        return self.estimates[-1] if self.estimates else None

    @property
    def accepted(self) -> Read | None:
        """The last accepted reading, an estimate included."""
        return self.estimate or self.last


def history_of(reads: Iterable[Read], dials: int | None = None) -> History:
    """Make periods of readings: in any order of their days, and those of one day as they were shown.

    Of two readings on one day the later one in order counts. Where a device was exchanged on that day, these are two:
    the last one before that is of the old device, the last one from there on of the new one. A register that falls was
    exchanged although nobody said so, unless it has gone over the top of its `dials` digits
    (`metermt.rules.registers`); how much is likely is told by the other periods. No period reaches over an exchange,
    and a reading that is missing makes a longer period. So does an estimate: no period begins or ends with one, and one
    of the day of an actual reading is none.
    """
    by_day: dict[date, list[Read]] = {}
    estimates: list[Read] = []
    for read in sorted(reads, key=lambda read: read.on):
        if read.estimated and not read.exchanged:
            estimates.append(read)
            continue
        that_day = by_day.setdefault(read.on, [])
        if that_day and that_day[-1].exchanged:
            that_day[-1] = read if read.exchanged else replace(read, exchanged=True)
        elif read.exchanged:
            that_day.append(read)
        else:
            that_day[:] = [read]
    last: Read | None = None
    steps = []
    for read in (read for that_day in by_day.values() for read in that_day):
        if last is not None and not read.exchanged:
            steps.append((last, read))
        last = read
    periods = _periods(steps, dials)
    later = tuple(estimate for estimate in estimates if last is None or estimate.on > last.on)
    return History(last, tuple(periods), later)


def known_until(history: History) -> date | None:
    """Return the last day on which the past of a meter is enough to judge a reading by; None if it is not at all.

    It is not without a period of use: there is nothing to compare with. It ends `MISSING` of its usual periods (their
    median) after the last reading: three cycles are missing then.
    """
    if history.last is None or not history.periods:
        return None
    usual = median(period.days for period in history.periods)
    return history.last.on + timedelta(days=round(MISSING * usual))


def likely_after(periods: Sequence[Period], days: int, worth: Decimal = ONE) -> IsLikely:
    """Return what tells whether a place is likely to have used so much in so many days: by twice its usual use a day.

    `worth` is as in `Read`. Without a period of use nothing is likely.
    """

    def is_likely(use: int) -> bool:
        usual = median(period.use / period.days for period in periods) if periods else 0
        return _in_todays(use, worth) <= _LIKELY * days * usual

    return is_likely


def _periods(steps: Iterable[tuple[Read, Read]], dials: int | None) -> list[Period]:
    """Return the periods that begin and end so, without those that reach over an exchange that nobody told of."""
    periods, fallen = [], []
    for begin, end in steps:
        use = step_to_reading(begin.value, end.value, dials)
        if use is None:
            fallen.append((begin, end))
        else:
            periods.append(_period(begin, end, use))
    if not (fallen and periods and dials):
        return periods
    more = []
    for begin, end in fallen:
        is_likely = likely_after(periods, (end.on - begin.on).days, end.worth)
        use = step_to_reading(begin.value, end.value, dials, is_likely)
        if use is not None:
            more.append(_period(begin, end, use))
    return sorted([*periods, *more], key=lambda period: period.ended)


def _period(begin: Read, end: Read, use: int) -> Period:
    return Period(end.on, (end.on - begin.on).days, _in_todays(use, end.worth))


def _in_todays(use: int, worth: Decimal) -> int:
    return use if worth == ONE else round(use * worth)
