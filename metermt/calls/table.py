"""The table of calls: what a client can ask for, who may, and what it weighs.

A call is one function, declared by `call`, or by `call_of_many` when it answers many requests at once. Whatever lets
clients in, and whatever they call with, reads this table; adding a call is adding one function.
"""

import functools
import inspect
import operator
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypedDict, TypeVar, Unpack

from metermt.calls.asking import MAX_ITEMS, Ask, Call, Weight
from metermt.calls.turn import Turn
from metermt.errors import Error
from metermt.model import Role

Q = TypeVar("Q")
R = TypeVar("R")
V = TypeVar("V")

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
    """What is special about a call; see `Call`."""

    parameters: Mapping[str, str]
    is_large: Callable[[Any], bool]
    most_parts: int
    parts: Callable[[Any], Sequence[Any]]
    judges_texts: bool


def always(_request: object) -> bool:
    """Tell that any request would hold up others, for calls of which that is true: their `is_large`."""
    return True


def call(
    least: Role | None, weight: Weight, **traits: Unpack[Traits]
) -> Callable[[Callable[[Any, Ask[Q]], R]], Call[Q, R]]:
    """Declare a function as a call of its name.

    It takes a `Turn`, or a `Desk` if its weight is `LIGHT` or `LONG`, and an `Ask` with the request in it; it returns
    the result or raises an `Error`, and then nothing is kept. Requests and results are plain values, dataclasses, or
    lists.
    """

    def declare(function: Callable[[Any, Ask[Q]], R]) -> Call[Q, R]:
        hints = typing.get_type_hints(function, include_extras=True)
        (request,) = typing.get_args(hints[_second_parameter(function)])
        return _enter(function, least, weight, request=request, result=hints["return"], traits=traits)

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
        return _enter(function, least, weight, request=request, result=result, traits=traits, answers_many=True)

    return declare


def _enter(
    function: Callable[..., Any],
    least: Role | None,
    weight: Weight,
    *,
    request: Any,
    result: Any,
    traits: Traits,
    answers_many: bool = False,
) -> Call[Any, Any]:
    name = function.__name__
    assert name not in CALLS, f"there are two calls {name}"
    CALLS[name] = Call(
        name=name,
        least=least,
        weight=weight,
        request=request,
        result=result,
        function=function,
        answers_many=answers_many,
        _names=(*(["session_id"] if least else []), *traits.get("parameters", ["text"])),
        **traits,
    )
    return CALLS[name]


def _second_parameter(function: Callable[..., Any]) -> str:
    return list(inspect.signature(function).parameters)[1]
