"""Whether a device can have been exchanged so. What breaks a rule raises `InvalidReport`, with the field."""

from collections.abc import Sequence
from datetime import date, timedelta

from metermt.errors import InvalidReport, MeterExchanged
from metermt.model import Meter
from metermt.rules.consumption import Exchange
from metermt.rules.devices import goes_on
from metermt.rules.history import History, Read
from metermt.rules.registers import counted_by_estimates

_OLD = timedelta(days=366)  # what happened longer ago is a slip


def check_exchange(
    exchange: Exchange,
    new: Meter,
    today: date,
    history: History,
    before: Sequence[Exchange],
    limits: str | None = None,
) -> None:
    """Raise `InvalidReport` if a device cannot have been exchanged for another one so.

    `history` is that of the place, `before` are its earlier exchanges, in order, and `limits` is what the old device is
    judged by, as it is stored.
    """
    old, on = exchange.old_meter, exchange.on
    if new.number == old:
        raise InvalidReport(
            f"Meter {old} cannot be exchanged for itself: give the number of the new device", field="new"
        )
    _check_register("final", exchange.final, old, Meter(old, dials=exchange.dials).highest)
    _check_register("initial", exchange.initial, new.number, new.highest)
    if on > today:
        raise InvalidReport(f"Invalid date {on}: it lies in the future", field="on")
    if on < today - _OLD:
        raise InvalidReport(f"Invalid date {on}: it is more than a year ago", field="on")
    if before and on <= before[-1].on:
        raise InvalidReport(
            f"Invalid date {on}: {before[-1].old_meter} was exchanged for {before[-1].new_meter} there on"
            f" {before[-1].on}, and the next exchange is on a later day",
            field="on",
        )
    if accepted := history.accepted:
        _check_goes_on(exchange, history, accepted, limits)


def exchanged_for(exchange: Exchange) -> MeterExchanged:
    """Return the error that tells whoever speaks of a device that it was taken down."""
    return MeterExchanged(
        f"Meter {exchange.old_meter} was exchanged for {exchange.new_meter} on {exchange.on}: read that one",
        new=exchange.new_meter,
        on=exchange.on.isoformat(),
    )


def _check_register(what: str, value: int, number: str, highest: int) -> None:
    if not 0 <= value <= highest:
        raise InvalidReport(
            f"Invalid {what} reading {value}: the register of {number} goes from 0 to {highest}", field=what
        )


def _check_goes_on(exchange: Exchange, history: History, accepted: Read, limits: str | None) -> None:
    """Raise unless the old device went on from what was accepted of it last."""
    old = exchange.old_meter
    what = "estimate" if accepted.estimated else "reading"
    mend = f"if that {what} is wrong, correct it first (metermt readings correct {old} VALUE --why …)"
    if exchange.on < accepted.on:
        raise InvalidReport(
            f"Invalid date {exchange.on}: the last {what} of {old} is of {accepted.on}; {mend}", field="on"
        )
    since = [*([history.last] if history.last else []), *history.estimates]
    estimated = counted_by_estimates([read.value for read in since], exchange.dials)
    if not goes_on(since[0], exchange, limits, estimated):
        raise InvalidReport(
            f"Invalid final reading {exchange.final}: {old} had {accepted.value} on {accepted.on} already; {mend}",
            field="final",
        )
