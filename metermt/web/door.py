"""The door for HTTP: it listens, lets visitors in, and has uvicorn speak with them in one thread."""

import asyncio
import logging
import math
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from threading import Event, Thread
from typing import Any

from starlette.applications import Starlette
from uvicorn import Config

from metermt.calls.asking import Caller
from metermt.calls.desk import Desk
from metermt.calls.telling import fault_of
from metermt.config import Limits
from metermt.errors import ServerBusy
from metermt.listening import cannot_listen
from metermt.transport.deadline import Deadline
from metermt.transport.guests import Guests
from metermt.transport.resting import rest_after
from metermt.transport.stream import tune
from metermt.transport.tls import ServerTls, is_handshake_of_plain_text
from metermt.web.answering import Answering
from metermt.web.app import make_app
from metermt.web.gate import Gate
from metermt.web.tlsparts import keep_small_buffers
from metermt.web.visitor import MAX_HEAD, Hall, Visitor
from metermt.wire import to_text

_log = logging.getLogger("metermt.http")

_LET_IN_SHARE = 0.2  # of a processor, to let visitors in
_STRANGERS_SHARE = 0.05  # of a processor, for what strangers send
_KNOWN_SHARE = 0.2  # of a processor, for what is asked by those who have logged in, besides answering it
_HANDSHAKE_SECONDS = 0.002  # of a processor, that a handshake takes later
_PAUSE = 0.1  # seconds until the next try when there are no descriptors
_LOOK_SECONDS = 0.5  # between two looks for visitors who have kept us waiting
# How many are let go of at once, and for how many seconds others are looked after then: each takes a tenth of a
# millisecond, and a thousand may be late at one moment.
_GONE_AT_ONCE, _GONE_PAUSE = 10, 0.005
_STOP_LOOK = 0.02  # between two looks whether all were answered, when the server ends
_TAKEN_SECONDS = 1.0  # that they have to take their last answers then
# How long a session counts as connected after a connection with it has ended: HTTP's clients may connect for each call.
_STAY_SECONDS = 60.0
# How many at once are told that there is no room, and how many seconds that may take.
_REFUSALS, _REFUSAL_SECONDS = 20, 1.0
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n"
)


