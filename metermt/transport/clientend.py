"""The client's end of a connection: it asks, and answers nothing.

It writes what RPyC writes, and reads what a meter server answers: plain values, and references to the server's root
and its methods, which are good for nothing but to be called.
"""

from collections.abc import Callable
from typing import Any

from rpyc.core import brine, consts

from metermt.errors import CallError, DeadlineExceeded, Error, ServerLost
from metermt.transport.deadline import Deadline
from metermt.transport.frames import MAX_BULK_FRAME, Frames, Violation, framed
from metermt.transport.plainvalues import Malformed, PlainReader
from metermt.transport.stream import Stream
from metermt.wire import error_of

_SILENCE = 1.0  # seconds until it is found out whether the server is still there
_ARGUMENTS = brine.dump(None)  # stands where they are to be
_NO_KEYWORDS = brine.dump((consts.LABEL_VALUE, ()))


class ClientEnd:
    """Calls methods of the server's root. One thread at a time may use it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._frames = Frames(MAX_BULK_FRAME)
        self._seq = -1  # of the last request; a server that has no room answers number 0
        self.still_there: Callable[[], bool] | None = None
        """Tells whether a server that has been silent for a second is worth waiting for."""
        self._calls: dict[str, bytes] = {}  # by method: how a call of it is written, up to its arguments

    @property
    def knows_the_server(self) -> bool:
        """Whether the other side has answered like a meter server."""
        return bool(self._calls)

    def call(self, name: str, args: tuple[Any, ...], deadline: Deadline) -> Any:
        """Return what a method of the server makes of plain values.

        Raises what the server raised, `ValueError` for what cannot be written, and what the stream raises.
        """
        if name not in self._calls:
            root = self._reference(_request(consts.HANDLE_GETROOT), deadline)
            method = self._reference(_request(consts.HANDLE_GETATTR, root, (consts.LABEL_VALUE, name)), deadline)
            call = _request(consts.HANDLE_CALL, method, (consts.LABEL_VALUE, None), (consts.LABEL_VALUE, ()))
            self._calls[name] = call.removesuffix(_ARGUMENTS + _NO_KEYWORDS)
        match self._answer(self._calls[name] + brine.dump(args) + _NO_KEYWORDS, deadline):
            case (consts.LABEL_VALUE, value):
                return value
        raise Violation("no plain value")

    def _reference(self, request: bytes, deadline: Deadline) -> tuple[int, Any]:
        """Return what an object of the server, asked for by this request, is called in further requests."""
        match self._answer(request, deadline):
            case (consts.LABEL_REMOTE_REF, (str(), int(), int()) as id_pack):
                return consts.LABEL_LOCAL_REF, id_pack
        raise Violation("no reference")

    def _answer(self, request: bytes, deadline: Deadline) -> Any:
        self._seq += 1
        number: bytes = brine.dump((self._seq, None)).removesuffix(_ARGUMENTS)
        self._stream.send(framed(bytes([consts.MSG_REQUEST]) + number + request), deadline)
        while True:
            while (frame := self._frames.next()) is None:
                deadline.check()  # a server may send faster than is read, and never answer
                self._frames.receive(self._hear(deadline))
            try:
                reader = PlainReader(frame, 1)
                seq, answer = reader.begin_message(), reader.value()
                reader.end()
            except Malformed:
                raise Violation("malformed bytes") from None
            if frame[0] not in (consts.MSG_REPLY, consts.MSG_EXCEPTION):
                raise Violation(f"a message of kind {frame[0]}, to a client")
            if seq != self._seq:
                continue  # nobody waits for it
            if frame[0] == consts.MSG_EXCEPTION:
                raise _error_of(answer)
            return answer

    def _hear(self, deadline: Deadline) -> bytes:
        """Wait for some bytes, for as long as it makes sense."""
        if self.still_there is None:
            return self._stream.receive(deadline)
        try:
            return self._stream.receive(Deadline(min(_SILENCE, deadline.check())))
        except DeadlineExceeded:
            deadline.check()
        if not self.still_there():
            raise ServerLost("The server does not answer any more")
        return self._stream.receive(deadline)


def _request(handler: int, *packages: tuple[int, Any]) -> bytes:
    request: bytes = brine.dump((handler, (consts.LABEL_TUPLE, packages)))
    return request


def _error_of(answer: Any) -> Error:
    match answer:
        case ((_, "AttributeError"), _, _, _):
            return CallError("This server does not know that call: is it older than this client?")
        case (_, (str(text), *_), (*attributes,), _):
            named = {pair[0]: pair[1] for pair in attributes if isinstance(pair, tuple) and len(pair) == 2}
            return error_of(named.get("code"), text, _details_of(named.get("details")))
    raise Violation("no error")


def _details_of(packed: Any) -> dict[str, Any]:
    pairs = packed if isinstance(packed, tuple) else ()
    return {str(pair[0]): pair[1] for pair in pairs if isinstance(pair, tuple) and len(pair) == 2}
