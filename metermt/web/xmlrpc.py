"""XML-RPC at `/meter`: the calls that are told plain values one by one, as the four original ones are."""

from http import HTTPStatus
from typing import Any
from xmlrpc.client import Fault, Unmarshaller, dumps

from defusedxml.xmlrpc import DefusedExpatParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from metermt.calls.asking import Ask, Caller
from metermt.calls.desk import Outcome
from metermt.errors import Error
from metermt.printable import printable
from metermt.transport.frames import MAX_FRAME
from metermt.web.answering import Answering
from metermt.web.bodies import Rejection, Unwanted, check_kind, read_body
from metermt.web.faults import INVALID_PARAMS, PARSE_ERROR, fault_of
from metermt.web.introspection import MULTICALL, SYSTEM, introspected, no_such_method
from metermt.web.parameters import METHODS
from metermt.web.visitor import visitor_of
from metermt.web.xmlvalues import understood_values, value_for

_KINDS = ("text/xml", "application/xml")
_AT_ONCE = 100  # calls in one request
_ALONE = (MULTICALL, "login")  # which nobody needs along with others, and whoever guesses passwords would


class XmlRpc:
    """Answers methods by name."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    async def answer(self, request: Request) -> Response:
        """Answer one request, whatever it is."""
        try:
            check_kind(request, *_KINDS)
            body = await read_body(request, MAX_FRAME)
            caller = visitor_of(request.scope).caller
            method, values = await self._answering.read(caller, len(body), lambda: parsed(body))
            result = await self._called(caller, method, values)
            if method not in (MULTICALL, *SYSTEM):
                return _response(_text_of(result))
            return _response(await self._answering.read(caller, 0, lambda: _text_of(result)))  # that may be long
        except Unwanted as error:
            return Rejection(str(error), error.status, media_type="text/plain")
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)  # which nobody reads
        except Exception as error:  # noqa: BLE001 - whoever has asked is told
            return _response(dumps(self._fault(error), methodresponse=True))

    async def _called(self, caller: Caller, method: str, values: tuple[Any, ...]) -> Any:
        """Return what a method tells. Raises `Fault`, or what the call raises."""
        if method == MULTICALL:
            return await self._called_all(caller, values)
        if method in SYSTEM:
            return await self._answering.read(caller, 0, lambda: introspected(method, values))
        if (call := METHODS.get(method)) is None:
            raise no_such_method(method)
        ask: Ask[Any] = call.understood(caller, understood_values(call, values), {})

        def told(outcome: Outcome) -> Any:
            if isinstance(outcome, BaseException):
                raise outcome
            return value_for(call, outcome)

        return await self._answering.answer(ask, told)

    async def _called_all(self, caller: Caller, values: tuple[Any, ...]) -> list[Any]:
        """Make several calls, one after the other; return of each its result in a list, or its fault.

        Raises `ClientDisconnect` when the caller is gone: what comes after that is not done.
        """
        match values:
            case ([*calls],) if len(calls) <= _AT_ONCE:
                results = []
                for call in calls:
                    if caller.is_gone():
                        raise ClientDisconnect
                    results.append(await self._one_of_many(caller, call))
                return results
        raise Fault(INVALID_PARAMS, f"{MULTICALL} takes one array of up to {_AT_ONCE} calls")

    async def _one_of_many(self, caller: Caller, call: Any) -> Any:
        try:
            match call:
                case {"methodName": str(method), "params": [*values]} if method not in _ALONE:
                    return [await self._called(caller, method, tuple(values))]
            raise Fault(INVALID_PARAMS, f"Each call is a struct of methodName and params, and no {' or '.join(_ALONE)}")
        except Exception as error:  # noqa: BLE001 - whoever has asked is told
            fault = self._fault(error)
            return {"faultCode": fault.faultCode, "faultString": fault.faultString}

    def _fault(self, error: BaseException) -> Fault:
        if not isinstance(error, Fault):
            told: Error = self._answering.desk.told(error)
            error = Fault(fault_of(told), str(told))
        return Fault(error.faultCode, printable(error.faultString))


def parsed(body: bytes) -> tuple[str, tuple[Any, ...]]:
    """Return the method that is called, and what it is told. Raises `Fault`."""
    target = Unmarshaller(use_builtin_types=False)
    parser = DefusedExpatParser(target, forbid_dtd=True)
    try:
        parser.feed(body)
        parser.close()
        values, method = target.close(), target.getmethodname()
    except Exception as error:
        raise Fault(PARSE_ERROR, "The body is no call of XML-RPC") from error
    if not isinstance(method, str) or not isinstance(values, tuple):
        raise Fault(PARSE_ERROR, "The body is no call of XML-RPC")
    return method, values


def _text_of(result: Any) -> str:
    return dumps((result,), methodresponse=True)


def _response(text: str) -> Response:
    return Response(text, media_type="text/xml")
