"""What is where: the pages of the door for HTTP."""

from starlette.applications import Starlette
from starlette.routing import Route

from metermt.signing import SharedKey
from metermt.web.answering import Answering
from metermt.web.jsoncalls import JsonCalls
from metermt.web.watching import Watching
from metermt.web.xmlrpc import XmlRpc


def make_app(answering: Answering, watch_key: SharedKey | None = None) -> Starlette:
    """Return the ASGI application that answers by a desk, and lets those watch it who show the key.

    Each connection's `Visitor` is in the state of its scope.
    """
    routes = [
        Route("/meter", XmlRpc(answering).answer, methods=["POST"]),
        Route("/api/{call}", JsonCalls(answering).answer, methods=["POST"]),
        *Watching(answering, watch_key).routes,
    ]
    return Starlette(routes=routes)
