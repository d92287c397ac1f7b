"""What can be called by JSON, as OpenAPI describes it: made from the table of calls."""

import inspect
from datetime import datetime
from functools import cache
from typing import Any, Union

import msgspec

from metermt.calls.asking import Call
from metermt.calls.table import CALLS
from metermt.errors import BY_CODE
from metermt.version import VERSION
from metermt.web.parameters import parameters_of
from metermt.web.statuses import STATUSES
from metermt.wire import described, fields_of

_REFERENCE = "#/components/schemas/{name}"
_JSON = "application/json"
_ABOUT = """Every call is a POST of a JSON object with named arguments. `login` returns a session id, which all other
calls want as a bearer token. An error is an object with its code, a text for people, and details."""


@cache
def openapi_text() -> bytes:
    """Return the description as JSON."""
    kinds = [kind for call in CALLS.values() for kind in (_body_of(call), call.result)]
    schemas, components = described(kinds, _REFERENCE, "Error")
    of_calls = zip(CALLS.values(), schemas[::2], schemas[1::2], strict=True)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "MeterMT", "version": VERSION, "description": _ABOUT.replace("\n", " ")},
            "paths": {f"/api/{call.name}": {"post": _operation(call, *schemas)} for call, *schemas in of_calls},
            "components": {
                "schemas": {**components, "Error": _ERROR},
                "responses": {str(int(status)): _failure(status.phrase) for status in STATUSES},
                "securitySchemes": {"session": {"type": "http", "scheme": "bearer"}},
            },
        }
    )


_ERROR = {
    "type": "object",
    "required": ["code", "text", "details"],
    "properties": {
        "code": {"type": "string", "examples": sorted(BY_CODE)},
        "text": {"type": "string"},
        "details": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}},
    },
}


def _body_of(call: Call[Any, Any]) -> Any:
    """Return a type that tells what the body of a request may be."""
    if call.parameters is None:
        return dict[str, Any] if call.request is type(None) else call.request
    fields: list[Any] = []
    for one in parameters_of(call):
        kinds = [kind for kind in one.kinds if kind is not datetime]  # in JSON a text, which it may be as well
        kind = Union[(*kinds,)] if one.is_needed else Union[(*kinds, None)]
        fields.append((one.name, kind) if one.is_needed else (one.name, kind, one.default))
    return msgspec.defstruct(f"{call.name}_arguments", fields, forbid_unknown_fields=True)


def _operation(call: Call[Any, Any], body: Any, result: Any) -> dict[str, Any]:
    text = inspect.getdoc(call.function) or ""
    summary, _, rest = text.partition("\n")
    operation: dict[str, Any] = {
        "operationId": call.name,
        "summary": summary,
        "description": f"{rest.strip()}\n\nFor: {call.least or 'everybody'}".strip(),
        "requestBody": {"required": _is_body_needed(call), "content": {_JSON: {"schema": body}}},
        "responses": {
            "200": {"description": "What came of it", "content": {_JSON: {"schema": result}}},
            **{str(int(status)): {"$ref": f"#/components/responses/{int(status)}"} for status in STATUSES},
        },
    }
    if call.least:
        operation["security"] = [{"session": []}]
    if "key" in fields_of(call.request):
        operation["parameters"] = [_KEY]
    return operation


_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The key of this submission, unless it stands in the body: sending it twice counts once",
    "schema": {"type": "string", "pattern": "^[!-~]{1,66}$"},
}


def _is_body_needed(call: Call[Any, Any]) -> bool:
    if call.parameters is not None:
        return any(one.is_needed for one in parameters_of(call))
    return bool(fields_of(call.request))


def _failure(words: str) -> dict[str, Any]:
    return {"description": words, "content": {_JSON: {"schema": {"$ref": _REFERENCE.format(name="Error")}}}}
