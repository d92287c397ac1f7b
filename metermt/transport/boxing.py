"""How RPyC writes what it means: references, errors, requests. No I/O."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from rpyc.core import brine, consts

from metermt.errors import CallError, Error
from metermt.transport.frames import framed

ROOT = ("metermt.transport.service.MeterService", 1, 1)
"""What the root is called."""
_DATETIME = "datetime.datetime"


def method_of(number: int) -> tuple[str, int, int]:
    """Return what a method of the root is called: RPyC's clients know that it is one by the name."""
    return "builtins.method", 2, number


def _head_of(method: tuple[str, int, int]) -> bytes:
    """Return how RPyC's clients write a request that calls a method, up to the values that it is told."""
    told: bytes = brine.dump(None)
    packages = ((consts.LABEL_LOCAL_REF, method), (consts.LABEL_VALUE, None), (consts.LABEL_VALUE, ()))
    request: bytes = brine.dump((consts.HANDLE_CALL, (consts.LABEL_TUPLE, packages)))
    return request.removesuffix(told + NO_KEYWORDS)


@cache
def heads_of(names: tuple[str, ...]) -> dict[bytes, str]:
    """Return the methods of these names by how a request that calls one begins: by its first `HEAD` bytes."""
    return {_head_of(method_of(number)): name for number, name in enumerate(names)}


NO_KEYWORDS: bytes = brine.dump((consts.LABEL_VALUE, ()))
"""How a request ends that names no arguments."""
HEAD = len(_head_of(method_of(0)))
"""Bytes before the values that a method is told; as many for each method."""


class NoSuchCall(Exception):
    """A name or an object that is not exposed."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to what the root or one of its methods is called here."""

    id_pack: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Time:
    """A `datetime` of the client's, which plain RPyC passes as a reference."""

    id_pack: tuple[Any, ...]


def refusal(error: Error) -> bytes:
    """Return a frame that answers the first request of a client, whatever it will be, with an error."""
    # RPyC numbers requests from 0.
    return framed(bytes([consts.MSG_EXCEPTION]) + brine.dump((0, boxed(error))))


def boxed(error: Error | NoSuchCall) -> tuple[Any, ...]:
    """Write an error as RPyC does, with nothing in it but its class, its text, its code and its details."""
    if isinstance(error, NoSuchCall):  # RPyC's own word for it, which its clients know
        return ("builtins", "AttributeError"), ("There is no such call",), (), ""
    attributes: list[tuple[str, Any]] = [("code", error.code)]
    if error.details:
        attributes.append(("details", tuple(error.details.items())))
    return (type(error).__module__, type(error).__name__), (_writable(str(error)),), tuple(attributes), ""


def _writable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def unboxed(package: Any) -> Any:
    """Return what a client means: plain values, a `Ref`, a `Time`, and tuples of these. Raises `CallError`."""
    match package:
        case (consts.LABEL_VALUE, value):
            return value
        case (consts.LABEL_TUPLE, (*items,)):
            return tuple([unboxed(item) for item in items])
        case (consts.LABEL_LOCAL_REF, tuple(id_pack)):
            return Ref(id_pack)
        case (consts.LABEL_REMOTE_REF, (str(name), int(class_id), int(object_id))) if name == _DATETIME:
            return Time((name, class_id, object_id))
    raise CallError("Objects cannot be passed to this server, only numbers, texts and None")
