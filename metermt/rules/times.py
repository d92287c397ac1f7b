"""Whether a meter can have been read when its reader's clock says. Pure functions over times."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from metermt.errors import InvalidTime

EARLY = timedelta(days=10)
"""How long before the first day of its cycle a meter may be read."""
OLD = timedelta(days=366)
"""What was read longer ago was read by a clock that is off."""

MORE_THAN_A_DAY = timedelta(hours=26)
"""More than any day has, also one on which clocks are set: times so far from each other are of different days."""

_QUARTER = 900  # seconds


def check_time(meter: str, when: datetime, now: datetime, last: datetime | None, opened: datetime | None) -> None:
    """Raise `InvalidTime` unless a meter can have been read at that time.

    Not before its last accepted reading, of an earlier cycle; not before its cycle was `opened`, on its first day, less
    `EARLY`; and not more than `OLD` ago. None stands for what is not known. All times are aware, in UTC.
    """
    if when < now - OLD:
        raise InvalidTime(
            f"Invalid time: {when:%Y-%m-%d} is more than a year ago (the server has {now:%Y-%m-%dT%H:%M:%SZ}); "
            "check the clock of your device"
        )
    if opened is not None and when < opened - EARLY:
        raise InvalidTime(
            f"Invalid time: {when:%Y-%m-%d} is more than {EARLY.days} days before the cycle, which begins on "
            f"{opened:%Y-%m-%d}; check the clock of your device"
        )
    if last is not None and when < last:
        raise InvalidTime(
            f"Invalid time: {when:%Y-%m-%dT%H:%M:%SZ} lies before the last reading of {meter}, of "
            f"{last:%Y-%m-%dT%H:%M:%SZ}; check the clock of your device"
        )


def day_of(when: datetime) -> date:
    """Return what day it is at a time in UTC, by the time zone of this machine."""
    return _day_of_quarter(when.timestamp() // _QUARTER)


@lru_cache(maxsize=4096)  # a turn is read within few quarters of an hour, and asking the system takes microseconds
def _day_of_quarter(quarters: float) -> date:
    """Return the day so many quarters of an hour after 1970, UTC. No zone has its midnight, or changes its clocks,
    within one.
    """
    return datetime.fromtimestamp(quarters * _QUARTER, UTC).astimezone().date()


def end_of_day(now: datetime, ends: time) -> datetime:
    """Return when the day of a reader ends next, by the time zone of this machine."""
    here = now.astimezone()
    end = datetime.combine(here.date(), ends).astimezone()
    return end if end > here else datetime.combine(here.date() + timedelta(days=1), ends).astimezone()
