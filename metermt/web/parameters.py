"""What the calls are told that are told plain values one by one, as the table has it."""

import typing
from collections.abc import Mapping
from dataclasses import MISSING
from functools import cache
from types import NoneType
from typing import Any, NamedTuple

import msgspec

from metermt.calls.asking import Call
from metermt.calls.table import CALLS
from metermt.wire import fields_of

METHODS: Mapping[str, Call[Any, Any]] = {name: call for name, call in CALLS.items() if call.parameters is not None}
"""These calls."""


class Parameter(NamedTuple):
    """One of the values."""

    name: str
    kinds: tuple[Any, ...]
    """What it may be, beside None."""
    default: Any
    """What is meant when it is left out; `MISSING` if it cannot be."""

    @property
    def is_needed(self) -> bool:
        """Whether it cannot be left out."""
        return self.default is MISSING

    @property
    def is_number(self) -> bool:
        """Whether it is a whole number, and never a text."""
        return int in self.kinds and str not in self.kinds


@cache
def parameters_of(call: Call[Any, Any]) -> tuple[Parameter, ...]:
    """Return what a call is told, in order, besides the session."""
    defaults = fields_of(call.request)
    hints = typing.get_type_hints(call.request) if defaults else {}
    return tuple(
        Parameter(name, kinds_of(hints[field]), _default_of(defaults[field]))
        for name, field in (call.parameters or {}).items()
    )


def _default_of(default: object) -> object:
    return MISSING if default is msgspec.NODEFAULT else default


def kinds_of(annotation: Any) -> tuple[Any, ...]:
    """Return what a value may be by an annotation, but None, and anything at all."""
    kinds = typing.get_args(annotation) or (annotation,)
    return tuple(kind for kind in kinds if kind not in (NoneType, Any))
