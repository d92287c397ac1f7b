"""Whether an answer fits the job it is meant for. What breaks a rule raises a `SubmissionError`."""

from collections.abc import Sequence

from metermt.errors import AlreadyRead, InvalidKey, InvalidReading, MeterLeased, UnknownMeter
from metermt.model import MAX_DIALS, Answer, JobState, Standing, highest
from metermt.rules.answers import shown


def job_meant(standings: Sequence[Standing], answer: Answer, username: str, now: float) -> Standing:
    """Return the job that a reader's answer is for.

    `standings` are those of the meter's jobs in the open cycles, oldest first; `now` is in seconds since 1970. Of
    several the one that the reader was handed is meant, else the oldest unread one, else the latest. Raises
    `UnknownMeter` if there is none.
    """
    if not standings:
        raise UnknownMeter(f"Unknown meter {answer.meter!r}: check the number on the meter")
    if len(standings) == 1:  # as in nearly every month
        return standings[0]
    for standing in standings:
        if standing.leased_to == username and standing.leased_until > now:
            return standing
    return next((standing for standing in standings if standing.state is not JobState.DONE), standings[-1])


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
        raise AlreadyRead(
            f"Meter {answer.meter} was already read this cycle by {standing.read_by}", username=standing.read_by
        )
    if standing.leased_to not in (None, username) and standing.leased_until > now:
        raise MeterLeased(
            f"Meter {answer.meter} is being read by {standing.leased_to}: ask for another one",
            username=standing.leased_to,
        )


def check_same_answer(first: Answer, again: Answer) -> None:
    """Raise `InvalidKey` unless an answer under a key that was used before says what was said then."""
    if not first.says_the_same_as(again):
        raise InvalidKey(f"This key was used before, for a reading of {first.meter}")
