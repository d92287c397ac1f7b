"""What readers leave about places, for the next one and for the office."""

from dataclasses import dataclass

from metermt.audit import What
from metermt.calls.asking import MAX_ITEMS, Ask, Weight
from metermt.calls.table import call
from metermt.calls.turn import Turn
from metermt.fieldnotes import Note, check_note
from metermt.model import Role
from metermt.rules.answers import unknown_meter


@dataclass(frozen=True, slots=True)
class Noted:
    """A note about the place where the meter of this number hangs."""

    meter: str
    text: str


@dataclass(frozen=True, slots=True)
class Notes:
    """Which notes are asked for: those after the first so many."""

    skip: int = 0


@call(Role.READER, Weight.WRITE)
def leave_note(turn: Turn, ask: Ask[Noted]) -> None:
    """Leave a note about a place: its jobs that are not read have it at once, and those to come in their turn.

    What the last note says already is not noted again. Raises `UnknownMeter`, or `InvalidReport` for what is no note.
    """
    meter, text = ask.request.meter, check_note(ask.request.text)
    if not turn.tx.places.find([meter]):
        raise unknown_meter(meter)
    if turn.tx.notes.latest([meter]).get(meter) != text:
        turn.tx.notes.add([Note(meter, text, ask.reader.username, turn.moment)])
        turn.record(ask, What.NOTE, meter, after=text)


@call(Role.SUPERVISOR, Weight.READ)
def list_notes(turn: Turn, ask: Ask[Notes]) -> list[Note]:
    """Return up to 1,000 notes in the order of their arrival, but for the first so many."""
    return turn.tx.notes.all(MAX_ITEMS, max(ask.request.skip, 0))
