"""The two ends of a connection: RPyC's, with all taken away that a meter server has no use for.

RPyC trusts its peer: it passes objects by reference, calls back, and lets either side call a long list of methods on
whatever it holds. Here plain values cross, the server answers a short list of requests for a fixed list of names, the
client answers none, and whoever asks for anything else is hung up on.
"""

import logging
import secrets
from collections.abc import Callable
from typing import Any

from rpyc.core import brine, consts, netref
from rpyc.core.protocol import Connection
from rpyc.lib import get_id_pack

from metermt.errors import CallError, Error, InternalError, StoreError
from metermt.transport.frames import BoundedChannel
from metermt.transport.plainvalues import Malformed, PlainReader, is_plain
from metermt.wire import error_of

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


class Violation(EOFError):
    """The peer sent what none of ours sends; the connection is closed."""


class _NoSuchCall(AttributeError):
    """A name or an object that is not exposed."""


class _End(Connection):  # type: ignore[misc]  # rpyc has no type information
    """What both ends have in common."""

    def close(self) -> None:
        """Hang up without a word: RPyC's own close asks the peer first, which may be frozen."""
        if not self._closed:
            self._cleanup()

    def _dispatch(self, data: bytes) -> None:
        reader = PlainReader(data[1:])
        try:
            reader.begin_pair()
            seq = reader.value()
            if type(seq) is not int:
                raise Malformed
            self._dispatch_message(data[0], seq, reader)
        except Malformed:
            raise Violation("malformed bytes") from None

    def _dispatch_message(self, kind: int, seq: int, reader: PlainReader) -> None:
        raise NotImplementedError

    def _dispatch_answer(self, kind: int, seq: int, reader: PlainReader) -> None:
        """Hand an answer to whoever asked. An answer that nobody waits for is let go."""
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


class ClientEnd(_End):
    """The client's end. It answers nothing; the only objects it knows are the server's root and its methods."""

    def _dispatch_message(self, kind: int, seq: int, reader: PlainReader) -> None:
        if kind == consts.MSG_REQUEST:
            raise Violation("a request, to a client")
        self._dispatch_answer(kind, seq, reader)

    def _netref_factory(self, id_pack: tuple[str, int, int]) -> netref.BaseNetref:
        return netref.BaseNetref(self, id_pack)  # RPyC's own asks the server for a list of methods first

    def _unbox(self, package: Any) -> Any:
        match package:
            case (consts.LABEL_VALUE, value):
                return value
            case (consts.LABEL_REMOTE_REF, (str(), int(), int())):  # the root, or one of its methods
                return super()._unbox(package)
        raise ValueError

    def _unbox_exc(self, raw: Any) -> Error:
        match raw:
            case ((_, "AttributeError"), _, _, _):
                return CallError("This server does not know that call: is it older than this client?")
            case (_, (str(text), *_), (*attributes,), _):
                codes = [pair[1] for pair in attributes if isinstance(pair, tuple) and pair[:1] == ("code",)]
                return error_of(str(codes[0]) if codes else "", text)
        raise ValueError


class ServerEnd(_End):
    """The server's end of the connection of one client. Its root is the service."""

    def __init__(self, root: Any, channel: BoundedChannel, config: dict[str, Any]) -> None:
        super().__init__(root, channel, config)
        self._root_id = get_id_pack(root)
        self._is_asking = False  # for the text of a time
        self._methods: dict[str, Callable[..., Any]] = root.methods()  # made once, however often fetched

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
                self._answer(seq, handler, arguments)
            case _:
                raise Violation("a request of a kind that is not answered")

    def _answer(self, seq: int, handler: int, packed: Any) -> None:
        kind = consts.MSG_EXCEPTION
        try:
            arguments = self._unbox(packed)
            least, most = _ARGUMENTS[handler]
            if not (isinstance(arguments, tuple) and least <= len(arguments) <= most):
                raise CallError("A request has the wrong number of arguments")
            answer = self._box(self._HANDLERS[handler](self, *arguments))
            kind = consts.MSG_REPLY
        except EOFError:
            raise
        except Exception as error:  # noqa: BLE001 - all that can be said of it is said in _told
            answer = _boxed(self._told(error))
        try:
            self._send(kind, seq, answer)
        except ValueError as error:  # a text or a number that cannot be written, found before anything was sent
            self._send(consts.MSG_EXCEPTION, seq, _boxed(self._told(error)))

    def allow_frames_of(self, size: int) -> None:
        """Take frames of up to so many bytes from now on."""
        self._channel.max_frame = size

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
                    return self._text_of(netref.BaseNetref(self, (name, class_id, object_id)))
        raise CallError("Objects cannot be passed to this server, only numbers, texts and None")

    def _text_of(self, when: netref.BaseNetref) -> str:
        """Ask the client for the text of its `datetime`, which plain RPyC passes as a reference."""
        patience, self._channel.patience = self._channel.patience, _DATETIME_SECONDS
        self._is_asking = True
        try:
            answer = self.async_request(consts.HANDLE_STR, when, timeout=_DATETIME_SECONDS)
            text = answer.value  # of all methods of a datetime, clients let others call this one
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


def refusal(error: Error) -> bytes:
    """Return a frame that answers the first request of a client, whatever it will be, with an error."""
    message = bytes([consts.MSG_EXCEPTION]) + brine.dump((0, _boxed(error)))  # RPyC numbers requests from 0
    header: bytes = BoundedChannel.FRAME_HEADER.pack(len(message), 0)
    return header + message + BoundedChannel.FLUSHER  # type: ignore[no-any-return]
