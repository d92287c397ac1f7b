"""The client: what every program that talks to a meter server uses."""

import random
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from math import isfinite
from pathlib import Path
from threading import Lock
from types import NoneType
from typing import Self, TypeVar

from metermt.calls import readings, rounds, sessions
from metermt.calls.readings import Next
from metermt.calls.table import MAX_ITEMS, Call
from metermt.config import PORT, check_port
from metermt.discovery import ANSWER_SECONDS, Registry
from metermt.errors import (
    CallError,
    ConnectionFailed,
    Error,
    ServerBusy,
    ServerLost,
    ServerUnreachable,
    SessionError,
    SettingError,
    TlsError,
)
from metermt.model import Answer, Job, Status
from metermt.rules.answers import shown
from metermt.transport.connection import ServerConnection
from metermt.transport.deadline import Deadline
from metermt.transport.tls import ClientTls
from metermt.transport.tunnel import SshTunnel
from metermt.version import PROTOCOL, VERSION

Q = TypeVar("Q")
R = TypeVar("R")

TIMEOUT = 10.0
"""Seconds that a call may take unless told otherwise, reconnecting included."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0  # seconds between two tries to reconnect; each is twice the one before
_SENDABLE = (str, int, NoneType)
_STEP = 1.0  # seconds that one of several servers of a name may take to answer before the next is tried


def new_key() -> str:
    """Return a key for one submission. Sending a submission again under its key counts once."""
    # The time comes first, so that the database's index of keys grows at its end: with keys in no order each reading
    # would be written into a page of its own.
    return f"{time.time_ns():016x}{secrets.token_hex(8)}"


class MeterClient:
    """A reader's conversation with a meter server.

    Each call is one request and ends within `timeout` seconds. When the connection is refused or breaks, the call
    reconnects with growing pauses and tries again until then; a submission carries a key, so it never counts twice.
    With a `service` name the server is looked up in the `registry` (`HOST`, `HOST:PORT`, or either with `tcp:` before
    it) whenever it connects: the servers of that name are tried in random order, and `host` and `port` tell which one
    it is.
    With `tls_ca`, a PEM file of the authority that signed the server's certificate, the link is encrypted and the
    server must prove that it is `host`, or `service`; `tls_cert`, a PEM file with certificate and key, is shown to
    servers that ask for one. With `ssh`, `USER@HOST`, the system's `ssh` logs in there and reaches `host` and `port`
    from there.
    All calls may be made from any thread; they take turns. Besides what is named with each, any call raises
    `ConnectionFailed` (`ServerUnreachable`, `ServerLost`, `DeadlineExceeded`) and `InternalError`, and those but
    `login` and `ping` raise `SessionError` without a login.
    """

    def __init__(
        self,
        host: str = "localhost",
        port: int = PORT,
        *,
        service: str | None = None,
        registry: str | None = None,
        tls_ca: Path | str | None = None,
        tls_cert: Path | str | None = None,
        ssh: str | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        """Connect. Raises `ConnectionFailed` or `SettingError`."""
        self.host, self.port = host, check_port(port)
        self.timeout = timeout
        self._service = service
        self._registry = Registry.parse(registry or "localhost")
        self._tls = _client_tls(tls_ca, tls_cert)
        if ssh and service:
            raise SettingError("A server is reached by name or through SSH, not both: say its host and port")
        self._ssh = ssh
        self._tunnel: SshTunnel | None = None
        self._session_id = ""
        self._lock = Lock()  # guards _connection; held for the whole of a call
        self._connection: ServerConnection | None = None
        self._connect(Deadline(timeout))

    # --- the calls

    def call(self, call: Call[Q, R], request: Q) -> R:
        """Make any call of the table (see `metermt.calls`), and return its result."""
        return self._call(call, request)

    def login(self, username: str, password: str) -> str:
        """Log in and return the user's full name. Raises `LoginError`."""
        found = self._call(sessions.login, sessions.Login(username, password))
        self._session_id = found.session_id
        return found.full_name

    def logout(self) -> None:
        """Log out. Doing so twice, or without a login, is harmless."""
        try:
            self._call(sessions.logout, None)
        except SessionError:
            pass
        finally:
            self._session_id = ""

    def hello(self) -> sessions.Welcome:
        """Return the versions of the server, and its time."""
        return self._call(sessions.hello, sessions.Hello(VERSION, PROTOCOL))

    def get_job(self) -> Job | None:
        """Return the job to do next, None when all are done or in other hands. Asking twice gives the same."""
        return self._call(rounds.next_job, None)

    def get_jobs(self, n: int) -> list[Job]:
        """Return up to `n` jobs, from 1 to 1,000, to be read where there is no network."""
        return self._call(rounds.get_jobs, rounds.JobsWanted(n))

    def submit_reading(
        self,
        meter: str,
        reading: int | None,
        reason: str = "",
        when: datetime | str | None = None,
        key: str | None = None,
    ) -> None:
        """Send a reading of the meter of this number, or -1 and a reason why there is none.

        `when` is when the meter was read, now if it is None; without an offset it is in this machine's local time
        if it is a `datetime` and in the server's if it is an ISO 8601 text. `key` is one of `new_key`, made here if
        it is None. Raises `SubmissionError`, and then the server has changed nothing.
        """
        self._call(readings.submit_reading, _to_send(Answer(meter, reading, reason, when, key)))

    def submit_and_next(self, answer: Answer) -> Next:
        """Send an answer as `submit_reading` does; return the status and the next job, in one request."""
        return self._call(readings.submit_and_next, _to_send(answer))

    def submit_readings(self, answers: Iterable[Answer]) -> list[Error | None]:
        """Send many answers and tell of each its error, or None when it was accepted.

        They go out 1,000 a call; when a call raises, those before it have been accepted, and all may be sent again if
        they have keys.
        """
        outcomes: list[Error | None] = []
        for some in _in_parts(answers):
            told = self._call(readings.submit_readings, readings.Answers([_to_send(answer) for answer in some]))
            if len(told) != len(some):
                raise CallError(f"The other side sent {len(told)} outcomes of {len(some)} readings")
            outcomes += told
        return outcomes

    def get_status(self) -> Status:
        """Return how many meters of the open cycles this user has read, and all have."""
        return self._call(readings.get_status, None)

    def ping(self) -> float:
        """Return how long the server took to answer, in seconds."""
        started = time.perf_counter()
        self._call(sessions.ping, None)
        return time.perf_counter() - started

    def close(self) -> None:
        """Hang up. The session lives on; `logout` ends it. Closing twice is harmless."""
        with self._lock:
            self._hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    # --- parts

    def _call(self, call: Call[Q, R], request: Q) -> R:
        args = call.told(self._session_id, request)
        deadline = Deadline(self.timeout)
        with self._turn(deadline):
            pause = _FIRST_PAUSE
            while True:
                try:
                    return call.result_of(self._connect(deadline).call(call.name, args, deadline))
                except (ServerUnreachable, ServerBusy, ServerLost):
                    self._hang_up()
                    pause *= random.uniform(1.5, 2.5)  # noqa: S311 - so that a crew does not come back in one rush
                    time.sleep(min(pause, _LONGEST_PAUSE, deadline.left))
                    if not deadline.left:
                        raise
                except ConnectionFailed:
                    self._hang_up()
                    raise

    @contextmanager
    def _turn(self, deadline: Deadline) -> Iterator[None]:
        if not self._lock.acquire(timeout=deadline.left):
            raise deadline.exceeded()
        try:
            yield
        finally:
            self._lock.release()

    def _connect(self, deadline: Deadline) -> ServerConnection:
        if self._connection is None:
            if self._service:
                self._connection = self._found(self._service, deadline)
            elif self._ssh:
                self._tunnel = SshTunnel(self._ssh, self.host, self.port, deadline)
                self._connection = ServerConnection("localhost", self._tunnel.port, deadline, self._tls, self.host)
            else:
                self._connection = ServerConnection(self.host, self.port, deadline, self._tls)
            if self._session_id:  # a server takes bulk only from a connection that has shown a session
                with suppress(SessionError):
                    self._connection.call(readings.get_status.name, (self._session_id,), deadline)
        return self._connection

    def _found(self, service: str, deadline: Deadline) -> ServerConnection:
        """Connect to any server of this name that answers."""
        places = self._registry.servers(service, min(ANSWER_SECONDS, deadline.check()))
        random.shuffle(places)
        distrusted: TlsError | None = None
        for host, port in places:
            step = Deadline(min(_STEP, deadline.check()))
            try:
                connection = ServerConnection(host, port, step, self._tls, name=service)
            except TlsError as error:
                distrusted = error
                continue
            except ConnectionFailed:
                continue
            try:
                connection.call(sessions.ping.name, (), step)  # one that is frozen still accepts connections
            except Error:
                connection.close()
                continue
            self.host, self.port = host, port
            return connection
        if distrusted:
            raise distrusted
        tried = ", ".join(f"{host}:{port}" for host, port in places) or "none is registered"
        raise ServerUnreachable(f"No server of the name {service} answers; tried: {tried}")

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._tunnel is not None:
            self._tunnel.close()
            self._tunnel = None


