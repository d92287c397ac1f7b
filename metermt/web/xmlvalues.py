"""Values as XML-RPC knows them: it has no None, whole numbers of 32 bits only, and times of its own."""

import typing
from collections.abc import Sequence
from functools import cache
from types import NoneType
from typing import Any
from xmlrpc.client import MAXINT, MININT, DateTime

from metermt.calls.table import Call
from metermt.errors import CallError
from metermt.rules.answers import as_typed
from metermt.wire import fields_of


def kinds_of(annotation: Any) -> tuple[Any, ...]:
    """Return what a value may be, by an annotation."""
    return typing.get_args(annotation) or (annotation,)


def understood_values(call: Call[Any, Any], values: Sequence[Any]) -> list[Any]:
    """Return what a call is told as the table knows it. Raises `CallError` for what is no plain value."""
    numbers = _places_of_numbers(call)
    return [_plain(call, value, place in numbers) for place, value in enumerate(values)]


@cache
def _places_of_numbers(call: Call[Any, Any]) -> set[int]:
    """Return which of its values are numbers, and no texts: a text of digits is one, too."""
    hints = typing.get_type_hints(call.request) if fields_of(call.request) else {}
    kinds = [kinds_of(hints[name]) for name in (call.parameters or {}).values()]
    first = 1 if call.least else 0  # before them comes the session id
    return {place for place, kind in enumerate(kinds, first) if int in kind and str not in kind}


def _plain(call: Call[Any, Any], value: Any, is_number: bool) -> Any:
    if isinstance(value, DateTime):
        return str(value)
    if isinstance(value, str):
        return as_typed(value) if is_number else value
    if value is None or isinstance(value, bool | int | float):
        return value
    raise CallError(f"{call.name} takes numbers, texts and times only")


def value_for(call: Call[Any, Any], result: Any) -> Any:
    """Return what is told of a result: True where there is none, and an empty text where there could be a text."""
    answer = call.answer(result)
    if answer is None:
        return True if call.result is NoneType else ""
    return [_written(part) for part in answer] if isinstance(answer, tuple) else _written(answer)


def _written(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and not MININT <= value <= MAXINT:
        return str(value)
    return "" if value is None else value
