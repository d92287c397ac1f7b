"""The four calls in memory behind a server of each scheme: RPyC's own where it has one, and our switchboard.

All of them have the same `Book`, and speak to the same client of RPyC.
"""

import argparse
import multiprocessing
import selectors
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any

import rpyc
from rpyc.core.channel import Channel
from rpyc.utils.server import ForkingServer, OneShotServer, Server, ThreadedServer, ThreadPoolServer

from bench.peers.book import Book
from bench.peers.program import announce
from metermt.calls.asking import Ask
from metermt.calls.desk import BegunAnswers, Desk, Outcome
from metermt.calls.sessions import LoggedIn
from metermt.config import Limits
from metermt.errors import CallError, SessionError
from metermt.model import Role, Status
from metermt.store.begun import Over
from metermt.store.memory.store import MemoryStore
from metermt.transport.server import MeterServer

POOL = 16
"""Threads of the bounded pool."""
_EVERYBODY = 10_000  # connections
_LIMITS = Limits(_EVERYBODY, _EVERYBODY, handshake=timedelta(minutes=1))  # for a crew that comes at one instant


class Client:
    """One reader: a client of RPyC's, which asks for each method once. A request may take so many seconds."""

    def __init__(self, port: int, seconds: float = 60.0) -> None:
        self.connection: Any = rpyc.connect("127.0.0.1", port, config={"sync_request_timeout": seconds})
        self._login = self.connection.root.login

    def login(self, username: str) -> None:
        self._session_id, _ = self._login(username, username)
        root = self.connection.root
        self._get_job, self._get_status = root.get_job, root.get_status
        self._submit_reading = root.submit_reading

    def round(self) -> None:
        meter = self._get_job(self._session_id)
        self._submit_reading(self._session_id, meter, datetime.now(UTC).isoformat(timespec="seconds"), 4711)
        self._get_status(self._session_id)

    def block(self) -> None:
        """Send the beginning of a request, and nothing more."""
        self.connection._channel.stream.sock.sendall(Channel.FRAME_HEADER.pack(1000, 0) + b"half")


class _Service(rpyc.Service):
    """The calls of a book, as a textbook has them."""

    def __init__(self, book: Any) -> None:
        self.exposed_login = lambda username, password: (book.login(username, password), username)
        self.exposed_get_job = book.get_job
        self.exposed_submit_reading = book.submit_reading
        self.exposed_get_status = book.get_status


class _SelectServer(Server):  # type: ignore[misc]  # rpyc has no type information
    """One thread that waits for all connections at once, and answers one request after the other."""

    def start(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self.listener, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.data is None:
                        sock, _ = self.listener.accept()
                        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        stream = rpyc.SocketStream(sock)
                        connection = self.service._connect(Channel(stream), self.protocol_config)
                        selector.register(sock, selectors.EVENT_READ, connection)
                        continue
                    try:
                        key.data.poll_all()
                    except EOFError:
                        key.data.close()
                    if key.data.closed:
                        selector.unregister(key.fileobj)


class _BookManager(BaseManager):
    """A process that has the book, for those that are forked: they share no memory."""


_BookManager.register("Book", Book)


class _BookDesk(Desk):
    """Answers what the switchboard asks for by a book: no rules, no sessions that expire, no store."""

    def __init__(self, book: Book) -> None:
        super().__init__(MemoryStore())
        self._book = book

    def answer(self, asks: Sequence[Ask[Any]]) -> list[Outcome]:
        return [self._outcome(ask) for ask in asks]

    def begin(self, asks: Sequence[Ask[Any]], wake: Callable[[], None]) -> BegunAnswers:
        return _Answers(Over(lambda: self.answer(asks)))  # type: ignore[return-value]

    def hang_up(self, callers: Sequence[Any]) -> None:
        pass

    def _outcome(self, ask: Ask[Any]) -> Outcome:
        book, asked = self._book, ask.request
        try:
            match ask.call.name:
                case "login":
                    session = book.login(asked.username, asked.password)
                    ask.caller.sessions.add(session)
                    ask.caller.shown_role = Role.READER
                    return LoggedIn(session, asked.username)
                case "get_job":
                    return book.get_job(ask.session_id)
                case "submit_reading":
                    return book.submit_reading(ask.session_id, asked.meter, asked.when, asked.value, asked.reason)
                case "get_status":
                    return Status(*book.get_status(ask.session_id))
        except ValueError:
            return SessionError()
        return CallError(f"{ask.call.name} is none of the four calls")


class _Answers:
    def __init__(self, begun: Over[list[Outcome]]) -> None:
        self.begun = begun

    def outcomes(self) -> list[Outcome]:
        return self.begun.result()


def _rpyc(kind: type[Any], **settings: Any) -> Callable[[Path], None]:
    def serve(notify: Path) -> None:
        book: Any = Book()
        if kind is ForkingServer:
            manager = _BookManager(ctx=multiprocessing.get_context("fork"))
            manager.start()
            signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # by which the manager is ended, too
            book = manager.Book()  # type: ignore[attr-defined]
        server = kind(_Service(book), hostname="127.0.0.1", port=0, backlog=512, **settings)
        server._listen()
        announce(notify, server.port)
        server.start()

    return serve


def _switchboard(notify: Path) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    server = MeterServer(_BookDesk(Book()), "127.0.0.1", 0, _LIMITS)
    server.start()
    announce(notify, server.port)
    signal.sigwait({signal.SIGTERM})


SCHEMES: dict[str, Callable[[Path], None]] = {
    "one-shot": _rpyc(OneShotServer),
    "select": _rpyc(_SelectServer),
    "threads": _rpyc(ThreadedServer),
    "pool": _rpyc(ThreadPoolServer, nbThreads=POOL),
    "processes": _rpyc(ForkingServer),
    "switchboard": _switchboard,
}
"""What serves, by its name."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("scheme", choices=SCHEMES)
    parser.add_argument("--notify", type=Path, required=True)
    chosen = parser.parse_args()
    SCHEMES[chosen.scheme](chosen.notify)


if __name__ == "__main__":
    main()
