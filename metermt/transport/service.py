"""What a meter server lets the other side call: plain values in, plain values out, safe errors."""

import functools
import inspect
import logging
import secrets
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import rpyc
from rpyc.core import consts, netref
from rpyc.core.protocol import Connection

from metermt.config import SERVICE
from metermt.errors import CallError, Error, InternalError
from metermt.manager import Manager
from metermt.transport.deadline import Deadline
from metermt.wire import jobs_to_text, outcomes_to_text, rows_from_text

_log = logging.getLogger("metermt.service")

_PLAIN = (type(None), bool, int, float, str, bytes)
_DATETIME = "datetime.datetime"
_DATETIME_SECONDS = 2.0  # a client answers this in one round trip; its thread here waits for nothing else

P = ParamSpec("P")
R = TypeVar("R")


def is_plain(value: object) -> bool:
    """Tell whether a value crosses by itself, not as a handle on an object that stays here."""
    if type(value) is tuple:
        return all(map(is_plain, value))
    return type(value) in _PLAIN


def plain(
    method: Callable[Concatenate["MeterService", P], R],
) -> Callable[Concatenate["MeterService", P], R]:
    """Let only plain values in and out of an exposed method; tell a wrong call from a fault of ours."""
    signature = inspect.signature(method)
    name = method.__name__.removeprefix("exposed_")

    @functools.wraps(method)
    def checked(self: "MeterService", /, *args: P.args, **kwargs: P.kwargs) -> R:
        if not is_plain(args) or not all(map(is_plain, kwargs.values())):
            raise CallError(f"{name} takes plain values only: numbers, texts, None")
        try:
            result = method(self, *args, **kwargs)
        except TypeError:
            try:
                signature.bind(self, *args, **kwargs)
            except TypeError as wrong:
                raise CallError(f"{name}: {wrong}") from None
            raise
        assert is_plain(result), f"{name} would hand out a live object"
        return result

    return checked


class ServerEnd(Connection):  # type: ignore[misc]  # rpyc has no type information
    """The server's end of a connection: takes no objects of the client's, gives away nothing but safe text."""

    def close(self) -> None:
        """Hang up without a word."""
        if not self._closed:  # RPyC's own close asks the client first, which may be frozen
            self._cleanup()

    def _unbox(self, package: Any) -> Any:
        label, value = package
        if label == consts.LABEL_TUPLE:
            return tuple(map(self._unbox, value))
        if label != consts.LABEL_REMOTE_REF:
            return super()._unbox(package)
        if value[0] != _DATETIME:
            raise CallError("Objects cannot be passed to this server, only numbers, texts and None")
        return self._text_of(netref.BaseNetref(self, (str(value[0]), value[1], value[2])))

    def _text_of(self, when: netref.BaseNetref) -> str:
        """Ask the client for the text of its `datetime`, which plain RPyC passes as a reference."""
        stream = self._channel.stream
        stream.deadline = Deadline(_DATETIME_SECONDS)
        try:
            text = self.async_request(consts.HANDLE_STR, when).value  # clients let nobody call isoformat
        except EOFError:
            raise
        except Exception:  # noqa: BLE001 - whatever the client made of it
            text = None
        finally:
            stream.deadline = None
        if type(text) is not str:
            raise CallError("This time cannot be read: pass it as an ISO 8601 text")
        return text

    def _box_exc(self, typ: type, value: BaseException, traceback: object) -> tuple[Any, ...]:
        if isinstance(value, AttributeError):  # what RPyC raises for a name that is not exposed
            return ("builtins", "AttributeError"), ("There is no such call",), (), ""
        if not isinstance(value, Error):
            correlation_id = secrets.token_hex(4)
            _log.error("internal error %s", correlation_id, exc_info=(typ, value, traceback))  # type: ignore[arg-type]
            value = InternalError(f"Internal error {correlation_id}: tell whoever runs the server")
        return (type(value).__module__, type(value).__name__), (str(value),), (("code", value.code),), ""


class MeterService(rpyc.Service):  # type: ignore[misc]  # rpyc has no type information
    """The exposed calls, one service object a connection. What each does and raises stands in `Manager`.

    `get_job`, `submit_reading`, `get_status` and `login` are the calls of the original service. The others are what
    `metermt.client.MeterClient` uses; texts are those of `metermt.wire`.
    """

    ALIASES = (SERVICE,)
    _protocol = ServerEnd

    def __init__(self, manager: Manager, address: str) -> None:
        self._manager = manager
        self._address = address
        self._session_ids: set[str] = set()  # those that this connection has used

    def on_disconnect(self, _connection: Connection) -> None:
        """Leave what these sessions hold to their readers."""
        try:
            self._manager.connection_ended(self._session_ids)
        except Error:
            _log.exception("the jobs of a lost connection stay with its session until their leases end")

    @plain
    def exposed_login(self, username: str, password: str) -> tuple[str, str]:
        session_id, full_name = self._manager.login(username, password, self._address)
        return self._used(session_id), full_name

    @plain
    def exposed_logout(self, session_id: str) -> None:
        self._manager.logout(session_id)

    @plain
    def exposed_get_job(self, session_id: str) -> str | None:
        return self._manager.get_job(self._used(session_id))

    @plain
    def exposed_get_jobs(self, session_id: str, n: int) -> str:
        return jobs_to_text(self._manager.get_jobs(self._used(session_id), n))

    @plain
    def exposed_submit_reading(
        self, session_id: str, meter: str, when: str, reading: int, reason: str = "", key: str | None = None
    ) -> None:
        self._manager.submit_reading(self._used(session_id), meter, when, reading, reason, key)

    @plain
    def exposed_submit_and_next(
        self, session_id: str, meter: str, when: str, reading: int, reason: str = "", key: str | None = None
    ) -> tuple[int, int, str]:
        status, job = self._manager.submit_and_next(self._used(session_id), meter, when, reading, reason, key)
        return status.count, status.total, jobs_to_text([job] if job else [])

    @plain
    def exposed_submit_readings(self, session_id: str, rows: str) -> str:
        return outcomes_to_text(self._manager.submit_readings(self._used(session_id), rows_from_text(rows)))

    @plain
    def exposed_get_status(self, session_id: str) -> tuple[int, int]:
        status = self._manager.get_status(self._used(session_id))
        return status.count, status.total

    @plain
    def exposed_ping(self) -> None:
        """Answer."""

    def _used(self, session_id: str) -> str:
        if isinstance(session_id, str) and len(self._session_ids) < 100:  # a program that goes through more is odd
            self._session_ids.add(session_id)
        return session_id
