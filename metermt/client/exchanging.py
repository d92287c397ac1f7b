"""What a reader tells of a device that was exchanged: how it is typed, and what comes of it."""

from datetime import date
from typing import NamedTuple

from metermt.calls.exchanges import MeterExchange
from metermt.client.client import MeterClient
from metermt.errors import InvalidReport
from metermt.model import MAX_DIALS, Meter
from metermt.names import is_meter_number
from metermt.rules.answers import as_typed, shown
from metermt.stops import Stop


class TypedExchange(NamedTuple):
    """What is typed of an exchange. Empty are a last value that nobody knows, and what is as it mostly is."""

    new: str
    """The number of the device that hangs there now."""
    final: str
    """What the old one showed last."""
    initial: str = ""
    """What the new one showed first: mostly 0."""
    dials: str = ""
    """The digits on its register: mostly as many as on the old one."""
    on: str = ""
    """The day: mostly today."""


class ToldExchange(NamedTuple):
    """What came of it."""

    meter: str
    """The number to read now: that of the new device, or still that of the old one if only a note was left."""
    words: str
    """What to say to the reader."""


def check_field(field: str, text: str) -> None:
    """Raise `InvalidReport` if a text cannot be what is typed in this field of `TypedExchange`."""
    if field == "new":
        if not is_meter_number(text.upper()):
            raise InvalidReport(f"Invalid number {shown(text)}: type it as it is on the new meter", field=field)
    elif field == "on":
        _day(text)
    elif text and not isinstance(as_typed(text), int):
        unknown = "; leave it empty if nobody knows it" if field == "final" else ""
        raise InvalidReport(f"{shown(text)} is not a whole number{unknown}", field=field)
    elif field == "dials" and text and not 1 <= int(text) <= MAX_DIALS:
        raise InvalidReport(f"Invalid dials {text}: a register has 1 to {MAX_DIALS} digits", field=field)


def tell_exchange(client: MeterClient, old: Meter, typed: TypedExchange, *, sure: bool) -> ToldExchange:
    """Tell the server of an exchange.

    Without the last value of the old device nothing can be billed, so it is a note for the office then, which finds out
    what it was. Raises `InvalidReport`, whose `details["field"]` is one of `TypedExchange`, and what the calls raise:
    `ConfirmReading` for a last value that is odd, unless that is `sure`.
    """
    for field, text in typed._asdict().items():
        check_field(field, text)
    new, on = typed.new.upper(), _day(typed.on)
    initial, dials = int(typed.initial or 0), int(typed.dials) if typed.dials else old.dials
    if not typed.final:
        digits = f", {dials} digits" if dials else ""
        told = f"Exchanged on {on} for {new}, which showed {initial} first{digits}"
        client.leave_note(old.number, f"{told}; what {old.number} showed last is not known")
        words = f"Noted for the office, as the last value is not known. Send a reason for {old.number} now"
        return ToldExchange(old.number, words)
    client.exchange_meter(MeterExchange(old.number, new, int(typed.final), initial, on, dials, sure=sure))
    return ToldExchange(new, f"{new} hangs here now: read it")


def find_told(client: MeterClient, told: ToldExchange, cycle: str) -> Stop | None:
    """Return where the meter to read now stands in a cycle; None if it is not among the first that are found.

    Whoever reads a meter out of turn is told by this how to go on there: the next job is another one.
    """
    stops = client.find_meters(told.meter).stops
    return next((stop for stop in stops if (stop.job.meter.number, stop.job.cycle) == (told.meter, cycle)), None)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text) if text else date.today()
    except ValueError:
        raise InvalidReport(f"Invalid day {shown(text)}: type it like {date.today()}", field="on") from None