connect = MeterClient
"""What programs call: `metermt.connect("meter.example.org")`."""


def _client_tls(tls_ca: Path | str | None, tls_cert: Path | str | None) -> ClientTls | None:
    if tls_ca is None:
        if tls_cert is not None:
            raise SettingError("A client certificate needs TLS: give the server's authority too, with --tls-ca")
        return None
    return ClientTls(Path(tls_ca), Path(tls_cert) if tls_cert else None)


def _to_send(answer: Answer) -> Answer:
    """Return an answer with its time and its key in it."""
    when = datetime.now(UTC) if answer.when is None else answer.when
    if isinstance(when, datetime):
        with suppress(OverflowError):  # at the ends of the calendar; the server refuses it
            when = when.astimezone(UTC)
        when = when.isoformat(timespec="seconds")
    key = new_key() if answer.key is None else answer.key
    said = (answer.meter, answer.value, answer.reason, when, key)
    for part in said:
        if not (isinstance(part, _SENDABLE) or (isinstance(part, float) and isfinite(part))):  # JSON would change it
            raise CallError(f"Only numbers, texts and None can be sent to a server, not {shown(part)}")
    return Answer(*said)


def _in_parts(answers: Iterable[Answer]) -> Iterator[list[Answer]]:
    rest = iter(answers)
    while some := list(islice(rest, MAX_ITEMS)):
        yield some