class WebDoor:
    """Listens when it is made; `start` lets visitors in, `stop` ends it in order. `port` is the true one."""

    def __init__(
        self,
        desk: Desk,
        host: str,
        port: int,
        guests: Guests,
        limits: Limits,
        tls: ServerTls | None = None,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """Listen. Raises `ListenError`, or `SettingError` for files that TLS cannot use.

        Visitors are `guests`, as those who come by the server's other door.
        `failed` is called when it cannot go on, of which `failure` tells; it is to be stopped then.
        """
        self.failure: BaseException | None = None
        self.rounds = 0
        """How often its loop has looked for who is late, which it does every half of a second."""
        self._desk = desk
        self._limits = limits
        self._guests = guests
        self._has_failed = failed
        self._tls = tls.context() if tls else None
        if tls:
            keep_small_buffers()
        self._answering = Answering(desk)
        self._config = _config_of(make_app(self._answering, limits.watch_key), limits)
        self._visitors: set[Visitor] = set()  # they are here, or are shaking hands
        self._gone: deque[tuple[float, Caller]] = deque()  # those who still count as connected, and until when
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping: Deadline | None = None
        self._is_ready = Event()
        self._thread = Thread(target=self._run, name="http", daemon=True)
        self.listener = _listening(host, port)
        self.port: int = self.listener.getsockname()[1]

    def start(self) -> None:
        """Let visitors in, in the background, until `stop`."""
        self._thread.start()
        self._is_ready.wait()

    def stop(self, deadline: Deadline) -> bool:
        """Let nobody in, let what is being answered end within the deadline, and hang up on everybody.

        Returns whether all was answered. Stopping twice is harmless.
        """
        self._stopping = self._stopping or deadline
        self._answering.hurry()  # who has to rest would not be answered in time
        if self._thread.is_alive():
            with suppress(RuntimeError):  # it has failed, and its loop is closed
                self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join()
        self.listener.close()
        return self._answering.stop(deadline)

    # --- in its thread

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - a server whose door has failed must not seem to be well
            self.failure = error
            _log.critical("the HTTP door has failed", exc_info=error)
            self._has_failed()
        finally:
            self._is_ready.set()
            for visitor in list(self._visitors):
                self._went(visitor)
            self._let_sessions_go(math.inf)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._log_fault)
        self._ending = asyncio.Event()
        self._is_ready.set()
        most = 2 * self._limits.connections  # each may wait to be read, and for an answer
        strangers, known = (Gate(self._desk.regulars, most, share) for share in (_STRANGERS_SHARE, _KNOWN_SHARE))
        self._hall = Hall(self._config, self._limits, self._guests, strangers, known, self._desk.journal)
        steps = (self._ending.wait(), self._accept_all(), strangers.open(), known.open(), self._keep_time())
        ending, accepting, *others = [self._loop.create_task(step) for step in steps]
        done, _ = await asyncio.wait([ending, accepting, *others], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # which raises what has ended it
        accepting.cancel()
        self.listener.close()
        await self._let_all_go()
        for task in others:
            task.cancel()

    async def _let_all_go(self) -> None:
        """Hang up on all, once those who have asked for something were answered."""
        deadline = self._stopping or Deadline(0.0)
        for gate in (self._hall.strangers, self._hall.known):
            gate.hurry()
        for task in self._tasks:
            task.cancel()
        for visitor in list(self._visitors):
            visitor.finish()
        while deadline.left and any(visitor.is_busy for visitor in self._visitors):
            await asyncio.sleep(_STOP_LOOK)
        taking = Deadline(min(_TAKEN_SECONDS, deadline.left))
        while taking.left and self._visitors:
            await asyncio.sleep(_STOP_LOOK)
        for visitor in list(self._visitors):
            visitor.hang_up()
        await asyncio.sleep(0)  # so that they are told that they are gone

    async def _accept_all(self) -> None:
        while True:
            try:
                sock, (address, *_) = await self._loop.sock_accept(self.listener)
            except OSError as error:
                self._guests.could_not_come(error)
                await asyncio.sleep(_PAUSE)
                continue
            began = time.thread_time()
            try:
                self._let_in(sock, address)
            except Exception as error:  # noqa: BLE001 - whatever it is, it ends this visitor alone
                self._log_fault(self._loop, {"exception": error})
                sock.close()
            later = _HANDSHAKE_SECONDS if self._tls else 0.0
            await asyncio.sleep(rest_after(time.thread_time() - began + later, _LET_IN_SHARE))

    def _let_in(self, sock: socket.socket, address: str) -> None:
        if why := self._guests.room_for(address):
            self._refuse(sock, why)
            return
        visitor = Visitor(self._hall, address, self._went)
        self._visitors.add(visitor)
        try:
            self._guests.came(visitor)
            visitor.handshake = self._begin(self._shake_hands(sock, visitor))
        except Exception:
            self._went(visitor)
            raise

    def _begin(self, step: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _refuse(self, sock: socket.socket, why: str) -> None:
        """Say why a visitor is not let in, unless there is somebody to be told already, or it would not be read."""
        if self._tls or len(self._tasks) >= _REFUSALS:
            sock.close()
        else:
            self._begin(self._tell(sock, why))

    async def _tell(self, sock: socket.socket, why: str) -> None:
        text = to_text(ServerBusy(why)).encode()
        with sock, suppress(OSError, TimeoutError):
            async with asyncio.timeout(_REFUSAL_SECONDS):
                await self._loop.sock_sendall(sock, _REFUSAL % len(text) + text)
                sock.shutdown(socket.SHUT_WR)
                while await self._loop.sock_recv(sock, 4096):  # closing on an unread request would lose the words
                    await asyncio.sleep(0)  # others have their turn, however fast it comes

    async def _shake_hands(self, sock: socket.socket, visitor: Visitor) -> None:
        seconds: dict[str, Any] = {}
        if self._tls:
            seconds = {"ssl_handshake_timeout": self._limits.handshake.total_seconds(), "ssl_shutdown_timeout": 1.0}
        try:
            tune(sock)
            await self._loop.connect_accepted_socket(lambda: visitor, sock, ssl=self._tls, **seconds)
        except BaseException as error:
            sock.close()
            self._went(visitor)
            if not isinstance(error, Exception):  # it was cancelled
                raise
            if isinstance(error, ssl.SSLError):
                plain = is_handshake_of_plain_text(error)
                why = "it speaks no TLS" if plain else error.reason or error
                words = "hung up on %s: %s"
                self._desk.journal.warning("connections hung up on", visitor.address, words, visitor.address, why)
            else:
                self._log_fault(self._loop, {"exception": error})

    def _went(self, visitor: Visitor) -> None:
        """Take note that somebody has hung up. Their sessions count as connected for a while: clients come again."""
        if visitor in self._visitors:
            self._visitors.discard(visitor)
            self._guests.went(visitor)
            if self._answering.went(visitor.caller) or visitor.is_trusted or visitor.is_busy:
                self._gone.append((time.monotonic() + _STAY_SECONDS, visitor.caller))

    def _let_sessions_go(self, now: float) -> None:
        """Leave to their readers what is held by sessions that nobody was connected with for a while."""
        gone = []
        while self._gone and (self._gone[0][0] <= now or len(self._gone) > self._limits.connections):
            gone.append(self._gone.popleft()[1])
        self._desk.hang_up(gone)

    async def _keep_time(self) -> None:
        """Let go of those who have kept us waiting for too long."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.rounds += 1
            now = time.monotonic()
            gone = 0
            for visitor in list(self._visitors):
                gone += self._has_let_go(visitor, now)
                if gone == _GONE_AT_ONCE:
                    gone = 0
                    await asyncio.sleep(_GONE_PAUSE)
            self._let_sessions_go(now)

    def _has_let_go(self, visitor: Visitor, now: float) -> bool:
        """Hang up on a visitor who is late; tell whether they were."""
        try:
            if not visitor.is_late(now):
                return False
            visitor.hang_up()
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends this visitor alone
            self._went(visitor)
            visitor.fail(error)
        return True

    def _log_fault(self, _loop: object, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception) and not isinstance(error, OSError | EOFError):  # how connections end
            self._desk.journal.error("faults with clients", fault_of(error), "a visitor was let go of", error=error)


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens there, and does not wait. Raises `ListenError`."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        *_, address = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server(address[:2], family=family, backlog=socket.SOMAXCONN)
    except (OSError, UnicodeError) as error:
        raise cannot_listen(host, port, error, "--http") from error
    listener.setblocking(False)
    return listener


def _config_of(app: Starlette, limits: Limits) -> Config:
    """Return what uvicorn is told: to do no more than speak HTTP."""
    return Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        interface="asgi3",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=int(limits.idle.total_seconds()) + 1,
        h11_max_incomplete_event_size=MAX_HEAD,
    )
