"""XML-RPC at `/meter`: the calls that are told plain values one by one, as the four original ones are."""

from typing import Any
from xmlrpc.client import Fault, Unmarshaller, dumps

from defusedxml.xmlrpc import DefusedExpatParser
from starlette.requests import Request
from starlette.responses import Response

from metermt.calls.desk import Outcome
from metermt.calls.table import CALLS, Ask, Caller
from metermt.errors import CallError, Error
from metermt.printable import printable
from metermt.transport.frames import MAX_FRAME
from metermt.web.answering import Answering
from metermt.web.bodies import ClientDisconnect, Rejection, Unwanted, check_kind, read_body
from metermt.web.faults import NO_SUCH_METHOD, PARSE_ERROR, fault_of
from metermt.web.visitor import visitor_of
from metermt.web.xmlvalues import understood_values, value_for

_KINDS = ("text/xml", "application/xml")

METHODS = {name: call for name, call in CALLS.items() if call.parameters is not None}


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
            return _response(await self._called(caller, method, values))
        except Unwanted as error:
            return Rejection(str(error), error.status, media_type="text/plain")
        except ClientDisconnect:
            return Response(status_code=400)  # which nobody reads
        except Exception as error:  # noqa: BLE001 - whoever has asked is told
            return _response(self._fault(error))

    async def _called(self, caller: Caller, method: str, values: tuple[Any, ...]) -> str:
        if (call := METHODS.get(method)) is None:
            raise Fault(NO_SUCH_METHOD, f"There is no method {printable(method, 40)}: see system.listMethods")
        ask: Ask[Any] = call.understood(caller, understood_values(call, values), {})

        def write(outcome: Outcome) -> str:
            if isinstance(outcome, BaseException):
                return self._fault(outcome)
            return dumps((value_for(call, outcome),), methodresponse=True)

        return await self._answering.answer(ask, write)

    def _fault(self, error: BaseException) -> str:
        if not isinstance(error, Fault):
            told: Error = self._answering.desk.told(error)
            error = Fault(fault_of(told), str(told))
        return dumps(Fault(error.faultCode, printable(error.faultString)), methodresponse=True)


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


def _response(text: str) -> Response:
    return Response(text, media_type="text/xml")


__all__ = ["METHODS", "CallError", "XmlRpc", "parsed"]
