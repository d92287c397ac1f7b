"""Pages for those who watch a server: is it alive, can it serve readers, and how is it."""

import time
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from metermt.calls.desk import Desk
from metermt.diskspace import space_at
from metermt.errors import StoreError
from metermt.signing import SharedKey
from metermt.store.base import Store
from metermt.store.begun import Begun
from metermt.web.answering import Answering
from metermt.web.bearers import bearer_of
from metermt.web.metrics import registry_of
from metermt.web.visitor import visitor_of

_PATIENCE = 1.0  # seconds that the database has to answer: who asks for our health rarely waits for longer
_FRESH = 1.0  # seconds for which it is not looked again, however many ask
_THROUGH = ("forwarded", "x-forwarded-for", "via")  # headers of a request that somebody has passed on
_OWN_NAMES = ("localhost", "127.0.0.1", "::1")
_HEADERS = {"Cache-Control": "no-store"}


class Readiness:
    """Whether a server can serve readers: its database answers, and there is room on the disk."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._looked_at = float("-inf")
        self._found = ""
        self._begun: Begun[object] | None = None  # a question that the database has not answered yet

    @property
    def last(self) -> str | None:
        """What was found, None if that is some time ago."""
        return self._found if time.monotonic() - self._looked_at < _FRESH else None

    def look(self) -> str:
        """Return why it cannot, for people; empty if it can. By one thread at a time."""
        if (found := self.last) is None:
            found = self._found = self._store.trouble() or self._silence() or self._shortage()
            self._looked_at = time.monotonic()
        return found

    def _silence(self) -> str:
        if self._begun is None:
            self._begun = self._store.begin(lambda tx: tx.cycles.all(), lambda: None, keeps=False)
        if not self._begun.wait(_PATIENCE):
            return "The database does not answer"
        begun, self._begun = self._begun, None
        try:
            begun.result()
        except StoreError as error:
            return str(error)
        return ""

    def _shortage(self) -> str:
        if not (file := self._store.file()):
            return ""
        try:
            space = space_at(file)
        except OSError as error:
            return f"The disk of the database cannot be looked at: {error.strerror}"
        return f"The disk of the database is nearly full: {space.in_words()}" if space.is_short() else ""


class Figures:
    """What a server counts, in words for those who watch it."""

    def __init__(self, desk: Desk) -> None:
        self._registry = registry_of(desk)
        self._made: dict[str, tuple[float, bytes]] = {}  # by kind: since when, and the last of them

    def made(self, encode: Callable[[CollectorRegistry], bytes], kind: str, asked: float) -> bytes:
        """Return them as they are, or as they were for somebody else since this moment. By one thread at a time."""
        if kind not in self._made or self._made[kind][0] < asked:
            self._made = {name: made for name, made in self._made.items() if made[0] >= asked}
            self._made[kind] = time.monotonic(), encode(self._registry)
        return self._made[kind][1]


class Watching:
    """Answers those who watch the server of a desk.

    Anybody is told whether it is alive and ready; why it is not, and its figures, those who are on this machine or show
    the key.
    """

    def __init__(self, answering: Answering, key: SharedKey | None) -> None:
        self._answering = answering
        self._key = key
        self._readiness = Readiness(answering.desk.store)
        self._figures = Figures(answering.desk)
        self.routes = [
            Route("/health/live", self._live),
            Route("/health/ready", self._ready),
            Route("/metrics", self._metrics),
        ]

    async def _live(self, _request: Request) -> Response:
        return PlainTextResponse("alive\n", headers=_HEADERS)

    async def _ready(self, request: Request) -> Response:
        why = self._readiness.last
        if why is None:
            why = await self._answering.look(visitor_of(request.scope).caller, self._readiness.look)
        if not why:
            return PlainTextResponse("ready\n", headers=_HEADERS)
        words = why if self._may_watch(request) else "not ready"
        return PlainTextResponse(f"{words}\n", HTTPStatus.SERVICE_UNAVAILABLE, _HEADERS)

    async def _metrics(self, request: Request) -> Response:
        if not self._may_watch(request):
            return self._refusal()
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        asked = time.monotonic()  # all who wait are told the same: one after the other would wait for seconds
        caller = visitor_of(request.scope).caller
        text = await self._answering.look(caller, lambda: self._figures.made(encode, kind, asked))
        return Response(text, headers=_HEADERS | {"Content-Type": kind})

    def _may_watch(self, request: Request) -> bool:
        if self._key and (shown := bearer_of(request)):
            return self._key.is_it(shown.encode("latin-1", "replace"))
        address = visitor_of(request.scope).caller.address
        was_passed_on = any(header in request.headers for header in _THROUGH)
        return not was_passed_on and ip_address(address.partition("%")[0]).is_loopback and _is_asked_as_own(request)

    def _refusal(self) -> Response:
        if self._key:
            words = "Show the key of those who watch: 'Authorization: Bearer KEY'\n"
            return PlainTextResponse(words, HTTPStatus.UNAUTHORIZED, _HEADERS | {"WWW-Authenticate": "Bearer"})
        words = "Only from the machine of the server, unless it has a key for those who watch (--watch-key-file)\n"
        return PlainTextResponse(words, HTTPStatus.FORBIDDEN, _HEADERS)


def _is_asked_as_own(request: Request) -> bool:
    """Tell whether this machine is asked as itself: a page of somebody else's in a browser on it asks by their name."""
    try:
        return urlsplit(f"//{request.headers.get('host', '')}").hostname in _OWN_NAMES
    except ValueError:  # no such name can be
        return False
