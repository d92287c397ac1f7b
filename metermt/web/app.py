"""What is where: the pages of the door for HTTP."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from metermt.errors import CallError, DeadlineExceeded
from metermt.signing import SharedKey
from metermt.web.answering import Answering
from metermt.web.jsoncalls import JSON, JsonCalls
from metermt.web.openapi import openapi_text
from metermt.web.watching import Watching
from metermt.web.xmlrpc import XmlRpc
from metermt.wire import to_text


def make_app(answering: Answering, watch_key: SharedKey | None = None) -> Starlette:
    """Return the ASGI application that answers by a desk, and lets those watch it who show the key.

    Each connection's `Visitor` is in the state of its scope.
    """
    routes = [
        Route("/meter", XmlRpc(answering).answer, methods=["POST"]),
        Route("/api/openapi.json", _answering_always(openapi_text())),
        Route("/api/{call}", JsonCalls(answering).answer, methods=["POST"]),
        *Watching(answering, watch_key).routes,
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _refused, DeadlineExceeded: _too_late})


def _answering_always(text: bytes) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_request: Request) -> Response:
        return Response(text, media_type=JSON)

    return answer


async def _too_late(_request: Request, error: Exception) -> Response:
    """Answer who has most likely gone before it was their turn."""
    return PlainTextResponse(f"{error}\n", HTTPStatus.SERVICE_UNAVAILABLE)


async def _refused(_request: Request, error: Exception) -> Response:
    """Answer what is asked for in a way, or at a place, that there is not."""
    assert isinstance(error, HTTPException)
    words = CallError(f"{HTTPStatus(error.status_code).phrase}: see /api/openapi.json")
    return Response(to_text(words), error.status_code, error.headers, JSON)
