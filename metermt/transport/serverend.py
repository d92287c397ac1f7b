"""The server's end of a connection: RPyC's, with all taken away that a meter server has no use for.

RPyC trusts its peer: it passes objects by reference, calls back, and lets either side call a long list of methods on
whatever it holds. Here plain values cross, a short list of requests is answered for a fixed list of names, and whoever
asks for anything else is hung up on.
"""

import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from rpyc.core import brine, consts, netref
from rpyc.core.protocol import Connection
from rpyc.lib import get_id_pack

from metermt.errors import CallError, Error, InternalError, StoreError
from metermt.transport.frames import MAX_BULK_FRAME, BoundedChannel, Violation, framed
from metermt.transport.plainvalues import Malformed, PlainReader, is_plain

_log = logging.getLogger("metermt.service")

_DATETIME = "datetime.datetime"
_DATETIME_SECONDS = 2.0  # a client answers this in one round trip; its thread here waits for nothing else
_MAX_TIME = 64  # characters
_ARGUMENTS = {
    consts.HANDLE_PING: (1, 1),
    consts.HANDLE_CLOSE: (0, 0),
    consts.HANDLE_GETROOT: (0, 0),
    consts.HANDLE_GETATTR: (2, 2),
    consts.HANDLE_CALL: (2, 3),
    consts.HANDLE_CALLATTR: (3, 4),
    consts.HANDLE_DEL: (1, 2),
    consts.HANDLE_INSPECT: (1, 1),
}
"""How many arguments the requests have that are answered, at least and at most."""
_SHORT = (consts.HANDLE_PING, consts.HANDLE_GETROOT, consts.HANDLE_GETATTR, consts.HANDLE_DEL, consts.HANDLE_INSPECT)
"""The requests that take no time."""


class _NoSuchCall(AttributeError):
    """A name or an object that is not exposed."""


class _Time(netref.BaseNetref):  # type: ignore[misc]  # rpyc has no type information
    """A `datetime` of a client's.

    RPyC's own lets go of it when it is collected, by a message that whatever thread collects it has to send.
    """

    __slots__ = ()

    def __del__(self) -> None:
        pass


class ShortRequest(NamedTuple):
    """A request that takes no time, but for what it may write into the store."""

    seq: int
    run: Callable[[], Any]
    writes: bool


