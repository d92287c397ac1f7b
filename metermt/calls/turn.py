"""A turn: one transaction, in which some requests are answered."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from metermt.audit import Entry, What
from metermt.calls.asking import Ask, Call
from metermt.errors import Error, StoreError
from metermt.model import Reading
from metermt.policy import Policy
from metermt.store.base import Tx

Q = TypeVar("Q")
R = TypeVar("R")


class Refused(NamedTuple):
    """Whose answer was refused, and why."""

    username: str
    error: Error


@dataclass(slots=True)
class Turn:
    """One transaction, in which some requests are answered."""

    tx: Tx
    now: float
    """Seconds since 1970."""
    moment: datetime
    """The same, in UTC."""
    policy: Policy
    server: str
    """The name of this server among those that share the store."""
    ended: set[str] = field(default_factory=set)
    """The keys of sessions that were ended in it."""
    moved: set[str] = field(default_factory=set)
    """The keys of sessions whose readers walk another route from now on."""
    refused: list[Refused] = field(default_factory=list)
    kept: list[Reading] = field(default_factory=list)
    """Answers that were refused in it, for the log, and readings that were accepted; both are counted."""
    entries: list[Entry] = field(default_factory=list)
    """What was done in it, for the record."""
    at: str = field(init=False)
    """The moment as the record has it."""

    def __post_init__(self) -> None:
        self.at = self.moment.isoformat()

    def record(
        self, ask: Ask[Any], what: What, about: str = "", *, whom: str = "", before: object = "", after: object = ""
    ) -> None:
        """Have it on record that whoever asks did something: along with what was done, or not at all.

        See `Entry` for what goes in; before and after are told as texts.
        """
        by = (ask.username, ask.caller.address)
        self.entries.append(Entry(self.at, *by, what, about, whom, str(before), str(after)))

    def changes(self) -> int:
        """Return a number that grows with all that is kept in it, or put on record."""
        return self.tx.changes() + len(self.entries)

    @property
    def idle_since(self) -> float:
        """Sessions that were not used since then, in seconds since 1970, have expired."""
        return self.now - self.policy.session_idle.total_seconds()

    def answered(self, call: Call[Q, R], asks: Sequence[Ask[Q]]) -> Sequence[R | Error]:
        """Answer some requests for a call."""
        if call.answers_many:
            return call.function(self, asks)  # type: ignore[no-any-return]
        return [self._answer(call, ask) for ask in asks]

    def _answer(self, call: Call[Any, Any], ask: Ask[Any]) -> Any:
        before = self.changes()
        try:
            return call.function(self, ask)
        except Error as error:  # if it has kept something, nothing of this turn may stay
            if isinstance(error, StoreError) or self.changes() != before:
                raise
            return error
