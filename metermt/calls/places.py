"""Where meters hang, and what is known of their past."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from metermt.audit import What
from metermt.calls.asking import Ask, Weight
from metermt.calls.table import MAX_PARTS, always, call
from metermt.calls.turn import Turn
from metermt.errors import Error, RouteError
from metermt.model import Meter, Place, Role
from metermt.names import FIRST_DAY
from metermt.rules.answers import shown
from metermt.rules.history import Read, history_of
from metermt.rules.times import day_of
from metermt.store.base import Tx


@dataclass(frozen=True, slots=True)
class Places:
    """Places with the meters that hang there."""

    places: list[Place]
    dry_run: bool = False
    """Whether it is only to be told how many are new."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a meter showed on a day.

    `exchanged` says that it was the first reading of a new device, `estimated` that nobody has read it.
    """

    meter: str
    on: date
    value: int
    exchanged: bool = False
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Past:
    """What meters have shown."""

    shown: list[Shown]


@call(Role.ADMIN, Weight.WRITE, is_large=always, most_parts=MAX_PARTS)
def import_places(turn: Turn, ask: Ask[Places]) -> int:
    """Add places, or bring them up to date; return how many are new or were changed."""
    new = put_places(turn.tx, ask.request.places, dry_run=ask.request.dry_run)
    if not ask.request.dry_run:
        turn.record(ask, What.IMPORT, "places", after=f"{new} new or changed")
    return new


@call(Role.ADMIN, Weight.WRITE, is_large=always, most_parts=MAX_PARTS)
def import_history(turn: Turn, ask: Ask[Past]) -> list[Error | None]:
    """Add what meters have shown in the past; return the error of each that cannot be, None for the others.

    What is known of the same day is replaced. It takes part in the limits of cycles that are opened from then on.
    """
    shown = ask.request.shown
    places = turn.tx.places.find({one.meter for one in shown})
    today = day_of(turn.moment)
    exchanges = turn.tx.devices.exchanges(places)
    days = {(meter, one.on) for meter, made in exchanges.items() for one in made}
    outcomes: list[Error | None] = [_wrong(one, places.get(one.meter), today, days) for one in shown]
    good = [one for one, error in zip(shown, outcomes, strict=True) if error is None]
    turn.tx.places.add_history([(one.meter, Read(one.on, one.value, one.exchanged, one.estimated)) for one in good])
    turn.record(ask, What.IMPORT, "history", after=f"{len(good)} readings")
    return outcomes


def put_places(tx: Tx, places: Collection[Place], *, dry_run: bool = False) -> int:
    """Keep what is new of places; return how many these are.

    Raises `RouteError` for a device that was taken down, or is said to have fewer digits than it has shown.
    """
    there = tx.places.find({place.meter.number for place in places})
    new = {place.meter.number: place for place in places if there.get(place.meter.number) != place}
    if gone := tx.devices.taken_down(new.keys() - there.keys()):
        one = gone[min(gone)]
        raise RouteError(
            f"Meter {one.old_meter} was exchanged for {one.new_meter} on {one.on}: bring the file up to date, or, if it"
            f" hangs at another place by now, say so first (metermt meters add {one.old_meter})"
        )
    known = [(one.meter, there[number].meter) for number, one in new.items() if number in there]
    if shorter := [now for now, before in known if now.highest < before.highest]:
        tx.alone()  # or one of them might show more before it has fewer digits
        _check_registers(tx, shorter)
    if not dry_run:
        tx.places.put(new.values())
    return len(new)


def _check_registers(tx: Tx, meters: Collection[Meter]) -> None:
    """Raise `RouteError` for a register that has too few digits for what counts of it, or for what it showed first.

    No job could go on from there: neither that of the next cycle, nor one that is opened again.
    """
    # A file that names the digits of a whole town for the first time is no reason to go through its whole past.
    most = tx.places.most_shown([meter.number for meter in meters])
    in_doubt = [meter for meter in meters if most.get(meter.number, 0) > meter.highest]
    numbers = [meter.number for meter in in_doubt]
    history, exchanges = tx.places.history(numbers), tx.devices.exchanges(numbers)
    for meter in in_doubt:
        accepted = history_of(history.get(meter.number, ())).accepted
        showed = [(one.initial, one.on) for one in exchanges.get(meter.number, ())[-1:]]
        if accepted:
            showed.append((accepted.value, accepted.on))
        for value, on in showed:
            if value > meter.highest:
                raise RouteError(
                    f"Invalid dials {meter.dials}: {meter.number} showed {value} on {on}; put the right ones, or"
                    " correct that reading first"
                )


def _wrong(one: Shown, place: Place | None, today: date, exchanges: Collection[tuple[str, date]]) -> RouteError | None:
    """Return what is wrong with a reading of the past; `exchanges` are the meters and days of exchanges."""
    if place is None:
        return RouteError(f"There is no meter {shown(one.meter)}: import its route first")
    if not 0 <= one.value <= place.meter.highest:
        return RouteError(
            f"Invalid value {one.value}: the register of {one.meter} goes from 0 to {place.meter.highest}"
        )
    if one.on < FIRST_DAY:
        return RouteError(f"Invalid date {one.on}: it lies before {FIRST_DAY.year}")
    if one.on > today:
        return RouteError(f"Invalid date {one.on}: it lies in the future")
    if (one.meter, one.on) in exchanges:
        return RouteError(f"On {one.on} the device of {one.meter} was exchanged: what was shown then is known")
    return None
