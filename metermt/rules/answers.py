"""What a reader may say of a meter, whichever it is. What breaks a rule raises a `SubmissionError`."""

import re
from datetime import UTC, datetime, timedelta

from metermt.errors import InvalidKey, InvalidReading, InvalidReason, InvalidTime, UnknownCycle, UnknownMeter
from metermt.model import Answer
from metermt.names import is_meter_number
from metermt.printable import has_control_characters

MAX_AHEAD = timedelta(minutes=10)
"""How far a reader's clock may be ahead of the server's."""
EARLIEST = 1970
"""The first year of a reading: where the clocks of devices that have lost the time begin."""
MAX_REASON = 500
"""Characters in a reason."""

_SHORT = 40  # characters of a reason that are enough to know it again
_KEY = re.compile(r"[!-~]{1,64}")
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,20}")  # every part can carry so many digits


def as_typed(text: str) -> int | str:
    """Return the whole number that somebody has typed; what is none, or has more than 20 digits, as it is.

    `judged` says what is wrong with that.
    """
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else text


def in_short(answer: Answer) -> str:
    """Return what an answer says of its meter, so that its reader knows it again."""
    return quoted(str(answer.reason or answer.code)) if answer.value is None else str(answer.value)


def quoted(reason: str) -> str:
    """Return a reason in quotes, or its beginning."""
    return f"“{reason if len(reason) <= _SHORT else reason[: _SHORT - 1] + '…'}”"


def judged(answer: Answer, now: datetime) -> Answer:
    """Return an answer as it can be taken, all but for its meter's job.

    `now` is in UTC. Raises `UnknownMeter`, `UnknownCycle`, `InvalidReading`, `InvalidReason`, `InvalidTime` or
    `InvalidKey`.
    """
    meter, reason, code = _meter_of(answer.meter), _reason_of(answer.reason), _code_of(answer.code)
    value = _value_of(answer.value, reason or code)
    when, key = _time_of(answer.when, now), checked_key(answer.key)
    return Answer(meter, value, reason, when, key, _cycle_of(answer.cycle), _verified(answer.verified), code)


def _meter_of(meter: object) -> str:
    if not isinstance(meter, str) or not is_meter_number(meter):
        raise unknown_meter(meter)
    return meter


def _reason_of(reason: object) -> str:
    if not isinstance(reason, str):
        raise InvalidReason(f"Invalid reason: {shown(reason)} is not a text")
    reason = reason.strip(" ")
    if len(reason) > MAX_REASON:
        raise InvalidReason(f"Invalid reason: it has {len(reason)} characters, {MAX_REASON} are allowed")
    if has_control_characters(reason):
        raise InvalidReason("Invalid reason: it has control characters in it, such as a line end")
    return reason


def _code_of(code: object) -> str | None:
    """Return the code of a reason in small letters; `metermt.rules.reasons.coded` knows which there are."""
    if code is None:
        return None
    if not isinstance(code, str):
        raise InvalidReason(f"Invalid code of a reason: {shown(code)} is not a text")
    return code.strip(" ").lower() or None


def _value_of(value: object, reason: str | None) -> int | None:
    """Return the value, None when there is only a reason, or the code of one.

    By the convention of the four original calls a reading below zero, usually -1, says that there is none;
    it is good only together with a reason. Zero is a reading.
    """
    if value is None:
        if not reason:
            raise InvalidReading("Invalid reading: give a reading of 0 or more, or a reason why there is none")
        return None
    if type(value) is not int:  # a bool is an int to Python, but nobody reads True off a register
        raise InvalidReading(f"Invalid reading: {shown(value)} is not a whole number")
    if value >= 0:
        return value
    if not reason:
        raise InvalidReading(f"Invalid reading: {shown(value)} is below zero; give a reason if there is none")
    return None


def _time_of(when: object, now: datetime) -> datetime:
    """Return when a meter was read, in UTC. What has no offset is in the server's local time."""
    if when is None:
        return now
    try:
        moment = datetime.fromisoformat(when) if isinstance(when, str) else when
        if not isinstance(moment, datetime):
            raise TypeError
        moment = moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        raise InvalidTime(
            f"Invalid time: {shown(when)} is not a date and time like 2026-11-20T10:00:00+00:00"
        ) from None
    if moment.year < EARLIEST:
        raise InvalidTime(f"Invalid time: {moment:%Y-%m-%d} lies before {EARLIEST}; check the clock of your device")
    if moment > now + MAX_AHEAD:
        raise InvalidTime(
            f"Invalid time: {moment:%Y-%m-%dT%H:%M:%SZ} lies in the future (the server has {now:%Y-%m-%dT%H:%M:%SZ}); "
            "check the clock of your device"
        )
    return moment


def checked_key(key: object) -> str | None:
    """Return the key of a submission, None for none; raise `InvalidKey` for what is no key."""
    if key is None or (isinstance(key, str) and _KEY.fullmatch(key)):
        return key
    raise InvalidKey("Invalid key: use 1 to 64 printable ASCII characters without blanks")


def _cycle_of(cycle: object) -> str | None:
    if cycle is None or isinstance(cycle, str):
        return cycle
    raise UnknownCycle(f"Invalid cycle {shown(cycle)}: give that of the job, like 2026-11")


def _verified(verified: object) -> bool:
    if not isinstance(verified, bool):
        raise InvalidReading(f"Invalid verified: {shown(verified)} is neither true nor false")
    return verified


def unknown_meter(meter: object, cycle: str | None = None) -> UnknownMeter:
    """Return the error for the number of no meter, or of none that is to be read in a cycle."""
    where = f" in cycle {shown(cycle)}" if cycle is not None else ""
    return UnknownMeter(f"Unknown meter {shown(meter)}{where}: check the number on the meter")


def shown(value: object) -> str:
    """Show a refused value in an error, without its whole length and without running code of its own."""
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a number of more than 20 digits"
    text = repr(value) if isinstance(value, str | int | float | bytes | None) else type(value).__name__
    return text if len(text) <= 40 else text[:40] + "…"
