"""The listener: accepts connections, serves each in a thread of its own, and stops in order."""

import errno
import logging
import socket
import ssl
from contextlib import suppress
from threading import BoundedSemaphore, Event, Lock, Thread

from rpyc.utils.server import ThreadedServer

from metermt.config import Limits
from metermt.errors import ConnectionFailed, ListenError, ServerBusy
from metermt.manager import Manager
from metermt.transport.conversation import Conversation
from metermt.transport.deadline import Deadline
from metermt.transport.frames import RefusedFrame, Violation
from metermt.transport.serverend import refusal
from metermt.transport.service import MeterService
from metermt.transport.switchboard import Switchboard
from metermt.transport.tls import ServerTls, is_handshake_of_plain_text

_log = logging.getLogger("metermt.server")

_DEFAULTS = Limits()
# How many strangers at once are told that there is no room, and how many seconds that may take.
_REFUSALS, _REFUSAL_SECONDS = 20, 1.0
_PAUSE = 0.1  # seconds until the next try when there are no descriptors: one may be free by then


class MeterServer(ThreadedServer):  # type: ignore[misc]  # rpyc has no type information
    """RPyC's threaded server, which lives on when descriptors run out and knows its threads.

    Everybody is answered in a thread of their own until they have logged in, and then together with others, but for
    calls that take long. It listens when it is made; `start` makes it accept, `stop` ends it in order. `port` is the
    true one.
    """

    def __init__(
        self, manager: Manager, host: str, port: int, limits: Limits = _DEFAULTS, tls: ServerTls | None = None
    ) -> None:
        """Listen. Raises `ListenError`, or `SettingError` for files that TLS cannot use."""
        self._manager = manager
        self._stopping = Event()
        self._limits = limits
        self._tls = tls.context() if tls else None
        self._lock = Lock()  # guards _conversations
        self._conversations: dict[Conversation, Thread] = {}  # each with the thread of its own that it has, or had last
        self._switchboard = Switchboard(manager.store, limits.idle.total_seconds(), self._go_on_in_thread)
        self._refusals = BoundedSemaphore(_REFUSALS)
        self._acceptor = Thread(target=self._accept_all, name="acceptor", daemon=True)
        try:
            super().__init__(MeterService, hostname=host, port=port, ipv6=":" in host, protocol_config={"logger": None})
            self._listen()
        except (OSError, UnicodeError) as error:
            if hasattr(self, "listener"):
                self.listener.close()
            raise ListenError.at(host, port, error) from error

    def start(self) -> None:
        """Accept connections, in the background, until `stop`."""
        self._switchboard.start()
        self._acceptor.start()

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        with self._lock:
            return len(self._conversations)

    def stop(self, grace: float = 10.0) -> bool:
        """Stop listening, let the calls in flight end within `grace` seconds, and hang up on everybody.

        Returns whether all calls have ended. Stopping twice is harmless.
        """
        deadline = Deadline(grace)
        self.active = False
        self._stopping.set()
        with suppress(OSError):  # some systems do not do that for a listener; its time-out wakes the acceptor then
            self.listener.shutdown(socket.SHUT_RDWR)
        if self._acceptor.is_alive():
            self._acceptor.join()
        self.listener.close()
        in_time = self._switchboard.stop(deadline)
        # A thread that waits for a request reads the end of the stream; one that is in a call sends its answer first.
        self._shut_down_all(socket.SHUT_RD)
        in_time = self._join(deadline) and in_time
        if not in_time:
            self._shut_down_all(socket.SHUT_RDWR)
            self._join(Deadline(1.0))
        return in_time

    def _accept_all(self) -> None:
        out_of_resources = False
        while not self._stopping.is_set():
            try:
                sock, (address, *_) = self.listener.accept()
            except TimeoutError:
                continue
            except OSError as error:
                # No descriptor, no memory, or the client has gone again: none of these ends the server.
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM) and not out_of_resources:
                    _log.warning("cannot accept a connection: %s", error.strerror)
                    out_of_resources = True
                self._stopping.wait(_PAUSE)
                continue
            out_of_resources = False
            conversation = Conversation(sock, address, self._manager, self._limits, self._tls)
            if full := self._fullness(address):
                self._refuse(sock, full)
            else:
                self._go_on_in_thread(conversation)

    def _go_on_in_thread(self, conversation: Conversation) -> None:
        thread = Thread(target=self._go_on, args=(conversation,), name=f"client {conversation.address}", daemon=True)
        try:
            with self._lock:
                self._conversations[conversation] = thread
                thread.start()
        except RuntimeError as error:  # no more threads to be had
            _log.warning("cannot serve %s: %s", conversation.address, error)
            conversation.drop()  # this thread has more to do than to wait for the store
            self._forget(conversation)

    def _fullness(self, address: str) -> str:
        """Say what there is too much of for one more client, if anything."""
        with self._lock:
            everywhere = len(self._conversations)
            there = sum(conversation.address == address for conversation in self._conversations)
        if everywhere >= self._limits.connections:
            return "The server has as many connections as it takes: try again later"
        if there >= self._limits.connections_an_address:
            return "The server has as many connections from your address as it takes: try again later"
        return ""

    def _refuse(self, sock: socket.socket, words: str) -> None:
        """Tell a client why it is not served, in the answer to its first request, and hang up."""
        if self._tls or not self._refusals.acquire(
            blocking=False
        ):  # words before the handshake would not be understood
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
        except RuntimeError:  # no more threads to be had
            self._refusals.release()
            sock.close()

    def _go_on(self, conversation: Conversation) -> None:
        taken_over = False
        try:
            taken_over = conversation.go_on(self._stopping, self._switchboard.take)
        except (RefusedFrame, Violation) as violation:
            _log.warning("hung up on %s: it sent %s", conversation.address, violation)
        except ssl.SSLError as error:
            plain = is_handshake_of_plain_text(error)
            _log.warning(
                "hung up on %s: %s", conversation.address, "it speaks no TLS" if plain else error.reason or error
            )
        except (EOFError, OSError, ConnectionFailed):
            pass  # the client is gone, or silent, which is how every conversation ends
        finally:
            if not taken_over:
                self._end(conversation)

    def _end(self, conversation: Conversation) -> None:
        conversation.close()
        self._forget(conversation)

    def _forget(self, conversation: Conversation) -> None:
        with self._lock:
            self._conversations.pop(conversation, None)

    def _shut_down_all(self, how: int) -> None:
        with self._lock:
            sockets = [conversation.sock for conversation in self._conversations]
        for sock in sockets:
            with suppress(OSError):  # it may be closed already
                socket.socket.shutdown(sock, how)

    def _join(self, deadline: Deadline) -> bool:
        """Wait for the threads of all clients; return whether they ended in time."""
        with self._lock:
            threads = list(self._conversations.values())
        for thread in threads:
            thread.join(deadline.left)
        return not any(thread.is_alive() for thread in threads)
