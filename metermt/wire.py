"""How jobs, submissions and outcomes look on the wire: JSON texts, the same way at both ends.

Reading a text from the other side raises `CallError` if it is not what it should be.
"""

import json
from collections.abc import Sequence
from datetime import date
from types import NoneType
from typing import Any, NamedTuple

from metermt.errors import BY_CODE, CallError, Error
from metermt.model import Job, Meter

MAX_ROWS = 1000
"""Readings or jobs in one call."""


class Row(NamedTuple):
    """One reading on its way to the server, not judged yet. The fields are those of `submit_reading`."""

    meter: Any
    when: Any
    reading: Any
    reason: Any = ""
    key: Any = None


def jobs_to_text(jobs: Sequence[Job]) -> str:
    """Write jobs as a text."""
    return json.dumps(
        [
            (
                job.meter,
                job.kind,
                job.dials,
                job.address,
                job.instructions,
                job.cycle,
                job.route,
                job.sequence,
                job.previous,
                job.previous_date and job.previous_date.isoformat(),
            )
            for job in jobs
        ]
    )


def jobs_from_text(text: object) -> list[Job]:
    """Read jobs back."""
    jobs = []
    for fields in _rows_of(text, 10):
        *device, cycle, route, sequence, previous, previous_date = fields
        try:
            since = date.fromisoformat(previous_date) if previous_date else None
            if not {type(device[2]), type(previous), type(sequence)} <= {int, NoneType}:
                raise TypeError
            jobs.append(Job(Meter(*device), cycle, route, sequence, previous, since))
        except (TypeError, ValueError, AttributeError, Error) as error:
            raise CallError("The other side sent a job that makes no sense") from error
    return jobs


def rows_to_text(rows: Sequence[Row]) -> str:
    """Write submissions as a text. Raises `CallError` for what is no number, text or None."""
    try:
        return json.dumps(rows)
    except (TypeError, ValueError, RecursionError) as error:
        raise CallError("Only numbers, texts and None can be sent to a server") from error


def rows_from_text(text: object) -> list[Row]:
    """Read submissions back; their fields are for the manager to judge."""
    return [Row(*fields) for fields in _rows_of(text, len(Row._fields))]


def outcomes_to_text(outcomes: Sequence[Error | None]) -> str:
    """Write what became of each submission as a text."""
    return json.dumps([error and (error.code, str(error)) for error in outcomes])


def outcomes_from_text(text: object, count: int) -> list[Error | None]:
    """Read the outcomes of so many submissions back."""
    outcomes: list[Error | None] = []
    for outcome in _list_of(text):
        match outcome:
            case None:
                outcomes.append(None)
            case [str(code), str(words)]:
                outcomes.append(error_of(code, words))
            case _:
                raise CallError("The other side sent an outcome that makes no sense")
    if len(outcomes) != count:
        raise CallError(f"The other side sent {len(outcomes)} outcomes of {count} readings")
    return outcomes


def error_of(code: str, text: str) -> Error:
    """Make the error that the other side named by its code; a code from a newer version gives an `Error`."""
    return BY_CODE.get(code, Error)(text)


def _rows_of(text: object, width: int) -> list[list[Any]]:
    rows = _list_of(text)
    if not all(isinstance(row, list) and len(row) == width for row in rows):
        raise CallError(f"Each row must have {width} fields")
    return rows


def _list_of(text: object) -> list[Any]:
    if not isinstance(text, str):
        raise CallError("Rows must come as JSON text")
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError):
        raise CallError("Rows must come as JSON text, and this is none") from None
    if not isinstance(rows, list) or len(rows) > MAX_ROWS:
        raise CallError(f"Rows must come as one JSON list of at most {MAX_ROWS} rows")
    return rows
