"""Meters that readers find and that are on no list: they are kept for the office to decide."""

from dataclasses import dataclass

from metermt.audit import What
from metermt.calls.table import MAX_ITEMS, Ask, Turn, Weight, call
from metermt.errors import InvalidReport
from metermt.fieldnotes import Found, check_found
from metermt.model import Role


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
    """Which of those that were found are asked for: those after the first so many."""

    skip: int = 0


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
    turn.tx.notes.add_found([found])
    turn.record(ask, What.FOUND, one.number, after=where)


@call(Role.SUPERVISOR, Weight.READ)
def list_found(turn: Turn, ask: Ask[FoundMeters]) -> list[Found]:
    """Return up to 1,000 meters that were found, in the order of their arrival, but for the first so many."""
    return turn.tx.notes.found(MAX_ITEMS, max(ask.request.skip, 0))
