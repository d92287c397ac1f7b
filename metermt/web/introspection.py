"""What XML-RPC's clients ask of a server that they do not know: which methods it has, and how each is called."""

import inspect
from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import product
from types import NoneType
from typing import Any
from xmlrpc.client import Fault

from metermt.calls.asking import Call
from metermt.printable import printable
from metermt.web.faults import INVALID_PARAMS, NO_SUCH_METHOD
from metermt.web.parameters import METHODS, kinds_of, parameters_of
from metermt.wire import fields_of

MULTICALL = "system.multicall"

_KINDS = {str: "string", int: "int", bool: "boolean", float: "double", datetime: "dateTime.iso8601"}
_NUMBERS = """
Whole numbers beyond 32 bits are told as texts of digits, and may be passed so. An empty text stands for what is left
out."""


def _list_methods() -> list[str]:
    """Return the names of all methods."""
    return sorted([*METHODS, *SYSTEM, MULTICALL])


def _method_help(method: str) -> str:
    """Return what a method does."""
    if method == MULTICALL:
        return "Make several calls: structs of methodName and params. Each result is in an array, or is a fault."
    if function := SYSTEM.get(method):
        return inspect.getdoc(function) or ""
    return f"{inspect.getdoc(_known(method).function)}\n{_NUMBERS}"


def _method_signature(method: str) -> list[list[str]]:
    """Return the ways to call a method: for each the kind of its result, and of what it is told."""
    if method in _SIGNATURES:
        return [list(_SIGNATURES[method])]
    call = _known(method)
    told = parameters_of(call)
    kinds = [_names_of(one.kinds) for one in told]
    first = [[_result_kind(call)], *([["string"]] if call.least else [])]
    lengths = range(sum(one.is_needed for one in told), len(told) + 1)
    return [list(one) for length in lengths for one in product(*first, *kinds[:length])]


def _get_capabilities() -> dict[str, dict[str, Any]]:
    """Return what the server knows beyond mere calls."""
    return {
        "xmlrpc": {"specUrl": "http://xmlrpc.com/spec.md", "specVersion": 1},
        "system.multicall": {"specUrl": "http://xmlrpc.com/discuss/msgReader$1208", "specVersion": 1},
        "introspection": {"specUrl": "http://xmlrpc-c.sourceforge.io/introspection.html", "specVersion": 1},
        "faults_interop": {
            "specUrl": "http://xmlrpc-epi.sourceforge.net/specs/rfc.fault_codes.php",
            "specVersion": 20010516,
        },
    }


SYSTEM: Mapping[str, Callable[..., Any]] = {
    "system.listMethods": _list_methods,
    "system.methodHelp": _method_help,
    "system.methodSignature": _method_signature,
    "system.getCapabilities": _get_capabilities,
}
_SIGNATURES = {
    "system.listMethods": ("array",),
    "system.methodHelp": ("string", "string"),
    "system.methodSignature": ("array", "string"),
    "system.getCapabilities": ("struct",),
    MULTICALL: ("array", "array"),
}


def introspected(method: str, values: tuple[Any, ...]) -> Any:
    """Return what one of these methods tells. Raises `Fault`."""
    if len(values) != len(_SIGNATURES[method]) - 1 or not all(isinstance(value, str) for value in values):
        takes = "the name of a method" if len(_SIGNATURES[method]) > 1 else "nothing"
        raise Fault(INVALID_PARAMS, f"{method} takes {takes}")
    return SYSTEM[method](*values)


def no_such_method(method: str) -> Fault:
    """Return the fault that says so."""
    return Fault(NO_SUCH_METHOD, f"There is no method {printable(method, 40)}: see system.listMethods")


def _known(method: str) -> Call[Any, Any]:
    if method not in METHODS:
        raise no_such_method(method)
    return METHODS[method]


def _names_of(kinds: tuple[Any, ...]) -> list[str]:
    return [_KINDS[kind] for kind in kinds if kind in _KINDS]


def _result_kind(call: Call[Any, Any]) -> str:
    if call.result is NoneType:
        return "boolean"
    return "array" if fields_of(call.result) else _names_of(kinds_of(call.result))[0]
