"""What crosses between programs: values as JSON texts, with names, derived from the annotations of dataclasses.

A name that is not known is ignored, and one that is missing has its default, so that an older client works with a newer
server and the other way round. Reading what the other side sent raises `CallError` if it makes no sense.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache
from threading import Lock
from typing import Any

import msgspec

from metermt.errors import BY_CODE, CallError, Detail, Error
from metermt.printable import printable

_LONGEST_INTEGER = 20  # characters of a whole number of 64 bits, with its sign
_SHOWN = 200  # characters of what is wrong with a value: it may repeat the value
_NUL = r"\u0000"  # how JSON writes it; as it is it may not stand there
_MAY_BE_HUGE = re.compile("[0-9]{19}")  # digits, also those within a text
_HAS_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # and is none after an escaped backslash


def to_text(value: object) -> str:
    """Write a value as a text. JSON knows no infinity and no NaN: they become null. Raises `CallError`."""
    try:
        return _encoder.encode(value).decode()
    except UnicodeEncodeError:
        raise CallError("A text has half a character in it, which cannot be sent: write it anew") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise CallError("Only numbers, texts and None can be sent to a server") from error


def from_text(kind: Any, text: object, most: int = sys.maxsize) -> Any:
    """Read a value of this kind, a type or an annotation, back. Raises `CallError`.

    A text with more than `most` objects and lists in it, or ten times as many values, is not read at all: that is
    told by its brackets and commas, those in texts included.
    """
    if not isinstance(text, str):
        raise CallError("What is not a plain value must come as JSON text")
    if len(text) > most and (text.count("{") + text.count("[") > most or text.count(",") > 10 * most):
        raise CallError(f"The other side sent more than {most} objects and lists, or {10 * most} values, in one call")
    try:
        return _decoder_of(kind).decode(text)
    except (ValueError, RecursionError, Error) as error:
        raise _refusal(kind, error) from error


def check_storable(text: str) -> None:
    """Raise `CallError` if a text that `from_text` could read has a NUL, or a whole number beyond 64 bits, in it.

    Databases neither keep nor look for these, and take back all that is done in the same transaction. Half characters,
    which they do not take either, are nothing that `from_text` reads.
    """
    if _NUL in text and _HAS_NUL.search(text):
        raise CallError(f"A text has the character NUL ({_NUL}) in it, which no database keeps: write it anew")
    if _MAY_BE_HUGE.search(text):
        with suppress(json.JSONDecodeError, RecursionError):  # whoever reads it then says so
            json.loads(text, parse_int=_check_integer)


def _check_integer(digits: str) -> None:
    if len(digits) > _LONGEST_INTEGER or not -(2**63) <= int(digits) < 2**63:
        raise CallError(f"{digits[:_LONGEST_INTEGER]}{'…' * (len(digits) > _LONGEST_INTEGER)} is beyond 64 bits")


@cache
def fields_of(kind: Any) -> Mapping[str, object]:
    """Return the names of what a class of values is made of, in order, each with its default; none if it is no such."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return {one.name: one.default for one in msgspec.structs.fields(kind)}
    return {one.name: one.default for one in fields(kind)} if is_dataclass(kind) else {}


def check_kind(kind: Any, value: object) -> Any:
    """Return a value of this kind made of what JSON could have said. Raises `CallError`."""
    try:
        _decoder_of(kind)  # so that all is known of its classes
        return msgspec.convert(value, kind, dec_hook=_made)
    except (ValueError, RecursionError, Error) as error:
        raise _refusal(kind, error) from error


def described(kinds: Sequence[Any], reference: str, error: str) -> tuple[Sequence[Any], dict[str, Any]]:
    """Return a JSON schema of each of these kinds of values, and of what these refer to by name.

    `reference` is how they do so, with `{name}` in it; `error` is what errors are called.
    """

    def hook(kind: type) -> dict[str, Any]:
        if issubclass(kind, Error):
            return {"$ref": reference.format(name=error)}
        raise NotImplementedError(f"{kind} cannot cross")

    with _looking:
        return msgspec.json.schema_components(kinds, schema_hook=hook, ref_template=reference)


def error_of(code: object, text: object, details: Mapping[str, Any] | None = None) -> Error:
    """Make the error that the other side named by its code; a code from a newer version gives an `Error`.

    Its text can be shown: there are no control characters in it.
    """
    error = BY_CODE.get(str(code), Error)(printable(str(text)))
    error.details = {name: value for name, value in (details or {}).items() if isinstance(value, Detail)}
    return error


def _named(value: object) -> object:
    """Return what JSON can say of a value that it does not know."""
    if isinstance(value, Error):
        return {"code": value.code, "text": str(value), "details": value.details}
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _made(kind: type, said: Any) -> object:
    """Make a value that JSON does not know of what it has said."""
    if not issubclass(kind, Error):
        raise NotImplementedError(f"{kind} cannot cross")
    match said:
        case {"code": str(code), "text": str(text)}:
            details = said.get("details")
            return error_of(code, text, details if isinstance(details, dict) else None)
    raise ValueError("no error")


def _refusal(kind: Any, error: Exception) -> CallError:
    if type(error) is msgspec.DecodeError:  # and not the one of a value that is JSON
        return CallError(f"The other side sent no JSON: {str(error)[:_SHOWN]}")
    name = getattr(kind, "__name__", str(kind))
    return CallError(f"The other side sent a {name} that makes no sense: {str(error)[:_SHOWN]}")


_encoder = msgspec.json.Encoder(enc_hook=_named)

_looking = Lock()
"""Held while msgspec looks at a class for the first time. It notes on the class what it knows of it before it knows all
of its fields: a thread that reads by that meanwhile ends the whole process (SIGSEGV, with 0.22)."""


@cache
def _decoder_of(kind: Any) -> "msgspec.json.Decoder[Any]":
    with _looking:
        return msgspec.json.Decoder(kind, dec_hook=_made)
