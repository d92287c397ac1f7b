"""What the field tells the office besides readings, in SQL."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from metermt.fieldnotes import Note, Reason
from metermt.store.sql.dialect import Steps
from metermt.store.steps.sites import Notes

_REASON = ("code", "text", "wants_reread", "allows_reading", "retired")
_REPLACE = "ON CONFLICT (code) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in _REASON[1:])
_NOTE = ("place", "text", "username", "left_at")
_UNREAD = ("open", "skipped", "missed")
_IDS = "SELECT meter, id FROM places WHERE meter {among}"
_LATEST = (
    "SELECT places.meter, (SELECT text FROM notes WHERE notes.place = places.id ORDER BY notes.id DESC LIMIT 1)"
    " FROM places WHERE places.meter {among}"
)
_ALL = (
    "SELECT places.meter, notes.text, notes.username, notes.left_at"
    " FROM notes JOIN places ON places.id = notes.place ORDER BY notes.id LIMIT ? OFFSET ?"
)
_ABOUT = (
    "SELECT places.meter, notes.text, notes.username, notes.left_at FROM places CROSS JOIN notes"
    " WHERE places.meter = ? AND notes.place = places.id ORDER BY notes.id"
)


class SqlNotes(Steps, Notes):
    """The tables `reasons` and `notes`, and the notes in `jobs`."""

    def reasons(self) -> list[Reason]:
        return [_reason_of(*row) for row in self._sql.rows(f"SELECT {', '.join(_REASON)} FROM reasons ORDER BY id")]

    def put_reasons(self, reasons: Iterable[Reason]) -> None:
        rows = [
            (one.code, one.text, int(one.wants_reread), int(one.allows_reading), int(one.retired)) for one in reasons
        ]
        self._sql.insert("reasons", _REASON, rows, _REPLACE)

    def add(self, notes: Iterable[Note]) -> None:
        new = list(notes)
        ids: dict[str, int] = dict(self._sql.rows_among(_IDS, {note.meter for note in new}))
        rows = [(ids[note.meter], note.text, note.username, note.left_at.isoformat()) for note in new]
        self._sql.insert("notes", _NOTE, rows)
        latest = {ids[note.meter]: note.text for note in new}
        shown = [(text, place, state) for place, text in latest.items() for state in _UNREAD]
        self._sql.update("jobs", ("note",), ("place", "state"), shown)

    def latest(self, meters: Iterable[str]) -> dict[str, str]:
        return {meter: text for meter, text in self._sql.rows_among(_LATEST, meters) if text is not None}

    def all(self, most: int, skip: int = 0) -> list[Note]:
        rows = self._sql.rows(_ALL, most, skip)
        return [_note_of(*row) for row in rows]

    def about(self, meter: str) -> list[Note]:
        return [_note_of(*row) for row in self._sql.rows(_ABOUT, meter)]


def _reason_of(code: str, text: str, *switches: Any) -> Reason:
    return Reason(code, text, *map(bool, switches))


def _note_of(*columns: Any) -> Note:
    meter, text, username, left_at = columns
    return Note(meter, text, username, moment_of(left_at))


def moment_of(text: str) -> datetime:
    """Return the moment of a column, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
