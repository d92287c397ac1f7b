"""What a meter server lets the other side call: plain values in, plain values out, safe errors."""

import functools
import inspect
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import get_native_id
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

import rpyc

from metermt.config import SERVICE
from metermt.errors import CallError, Error, LoginError
from metermt.manager import Manager
from metermt.transport.plainvalues import is_plain
from metermt.transport.serverend import ServerEnd
from metermt.wire import jobs_to_text, outcomes_to_text, rows_from_text

_log = logging.getLogger("metermt.service")

_BEHIND = 10  # of 19 steps
_MAX_SESSIONS = 100  # of one connection; a program that goes through more is odd

P = ParamSpec("P")
R = TypeVar("R")


def plain(
    method: Callable[Concatenate["MeterService", P], R],
) -> Callable[Concatenate["MeterService", P], R]:
    """Let only plain values in and out of an exposed method; tell a wrong call from a fault of ours."""
    signature = inspect.signature(method)
    takes_session = "session_id" in signature.parameters
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
        if takes_session:
            self.remember(str(args[0] if args else kwargs["session_id"]))
        return result

    return checked


class MeterService(rpyc.Service):  # type: ignore[misc]  # rpyc has no type information
    """The exposed calls, one service object a connection. What each does and raises stands in `Manager`.

    `get_job`, `submit_reading`, `get_status` and `login` are the calls of the original service. The others are what
    `metermt.client.MeterClient` uses; texts are those of `metermt.wire`.
    """

    ALIASES = (SERVICE,)
    SHORT_CALLS: ClassVar = {
        "get_job": True,
        "get_jobs": True,
        "submit_reading": True,
        "submit_and_next": True,
        "logout": True,
        "get_status": False,
        "ping": False,
    }
    """The calls that take no time, and whether they write into the store."""
    _FEW_JOBS = 20
    _protocol = ServerEnd

    def __init__(self, manager: Manager, address: str, certified_name: str | None = None) -> None:
        self._manager = manager
        self._address = address
        self._certified_name = certified_name  # from the client's certificate; None if it has shown none
        self._session_ids: set[str] = set()  # those that this connection has used
        self._end: ServerEnd | None = None

    def on_connect(self, end: ServerEnd) -> None:
        """Remember the connection, to trust it more after a login."""
        self._end = end

    @classmethod
    def is_short(cls, name: str, args: Sequence[Any]) -> bool:
        """Tell whether one of the short calls is short with these arguments."""
        return name != "get_jobs" or (len(args) == 2 and type(args[1]) is int and args[1] <= cls._FEW_JOBS)

    def forget_sessions(self) -> None:
        """Leave their jobs to the sessions that this connection has used, and not to their readers."""
        self._session_ids.clear()

    def methods(self) -> dict[str, Callable[..., Any]]:
        """Return the calls by their names, bound to this connection."""
        return {name.removeprefix("exposed_"): getattr(self, name) for name in _EXPOSED}

    def on_disconnect(self, _end: ServerEnd) -> None:
        """Leave what these sessions hold to their readers."""
        self._end = None
        try:
            self._manager.connection_ended(self._session_ids)
        except Error:
            _log.exception("the jobs of a lost connection stay with its session until their leases end")

    def remember(self, session_id: str) -> None:
        """Note a valid session: it may send in bulk, and its jobs are left to its reader when this connection ends."""
        if self._end:
            self._end.trust()
        if len(self._session_ids) < _MAX_SESSIONS:
            self._session_ids.add(session_id)

    @plain
    def exposed_login(self, username: str, password: str) -> tuple[str, str]:
        if self._certified_name is not None and str(username).strip().lower() != self._certified_name:
            raise LoginError(f"Your certificate is for {self._certified_name}: log in by that name")
        _step_back()
        session_id, full_name = self._manager.login(username, password, self._address)
        self.remember(session_id)
        return session_id, full_name

    @plain
    def exposed_logout(self, session_id: str) -> None:
        self._manager.logout(session_id)

    @plain
    def exposed_get_job(self, session_id: str) -> str | None:
        return self._manager.get_job(session_id)

    @plain
    def exposed_get_jobs(self, session_id: str, n: int) -> str:
        return jobs_to_text(self._manager.get_jobs(session_id, n))

    @plain
    def exposed_submit_reading(
        self, session_id: str, meter: str, when: str, reading: int, reason: str = "", key: str | None = None
    ) -> None:
        self._manager.submit_reading(session_id, meter, when, reading, reason, key)

    @plain
    def exposed_submit_and_next(
        self, session_id: str, meter: str, when: str, reading: int, reason: str = "", key: str | None = None
    ) -> tuple[int, int, str]:
        status, job = self._manager.submit_and_next(session_id, meter, when, reading, reason, key)
        return status.count, status.total, jobs_to_text([job] if job else [])

    @plain
    def exposed_submit_readings(self, session_id: str, rows: str) -> str:
        return outcomes_to_text(self._manager.submit_readings(session_id, rows_from_text(rows)))

    @plain
    def exposed_get_status(self, session_id: str) -> tuple[int, int]:
        status = self._manager.get_status(session_id)
        return status.count, status.total

    @plain
    def exposed_ping(self) -> None:
        """Answer."""


def _step_back() -> None:
    """Let other threads go first for the rest of this one, which is to hash a password, and ends soon after."""
    if sys.platform == "linux":  # elsewhere threads have no priority of their own
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, get_native_id(), _BEHIND)


_EXPOSED = [name for name in vars(MeterService) if name.startswith("exposed_")]
