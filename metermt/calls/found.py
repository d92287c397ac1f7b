"""Meters that readers find and that are on no list: they are kept until the office has decided on them."""

from dataclasses import dataclass
from decimal import Decimal

from metermt.audit import What
from metermt.calls.asking import MAX_ITEMS, Ask, Weight
from metermt.calls.meters import put_up
from metermt.calls.table import always, call
from metermt.calls.turn import Turn
from metermt.errors import DecisionError, InvalidReport, RouteError
from metermt.fieldnotes import ACCEPTED, DISMISSED, Found, check_found
from metermt.model import ONE, Meter, Place, Role
from metermt.rules.history import Read
from metermt.rules.review import check_why
from metermt.rules.times import day_of
from metermt.store.base import Tx


@dataclass(frozen=True, slots=True)
class FoundMeter:
    """A meter that hangs somewhere: its number, its kind, empty when unknown, its digits, what it shows, and where.

    `dials` and `reading` are None where they cannot be seen.
    """

    number: str
    kind: str
    dials: int | None
    reading: int | None
    where: str


@dataclass(frozen=True, slots=True)
class FoundMeters:
    """Which of those that were found are asked for: those that nobody has decided on, from after a number."""

    after: int = 0


@dataclass(frozen=True, slots=True)
class Accepting:
    """A report, by its number, is of a meter that is to be read from now on.

    What is None is as the reader has said; so is the address, unless it is told.
    """

    id: int
    route: str = ""
    sequence: int = 0
    kind: str | None = None
    dials: int | None = None
    address: str | None = None
    multiplier: Decimal = ONE


@dataclass(frozen=True, slots=True)
class Dismissing:
    """A report, by its number, is of no meter that is to be read, and why."""

    id: int
    why: str


@call(Role.READER, Weight.WRITE)
def report_found(turn: Turn, ask: Ask[FoundMeter]) -> None:
    """Tell the office of a meter that is on no list. The same again counts once.

    Raises `InvalidReport` if it makes no sense, or if an active meter of that number is on the list.
    """
    one = ask.request
    where = check_found(one.number, one.kind, one.dials, one.reading, one.where)
    there = turn.tx.places.find([one.number]).get(one.number)
    if there and there.meter.active:
        route = f", on route {there.route}" if there.route else ""
        raise InvalidReport(
            f"Meter {one.number} is on the list{route}: leave a note if it hangs elsewhere", field="number"
        )
    found = Found(one.number, one.kind, one.dials, one.reading, where, ask.reader.username, turn.moment)
    turn.tx.finds.add([found])
    turn.record(ask, What.FOUND, one.number, after=where)


@call(Role.SUPERVISOR, Weight.READ)
def list_found(turn: Turn, ask: Ask[FoundMeters]) -> list[Found]:
    """Return up to 1,000 meters that were found and not decided on, in the order of their arrival."""
    return turn.tx.finds.undecided(MAX_ITEMS, ask.request.after)


@call(Role.SUPERVISOR, Weight.WRITE, is_large=always)
def accept_found(turn: Turn, ask: Ask[Accepting]) -> Place:
    """Have a meter that was found be read from the next cycle on; what it showed begins its history.

    All reports of that number are decided by that. Returns its place. Raises `DecisionError` if there is no such
    report, or it was decided already; `RouteError` if the meter is known already, or cannot be so.
    """
    tx, asked = turn.tx, ask.request
    tx.alone()
    found = _undecided(tx, asked.id)
    kind = found.kind if asked.kind is None else asked.kind
    dials = found.dials if asked.dials is None else asked.dials
    address = found.where if asked.address is None else asked.address
    place = Place(Meter(found.number, kind, dials, address, "", asked.multiplier), asked.route, asked.sequence)
    if found.reading is not None and found.reading > place.meter.highest:
        raise RouteError(f"Invalid dials {dials}: {found.number} showed {found.reading} when it was found")
    put_up(tx, place)
    if found.reading is not None:
        tx.places.add_history([(found.number, Read(day_of(found.found_at), found.reading))])
    tx.finds.settle(found, ACCEPTED, "", ask.username, turn.moment)
    turn.record(ask, What.FOUND_ACCEPTED, found.number, after=f"{place.route} {place.sequence}".strip())
    return place


@call(Role.SUPERVISOR, Weight.WRITE, is_large=always)
def dismiss_found(turn: Turn, ask: Ask[Dismissing]) -> None:
    """Leave a report of a meter at that; it stays on record. Raises `DecisionError`, also if nobody says why."""
    why = check_why(ask.request.why, wanted=True)
    found = _undecided(turn.tx, ask.request.id)
    turn.tx.finds.settle(found, DISMISSED, why, ask.username, turn.moment)
    turn.record(ask, What.FOUND_DISMISSED, found.number, after=why)


def _undecided(tx: Tx, number: int) -> Found:
    there = tx.finds.by_id(number)
    if there is None:
        raise DecisionError(f"There is no report {number} of a meter (see metermt meters found)")
    found, verdict = there
    if verdict:
        raise DecisionError(f"Report {number}, of {found.number}, was {verdict} already")
    return found
