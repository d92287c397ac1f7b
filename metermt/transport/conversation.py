"""One client of a server: its socket, its end, and what it waits for. Whoever has it in hand drives it."""

import select
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress

from metermt.calls.asking import Ask, Caller, Check
from metermt.calls.desk import Outcome
from metermt.calls.table import CALLS
from metermt.config import Limits
from metermt.errors import DeadlineExceeded, Error, NotAMeterServer, TlsError
from metermt.transport.boxing import refusal
from metermt.transport.deadline import Deadline
from metermt.transport.encrypted import EncryptedSocket
from metermt.transport.frames import FRAME_SECONDS, Violation
from metermt.transport.serverend import Called, ServerEnd
from metermt.transport.stream import Stream, tune
from metermt.transport.tls import WANTS_TLS, common_name, is_handshake_of_plain_text

QUESTION_SECONDS = 2.0
"""A client answers what it is asked in one round trip; its call waits for it, and nobody else."""


_OTHERS = {b"\x16\x03": "TLS", b"POST ": "HTTP", b"GET ": "HTTP"}  # how they begin (RFC 8446, 5.1; RFC 9112, 3)
_TIMED = [name for name, call in CALLS.items() if call.takes_time]


class Conversation:
    """One client, and how it is answered: by one thread at a time, its own or one that it shares with others.

    `begin` may take a while where TLS is wanted. Any method may raise `EOFError`, `OSError` or `ConnectionFailed`: the
    client is gone, or is to go.
    """

    def __init__(
        self,
        sock: socket.socket,
        address: str,
        limits: Limits,
        tls: ssl.SSLContext | None,
        told: Callable[[BaseException], Error],
    ) -> None:
        """Speak with this client; `told` returns what it may know of an error."""
        self.sock = sock
        self._told = told
        self.caller = Caller(address)
        self._limits = limits
        self._tls = tls
        # As they were when it was last settled:
        self.has_unsent = False
        """Whether a part of an answer could not be sent yet."""
        self.needs_room = False
        """Whether that, or something of TLS's own, has to be sent before more is received."""
        self.has_more = False
        """Whether something has come that `next_call` has not looked at."""
        self.is_quiet = True
        """Whether the client has left nothing half done."""
        self._unsent = b""
        self._waits_for: tuple[str, int] = ("", 0)
        self._since = time.monotonic()  # when that began
        self.stranger_since = self._since
        """When this client came, or last tried to log in."""
        self.turns = 0
        """How often it was heard before it has logged in."""
        self.wants_tls = tls is not None
        """Whether it has to begin with a handshake, which may take a while."""
        self.has_begun = False
        self.caller.is_gone = self._is_gone

    def begin(self) -> None:
        """Shake hands. Who does not speak TLS where it is wanted is told so, in plain text."""
        tune(self.sock)
        encrypted = None
        if self._tls:
            encrypted = EncryptedSocket(self.sock, self._tls)
            try:
                encrypted.shake_hands(Deadline(self._limits.handshake.total_seconds()))
            except ssl.SSLError as error:
                if is_handshake_of_plain_text(error):
                    with suppress(OSError):
                        self.sock.send(refusal(TlsError(WANTS_TLS)))
                raise
            self.caller.certified_name = common_name(encrypted)
        self._end = ServerEnd(CALLS, _TIMED)
        self._stream = Stream(encrypted or self.sock)
        self.has_begun = True

    @property
    def is_trusted(self) -> bool:
        """Whether the client has shown a valid session."""
        return bool(self.caller.sessions)

    @property
    def is_small(self) -> bool:
        """Whether what `next_call` looks at first takes no time."""
        return self._end.is_small

    def _is_gone(self) -> bool:
        """Tell whether the client has hung up."""
        if not hasattr(select, "POLLRDHUP"):  # elsewhere it is found out when it is answered
            return False
        poller = select.poll()
        try:
            poller.register(self.sock, select.POLLRDHUP)
        except ValueError:  # it was hung up on
            return True
        return bool(poller.poll(0))

    # --- without waiting

    def receive_now(self) -> None:
        """Take what has come."""
        if chunk := self._stream.receive_now():
            self._end.receive(chunk)

    def next_call(self, check: Check | None = None) -> tuple[Called, Ask[object]] | None:
        """Return the next call that the desk is to answer; answer what needs no desk, a few requests at most.

        `check` is made before a text of any length is understood. What comes behind a call that is refused waits for
        this client's next turn: whoever drives it has to find out first whether that is small.
        """
        if self._unsent or not (called := self._next_called()):
            return None
        try:
            ask = CALLS[called.name].understood(self.caller, called.args, called.kwargs, check)
        except Error as error:
            self._end.refuse(called, error)
            return None
        if called.time:  # the client is asked for it if the session is good, which a small call finds out
            ask = Ask(CALLS["get_status"], self.caller, ask.session_id, None)
        return called, ask

    def _next_called(self) -> Called | None:
        try:
            return self._end.next_call()
        except EOFError:
            if protocol := _other_protocol(self._end.first_bytes):  # whoever waits for that sees that it is not spoken
                self._stream.send_now(refusal(NotAMeterServer(f"This port does not speak {protocol}")))
                raise Violation(f"the beginning of {protocol}, which this port does not speak") from None
            self.send_now()  # what was right before it is answered
            raise

    def answer(self, called: Called, ask: Ask[object], outcome: Outcome) -> None:
        """Answer a call with what the desk has said."""
        if called.time and not isinstance(outcome, BaseException):
            self._end.ask_for_time(called)
        elif not isinstance(outcome, BaseException):
            try:
                self._end.reply(called, ask.call.answer(outcome))
            except Exception as error:  # noqa: BLE001 - whoever has asked is told
                outcome = error
        if isinstance(outcome, BaseException):
            self._end.refuse(called, self._told(outcome))
        if self.caller.shown_role:
            self._end.trust(self.caller.shown_role)

    def send_now(self) -> bool:
        """Send what goes at once; return whether that was all."""
        # RPyC's clients wait at the socket even when a part of what has come is decrypted already, so over TLS each
        # frame gets a record of its own.
        take = self._end.take_frame if self._tls else self._end.take_output
        while output := self._unsent or take():
            self._unsent = self._stream.send_now(output)
            if self._unsent:
                return False
        if self._end.is_closed:
            raise EOFError("the client has said goodbye, and was answered")
        return True

    # --- how long

    def settle(self) -> float:
        """Find out what the client has to do next; return until when it may take, by `time.monotonic`."""
        end = self._end
        self.has_unsent = bool(self._unsent)
        self.has_more = not self._unsent and end.has_more
        self.needs_room = self.has_unsent or self._stream.wants_to_send
        waits_for = ("take", 0) if self._unsent else end.waits_for
        if waits_for[0] == "begin" and self._stream.is_in_record:
            waits_for = "end", waits_for[1]  # as if it were a part of a frame, which it nearly always is
        if waits_for != self._waits_for:
            self._waits_for, self._since = waits_for, time.monotonic()
        self.is_quiet = waits_for[0] == "begin"
        if self.is_quiet:
            until = self._since + self._limits.idle.total_seconds()
        else:
            until = self._since + (QUESTION_SECONDS if waits_for[0] == "answer" else FRAME_SECONDS)
        return until if self.caller.sessions else min(until, self._stranger_until)

    @property
    def _stranger_until(self) -> float:
        return self.stranger_since + self._limits.handshake.total_seconds()

    def overdue(self) -> None:
        """Go on without what the client has not done in time. Raises `DeadlineExceeded` if that cannot be."""
        is_late = not self.is_trusted and self._stranger_until <= time.monotonic()
        if is_late or self._waits_for[0] != "answer":
            raise DeadlineExceeded("The client has kept the server waiting")
        self._end.stop_asking()

    # --- the end

    def leave(self) -> None:
        """Have whoever drives this find that the client is gone."""
        with suppress(OSError):  # it is gone already
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up. Closing twice is harmless."""
        self.sock.close()


def _other_protocol(received: bytes) -> str:
    """Return what a client speaks that begins with these bytes, empty for RPyC and for what nobody knows."""
    return next((name for begin, name in _OTHERS.items() if received.startswith(begin)), "")
