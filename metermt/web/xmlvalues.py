"""Values as XML-RPC knows them: it has no None, whole numbers of 32 bits only, and times of its own."""

from collections.abc import Sequence
from itertools import zip_longest
from types import NoneType
from typing import Any
from xmlrpc.client import MAXINT, MININT, DateTime

from metermt.calls.asking import Call
from metermt.errors import CallError
from metermt.printable import printable
from metermt.rules.answers import as_typed
from metermt.web.parameters import Parameter, parameters_of


def understood_values(call: Call[Any, Any], values: Sequence[Any]) -> list[Any]:
    """Return what a call is told, as the table knows it. Raises `CallError` for what is no plain value."""
    session = [None] if call.least else []
    told = zip_longest(values, [*session, *parameters_of(call)][: len(values)])
    return [_plain(call, value, parameter) for value, parameter in told]


def _plain(call: Call[Any, Any], value: Any, parameter: Parameter | None) -> Any:
    if isinstance(value, DateTime):
        return str(value)
    if isinstance(value, str) and parameter:
        if not value and not parameter.is_needed:
            return parameter.default
        return as_typed(value) if parameter.is_number else value
    if value is None or isinstance(value, bool | int | float | str):
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
    if isinstance(value, str):
        return printable(value)  # XML has no control characters
    return "" if value is None else value
