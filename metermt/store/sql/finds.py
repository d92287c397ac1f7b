"""Meters that readers have found, in SQL."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from metermt.fieldnotes import ACCEPTED, Found
from metermt.store.sql.dialect import Steps
from metermt.store.sql.notes import moment_of
from metermt.store.steps.sites import Finds

_COLUMNS = ("number", "kind", "dials", "reading", "location", "username", "found_at")
_FOUND = f"{', '.join(_COLUMNS)}, id"
_UNDECIDED = f"SELECT {_FOUND} FROM found WHERE verdict = '' AND id > ? ORDER BY id LIMIT ?"
_DECIDED = ("verdict", "why", "decided_by", "decided_at")


class SqlFinds(Steps, Finds):
    """The table `found`."""

    def add(self, found: Iterable[Found]) -> None:
        rows = [
            (one.number, one.kind, one.dials, one.reading, one.where, one.username, one.found_at.isoformat())
            for one in found
        ]
        self._sql.insert("found", _COLUMNS, rows, "ON CONFLICT DO NOTHING")

    def undecided(self, most: int, after: int = 0) -> list[Found]:
        return [_found_of(*row) for row in self._sql.rows(_UNDECIDED, after, most)]

    def by_id(self, number: int) -> tuple[Found, str] | None:
        rows = self._sql.rows(f"SELECT {_FOUND}, verdict FROM found WHERE id = ?", number)
        return (_found_of(*rows[0][:-1]), rows[0][-1]) if rows else None

    def settle(self, found: Found, verdict: str, why: str, username: str, now: datetime) -> None:
        ids = [(found.id,)]
        if verdict == ACCEPTED:
            ids = self._sql.rows("SELECT id FROM found WHERE number = ? AND verdict = ''", found.number)
        rows = [(verdict, why, username, now.isoformat(), id_) for (id_,) in ids]
        self._sql.update("found", _DECIDED, ("id",), rows)


def _found_of(*columns: Any) -> Found:
    number, kind, dials, reading, where, username, found_at, id_ = columns
    return Found(number, kind, dials, reading, where, username, moment_of(found_at), id_)
