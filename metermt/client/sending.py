"""Answers as they are sent to a server."""

from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from types import NoneType

from metermt.errors import CallError, InvalidReading, InvalidTime
from metermt.model import Answer
from metermt.names import new_key
from metermt.rules.answers import shown

_SENDABLE = (str, int, NoneType)


def to_send(answer: Answer) -> Answer:
    """Return an answer with its time and its key in it.

    Raises `CallError` for what cannot be sent, or `InvalidReading` and `InvalidTime` for what is nearly right.
    """
    when = datetime.now(UTC) if answer.when is None else answer.when
    if isinstance(answer.value, Decimal):
        raise InvalidReading(f"Invalid reading: {answer.value!r} is a Decimal: give a whole number, such as int(value)")
    if isinstance(when, date) and not isinstance(when, datetime):
        raise InvalidTime(f"Invalid time: {when!r} has no time of day: give a datetime")
    if isinstance(when, datetime):
        with suppress(OverflowError):  # at the ends of the calendar; the server refuses it
            when = when.astimezone(UTC)
        when = when.isoformat(timespec="seconds")
    key = new_key() if answer.key is None else answer.key
    said = (answer.meter, answer.value, answer.reason, when, key, answer.cycle, answer.verified, answer.code)
    for part in said:
        if not (isinstance(part, _SENDABLE) or (isinstance(part, float) and isfinite(part))):  # JSON would change it
            raise CallError(f"Only numbers, texts and None can be sent to a server, not {shown(part)}")
    return Answer(*said)
