"""What a meter has used in the past: from its readings to periods of use. Pure functions over readings."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from statistics import median

from msgspec import Struct
from msgspec.structs import replace

from metermt.model import ONE, highest

MISSING = 3.5
"""For how many of its usual periods the history of a meter is good: with three missed cycles and the one at hand it is
four since the last reading, with two it is three, give or take some days."""


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

    `estimate` is the last one that was accepted for a later day though nobody has read it, None if there is none.
    Whatever is judged or learned goes by actual readings only; what was used since it was billed last is counted from
    what was `accepted` last.
    """

    last: Read | None = None
    periods: tuple[Period, ...] = ()
    estimate: Read | None = None

    @property
    def accepted(self) -> Read | None:
        """The last accepted reading, an estimate included."""
        return self.estimate or self.last


def history_of(reads: Iterable[Read], dials: int | None = None) -> History:
    """Make periods of readings: in any order of their days, and those of one day as they were shown.

    Of two readings on one day the later one in order counts. Where a device was exchanged on that day, these are two:
    the last one before that is of the old device, the last one from there on of the new one. A register that falls was
    exchanged although nobody said so, unless it has gone over the top of its `dials` digits: then it went on by less
    than a tenth of what it can show. No period reaches over an exchange, and a reading that is missing makes a longer
    period. So does an estimate: no period begins or ends with one, and one of the day of an actual reading is none.
    """
    by_day: dict[date, list[Read]] = {}
    estimate: Read | None = None
    for read in sorted(reads, key=lambda read: read.on):
        if read.estimated and not read.exchanged:
            estimate = read
            continue
        that_day = by_day.setdefault(read.on, [])
        if that_day and that_day[-1].exchanged:
            that_day[-1] = read if read.exchanged else replace(read, exchanged=True)
        elif read.exchanged:
            that_day.append(read)
        else:
            that_day[:] = [read]
    last: Read | None = None
    periods = []
    for read in (read for that_day in by_day.values() for read in that_day):
        use = None if last is None or read.exchanged else register_step(last.value, read.value, dials)
        if last is not None and use is not None:
            in_todays = use if read.worth == ONE else round(use * read.worth)
            periods.append(Period(read.on, (read.on - last.on).days, in_todays))
        last = read
    is_later = estimate is not None and (last is None or estimate.on > last.on)
    return History(last, tuple(periods), estimate if is_later else None)


def known_until(history: History) -> date | None:
    """Return the last day on which the past of a meter is enough to judge a reading by; None if it is not at all.

    It is not without a period of use: there is nothing to compare with. It ends `MISSING` of its usual periods (their
    median) after the last reading: three cycles are missing then.
    """
    if history.last is None or not history.periods:
        return None
    usual = median(period.days for period in history.periods)
    return history.last.on + timedelta(days=round(MISSING * usual))


def register_step(before: int, after: int, dials: int | None) -> int | None:
    """Return the units between two values of one device, None if the second cannot be of the same device."""
    use = after - before
    if use >= 0:
        return use
    size = highest(dials) + 1
    over = use + size
    return over if dials is not None and 0 <= over < size // 10 else None
