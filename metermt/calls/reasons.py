"""Why meters are not read: the office's list of reasons."""

from dataclasses import dataclass

from metermt.audit import What
from metermt.calls.asking import Ask, Weight
from metermt.calls.table import call
from metermt.calls.turn import Turn
from metermt.fieldnotes import Reason
from metermt.model import Role
from metermt.rules.reasons import by_name, check_new, in_use, retired


@dataclass(frozen=True, slots=True)
class Retiring:
    """Which reason is to be given no more."""

    code: str


@call(Role.READER, Weight.READ)
def list_reasons(turn: Turn, ask: Ask[None]) -> list[Reason]:  # noqa: ARG001 - it is told nothing
    """Return the reasons in use, in order: the number of each is its place, from 1."""
    return in_use(turn.tx.notes.reasons())


@call(Role.ADMIN, Weight.WRITE)
def add_reason(turn: Turn, ask: Ask[Reason]) -> None:
    """Add a reason at the end of the list, or one that was retired at its old place.

    Raises `ReasonError` if its code or its text is that of one in use.
    """
    check_new(ask.request, by_name(in_use(turn.tx.notes.reasons())))
    turn.tx.notes.put_reasons([ask.request])
    turn.record(ask, What.REASON_ADDED, ask.request.code, after=ask.request.text)


@call(Role.ADMIN, Weight.WRITE)
def retire_reason(turn: Turn, ask: Ask[Retiring]) -> None:
    """Take a reason off the list. Readings that have it keep it. Raises `ReasonError` if there is none in use."""
    turn.tx.notes.put_reasons([retired(ask.request.code, by_name(in_use(turn.tx.notes.reasons())))])
    turn.record(ask, What.REASON_RETIRED, ask.request.code)
