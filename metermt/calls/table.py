"""The table of calls: what a client can ask for, who may, and what it weighs.

A call is one function, declared by `call`, or by `call_of_many` when it answers many requests at once. Whatever lets
clients in, and whatever they call with, reads this table; adding a call is adding one function.
"""

import functools
import inspect
import operator
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, auto
from itertools import islice
from time import monotonic
from types import NoneType
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar, Unpack, cast

from metermt.audit import Entry, What
from metermt.errors import CallError, Error, StoreError
from metermt.model import Reading, Role, Session
from metermt.policy import Policy
from metermt.rules.handout import Wish
from metermt.store.base import Tx
from metermt.wire import check_kind, fields_of, from_text, to_text

Q = TypeVar("Q")
R = TypeVar("R")
V = TypeVar("V")


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

    @property
    def idle_since(self) -> float:
        """Sessions that were not used since then, in seconds since 1970, have expired."""
        return self.now - self.policy.session_idle.total_seconds()


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
    parameters: Mapping[str, str] | None
    """For a call that is told plain values one by one: their names, in order, and the fields of the request."""
    is_large: Callable[[Q], bool] | None
    """Tells that a request would hold up others that are answered in the same turn."""
    takes_time: bool
    """Whether one of these values is a time, which a plain RPyC client may pass as a `datetime`."""
    most_parts: int
    """Objects and lists that the text of a request may have in it."""
    parts: Callable[[Q], Sequence[Q]] | None
    """Divides a large request, so that others are answered in between; its result are the lists of all parts."""
    _names: tuple[str, ...]
    """Of the arguments that it takes."""

    def answered(self, turn: Turn, asks: Sequence[Ask[Q]]) -> Sequence[R | Error]:
        """Answer some requests in one transaction."""
        if self.answers_many:
            return self.function(turn, asks)  # type: ignore[no-any-return]
        return [self._answer(turn, ask) for ask in asks]

    def _answer(self, turn: Turn, ask: Ask[Q]) -> R | Error:
        try:
            return self.function(turn, ask)  # type: ignore[no-any-return]
        except StoreError:  # whatever was kept by then must not be
            raise
        except Error as error:  # raised before anything was kept
            return error

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
            return Ask(self, caller, session_id, from_text(self.request, told.get("text", "{}"), self.most_parts))
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


class MakesCalls(ABC):
    """Whatever makes calls: a client of a server, or a command on a database."""

    @abstractmethod
    def call(self, call: Call[Q, R], request: Q) -> R:
        """Make any call of the table (see `metermt.calls`), and return its result."""


Check = Callable[[Ask[Any]], None]
"""Raises `SessionError` or `RoleError` unless the call is for who asks."""
MAX_ITEMS = 1000
"""Readings or jobs in one call."""
MAX_PARTS = 100_000
"""Objects in one call of the office, such as the jobs of a route file."""
CALLS: dict[str, Call[Any, Any]] = {}
"""All calls, by name."""


def in_parts(items: Iterable[V]) -> Iterator[list[V]]:
    """Return items in lists of so many as one call takes, or one transaction that others wait for."""
    rest = iter(items)
    while some := list(islice(rest, MAX_ITEMS)):
        yield some


class Traits(TypedDict, total=False):
    """What is special about a call; see `Call`. It has 10,000 parts at most unless told otherwise."""

    parameters: Mapping[str, str]
    is_large: Callable[[Any], bool]
    most_parts: int
    parts: Callable[[Any], Sequence[Any]]


def call(
    least: Role | None, weight: Weight, **traits: Unpack[Traits]
) -> Callable[[Callable[[Any, Ask[Q]], R]], Call[Q, R]]:
    """Declare a function as a call of its name.

    It takes a `Turn`, or a `Desk` if its weight is `LIGHT` or `LONG`, and an `Ask` with the request in it; it returns
    the result or raises an `Error` before it has kept anything. Requests and results are plain values, dataclasses, or
    lists.
    """

    def declare(function: Callable[[Any, Ask[Q]], R]) -> Call[Q, R]:
        hints = typing.get_type_hints(function, include_extras=True)
        (request,) = typing.get_args(hints[_second_parameter(function)])
        return _enter(function, least, weight, request, hints["return"], False, traits)

    return declare


def call_of_many(
    least: Role | None, weight: Weight, **traits: Unpack[Traits]
) -> Callable[[Callable[[Turn, Sequence[Ask[Q]]], Sequence[R | Error]]], Call[Q, R]]:
    """Declare a function that answers many requests at once as a call of its name.

    It takes a `Turn` and a sequence of `Ask`, and returns a result or an `Error` for each.
    """

    def declare(function: Callable[[Turn, Sequence[Ask[Q]]], Sequence[R | Error]]) -> Call[Q, R]:
        hints = typing.get_type_hints(function, include_extras=True)
        (asks,) = typing.get_args(hints[_second_parameter(function)])
        (request,) = typing.get_args(asks)
        (answer,) = typing.get_args(hints["return"])
        kinds = [kind for kind in typing.get_args(answer) if not (isinstance(kind, type) and issubclass(kind, Error))]
        result = functools.reduce(operator.or_, kinds)
        return _enter(function, least, weight, request, result, True, traits)

    return declare


def _enter(function: Callable[..., Any], *row: Any) -> Call[Any, Any]:
    least, weight, request, result, answers_many, traits = row
    parameters = traits.get("parameters")
    name = function.__name__
    assert name not in CALLS, f"there are two calls {name}"
    names = (*(["session_id"] if least else []), *(["text"] if parameters is None else parameters))
    timed = parameters is not None and _has_time(request)
    of_size = (traits.get("is_large"), timed, traits.get("most_parts", 10 * MAX_ITEMS), traits.get("parts"))
    CALLS[name] = Call(name, least, weight, request, result, function, answers_many, parameters, *of_size, names)
    return CALLS[name]


def _has_time(request: Any) -> bool:
    hints = typing.get_type_hints(request) if fields_of(request) else {}
    return any(datetime in (hint, *typing.get_args(hint)) for hint in hints.values())


def _second_parameter(function: Callable[..., Any]) -> str:
    return list(inspect.signature(function).parameters)[1]