class ServerEnd(Connection):  # type: ignore[misc]  # rpyc has no type information
    """The server's end of the connection of one client. Its root is the service."""

    def __init__(self, root: Any, channel: BoundedChannel, config: dict[str, Any]) -> None:
        super().__init__(root, channel, config)
        self._root_id = get_id_pack(root)
        self._is_asking = False  # for the text of a time
        self._methods: dict[str, Callable[..., Any]] = root.methods()  # made once, however often fetched
        self._short_calls = {get_id_pack(self._methods[name]): name for name in root.SHORT_CALLS}
        self.is_trusted = False

    @classmethod
    def _request_handlers(cls) -> dict[int, Any]:
        return {
            consts.HANDLE_PING: cls._handle_ping,
            consts.HANDLE_CLOSE: cls._handle_close,
            consts.HANDLE_GETROOT: cls._handle_getroot,
            consts.HANDLE_GETATTR: cls._handle_getattr,
            consts.HANDLE_CALL: cls._handle_call,
            consts.HANDLE_CALLATTR: cls._handle_callattr,
            consts.HANDLE_DEL: cls._handle_del,
            consts.HANDLE_INSPECT: cls._handle_inspect,
        }

    def close(self) -> None:
        """Hang up without a word: RPyC's own close asks the peer first, which may be frozen."""
        if not self._closed:
            self._cleanup()

    def _dispatch(self, data: bytes) -> None:
        reader = PlainReader(data, 1)
        try:
            self._dispatch_message(data[0], reader.begin_message(), reader)
        except Malformed:
            raise Violation("malformed bytes") from None

    def _dispatch_message(self, kind: int, seq: int, reader: PlainReader) -> None:
        if kind != consts.MSG_REQUEST:
            if seq not in self._request_callbacks:
                raise Violation("an answer to no question")
            self._dispatch_answer(kind, seq, reader)
            return
        self._recvlock.release()
        try:
            request = reader.value()
            reader.end()
        except Malformed:
            # The request is known by its number, so it can be answered: a text that is none, a number too long.
            self._send(consts.MSG_EXCEPTION, seq, _boxed(CallError("Only plain values can be sent")))
            return
        match request:
            case (int(handler), arguments) if handler in self._HANDLERS:
                kind, answer = self._outcome(partial(self._run, handler, arguments))
            case _:
                raise Violation("a request of a kind that is not answered")
        try:
            self._send(kind, seq, answer)
        except ValueError as error:  # a text or a number that cannot be written, found before anything was sent
            self._send(consts.MSG_EXCEPTION, seq, _boxed(self._told(error)))

    def _dispatch_answer(self, kind: int, seq: int, reader: PlainReader) -> None:
        """Hand an answer to whoever asked."""
        if kind not in (consts.MSG_REPLY, consts.MSG_EXCEPTION):
            raise Violation(f"a message of kind {kind}")
        raw = reader.value()
        reader.end()
        failed = kind == consts.MSG_EXCEPTION
        try:
            answer = self._unbox_exc(raw) if failed else self._unbox(raw)
        except (TypeError, ValueError, LookupError):
            raise Malformed from None
        self._seq_request_callback(kind, seq, failed, answer)
        self._recvlock.release()  # after the callback, or a waiting thread would go to sleep again (see RPyC)

    def _run(self, handler: int, packed: Any) -> Any:
        arguments = self._unbox(packed)
        least, most = _ARGUMENTS[handler]
        if not (isinstance(arguments, tuple) and least <= len(arguments) <= most):
            raise CallError("A request has the wrong number of arguments")
        return self._HANDLERS[handler](self, *arguments)

    def _outcome(self, run: Callable[[], Any]) -> tuple[int, Any]:
        """Return the kind of an answer, and what is in it."""
        try:
            return consts.MSG_REPLY, self._box(run())
        except EOFError:
            raise
        except Exception as error:  # noqa: BLE001 - all that can be said of it is said in _told
            return consts.MSG_EXCEPTION, _boxed(self._told(error))

    # --- answering many clients in one thread

    def short_request(self, data: bytes) -> ShortRequest | None:
        """Return the request of a frame, None if it takes time, asks the client something, or is no good."""
        reader = PlainReader(data, 1)
        try:
            seq, request = reader.begin_message(), reader.value()
            reader.end()
        except Malformed:
            return None
        if data[0] != consts.MSG_REQUEST:
            return None
        match request:
            case (
                consts.HANDLE_CALL,
                (consts.LABEL_TUPLE, (method, (consts.LABEL_VALUE, (*args,)), (consts.LABEL_VALUE, ()))),
            ):
                return self._short_call(seq, method, args)
            case (int(handler), (consts.LABEL_TUPLE, (*packed,)) as arguments) if handler in _SHORT:
                if all(map(_is_at_hand, packed)):
                    return ShortRequest(seq, partial(self._run, handler, arguments), writes=False)
        return None

    def _short_call(self, seq: int, method: Any, args: Sequence[Any]) -> ShortRequest | None:
        match method:
            case (consts.LABEL_LOCAL_REF, id_pack) if id_pack in self._short_calls:
                name, service = self._short_calls[id_pack], self._local_root
                with suppress(KeyError):  # which the client has let go of
                    if service.is_short(name, args):
                        run = partial(self._local_objects[id_pack], *args)
                        return ShortRequest(seq, run, service.SHORT_CALLS[name])
        return None

    def answer(self, request: ShortRequest) -> bytes:
        """Run a request and return the message that answers it."""
        kind, answer = self._outcome(request.run)
        try:
            return _message(kind, request.seq, answer)
        except ValueError as error:  # a text or a number that cannot be written
            return self.refuse(request, error)

    def refuse(self, request: ShortRequest, error: Exception) -> bytes:
        """Return the message that answers a request with an error."""
        return _message(consts.MSG_EXCEPTION, request.seq, _boxed(self._told(error)))

    def trust(self) -> None:
        """Take larger frames from now on: the client has logged in."""
        self.is_trusted = True
        self._channel.max_frame = MAX_BULK_FRAME

    # --- the requests

    def _handle_ping(self, data: Any) -> Any:
        if not is_plain(data):
            raise _NoSuchCall
        return data

    def _handle_del(self, obj: Any, count: Any = 1) -> None:
        if type(count) is int and count > 0 and (obj is self._local_root or obj in self._methods.values()):
            self._local_objects.decref(get_id_pack(obj), count)

    def _handle_getattr(self, obj: Any, name: Any) -> Callable[..., Any]:
        method = self._methods.get(name.removeprefix("exposed_")) if isinstance(name, str) else None
        if obj is not self._local_root or method is None:
            raise _NoSuchCall
        return method

    def _handle_call(self, obj: Any, args: Any, kwargs: Any = ()) -> Any:
        if not any(obj is method for method in self._methods.values()):
            raise _NoSuchCall
        match args, kwargs:
            case (*_,), (*pairs,) if all(map(_is_named, pairs)):
                return obj(*args, **dict(pairs))
        raise CallError("The arguments of a call must be a tuple of values and one of names with values")

    def _handle_callattr(self, obj: Any, name: Any, args: Any, kwargs: Any = ()) -> Any:
        return self._handle_call(self._handle_getattr(obj, name), args, kwargs)

    def _handle_inspect(self, id_pack: Any) -> tuple[tuple[str, str], ...]:
        if id_pack != self._root_id:
            raise _NoSuchCall
        return tuple((name, "") for name in self._methods)

    def _unbox(self, package: Any) -> Any:
        match package:
            case (consts.LABEL_VALUE, value):
                return value
            case (consts.LABEL_TUPLE, (*items,)):
                return tuple([self._unbox(item) for item in items])
            case (consts.LABEL_LOCAL_REF, tuple(id_pack)):
                try:
                    return self._local_objects[id_pack]
                except KeyError:
                    raise _NoSuchCall from None
            case (consts.LABEL_REMOTE_REF, (str(name), int(class_id), int(object_id))) if name == _DATETIME:
                if not self._is_asking:  # one time a request
                    return self._text_of(_Time(self, (name, class_id, object_id)))
        raise CallError("Objects cannot be passed to this server, only numbers, texts and None")

    def _text_of(self, when: _Time) -> str:
        """Ask the client for the text of its `datetime`, which plain RPyC passes as a reference."""
        patience, self._channel.patience = self._channel.patience, _DATETIME_SECONDS
        self._is_asking = True
        try:
            # Of all methods of a datetime, clients let others call this one.
            answer = self.async_request(consts.HANDLE_STR, when, timeout=_DATETIME_SECONDS)
            answer.wait()
            text = None if answer.error else answer.value
            self.async_request(consts.HANDLE_DEL, when, 1)
        except EOFError:
            raise
        except Exception:  # noqa: BLE001 - whatever the client made of it
            text = None
        finally:
            self._is_asking = False
            self._channel.patience = patience
        if type(text) is not str or len(text) > _MAX_TIME:
            raise CallError("This time cannot be read: pass it as an ISO 8601 text")
        return text

    def _unbox_exc(self, _raw: Any) -> Error:
        return CallError("The client could not answer")  # RPyC's own makes classes of what the client sends

    def _told(self, error: Exception) -> Error | _NoSuchCall:
        """Return what a client is told of an error."""
        if isinstance(error, StoreError):  # whose text names files
            return type(error)(f"The server cannot use its database ({self._logged(error)}): try again later")
        if isinstance(error, Error | _NoSuchCall):
            return error
        return InternalError(f"Internal error {self._logged(error)}: tell whoever runs the server")

    @staticmethod
    def _logged(error: BaseException) -> str:
        """Log an error with all its details; return the id that it can be found by."""
        correlation_id = secrets.token_hex(4)
        _log.error("internal error %s", correlation_id, exc_info=error)
        return correlation_id


def _is_named(pair: object) -> bool:
    return isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)


def _boxed(error: Error | _NoSuchCall) -> tuple[Any, ...]:
    """Write an error as RPyC does, with nothing in it but its class and its text."""
    if isinstance(error, _NoSuchCall):  # RPyC's own word for it, which its clients know
        return ("builtins", "AttributeError"), ("There is no such call",), (), ""
    text = str(error).encode("utf-8", "backslashreplace").decode()
    return (type(error).__module__, type(error).__name__), (text,), (("code", error.code),), ""


def _is_at_hand(package: object) -> bool:
    return isinstance(package, tuple) and package[:1] in ((consts.LABEL_VALUE,), (consts.LABEL_LOCAL_REF,))


def _message(kind: int, seq: int, answer: Any) -> bytes:
    message: bytes = bytes([kind]) + brine.dump((seq, answer))
    return message


def refusal(error: Error) -> bytes:
    """Return a frame that answers the first request of a client, whatever it will be, with an error."""
    return framed(_message(consts.MSG_EXCEPTION, 0, _boxed(error)))  # RPyC numbers requests from 0
