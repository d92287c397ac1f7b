"""Whether a reader is asked to look again before a value is taken. Pure functions over facts.

A value that the checks doubt is not stored: its reader looks again, and sends it once more. The same value again is
verified; another one is judged afresh. The same key again is no second look, but the same submission sent again.
"""

import dataclasses
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from math import inf, log
from typing import cast

from msgspec.structs import replace

from metermt.errors import ConfirmReading, Error
from metermt.model import Answer, Job, Meter, Standing
from metermt.quality import Cause, Flag, Judgement, Look, Quality
from metermt.rules.checks import judge
from metermt.rules.consumption import Exchange
from metermt.rules.limits import JobLimits, likely_by, limits_in, usual_use
from metermt.rules.registers import step_to_reading
from metermt.rules.times import check_time, day_of

_WORDS = {
    Flag.NEGATIVE: "lower than the last one",
    Flag.HIGH: "high",
    Flag.LOW: "low",
    Flag.ZERO: "the same as the last one",
    Flag.NEIGHBOUR: "like that of a meter next to it",
}
_CAUSES = {
    Cause.SWAPPED: "two digits swapped",
    Cause.DROPPED: "a digit left out",
    Cause.DOUBLED: "a digit typed twice",
    Cause.MISREAD: "a digit misread",
    Cause.NEIGHBOUR: "that of the meter next to it",
    Cause.REPEATED: "the last reading once more",
    Cause.EXCHANGED: "another device",
}


def judged_at(standing: Standing, answer: Answer, now: datetime) -> Judgement:
    """Judge an answer for the job that it is meant for: an answer that `metermt.rules.answers.judged` has returned.

    `now` is in UTC. What day it was is told by the time zone of this machine. Raises `InvalidTime`.
    """
    by = limits_in(standing.limits)
    when = cast(datetime, answer.when)
    last, first_day = by.estimated_on or by.limits.previous_on, by.first_day
    check_time(answer.meter, when, now, _midnight(last), _midnight(first_day))
    if answer.value is None:
        return Judgement()
    found = _judged(by, answer.value, day_of(when), standing.dials)
    return dataclasses.replace(found, flags=(*found.flags, Flag.EXCHANGED)) if by.reported else found


def with_expected(job: Job, standing: Standing, on: date) -> Job:
    """Return a job that says what its meter showed last, and what is usual on a day, as far as that is known."""
    return replace(job, expected=_expected(standing, on))


def _expected(standing: Standing, on: date) -> str:
    by = limits_in(standing.limits)
    last = by.limits.previous
    if last is None:
        return ""
    words = f"Last reading {last} on {by.limits.previous_on}"
    usual = usual_use(by.limits, on, sensitivity=by.sensitivity) if by.active else None
    if usual is None:
        return words
    size = inf if standing.dials is None else 10**standing.dials
    least, most = (int((last + use) % size) for use in usual)
    return f"{words}; {least} to {most} is usual by now"


def exchanged(limits: str | None, exchange: Exchange, multiplier: Decimal, *, reported: bool) -> str:
    """Return by what a job is judged after an exchange, as it is stored: `limits` is by what it was judged before.

    It goes on from what the new device showed first, and the place goes on as it did, in units of the new device.
    """
    by = limits_in(limits)
    old = by.limits
    habit, known_until = old.habit, old.known_until
    if habit and exchange.multiplier != multiplier:
        habit = replace(habit, rate=round(habit.rate + log(exchange.multiplier / multiplier), 4))
    if known_until and old.previous_on:
        known_until += exchange.on - old.previous_on
    now = replace(old, previous=exchange.initial, previous_on=exchange.on, habit=habit, known_until=known_until)
    return replace(by, limits=now, estimated_on=None, reported=by.reported or reported).as_text()


def is_reported(limits: str) -> bool:
    """Tell whether a job is judged by limits of a place where a reader has told of an exchange."""
    return limits_in(limits).reported


def check_sure(value: int, meter: Meter, on: date, limits: str) -> None:
    """Raise `ConfirmReading` for a value of the office that whoever reads the meter would be asked about."""
    by = limits_in(limits)
    found = _judged(by, value, on, meter.dials)
    if found.confirm:
        hint = f" ({_CAUSES[found.cause]}?)" if found.cause else ""
        use = "" if by.limits.previous is None else f", a use of {_use(by, value, on, meter.dials)}"
        raise ConfirmReading(
            f"{value} is {oddity(found.flags)} for {meter.number}{hint}{use}",
            flags=" ".join(found.flags),
            cause=str(found.cause or ""),
        )


def _use(by: JobLimits, value: int, on: date, dials: int | None) -> int:
    """Return what was used since what a job is judged from."""
    previous, since = cast(int, by.limits.previous), by.limits.previous_on
    step = step_to_reading(previous, value, dials, likely_by(by, (on - since).days) if since else None)
    return value - previous if step is None else step


def is_asked_about(answer: Answer, limits: str, dials: int | None, sensitivity: float | None = None) -> bool:
    """Tell whether a value is asked about by the limits of its job, and by another sensitivity if one is given."""
    by = limits_in(limits)
    if sensitivity is not None:
        by = replace(by, sensitivity=sensitivity)
    return _judged(by, cast(int, answer.value), day_of(cast(datetime, answer.when)), dials).confirm


def _judged(by: JobLimits, value: int, on: date, dials: int | None) -> Judgement:
    return judge(value, on, by.limits, dials, active=by.active, sensitivity=by.sensitivity)


def quality_of(judgement: Judgement, standing: Standing, answer: Answer, username: str) -> Quality:
    """Return the quality of a value that is taken. Raises `ConfirmReading` if its reader has to look again first."""
    if not judgement.confirm or answer.verified:
        return Quality.VERIFIED if answer.verified else Quality.ACTUAL
    if _is_second_look(standing.look, answer, username):
        return Quality.VERIFIED
    raise ConfirmReading(
        f"Reading {answer.value} for meter {answer.meter} is {oddity(judgement.flags)}: look again and send it again",
        flags=" ".join(judgement.flags),
        cause=str(judgement.cause or ""),
    )


def oddity(flags: Iterable[Flag]) -> str:
    """Return what is odd about a value in the words of people: `high`, `low and like that of a meter next to it`."""
    return " and ".join(_WORDS[flag] for flag in flags if flag in _WORDS) or "odd"


def look_again(answer: Answer, error: Error) -> str:
    """Return what to tell a reader at the meter, and what may lie behind the value, as far as the error says it."""
    flags, cause = str(error.details.get("flags", "")).split(), error.details.get("cause")
    odd = oddity(flag for flag in Flag if flag in flags and flag is not Flag.NEIGHBOUR)  # that is the cause as well
    here = " for this meter" if {Flag.HIGH, Flag.LOW} & set(flags) else ""
    hint = f" ({_CAUSES[Cause(cause)]}?)" if cause in list(_CAUSES) else ""
    return f"{answer.value} is {odd}{here}{hint}: look at the meter again, and type what it shows"


def _is_second_look(look: Look | None, answer: Answer, username: str) -> bool:
    if look is None or (look.username, look.value) != (username, answer.value):
        return False
    return answer.key is None or answer.key != look.key


@lru_cache(maxsize=4096)  # a town is read on few days
def _midnight(day: date | None) -> datetime | None:
    """Return the first moment of a day, in UTC, by the time zone of this machine; None for None."""
    return None if day is None else datetime.combine(day, time()).astimezone(UTC)
