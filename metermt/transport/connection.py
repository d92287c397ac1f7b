"""The client's end of a connection: one request a call, within a deadline, in errors of ours."""

import socket
from typing import Any

from rpyc.core import consts, netref
from rpyc.core.channel import Channel
from rpyc.core.protocol import Connection
from rpyc.core.service import VoidService

from metermt.errors import CallError, Error, InternalError, ServerLost, ServerUnreachable
from metermt.transport.deadline import Deadline
from metermt.transport.stream import DeadlineStream, tune
from metermt.wire import error_of

_CONFIG = {"bind_threads": False, "logger": None, "sync_request_timeout": None}  # the stream keeps the deadline


class ServerConnection:
    """A connection to a meter server. One thread at a time may use it."""

    def __init__(self, host: str, port: int, deadline: Deadline) -> None:
        """Connect. Raises `ServerUnreachable` or `DeadlineExceeded`."""
        self._stream = DeadlineStream(_connect(host, port, deadline))
        self._end = _ClientEnd(VoidService(), Channel(self._stream, compress=False), _CONFIG)
        self._methods: dict[str, Any] = {}  # bound methods of the server, each fetched once

    def call(self, name: str, args: tuple[Any, ...], deadline: Deadline) -> Any:
        """Call an exposed method with plain values and return its plain result.

        Raises what the server raised, and `ServerLost` or `DeadlineExceeded`. After either of these two the connection
        is of no more use: a late answer could be on its way.
        """
        self._stream.deadline = deadline
        try:
            if name not in self._methods:
                self._methods[name] = self._end.sync_request(consts.HANDLE_GETATTR, self._end.root, name)
            return self._end.sync_request(consts.HANDLE_CALL, self._methods[name], args, ())
        except EOFError as error:
            raise ServerLost("The connection to the server was lost") from error

    def close(self) -> None:
        """Hang up. Closing twice is harmless."""
        self._end.close()


def _connect(host: str, port: int, deadline: Deadline) -> socket.socket:
    try:
        sock = socket.create_connection((host, port), timeout=deadline.check())
    except TimeoutError:
        raise deadline.exceeded() from None
    except (OSError, UnicodeError) as error:  # UnicodeError: no host can have such a name
        words = error.strerror if isinstance(error, OSError) else "no such host name"
        raise ServerUnreachable(f"Nobody answers at {host}:{port}: {words}") from error
    tune(sock)
    return sock


class _ClientEnd(Connection):  # type: ignore[misc]  # rpyc has no type information
    """RPyC's connection without what a client does not need: nothing is served, no class is made for the server."""

    def close(self) -> None:
        if not self._closed:  # RPyC's own close asks the server first, which may be frozen
            self._cleanup()

    @classmethod
    def _request_handlers(cls) -> dict[int, Any]:
        return {}

    def _netref_factory(self, id_pack: tuple[str, int, int]) -> netref.BaseNetref:
        return netref.BaseNetref(self, id_pack)  # RPyC's own asks the server for a list of methods first

    def _unbox_exc(self, raw: Any) -> Error:
        match raw:
            case ((_, "AttributeError"), _, _, _):
                return CallError("This server does not know that call: is it older than this client?")
            case (_, (str(text), *_), attributes, _):
                return error_of(dict(attributes).get("code", ""), text)
            case _:
                return InternalError("The server sent an error that makes no sense")
