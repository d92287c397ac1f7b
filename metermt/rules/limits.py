"""A meter's limits: computed when a cycle is opened, and stored with the job, so that judging reads no history."""

from bisect import bisect_left
from collections.abc import Iterable
from datetime import date
from math import exp, log
from typing import cast

from msgspec import Struct
from msgspec.structs import replace

from metermt.errors import SettingError
from metermt.model import MAX_DIALS
from metermt.rules.habits import EXPERIENCE, Experience, Habit, chance, habit_of
from metermt.rules.history import History, known_until
from metermt.rules.registers import IsLikely
from metermt.rules.town import Town, middle_of
from metermt.wire import from_text, to_text

SENSITIVITY = 1.0
"""The setting that an office turns, as shipped: a value is asked about when it is likelier a slip than a reading.

2 asks also about what is half as likely a slip, 0.5 only about what is twice as likely. What each costs and catches
is in docs/READING-QUALITY.md.
"""
LEAST_SENSITIVITY, MOST_SENSITIVITY = 0.01, 100.0
"""Between these it may be set: the first asks about hardly anything but a register that fell, the last about most."""

ANYTHING = 0.02
"""The share of mistakes that are no known slip, such as a reading of another meter far away: any number."""
_MOST = 10**MAX_DIALS  # more than any register can show
_MAGNITUDES = log(10**5)  # of which any use from 1 to 99,999 is as likely as one of any other magnitude


def check_sensitivity(sensitivity: float) -> float:
    """Return the setting as it is. Raises `SettingError`."""
    if not LEAST_SENSITIVITY <= sensitivity <= MOST_SENSITIVITY:
        raise SettingError(
            f"Invalid sensitivity {sensitivity:g}: use {LEAST_SENSITIVITY:g} to {MOST_SENSITIVITY:g}; "
            f"{SENSITIVITY:g} is as shipped, more asks about more readings"
        )
    return sensitivity


class Beside(Struct, frozen=True, array_like=True):
    """The stop before or after: its previous reading, and what it is likely to use."""

    previous: int
    previous_on: date
    habit: Habit


class Limits(Struct, frozen=True, array_like=True):
    """All that a reading of a job is judged by.

    `previous` is the last accepted reading and `previous_on` its day, None without one. `habit` is what the meter is
    likely to use a day; None when not even the town is known. Up to the day `known_until` its own past is enough to
    judge by; None if it is not. As JSON all this takes some 150 bytes: its parts stand in this order, without
    their names, so that a new one comes last and has a default.
    """

    previous: int | None = None
    previous_on: date | None = None
    habit: Habit | None = None
    known_until: date | None = None
    beside: tuple[Beside, ...] = ()


class JobLimits(Struct, frozen=True, array_like=True):
    """All that an answer for a job is judged by: stored with the job as a text (see `Limits`), some 200 bytes.

    `first_day` is that of its cycle. An inactive meter is expected to use nothing. `sensitivity` is the office's
    setting. `estimated_on` is the day of the last estimate since the last actual reading,
    None without one: no value is judged by it, but none was read before it. `reported` says that a reader has told of
    an exchange since: the office has to look at the value that comes next.
    """

    limits: Limits
    first_day: date | None = None
    active: bool = True
    sensitivity: float = SENSITIVITY
    estimated_on: date | None = None
    reported: bool = False

    def as_text(self) -> str:
        """Return it as it is stored."""
        return to_text(self)


_NOTHING = JobLimits(Limits())


def limits_in(text: str | None) -> JobLimits:
    """Return what is stored with a job in this text; of a job without one nothing is known."""
    return cast(JobLimits, from_text(JobLimits, text)) if text else _NOTHING


def limits_of(history: History, town: Town, opened: date, experience: Experience = EXPERIENCE) -> Limits:
    """Compute the limits of a meter for a cycle whose first day is `opened`, without its neighbours.

    From its own history, and from what the whole town did until then.
    """
    last = history.last
    if last is None:
        return Limits()
    middle, days = middle_of(history, opened)
    habit = habit_of(history.periods, middle, days, experience, town.meter, town.season)
    return Limits(last.value, last.on, habit and _rounded(habit), known_until(history))


def with_neighbours(limits: Limits, stops: Iterable[Limits]) -> Limits:
    """Return the limits with what is known of the stops before and after, as far as there is anything."""
    beside = tuple(
        Beside(stop.previous, stop.previous_on, stop.habit)
        for stop in stops
        if stop.previous is not None and stop.previous_on is not None and stop.habit is not None
    )
    return replace(limits, beside=beside)


def usual_use(
    limits: Limits, on: date, experience: Experience = EXPERIENCE, sensitivity: float = SENSITIVITY
) -> tuple[int, int] | None:
    """Return the least and the most whole units that are usual up to a day; None if nothing is known.

    Outside of them a value is asked about whatever slip it may be. What lies between them may be asked
    about too, when a slip explains it far better. For people to see; judging does not need it.
    """
    if limits.habit is None or limits.previous_on is None:
        return None
    habit, days = limits.habit, (on - limits.previous_on).days
    usual = round(exp(habit.rate) * max(days, 1))

    def fits(use: int) -> bool:
        return is_likely(habit, use, days, sensitivity, experience)

    least = 0 if fits(0) else 1 + bisect_left(range(1, usual + 1), True, key=fits)
    most = usual + bisect_left(range(usual + 1, _MOST), True, key=lambda use: not fits(use))
    return least, most


def is_likely(
    habit: Habit, use: int, days: int, sensitivity: float = SENSITIVITY, experience: Experience = EXPERIENCE
) -> bool:
    """Tell whether a meter is likelier to have used so many units than somebody to have typed just any number."""
    return chance(habit, use, days, experience.away) >= sensitivity * as_anything(use)


def likely_by(limits: JobLimits | str | None, days: int) -> IsLikely:
    """Return what tells how much is likely in so many days, by what a job is judged by.

    Where nothing is known of the meter, nothing is. The text in which it is stored is read when that is asked only.
    """

    def is_it(use: int) -> bool:
        by = limits if isinstance(limits, JobLimits) else limits_in(limits)
        return by.limits.habit is not None and is_likely(by.limits.habit, use, days, by.sensitivity)

    return is_it


def as_anything(use: int) -> float:
    """Return the chance of a mistake that is no known slip, and happens to be this use: any number is as likely as one
    of another magnitude.
    """
    return ANYTHING / ((abs(use) + 0.5) * _MAGNITUDES)


def _rounded(habit: Habit) -> Habit:
    return Habit(round(habit.rate, 4), round(habit.spread, 4), round(habit.idle, 4))
