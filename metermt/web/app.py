"""What is where: the pages of the door for HTTP."""

from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from metermt.errors import CallError
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
        Route("/api/openapi.json", _openapi),
        Route("/api/{call}", JsonCalls(answering).answer, methods=["POST"]),
        *Watching(answering, watch_key).routes,
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _refused})


async def _openapi(_request: Request) -> Response:
    return Response(openapi_text(), media_type=JSON)


async def _refused(_request: Request, error: Exception) -> Response:
    """Answer what is asked for in a way, or at a place, that there is not."""
    assert isinstance(error, HTTPException)
    words = CallError(f"{HTTPStatus(error.status_code).phrase}: see /api/openapi.json")
    return Response(to_text(words), error.status_code, error.headers, JSON)
