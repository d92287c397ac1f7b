"""Whether an answer fits the job it is meant for. What breaks a rule raises a `SubmissionError`."""

from collections.abc import Collection, Sequence

from metermt.errors import AlreadyRead, CycleClosed, InvalidKey, InvalidReading, MeterLeased, UnknownCycle
from metermt.model import MAX_DIALS, Answer, Reading, Standing, highest
from metermt.rules.answers import shown, unknown_meter
from metermt.rules.cycles import there_is_no


def job_at_hand(standings: Sequence[Standing], answer: Answer, username: str, now: float) -> Standing | None:
    """Return the job in an open cycle that an answer names, or that its reader holds if it names none; else None.

    `standings` are those of the meter's jobs in the open cycles, oldest first; `now` is in seconds since 1970.
    """
    for standing in standings:
        if answer.cycle is not None:
            is_meant = standing.cycle == answer.cycle
        else:
            is_meant = standing.leased_to == username and standing.leased_until > now
        if is_meant:
            return standing
    return None


def job_meant(
    standings: Sequence[Standing],
    answer: Answer,
    username: str,
    now: float,
    closed: str | None = None,
    cycles: Collection[str] = (),
) -> Standing:
    """Return the job that a reader's answer is for.

    It is the one at hand; else the latest that this reader was handed, or has read; else the oldest unread one, or the
    latest. `closed` is the closed cycle that the answer names or, where it names none, the latest one in which this
    reader was handed the meter; None if there is no such cycle. What is for a closed cycle is never taken for another
    one. `cycles` are all there are; they need be told only where the answer names one and it is not at hand. Raises
    `CycleClosed`, `UnknownCycle`, or `UnknownMeter` if there is no job.
    """
    if at_hand := job_at_hand(standings, answer, username, now):
        return at_hand
    had = None
    if answer.cycle is None:
        had = next((one for one in reversed(standings) if username in (one.handed_to, one.read_by)), None)
    if had and (closed is None or closed < had.cycle):
        return had
    if closed is not None:
        raise CycleClosed(
            f"Cycle {closed} is closed: meter {answer.meter} is not read for it any more; ask for another job",
            cycle=closed,
        )
    if answer.cycle is not None and answer.cycle not in cycles:
        gone = f"There is no cycle {shown(answer.cycle)} any more: ask for another job"  # it was the only one
        raise UnknownCycle(there_is_no(answer.cycle, cycles) if cycles else gone)
    if answer.cycle is not None:
        raise unknown_meter(answer.meter, answer.cycle)
    if not standings:
        raise unknown_meter(answer.meter)
    return next((standing for standing in standings if not standing.is_done), standings[-1])


def check_fits(standing: Standing, answer: Answer, username: str, now: float) -> None:
    """Raise if the register cannot show the value, or the meter is in somebody else's hands or read by them.

    `now` is in seconds since 1970. Raises `InvalidReading`, `AlreadyRead` or `MeterLeased`.
    """
    if answer.value is not None and answer.value > highest(standing.dials):
        digits = f"has {standing.dials} digits" if standing.dials else f"can have no more than {MAX_DIALS} digits"
        raise InvalidReading(
            f"Invalid reading: {shown(answer.value)} is too long, the register of {answer.meter} {digits}"
        )
    if standing.read_by not in (None, username):
        who = standing.read_by or "the office"
        raise AlreadyRead(f"Meter {answer.meter} was already read this cycle by {who}", username=standing.read_by)
    if standing.leased_to not in (None, username) and standing.leased_until > now:
        raise MeterLeased(
            f"Meter {answer.meter} is being read by {standing.leased_to}: ask for another one",
            username=standing.leased_to,
        )


def check_same_answer(first: Reading, again: Answer) -> None:
    """Raise `InvalidKey` unless an answer under a key that was used before says what was said then."""
    if not first.answer.says_the_same_as(again) or again.cycle not in (None, first.cycle):
        raise InvalidKey(f"This key was used before, for a reading of {first.answer.meter}")
