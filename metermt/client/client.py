"""The client: what every program that talks to a meter server uses."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any, Self, TypeVar

from metermt.calls import accounts, found, left, notes, readings, rounds, sessions
from metermt.calls.asking import Call
from metermt.calls.officecalls import OfficeCalls
from metermt.calls.readercalls import ReaderCalls
from metermt.calls.readings import Next
from metermt.calls.table import in_parts
from metermt.client.outboxes import ClientOutbox
from metermt.client.reaching import Connection, first_connection, way_to
from metermt.client.sending import to_send
from metermt.errors import (
    CallError,
    ConnectionFailed,
    DeadlineExceeded,
    Error,
    ServerBusy,
    ServerLost,
    ServerUnreachable,
    SessionError,
    StoreAway,
)
from metermt.model import Answer, Job, Status
from metermt.printable import printable
from metermt.transport.deadline import Deadline
from metermt.transport.pauses import Pauses
from metermt.version import PROTOCOL, VERSION

Q = TypeVar("Q")
R = TypeVar("R")

TIMEOUT = 10.0
"""Seconds that a call may take unless told otherwise, reconnecting included."""

_LOOKS_ELSEWHERE = 2.0  # seconds that may go by with asking the other servers when the database is away
_PASSING = (ServerUnreachable, ServerBusy, ServerLost, DeadlineExceeded, StoreAway)
"""What may be over when the call is made again, or is not so at another server."""


class MeterClient(ReaderCalls, OfficeCalls):
    """A conversation with a meter server, of a reader or of the office.

    Each call is one request and ends within `timeout` seconds. When the connection is refused or breaks, or the server
    says that its database is away, the call is made again with growing pauses until then; a submission carries a key,
    and so does a batch for billing, so it never counts twice.

    The server is the one at `host` ("localhost") and `port` (11003). A `host` that is a URL, `http://HOST:PORT` or
    `https://…`, is its door for HTTP. With `ssh`, `USER@HOST`, the system's `ssh` logs in there and reaches `host` and
    `port` from there. Two ways to a server are refused.

    Several servers that share a database are given as `servers`, `["HOST:PORT", …]`, the port as above and an IPv6
    address in brackets; or as a `service`, a name that is looked up in the `registry` (`HOST`, `HOST:PORT`, or either
    with `tcp:` before it; several with commas between) whenever the client connects, or if none answers where it was
    found last. It begins with any of them and stays with it as long as the connection works; then it goes on to the
    next one of the list, or to any other of that name. `host` and `port` tell which one it is. A server that does not
    answer while it is connected to is left after a second, and one that falls silent during a call after two and a
    half, unless it shows on another connection that it is still there. Then it has its share of the time: with two
    servers half of `timeout`.

    With `tls_ca`, a PEM file of the authority that signed the server's certificate, the link is encrypted and the
    server must prove that it is the host that was called, or `service`; `tls_cert`, a PEM file with certificate and
    key, is shown to servers that ask for one.

    With `outbox`, a folder, or True for the one of this user of this machine, each answer is on the disk before it is
    sent, and stays until the server has accepted it or it was thrown away: a program that is killed loses nothing. It
    belongs to whoever has logged in, and to what the server was asked for by. The attribute `outbox` has what is there.
    What the disk does not take is sent all the same, and the log has a warning.

    All calls may be made from any thread; they take turns. A client that was closed raises `CallError`. Besides what is
    named with each, any call raises `ConnectionFailed` (`ServerUnreachable`, `ServerLost`, `DeadlineExceeded`),
    `StoreAway` and `InternalError`, and those but `login` and `ping` raise `SessionError` without a login, or
    `AccountDisabled` when the office has disabled the account.
    """

    def __init__(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        servers: str | Iterable[str] | None = None,
        service: str | None = None,
        registry: str | None = None,
        tls_ca: Path | str | None = None,
        tls_cert: Path | str | None = None,
        ssh: str | None = None,
        timeout: float = TIMEOUT,
        outbox: Path | str | bool = False,
    ) -> None:
        """Connect; a single server that hangs up before an encrypted link stands is tried again within `timeout`.

        Raises `ConnectionFailed` or `SettingError`; with several servers also `StoreAway`.
        """
        self.timeout = timeout
        self._way = way_to(
            host, port, servers=servers, service=service, registry=registry, tls_ca=tls_ca, tls_cert=tls_cert, ssh=ssh
        )
        self.outbox = ClientOutbox(outbox, self._way.name)
        self._session_id = ""
        self._is_closed = False
        self._lock = Lock()  # guards the two below; held for the whole of a call
        self._connection: Connection | None = first_connection(self._way, Deadline(timeout))
        self._session_is_shown = True  # on this connection, as far as there is a session

    @property
    def host(self) -> str:
        """The host of the server that was connected to last."""
        return self._way.host

    @property
    def port(self) -> int:
        """The port of that server."""
        return self._way.port

    @property
    def username(self) -> str:
        """Who has logged in last, as the server writes them; empty before."""
        return self.outbox.username

    # --- the calls

    def call(self, call: Call[Q, R], request: Q) -> R:
        """Make any call of the table (see `metermt.calls`), and return its result."""
        return self._answer_to(call, request, Deadline(self.timeout))

    def _answer_to(self, call: Call[Q, R], request: Q, deadline: Deadline) -> R:
        args = call.told(self._session_id, request)
        with self._turn(deadline):
            if self._is_closed:
                raise CallError("This client was closed: connect again")
            pauses, failed = Pauses(deadline), 0
            told: Error | None = None  # by a server, of itself
            while True:
                try:
                    return call.result_of(self._try(call.name, args, deadline, failed))
                except _PASSING as error:
                    failed += 1
                    if not isinstance(error, StoreAway):
                        self._hang_up()
                    elif failed == 1 and self._way.count > 1:
                        self._change_over(deadline)
                    pauses.wait()
                    if isinstance(error, StoreAway | ServerBusy):
                        told = error
                    if deadline.left:
                        continue
                    if told and isinstance(error, DeadlineExceeded):  # the last try came too late to be told again
                        raise told from error
                    raise
                except (ConnectionFailed, KeyboardInterrupt):  # whose answer would come later
                    self._hang_up()
                    raise

    def login(self, username: str, password: str) -> str:
        """Log in and return the user's full name. Raises `LoginError`: also `TooManyFailures` and `AccountDisabled`."""
        welcome = self.call(sessions.login, sessions.Login(username, password))
        self._session_id = welcome.session_id
        self.outbox.username = username.strip().lower()
        return printable(welcome.full_name)

    def logout(self) -> None:
        """Log out. Doing so twice, or without a login, is harmless."""
        try:
            self.call(sessions.logout, None)
        except SessionError:
            pass
        finally:
            self._session_id = ""

    def farewell(self, seconds: float = 1.0) -> None:
        """Log out if the server answers within so many seconds; else the session expires by itself."""
        with suppress(Error):
            if self._session_id:
                self._answer_to(sessions.logout, None, Deadline(seconds))
        self._session_id = ""

    def change_password(self, old: str, new: str) -> str | None:
        """Change the password of who is logged in, and end their other sessions.

        Returns a warning, to be shown to them, if the new one is easily guessed: it is taken all the same. A wrong
        `old` one counts as two failed logins, as the new one is tried, too. Raises `LoginError`, or `UserError` if the
        new one cannot be used.
        """
        warning = self.call(accounts.change_password, accounts.ChangedPassword(old, new))
        return warning and printable(warning)

    def hello(self) -> sessions.Welcome:
        """Return the versions of the server, and its time."""
        return self.call(sessions.hello, sessions.Hello(VERSION, PROTOCOL))

    def get_job(self) -> Job | None:
        """Return the job to do next, None when there is none: `why_no_job` tells why. Asking twice gives the same."""
        return self.call(rounds.next_job, None)

    def why_no_job(self) -> left.Left:
        """Return what is left to be read, for a reader who was given no job; `in_words` tells it to people."""
        return self.call(left.why_no_job, None)

    def why_no_job_in_words(self) -> str:
        """Tell people why there is no job, and in a second line who has done how many, unless that is clear.

        Also where the server does not say, for it is gone by now, or too old.
        """
        try:
            left = self.why_no_job()
        except Error:
            return "There is no job for you now."
        return "\n".join(filter(None, (left.in_words(), left.tally_in_words())))

    def get_jobs(self, n: int) -> list[Job]:
        """Return up to `n` jobs, from 1 to 1,000, to be read where there is no network."""
        return self.call(rounds.get_jobs, rounds.JobsWanted(n))

    def submit_reading(
        self,
        meter: str,
        reading: int | None,
        reason: str = "",
        when: datetime | str | None = None,
        key: str | None = None,
        cycle: str | None = None,
        *,
        code: str | None = None,
    ) -> None:
        """Send a reading of the meter of this number, or -1 and a reason why there is none.

        `when` is when the meter was read, now if it is None; without an offset it is in this machine's local time
        if it is a `datetime` and in the server's if it is an ISO 8601 text. `key` is one of `new_key`, made here if
        it is None. `cycle` is that of the job; without it the reading is for the job that this reader was handed
        last. `code` is that of a reason on the office's list (`list_reasons`); one that is said by its text is found
        there. Raises `SubmissionError`, and then the server has changed nothing: `CycleClosed` if that cycle is closed;
        `ConfirmReading` if the reading is odd: have it looked at again, and send it again, for the same is taken then.
        """
        answer = to_send(Answer(meter, reading, reason, when, key, cycle, code=code))
        self.outbox.keep([answer])
        self.call(readings.submit_reading, answer)
        self.outbox.accepted([answer])

    def submit_and_next(self, answer: Answer) -> Next:
        """Send an answer as `submit_reading` does; return the status and the next job, in one request."""
        answer = to_send(answer)
        self.outbox.keep([answer])
        following = self.call(readings.submit_and_next, answer)
        self.outbox.accepted([answer])
        return following

    def submit_readings(self, answers: Iterable[Answer]) -> list[Error | None]:
        """Send many answers and tell of each its error, or None when it was accepted.

        They go out 1,000 a call; when a call raises, those before it have been accepted, and all may be sent again if
        they have keys.
        """
        outcomes: list[Error | None] = []
        for some in in_parts(map(to_send, answers)):
            self.outbox.keep(some)
            told = self.call(readings.submit_readings, readings.Answers(some))
            if len(told) != len(some):
                raise CallError(f"The other side sent {len(told)} outcomes of {len(some)} readings")
            self.outbox.accepted([answer for answer, error in zip(some, told, strict=True) if error is None])
            outcomes += told
        return outcomes

    def leave_note(self, meter: str, text: str) -> None:
        """Leave a note of up to 200 characters about a meter's place, for the next reader and the office.

        Raises `UnknownMeter`, or `InvalidReport` for what is no note.
        """
        self.call(notes.leave_note, notes.Noted(meter, text))

    def report_found(self, number: str, kind: str, dials: int | None, reading: int | None, where: str) -> None:
        """Tell the office of a meter that is on no list; the same again counts once.

        `kind` is E, G, W or empty, `dials` its digits and `reading` what it shows, None where that cannot be seen,
        `where` some words of up to 200 characters. Raises `InvalidReport` if it makes no sense, or is on the list.
        """
        self.call(found.report_found, found.FoundMeter(number, kind, dials, reading, where))

    def get_status(self) -> Status:
        """Return how many meters of the open cycles this user has read, and all have."""
        return self.call(readings.get_status, None)

    def ping(self) -> float:
        """Return how long the server took to answer, in seconds."""
        started = time.perf_counter()
        self.call(sessions.ping, None)
        return time.perf_counter() - started

    def close(self) -> None:
        """Hang up for good. The session lives on; `logout` ends it. Closing twice is harmless."""
        with self._lock:
            self._is_closed = True
            self._hang_up()

    def __repr__(self) -> str:
        who = f" as {self.username}" if self._session_id else ""
        return f"<MeterClient of {self.host}:{self.port}{who}{', closed' if self._is_closed else ''}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    # --- parts

    def _try(self, name: str, args: tuple[Any, ...], deadline: Deadline, failed: int) -> Any:
        """Make a call for which so many servers have failed."""
        if self._connection is None:
            self._connection = self._way.connect(deadline)
            self._session_is_shown = not self._session_id
        # A server that hangs must leave time for those that were not asked yet: each has its share of what is left.
        others = self._way.count - failed - 1
        bounded = Deadline(deadline.left / (others + 1)) if others > 0 else deadline
        if not self._session_is_shown:  # a server takes bulk only from a connection that has shown a session
            with suppress(SessionError):
                self._connection.call(readings.get_status.name, (self._session_id,), bounded)
            self._session_is_shown = True
        return self._connection.call(name, args, bounded)

    @contextmanager
    def _turn(self, deadline: Deadline) -> Iterator[None]:
        if not self._lock.acquire(timeout=deadline.left):
            raise deadline.exceeded()
        try:
            yield
        finally:
            self._lock.release()

    def _change_over(self, deadline: Deadline) -> None:
        """Go on with another server, if one can be found soon: it may have a way to the database."""
        with suppress(Error):
            other = self._way.connect(Deadline(min(_LOOKS_ELSEWHERE, deadline.left / 2)))
            self._hang_up()
            self._connection, self._session_is_shown = other, not self._session_id

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


connect = MeterClient
"""What programs call: `metermt.connect("meter.example.org")`."""
