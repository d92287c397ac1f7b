"""Who asks by HTTP shows a session, or a key, as a bearer token (RFC 6750)."""

from starlette.requests import Request

_SCHEME = "bearer "


def bearer_of(request: Request) -> str:
    """Return what a request shows; empty if it shows nothing."""
    said = request.headers.get("authorization", "")
    return said[len(_SCHEME) :].strip() if said[: len(_SCHEME)].lower() == _SCHEME else ""
