"""What a device of a place can have shown, by when it was put up and taken down. What cannot be raises an error."""

from datetime import datetime
from typing import cast

from metermt.errors import DecisionError
from metermt.model import Answer, Meter
from metermt.rules.consumption import Chain, Exchange, place_of
from metermt.rules.history import Read
from metermt.rules.limits import likely_by
from metermt.rules.registers import step_onward, step_to_reading
from metermt.rules.times import day_of


def check_device(meter: Meter, said: Answer, chain: Chain) -> None:
    """Raise `DecisionError` if a device cannot have shown a value on its day: it did not hang there, or showed another.

    No use can be below zero because of an exchange.
    """
    exchanges = chain.exchanges
    if not exchanges:
        return
    value, on = cast(int, said.value), day_of(cast(datetime, said.when))
    place = place_of(meter.number, on, exchanges)
    if (exchanges[place].old_meter if place < len(exchanges) else exchanges[-1].new_meter) != meter.number:
        raise DecisionError(
            f"On {on} another device hung there than {meter.number}: name another day, or have it read again"
        )
    if place < len(exchanges):
        after = exchanges[place]
        if not goes_on(Read(on, value), after, chain.limits):
            raise DecisionError(
                f"Meter {meter.number} showed {after.final} when it was taken down on {after.on}: it cannot have shown"
                f" {value} before"
            )
    if not place:
        return
    first = exchanges[place - 1]
    is_likely = likely_by(chain.limits, (on - first.on).days)
    if step_to_reading(first.initial, value, meter.dials, is_likely) is None:
        raise DecisionError(
            f"Meter {meter.number} showed {first.initial} when it was put up on {first.on}: it cannot show {value} now"
        )


def goes_on(read: Read, exchange: Exchange, limits: str | None, estimated: int = 0) -> bool:
    """Tell whether a device can have shown last what an exchange says, after what was read of it.

    `limits` is what it is judged by, as it is stored; `estimated` units were counted by estimates since it was read.
    """
    is_likely = likely_by(limits, (exchange.on - read.on).days)
    counted = step_to_reading(read.value, exchange.final, exchange.dials, is_likely)
    return counted is not None and counted == step_onward(read.value, exchange.final, exchange.dials) >= estimated
