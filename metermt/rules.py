"""Judging a reading: pure functions, no I/O, no clock. What breaks a rule raises a `SubmissionError`."""

from datetime import UTC, datetime, timedelta

from metermt.errors import AlreadyRead, InvalidReading, InvalidReason, InvalidTime, MeterLeased, UnknownMeter
from metermt.model import MAX_DIALS, highest, is_meter_number

MAX_AHEAD = timedelta(minutes=10)
"""How far a reader's clock may be ahead of the server's."""
EARLIEST = 1970
"""The first year of a reading: where the clocks of devices that have lost the time begin."""


def value_of(reading: object, reason: str) -> int | None:
    """Return the value that a reader sent, None when there is only a reason.

    By the convention of the four original calls a reading below zero, usually -1, says that there is none;
    it is good only together with a reason. Zero is a reading. Raises `InvalidReading`.
    """
    if type(reading) is not int:  # a bool is an int to Python, but nobody reads True off a register
        raise InvalidReading(f"Invalid reading: {_shown(reading)} is not a whole number")
    if reading >= 0:
        return reading
    if not reason:
        raise InvalidReading(f"Invalid reading: {_shown(reading)} is below zero; give a reason if there is none")
    return None


def meter_of(meter: object) -> str:
    """Return the number of a meter as it is. Raises `UnknownMeter` if there can be none of it."""
    if not isinstance(meter, str) or not is_meter_number(meter):
        raise UnknownMeter(f"Unknown meter {_shown(meter)}: check the number on the meter")
    return meter


def reason_of(reason: object) -> str:
    """Return the reason without blanks around it. Raises `InvalidReason` if it is not a text."""
    if not isinstance(reason, str):
        raise InvalidReason(f"Invalid reason: {_shown(reason)} is not a text")
    return reason.strip(" ")


def time_of(when: object, now: datetime) -> datetime:
    """Return when a meter was read, in UTC.

    `when` is a `datetime` or an ISO 8601 text; without an offset it is in the server's local time. `now` is in UTC.
    Raises `InvalidTime` if it cannot be understood, is before `EARLIEST`, or is more than `MAX_AHEAD` after `now`.
    """
    try:
        moment = datetime.fromisoformat(when) if isinstance(when, str) else when
        if not isinstance(moment, datetime):
            raise TypeError
        moment = moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        raise InvalidTime(
            f"Invalid time: {_shown(when)} is not a date and time like 2026-11-20T10:00:00+00:00"
        ) from None
    if moment.year < EARLIEST:
        raise InvalidTime(f"Invalid time: {moment:%Y-%m-%d} lies before {EARLIEST}; check the clock of your device")
    if moment > now + MAX_AHEAD:
        raise InvalidTime(
            f"Invalid time: {moment:%Y-%m-%dT%H:%M:%SZ} lies in the future (the server has {now:%Y-%m-%dT%H:%M:%SZ}); "
            "check the clock of your device"
        )
    return moment


def check_dials(value: int | None, meter: str, dials: int | None) -> None:
    """Raise `InvalidReading` if a register of so many digits, None when unknown, cannot show this value."""
    if value is not None and value > highest(dials):
        digits = f"has {dials} digits" if dials else f"can have no more than {MAX_DIALS} digits"
        raise InvalidReading(f"Invalid reading: {_shown(value)} is too long, the register of {meter} {digits}")


def check_free(meter: str, username: str, *, read_by: str | None, leased_to: str | None) -> None:
    """Raise if somebody else has read this meter (`AlreadyRead`) or holds it now (`MeterLeased`)."""
    if read_by not in (None, username):
        raise AlreadyRead(f"Meter {meter} was already read this cycle by {read_by}")
    if leased_to not in (None, username):
        raise MeterLeased(f"Meter {meter} is being read by {leased_to}: ask for another one")


def _shown(value: object) -> str:
    """Show a refused value in an error, without its whole length and without running code of its own."""
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a number of more than 20 digits"
    text = repr(value) if isinstance(value, str | int | float | bytes | None) else type(value).__name__
    return text if len(text) <= 40 else text[:40] + "…"
