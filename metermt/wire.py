"""What crosses between programs: values as JSON texts, with names, derived from the annotations of dataclasses.

A name that is not known is ignored, and one that is missing has its default, so that an older client works with a newer
server and the other way round. Reading what the other side sent raises `CallError` if it makes no sense.
"""

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, datetime
from enum import Enum
from functools import cache
from operator import attrgetter, itemgetter
from typing import Annotated, Any, NamedTuple, NoReturn

from metermt.errors import BY_CODE, CallError, Detail, Error
from metermt.model import JUDGED

MAX_ITEMS = 1000
"""Readings, jobs or other things in one list."""

_SHOWN = 200  # characters of what is wrong with a value: it may repeat the value

_Reader = Callable[[Any], Any]


def to_text(value: object) -> str:
    """Write a value as a text. Raises `CallError` for what no JSON can say."""
    try:
        return _encoder.encode(_unfolded(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise CallError("Only numbers, texts and None can be sent to a server") from error


def from_text(kind: Any, text: object) -> Any:
    """Read a value of this kind, a type or an annotation, back. Raises `CallError`."""
    if not isinstance(text, str):
        raise CallError("What is not a plain value must come as JSON text")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise CallError("What is not a plain value must come as JSON text, and this is none") from None
    return check_kind(kind, value)


def check_kind(kind: Any, value: object) -> Any:
    """Return a value of this kind made of what JSON could have said. Raises `CallError`."""
    return _reader_of(kind)(value)


def error_of(code: object, text: object, details: Mapping[str, Any] | None = None) -> Error:
    """Make the error that the other side named by its code; a code from a newer version gives an `Error`."""
    error = BY_CODE.get(str(code), Error)(str(text))
    error.details = {name: value for name, value in (details or {}).items() if isinstance(value, Detail)}
    return error


def _named(value: object) -> object:
    """Return what JSON can say of a value that it does not know."""
    match value:
        case Error():
            return {"code": value.code, "text": str(value), "details": value.details}
        case date():  # which a datetime is, too
            return value.isoformat()
    if dataclasses.is_dataclass(value):
        return _unfolded(value)
    raise TypeError(f"{type(value).__name__} cannot be sent")


_encoder = json.JSONEncoder(default=_named)


def _unfolded(value: Any) -> Any:
    """Return a dictionary for a dataclass, and for those in it: JSON would ask for each, which takes longer."""
    if type(value) is list:
        return [_unfolded(item) for item in value]
    kind: Any = type(value)
    shape = _shape_of(kind)
    if shape is None:
        return value
    unfolded = dict(zip(shape.names, shape.values(value), strict=True))
    for name in shape.folded:
        unfolded[name] = _unfolded(unfolded[name])
    return unfolded


class _Shape(NamedTuple):
    """The fields of a dataclass: their names, what gets their values, and the names of those that are not plain."""

    names: tuple[str, ...]
    values: Callable[[Any], tuple[Any, ...]]
    folded: tuple[str, ...]


@cache
def _shape_of(kind: Any) -> _Shape | None:
    if not dataclasses.is_dataclass(kind):
        return None
    names: tuple[str, ...] = tuple(field.name for field in dataclasses.fields(kind))
    hints = typing.get_type_hints(kind, include_extras=True)
    return _Shape(names, _all_of(attrgetter, names), tuple(name for name in names if _plain_kinds(hints[name]) is None))


def _all_of(getter: Callable[..., Any], names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """Return what gets the values of these names, a tuple also of one."""
    get = getter(*names)
    return get if len(names) > 1 else lambda value: (get(value),)


@cache
def _reader_of(kind: Any) -> _Reader:  # noqa: PLR0911 - one return for each kind of kind
    """Return what turns what JSON has said into a value of this kind."""
    origin = typing.get_origin(kind)
    if kind is Any:
        return lambda value: value
    if _plain_kinds(type(None) if kind is None else kind) is not None:
        return _reader_of_plain(kind)
    if origin in (typing.Union, types.UnionType):
        return _reader_of_any(typing.get_args(kind))
    if origin is list:
        return _reader_of_list(typing.get_args(kind)[0])
    if kind in (date, datetime):
        return _reader_of_words(kind.fromisoformat, "a time")
    if isinstance(kind, type):
        if issubclass(kind, Error):
            return _read_error
        if issubclass(kind, Enum):
            return _reader_of_words(kind, f"a {kind.__name__}")
        if dataclasses.is_dataclass(kind):
            return _reader_of_names(kind)
    raise TypeError(f"{kind} cannot cross")


def _reader_of_plain(kind: Any) -> _Reader:
    kinds = _plain_kinds(type(None) if kind is None else kind)
    assert kinds is not None, f"{kind} cannot cross"

    def read(value: Any) -> Any:
        if kinds and type(value) not in kinds:
            _refuse(value, getattr(kind, "__name__", str(kind)))
        return value

    return read


def _reader_of_words(make: Callable[[str], Any], wanted: str) -> _Reader:
    def read(value: Any) -> Any:
        if isinstance(value, str):
            with suppress(ValueError):
                return make(value)
        return _refuse(value, wanted)

    return read


def _reader_of_any(kinds: tuple[Any, ...]) -> _Reader:
    readers = [_reader_of(kind) for kind in kinds if kind is not types.NoneType]
    takes_none = types.NoneType in kinds

    def read(value: Any) -> Any:
        if value is None and takes_none:
            return None
        for reader in readers[:-1]:
            try:
                return reader(value)
            except CallError:
                continue
        return readers[-1](value)

    return read


def _reader_of_list(kind: Any) -> _Reader:
    reader = _reader_of(kind)

    def read(value: Any) -> list[Any]:
        if not isinstance(value, list) or len(value) > MAX_ITEMS:
            _refuse(value, f"a list of at most {MAX_ITEMS}")
        return [reader(item) for item in value]

    return read


def _reader_of_names(kind: type) -> _Reader:
    hints = typing.get_type_hints(kind, include_extras=True)
    # What is a plain value is checked here: a call for each would take longer than all the rest.
    plain = {name: kinds for name, hint in hints.items() if (kinds := _plain_kinds(hint)) is not None}
    readers = {name: _reader_of(hint) for name, hint in hints.items() if name not in plain}
    names = plain.keys() | readers.keys()
    all_plain = _all_of(itemgetter, tuple(plain)) if plain else lambda _value: ()
    right: set[tuple[type, ...]] = set()  # the types that plain values have had when nothing was wrong with them

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            _refuse(value, f"a {kind.__name__}")
        if value.keys() == names:  # as nearly always: as many names as we know, and these
            types_there = tuple(map(type, all_plain(value)))
            if types_there in right:
                return made(value | {name: reader(value[name]) for name, reader in readers.items()})
            named = named_of(value)
            right.add(types_there)
            return made(named)
        return made(named_of(value))

    def named_of(value: dict[str, Any]) -> dict[str, Any]:
        named = {}
        for name, item in value.items():
            if name in plain:
                if plain[name] and type(item) not in plain[name]:
                    _refuse(item, f"{name} of a {kind.__name__}")
                named[name] = item
            elif name in readers:
                named[name] = readers[name](item)
        return named

    def made(named: dict[str, Any]) -> Any:
        try:
            return kind(**named)
        except (TypeError, ValueError, Error) as error:
            raise CallError(
                f"The other side sent a {kind.__name__} that makes no sense: {str(error)[:_SHOWN]}"
            ) from error

    return read


_PLAIN = (type(None), bool, int, float, str)


def _plain_kinds(kind: Any) -> frozenset[type] | None:
    """Return the types that a plain value may have, none for any; None if it is no plain value."""
    if typing.get_origin(kind) is Annotated and JUDGED in kind.__metadata__:
        return frozenset()
    kinds = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
    if not set(kinds) <= set(_PLAIN):
        return None
    return frozenset(kinds) | ({int} if float in kinds else set())


def _read_error(value: Any) -> Error:
    match value:
        case {"code": str(code), "text": str(text)}:
            details = value.get("details")
            return error_of(code, text, details if isinstance(details, dict) else None)
    return _refuse(value, "an error")


def _refuse(value: object, wanted: str) -> NoReturn:
    raise CallError(f"The other side sent {type(value).__name__}, where {wanted} was to be")
