"""The body of a request, read as far as it is wanted, and what is answered when it is not."""

import asyncio
from contextlib import suppress
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_DRAINED = 1024 * 1024  # bytes of a body that nobody wants, so that its sender comes to read why
_DRAIN_SECONDS = 1.0


class Unwanted(Exception):
    """A request that is not read any further."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class Rejection(Response):
    """An answer to a request whose body was not read. The connection ends with it."""

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Answer at once, and take some of what is on its way: closing on it would reset the connection."""
        headers = [*self.raw_headers, (b"connection", b"close")]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await _drain(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drain(receive: Receive) -> None:
    taken = 0
    while taken < _DRAINED:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            return
        taken += len(message["body"])


def check_kind(request: Request, *kinds: str) -> None:
    """Raise `Unwanted` unless the body is of one of these kinds, and as it is.

    A page of somebody else's in a browser may send other kinds without being asked whether it may.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in kinds:
        raise Unwanted(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"The Content-Type must be {' or '.join(kinds)}")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Unwanted(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body must not be compressed: leave Content-Encoding away"
        )


def announced_size(request: Request) -> int:
    """Return how many bytes the body is said to have; 0 if that is not said."""
    said = request.headers.get("content-length", "0")
    return int(said) if said.isdecimal() and len(said) < 20 else 0


async def read_body(request: Request, most: int) -> bytes:
    """Return the body. Raises `Unwanted` if it has more than so many bytes, without reading more than these."""
    too_large = Unwanted(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body may have {most} bytes at most")
    if announced_size(request) > most:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise too_large
    return bytes(body)
