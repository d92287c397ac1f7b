"""Calls by JSON: `POST /api/CALL` with named arguments, for every call of the table."""

from http import HTTPStatus
from types import NoneType
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from metermt.calls.asking import Ask, Call, Caller
from metermt.calls.desk import Outcome
from metermt.calls.table import CALLS
from metermt.errors import CallError, SessionError
from metermt.transport.frames import MAX_FRAME, SMALL_FRAME
from metermt.web.answering import Answering
from metermt.web.bearers import bearer_of
from metermt.web.bodies import Rejection, Unwanted, announced_size, check_kind, read_body
from metermt.web.statuses import headers_of, status_of
from metermt.web.visitor import visitor_of
from metermt.wire import fields_of, from_text, to_text

JSON = "application/json"
_KEY = "idempotency-key"

Plain = None | bool | int | float | str


class JsonCalls:
    """Answers calls by name."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    async def answer(self, request: Request) -> Response:
        """Answer one request, whatever it is."""
        try:
            return await self._answered(request)
        except Unwanted as error:
            return Rejection(to_text(CallError(str(error))), error.status, media_type=JSON)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)  # which nobody reads
        except Exception as error:  # noqa: BLE001 - whoever has asked is told
            told = self._answering.desk.told(error)
            return Rejection(to_text(told), status_of(told), headers_of(told), JSON)

    async def _answered(self, request: Request) -> Response:
        name = request.path_params["call"]
        if (call := CALLS.get(name)) is None:
            raise Unwanted(HTTPStatus.NOT_FOUND, f"There is no call {name[:40]!r}")
        check_kind(request, JSON)
        caller, session_id, key = visitor_of(request.scope).caller, bearer_of(request), _key_of(request)
        if call.least and "authorization" not in request.headers:
            raise SessionError("Log in, and send the session id along: 'Authorization: Bearer SESSION_ID'")
        if announced_size(request) > MAX_FRAME and call.least:
            await self._answering.check(Ask(call, caller, session_id, None))
        # A call that is told a few values, or nothing, has no use for more than a stranger may send.
        wants_text = call.parameters is None and call.request is not NoneType
        body = await read_body(request, self._answering.most_bytes(caller, session_id) if wants_text else MAX_FRAME)

        def understand() -> Ask[Any]:
            if len(body) > SMALL_FRAME:  # reading it costs more than finding out who has sent it
                self._answering.desk.check(Ask(call, caller, session_id, None))
            return _understood(call, caller, session_id, key, body)

        try:
            ask = await self._answering.read(caller, len(body), understand, session_id)
            return await self._answering.answer(ask, self._written)
        except Exception as error:  # noqa: BLE001 - the same is told, and as the body was read the connection goes on
            return self._written(error)

    def _written(self, outcome: Outcome) -> Response:
        if isinstance(outcome, BaseException):
            error = self._answering.desk.told(outcome)
            return Response(to_text(error), status_of(error), headers_of(error), JSON)
        return Response(to_text(outcome), media_type=JSON)


def _key_of(request: Request) -> str | None:
    """Return the key that a header gives to a submission: it may stand in quotes, as the draft of IETF has it."""
    said = request.headers.get(_KEY)
    return said[1:-1] if said and len(said) > 1 and said[0] == said[-1] == '"' else said


def _understood(call: Call[Any, Any], caller: Caller, session_id: str, key: str | None, body: bytes) -> Ask[Any]:
    """Return what is asked for. Raises `CallError`."""
    try:
        text = body.decode() or "{}"
    except UnicodeDecodeError:
        raise CallError("The body is no text in UTF-8") from None
    session = (session_id,) if call.least else ()
    if call.parameters is None:
        if call.request is NoneType:
            from_text(dict[str, Any], text, call.most_parts)  # none of it is wanted, but it has to be what was promised
        ask = call.understood(caller, (*session, text), {})
    else:
        ask = call.understood(caller, session, from_text(dict[str, Plain], text, call.most_parts))
    if key is not None:
        ask.request = _with_key(call, ask.request, key)
    return ask


def _with_key(call: Call[Any, Any], request: Any, key: str) -> Any:
    """Return a request with this key."""
    kind: Any = type(request)
    names = fields_of(kind)
    if "key" not in names:
        raise CallError(f"{call.name} takes no key: leave the header Idempotency-Key away")
    if request.key not in (None, key):
        raise CallError("The header Idempotency-Key is not the key in the body: leave one of both away")
    return kind(**{name: getattr(request, name) for name in names} | {"key": key})
