"""What the office may decide about a result, and which results wait for that. Pure functions over facts."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from math import exp

from msgspec.structs import replace

from metermt.decisions import Decision, Result, Verdict
from metermt.errors import DecisionError
from metermt.model import Answer, JobState, Reading, highest
from metermt.names import FIRST_DAY
from metermt.printable import has_control_characters
from metermt.quality import Billing, Flag, Quality
from metermt.rules.answers import quoted, shown
from metermt.rules.consumption import Before, Chain, has_fallen, read_at
from metermt.rules.limits import Limits
from metermt.rules.times import day_of

MAX_WHY = 200
"""Characters in what is said of a decision."""

_OFFICE = (Quality.ESTIMATED, Quality.EDITED)
_GRAVE = frozenset({Flag.NEGATIVE, Flag.HIGH, Flag.LOW, Flag.NEIGHBOUR})
_LIGHT = frozenset({Flag.ROLLOVER, Flag.NO_HISTORY, Flag.LATE})
_DID = {
    Verdict.APPROVE: "approved",
    Verdict.EDIT: "edited",
    Verdict.ESTIMATE: "estimated",
    Verdict.REREAD: "sent to be read again",
}


def billing_of(reading: Reading) -> Billing:
    """Return how far a reading is on its way to billing when it has come.

    One that is flagged, has no value, or has a remark beside it waits for a decision, unless the office has made it.
    """
    if reading.quality in _OFFICE or not (reading.flags or reading.answer.value is None or reading.answer.reason):
        return Billing.READY
    return Billing.WAITING


def was_sent(result: Result) -> bool:
    """Tell whether what counts was sent by whoever was there, and not put by the office."""
    return result.reading is not None and result.reading.quality not in _OFFICE


def flags_of(result: Result, earlier: Before | None) -> tuple[Flag, ...]:
    """Return what is odd about a result: what was so when it came, and that it has fallen below what was `before` it.

    It fitted that when it came, but another value counts there by now.
    """
    assert result.reading
    flags = result.reading.flags
    if Flag.NEGATIVE in flags or not has_fallen(earlier, result):
        return flags
    return Flag.NEGATIVE, *flags


def severity(flags: Iterable[Flag], value: int | None) -> int:
    """Return how much a result wants to be looked at: 3 may be a wrong bill, 2 no value or no use, 1 the rest."""
    odd = set(flags)
    if odd & _GRAVE:
        return 3
    return 2 if value is None or odd - _LIGHT else 1


def expected_on(day: date, limits: Limits, dials: int | None) -> int | None:
    """Return what the register is expected to show on a day, in units; None where nothing is known of the meter.

    The previous reading and the meter's usual use a day (`metermt.rules.habits`) times the days since then, over the
    top of its `dials` digits.
    """
    if limits.previous is None or limits.previous_on is None or limits.habit is None:
        return None
    days = max((day - limits.previous_on).days, 1)
    return (limits.previous + round(days * exp(limits.habit.rate))) % (highest(dials) + 1)


def check_undecided(result: Result | None, reading: int, decided: Sequence[Decision]) -> Result:
    """Return a result that still waits, and is the one that was looked at. Raises `DecisionError`.

    `decided` is what was decided about its job, and about any others, oldest first.
    """
    if result is None:
        raise DecisionError(f"There is no result {reading}")
    about = f"Meter {result.job.meter.number} in {result.job.cycle}"
    if result.reading_id == reading and result.billing is Billing.WAITING:
        return result
    last = next((one for one in reversed(decided) if one.job == result.id), None)
    if last and last.reading == reading:
        by = f" by {last.username}" if last.username else ""
        raise DecisionError(f"{about} was {_DID[last.verdict]} already{by}: look at what waits now")
    if result.reading_id == reading:
        raise DecisionError(f"{about} waits for no decision: to change it say metermt readings correct")
    raise DecisionError(f"{about} has another result by now: look at that one first")


def check_unread(result: Result | None, meter: str, cycle: str) -> Result:
    """Return how the job of a meter stands that has no result. Raises `DecisionError`."""
    if result is None:
        raise DecisionError(f"There is no meter {shown(meter)} in cycle {cycle}")
    if result.reading:
        raise DecisionError(f"Meter {meter} has a result in {cycle} (to change it say metermt readings correct)")
    return result


def check_again(there: Iterable[Result], meter: str, cycle: str | None) -> Result:
    """Return the one job of a meter that is to be read again, in a cycle if one is named. Raises `DecisionError`."""
    again = [one for one in there if one.billing is Billing.AGAIN and cycle in (None, one.job.cycle)]
    if not again:
        raise DecisionError(f"Meter {meter} is not to be read again" + (f" in {shown(cycle)}" if cycle else ""))
    if len(again) > 1:
        cycles = " and ".join(one.job.cycle for one in again)
        raise DecisionError(f"Meter {meter} is to be read again in {cycles}: say which with --cycle")
    return again[0]


def check_why(why: str, *, wanted: bool) -> str:
    """Return what is said of a decision without blanks around it. Raises `DecisionError` if it cannot be shown."""
    why = why.strip()
    if wanted and not why:
        raise DecisionError("Say why: it stays on record beside the value")
    if len(why) > MAX_WHY:
        raise DecisionError(f"What is said of it has {len(why)} characters: {MAX_WHY} are allowed")
    if has_control_characters(why):
        raise DecisionError(f"What is said of it has control characters in it: {quoted(repr(why))}")
    return why


def noon_of(day: date, now: datetime) -> datetime:
    """Return the middle of a day, in UTC, for what is of no certain hour; now, if that is still to come.

    Raises `DecisionError` for a day on which no meter was read that anybody still bills.
    """
    if day < FIRST_DAY:
        raise DecisionError(f"{day} is too long ago: look at the year")
    return min(datetime.combine(day, time(12)).astimezone(UTC), now)


def check_when(result: Result, on: date | None, now: datetime, chain: Chain) -> None:
    """Raise `DecisionError` if a meter cannot have been read on a day, or the day is wanted and not told.

    Days are of the calendar of this machine. The results of a place come in the order of their cycles;
    but the day that is on record already may stay.
    """
    if on is None:
        if result.state is JobState.MISSED:
            meter, cycle = result.job.meter.number, result.job.cycle
            raise DecisionError(f"Meter {meter} was missed in {cycle}: say with --on on which day it was read")
        return
    if on > day_of(now):
        raise DecisionError(f"{on} lies in the future: say on which day it was read")
    if result.reading and on == day_of(read_at(result)):
        return  # as is on record already
    for link in chain.links:
        if link.read_at is None:
            continue
        if link.cycle > result.job.cycle and link.read_at < noon_of(on, now):
            raise DecisionError(f"{on} is too late for {result.job.cycle}: {link.cycle} was read before")
        day = day_of(link.read_at)
        if link.cycle < result.job.cycle and day > on:
            was = f"estimated for {day}: correct that one first" if link.estimated else f"read on {day}"
            raise DecisionError(f"{on} is too early for {result.job.cycle}: {link.cycle} was {was}")
    since = result.job.previous_date
    if since and on < since:
        raise DecisionError(f"{on} is before {since}, when the meter was read last")


def without_value(result: Result, sent_back: Reading, why: str, username: str, now: datetime) -> Reading:
    """Return what ends a job that nobody reads again: no value, for the reason that was sent, or else the office's.

    It is of the time of what was sent back. `now` is in UTC.
    """
    said = sent_back.answer
    answer = replace(said, meter=result.job.meter.number, value=None, reason=said.reason or why, key=None)
    return Reading(answer, username, result.job.cycle, now, quality=Quality.EDITED)


def put_by_office(
    result: Result, value: int, quality: Quality, username: str, now: datetime, when: datetime | None = None
) -> Reading:
    """Return the reading that the office puts instead of a result. Raises `DecisionError` if no register shows it.

    It is of a time that is told; else of when the meter was read, or of now if it was not. Times are in UTC.
    """
    meter = result.job.meter
    if not 0 <= value <= meter.highest:
        raise DecisionError(f"Invalid value {value}: the register of {meter.number} goes from 0 to {meter.highest}")
    said = result.reading.answer if result.reading else Answer(meter.number, when=now)
    answer = replace(said, value=value, key=None, cycle=None, when=when or said.when)
    flags = (Flag.LATE,) if quality is Quality.EDITED and result.state is JobState.MISSED else ()
    return Reading(answer, username, result.job.cycle, now, quality=quality, flags=flags)
