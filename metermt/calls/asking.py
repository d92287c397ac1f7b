"""A call and a request for it: who asks, and how a request and its answer cross."""

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, auto
from time import monotonic
from types import NoneType
from typing import Any, Generic, TypeVar, cast

from metermt.errors import CallError
from metermt.model import Role, Session
from metermt.rules.handout import Wish
from metermt.wire import check_kind, check_storable, fields_of, from_text, to_text

Q = TypeVar("Q")
R = TypeVar("R")

MAX_ITEMS = 1000
"""Readings or jobs in one call."""


class Weight(Enum):
    """What a call costs whoever answers it."""

    LIGHT = auto()
    """It needs no transaction, and no time."""
    READ = auto()
    """It looks at the store, for a moment."""
    WRITE = auto()
    """It keeps something in the store."""
    LONG = auto()
    """It takes its time, and uses the store as it likes."""
    WAITING = auto()
    """It waits some seconds for something to happen, and is like a long one otherwise."""


@dataclass(eq=False, slots=True)
class Caller:
    """Who is at the other end of a connection.

    `role` is that of somebody who needs no login, such as a command on the database of this machine.
    """

    address: str = ""
    certified_name: str | None = None
    """The name in the client's certificate, empty if there is none in it; None if it has shown no certificate."""
    role: Role | None = None
    sessions: set[str] = field(default_factory=set)
    """The keys of the sessions that were used on this connection."""
    shown_role: Role | None = None
    """The role of who has last shown a session on it."""
    is_gone: Callable[[], bool] = lambda: False
    """Tells whether the other end has hung up, so that nobody waits for an answer."""
    has_left: bool = False
    """Whether it was noted that the connection has ended: what is still being answered brings nobody back."""


@dataclass(slots=True)
class Ask(Generic[Q]):
    """One request: somebody asks for a call. `session` is filled in when it is known whose session that is."""

    call: "Call[Q, Any]"
    caller: Caller
    session_id: str = field(repr=False)
    request: Q
    session: Session | None = None
    is_disabled: bool = False
    """Whether there is such a session, of a user who is disabled; then it is not filled in."""
    since: float = field(default_factory=monotonic, compare=False, repr=False)
    """When it was understood, by `time.monotonic`."""
    has_more: bool = False
    """Whether it is a part of a request, of which more parts come if all goes well."""

    @property
    def reader(self) -> Session:
        """The session of who asks, where a call wants one."""
        assert self.session, "this call is for those who have logged in"
        return self.session

    @property
    def username(self) -> str:
        """Who asks; empty for somebody who works on the database itself."""
        return self.session.username if self.session else ""

    def in_parts(self) -> "list[Ask[Q]]":
        """Return what it asks for as smaller requests, if it is large and can be divided."""
        parts = self.call.parts(self.request) if self.call.parts else ()
        return [replace(self, request=part, has_more=part is not parts[-1]) for part in parts] or [self]

    def wish(self, most: int) -> Wish:
        """Return the wish of who asks for so many jobs."""
        return Wish(self.reader.key, self.reader.user.username, most, self.reader.walk)


@dataclass(frozen=True, slots=True, eq=False)
class Call(Generic[Q, R]):
    """One row of the table."""

    name: str
    least: Role | None
    """The least role that may; None for a call that needs no login."""
    weight: Weight
    request: Any
    """The type of the request, `NoneType` for a call that is told nothing."""
    result: Any
    """The type of the result."""
    function: Callable[..., Any]
    """Takes a `Turn`, or a `Desk` if it is light or long; and an `Ask`, or a sequence of them if it answers many."""
    answers_many: bool
    """Whether the function takes a list of requests, and returns a list of results or errors."""
    _names: tuple[str, ...]
    """Of the arguments that it takes."""
    parameters: Mapping[str, str] | None = None
    """For a call that is told plain values one by one: their names, in order, and the fields of the request."""
    is_large: Callable[[Q], bool] | None = None
    """Tells that a request would hold up others that are answered in the same turn."""
    most_parts: int = 10 * MAX_ITEMS
    """Objects and lists that the text of a request may have in it."""
    parts: Callable[[Q], Sequence[Q]] | None = None
    """Divides a large request, so that others are answered in between; its result are the lists of all parts."""
    judges_texts: bool = False
    """Whether it judges each text by itself, so that a bad one hinders no other; so does one told plain values."""

    @property
    def takes_time(self) -> bool:
        """Whether one of its plain values is a time, which a plain RPyC client may pass as a `datetime`."""
        hints = typing.get_type_hints(self.request) if self.parameters and fields_of(self.request) else {}
        return any(datetime in (hint, *typing.get_args(hint)) for hint in hints.values())

    # --- how it crosses
    #
    # A call with `parameters`, as the four original ones, is told plain values one by one, and what it returns crosses
    # as it is, or as a tuple if it has several parts. Any other is told one text, of `metermt.wire`, and returns one.

    def told(self, session_id: str, request: Q) -> tuple[Any, ...]:
        """Return what a client sends. Raises `CallError` for what cannot be sent."""
        session = (session_id,) if self.least else ()
        if self.request is NoneType:
            return session
        if self.parameters is None:
            return (*session, to_text(request))
        names = list(self.parameters.values())
        known = fields_of(self.request)
        while names and known[names[-1]] is getattr(request, names[-1]) is None:  # an older server may not know it
            names.pop()
        return (*session, *[getattr(request, name) for name in names])

    def understood(
        self, caller: Caller, args: Sequence[Any], kwargs: Mapping[str, Any], check: "Check | None" = None
    ) -> Ask[Q]:
        """Return what a client has asked for. Raises `CallError`, and what `check` raises.

        That is made before a text is understood: reading a long one costs more than finding out who has sent it.
        """
        if len(args) > len(self._names):
            raise CallError(f"{self.name} takes {len(self._names)} arguments, not {len(args)}")
        told = dict(zip(self._names, args, strict=False))
        for name, value in kwargs.items():
            if name not in self._names or name in told:
                raise CallError(f"{self.name} has no argument {name[:40]!r}, or it was given twice")
            told[name] = value
        if self.least and "session_id" not in told:
            raise CallError(f"{self.name} wants a session id")
        session_id = told.pop("session_id", "")
        if self.request is NoneType:
            return Ask(self, caller, session_id, cast(Q, None))
        if self.parameters is None:
            if check:
                check(Ask(self, caller, session_id, None))
            text = told.get("text", "{}")
            request = from_text(self.request, text, self.most_parts)
            if not self.judges_texts:
                check_storable(text)
            return Ask(self, caller, session_id, request)
        try:
            return Ask(self, caller, session_id, self.request(**{self.parameters[name]: told[name] for name in told}))
        except TypeError:
            raise CallError(f"{self.name} wants {', '.join(self.parameters)}") from None

    def answer(self, result: R) -> Any:
        """Return what a client is sent."""
        if self.parameters is None:
            return to_text(result)
        kind: Any = type(result)
        names = fields_of(kind)
        return tuple([getattr(result, name) for name in names]) if names else result

    def result_of(self, answer: Any) -> R:
        """Return the result that a server has sent. Raises `CallError` if it makes no sense."""
        if self.parameters is None:
            return from_text(self.result, answer)  # type: ignore[no-any-return]
        if (names := fields_of(self.result)) and isinstance(answer, tuple):
            answer = dict(zip(names, answer, strict=False))
        return check_kind(self.result, answer)  # type: ignore[no-any-return]


Check = Callable[[Ask[Any]], None]
"""Raises `SessionError` or `RoleError` unless the call is for who asks."""
