"""The listener: accepts connections, has them answered, and stops in order."""

import logging
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from threading import BoundedSemaphore, Event, Lock, Thread

from rpyc.utils.server import ThreadedServer

from metermt.calls.desk import Desk
from metermt.calls.telling import fault_of
from metermt.config import Limits
from metermt.errors import ServerBusy
from metermt.listening import cannot_listen
from metermt.transport.boxing import refusal
from metermt.transport.conversation import Conversation
from metermt.transport.deadline import Deadline
from metermt.transport.frames import RefusedFrame, Violation
from metermt.transport.guests import Guests
from metermt.transport.resting import rest_after
from metermt.transport.service import MeterService
from metermt.transport.strangers import Strangers
from metermt.transport.switchboard import Switchboard
from metermt.transport.tls import ServerTls, is_handshake_of_plain_text

_log = logging.getLogger("metermt.server")

_DEFAULTS = Limits()
_LET_IN_SHARE = 0.6  # of a processor, to let clients in
# How many strangers at once are told that there is no room, and how many seconds that may take.
_REFUSALS, _REFUSAL_SECONDS = 20, 1.0
_PAUSE = 0.1  # seconds until the next try when there are no descriptors: one may be free by then


class MeterServer(ThreadedServer):  # type: ignore[misc]  # rpyc has no type information
    """RPyC's threaded server, which lives on when descriptors run out and knows its clients.

    Everybody is answered by the thread of strangers until they have logged in, and then by the switchboard. It listens
    when it is made; `start` makes it accept, `stop` ends it in order. `port` is the true one.
    """

    def __init__(
        self,
        desk: Desk,
        host: str,
        port: int,
        limits: Limits = _DEFAULTS,
        tls: ServerTls | None = None,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """Listen. Raises `ListenError`, or `SettingError` for files that TLS cannot use.

        `failed` is called when the server cannot go on, of which `failure` tells; it is to be stopped then.
        """
        self.failure: BaseException | None = None
        self._desk = desk
        self._has_failed = failed
        self._stopping = Event()
        self._limits = limits
        self._tls = tls.context() if tls else None
        self.guests = Guests(desk, limits)
        self._lock = Lock()  # guards the one below
        self._conversations: set[Conversation] = set()
        self.switchboard = Switchboard(desk, self.guests, self._end, self._fail)
        self.strangers = Strangers(desk, self.guests, self.switchboard, self._end, self._fail)
        self._refusals = BoundedSemaphore(_REFUSALS)
        self._acceptor = Thread(target=self._accept_all, name="acceptor", daemon=True)
        try:
            super().__init__(MeterService, hostname=host, port=port, ipv6=":" in host, protocol_config={"logger": None})
            self._listen()
        except (OSError, UnicodeError) as error:
            if hasattr(self, "listener"):
                self.listener.close()
            self.switchboard.stop(Deadline(0))
            self.strangers.stop(Deadline(0))
            raise cannot_listen(host, port, error) from error

    def start(self) -> None:
        """Accept connections, in the background, until `stop`."""
        self.switchboard.start()
        self.strangers.start()
        self._acceptor.start()

    @property
    def connections(self) -> int:
        """How many clients are connected by this door."""
        return len(self._conversations)

    def stop(self, grace: float = 10.0) -> bool:
        """Stop listening, let the calls in flight end within `grace` seconds, and hang up on everybody.

        Returns whether all calls have ended. Stopping twice is harmless.
        """
        deadline = Deadline(grace)
        self._stop_listening()
        in_time = self.switchboard.stop(deadline)
        self._shut_down_all(socket.SHUT_RD)  # who shakes hands reads the end; answers to calls are sent
        in_time = self.strangers.stop(deadline) and in_time
        if not in_time:
            self._shut_down_all(socket.SHUT_RDWR)
        if self.strangers.stop(Deadline(1.0)):
            for conversation in self._everybody():  # a switchboard that has failed may have left some
                self._end(conversation, None)
        return in_time

    def _stop_listening(self) -> None:
        self.active = False
        self._stopping.set()
        with suppress(OSError):  # some systems do not do that for a listener; its time-out wakes the acceptor then
            self.listener.shutdown(socket.SHUT_RDWR)
        if self._acceptor.is_alive():
            self._acceptor.join()
        self.listener.close()

    def _fail(self, error: BaseException) -> None:
        """Take note that the server cannot go on. Nobody is let in any more."""
        self.failure = error
        _log.critical("the server has failed", exc_info=error)
        self._stopping.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self._has_failed()

    def _accept_all(self) -> None:
        try:
            self._accept_until_it_stops()
        except BaseException as error:  # noqa: BLE001 - a server that lets nobody in must not seem to be well
            self._fail(error)

    def _accept_until_it_stops(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, (address, *_) = self.listener.accept()
            except TimeoutError:
                continue
            except OSError as error:
                self.guests.could_not_come(error)  # which does not end the server
                self._stopping.wait(_PAUSE)
                continue
            began = time.thread_time()
            try:
                self._let_in(sock, address)
            except Exception as error:  # noqa: BLE001 - whatever it is, it ends this client alone
                self._log_fault("a client could not be let in", error)
                sock.close()
            # A thousand may come at the same instant.
            self._stopping.wait(rest_after(time.thread_time() - began, _LET_IN_SHARE))

    def _let_in(self, sock: socket.socket, address: str) -> None:
        if why := self.guests.room_for(address):
            self._refuse(sock, why)
            return
        conversation = Conversation(sock, address, self._limits, self._tls, self._desk.told)
        is_taken = False
        try:
            with self._lock:
                self._conversations.add(conversation)
            self.guests.came(conversation)
            is_taken = self.strangers.take(conversation)
        finally:
            if not is_taken:
                self._end(conversation, None)

    def _refuse(self, sock: socket.socket, words: str) -> None:
        """Tell a client why it is not served, in the answer to its first request, and hang up."""
        # Words before the handshake would not be understood.
        if self._tls or not self._refusals.acquire(blocking=False):
            sock.close()
            return

        def tell() -> None:
            try:
                with sock, suppress(OSError):
                    deadline = Deadline(_REFUSAL_SECONDS)
                    sock.settimeout(_REFUSAL_SECONDS)
                    sock.sendall(refusal(ServerBusy(words)))
                    sock.shutdown(socket.SHUT_WR)
                    # Closing on an unread request would reset the connection and lose the words.
                    while deadline.left and sock.recv(4096):
                        sock.settimeout(max(deadline.left, 0.001))
            finally:
                self._refusals.release()

        try:
            Thread(target=tell, name="refusal", daemon=True).start()
        except (RuntimeError, MemoryError):  # no more threads to be had
            self._refusals.release()
            sock.close()

    def _end(self, conversation: Conversation, why: BaseException | None) -> None:
        """Hang up, and say why if it was the client's fault."""
        match why:
            case RefusedFrame() | Violation():
                self._log_end(conversation, f"it sent {why}")
            case ssl.SSLError():
                plain = is_handshake_of_plain_text(why)
                self._log_end(conversation, "it speaks no TLS" if plain else str(why.reason or why))
        conversation.close()
        with self._lock:
            self._conversations.discard(conversation)
        self.guests.went(conversation)

    def _log_fault(self, words: str, error: Exception) -> None:
        self._desk.journal.error("faults with clients", fault_of(error), words, error=error)

    def _log_end(self, conversation: Conversation, why: str) -> None:
        address = conversation.caller.address
        self._desk.journal.warning("connections hung up on", address, "hung up on %s: %s", address, why)

    def _everybody(self) -> list[Conversation]:
        with self._lock:
            return list(self._conversations)

    def _shut_down_all(self, how: int) -> None:
        for conversation in self._everybody():
            with suppress(OSError):  # it may be closed already
                socket.socket.shutdown(conversation.sock, how)
