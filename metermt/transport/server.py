"""The listener: accepts connections, serves each in a thread of its own, and stops in order."""

import errno
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from threading import BoundedSemaphore, Event, Lock, Thread, current_thread
from typing import NamedTuple

from rpyc.utils.server import ThreadedServer

from metermt.config import Limits
from metermt.errors import ConnectionFailed, ListenError, ServerBusy
from metermt.manager import Manager
from metermt.transport.deadline import Deadline
from metermt.transport.ends import Violation, refusal
from metermt.transport.frames import MAX_FRAME, BoundedChannel, RefusedFrame
from metermt.transport.service import MeterService
from metermt.transport.stream import DeadlineStream, tune
from metermt.transport.tls import ServerTls, common_name, is_handshake_of_plain_text

_log = logging.getLogger("metermt.server")

_CONFIG = {"bind_threads": False, "logger": None, "include_local_traceback": False, "include_local_version": False}
_DEFAULTS = Limits()
# How many strangers at once are told that there is no room, and how many seconds that may take.
_REFUSALS, _REFUSAL_SECONDS = 20, 1.0
_PAUSE = 0.1  # seconds until the next try when there are no descriptors: one may be free by then


class _Client(NamedTuple):
    sock: socket.socket
    address: str


class MeterServer(ThreadedServer):  # type: ignore[misc]  # rpyc has no type information
    """RPyC's threaded server, which lives on when descriptors run out and knows its threads.

    It listens when it is made; `start` makes it accept, `stop` ends it in order. `port` is the true one.
    """

    def __init__(
        self, manager: Manager, host: str, port: int, limits: Limits = _DEFAULTS, tls: ServerTls | None = None
    ) -> None:
        """Listen. Raises `ListenError`, or `SettingError` for files that TLS cannot use."""
        self._manager = manager
        self._stopping = Event()
        self._limits = limits
        self._tls = tls.context() if tls else None
        self._lock = Lock()  # guards _clients
        self._clients: dict[Thread, _Client] = {}
        self._refusals = BoundedSemaphore(_REFUSALS)
        self._acceptor = Thread(target=self._accept_all, name="acceptor", daemon=True)
        try:
            super().__init__(MeterService, hostname=host, port=port, ipv6=":" in host, protocol_config=dict(_CONFIG))
            self._listen()
        except (OSError, UnicodeError) as error:
            if hasattr(self, "listener"):
                self.listener.close()
            raise ListenError.at(host, port, error) from error

    def start(self) -> None:
        """Accept connections, in the background, until `stop`."""
        self._acceptor.start()

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
        # A thread that waits for a request reads the end of the stream; one that is in a call sends its answer first.
        self._for_each_client(lambda sock: socket.socket.shutdown(sock, socket.SHUT_RD))
        in_time = self._join(deadline)
        if not in_time:
            self._for_each_client(lambda sock: socket.socket.shutdown(sock, socket.SHUT_RDWR))
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
            self._serve_in_thread(sock, address)

    def _serve_in_thread(self, sock: socket.socket, address: str) -> None:
        thread = Thread(target=self._serve, args=(sock, address), name=f"client {address}", daemon=True)
        with self._lock:
            full = self._fullness(address)
            if not full:
                self._clients[thread] = _Client(sock, address)
        if full:
            self._refuse(sock, full)
            return
        try:
            thread.start()
        except RuntimeError as error:  # no more threads to be had
            _log.warning("cannot serve %s: %s", address, error)
            self._forget(thread)
            sock.close()

    def _fullness(self, address: str) -> str:
        """Say what there is too much of for one more client, if anything."""
        if len(self._clients) >= self._limits.connections:
            return "The server has as many connections as it takes: try again later"
        there = sum(client.address == address for client in self._clients.values())
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

    def _serve(self, sock: socket.socket, address: str) -> None:
        try:
            tune(sock)
            handshake = self._limits.handshake.total_seconds()
            if self._tls:
                sock.settimeout(handshake)
                sock = self._tls.wrap_socket(sock, server_side=True)
            channel = BoundedChannel(DeadlineStream(sock), MAX_FRAME, handshake)
            service = MeterService(self._manager, address, common_name(sock))
            end = service._connect(channel, dict(_CONFIG))
            try:
                while not self._stopping.is_set() and not end.closed:
                    end.serve(None)
                    channel.patience = self._limits.idle.total_seconds()
            finally:
                end.close()
        except (RefusedFrame, Violation) as violation:
            _log.warning("hung up on %s: it sent %s", address, violation)
        except ssl.SSLError as error:
            plain = is_handshake_of_plain_text(error)
            _log.warning("hung up on %s: %s", address, "it speaks no TLS" if plain else error.reason or error)
        except (EOFError, OSError, ConnectionFailed):
            pass  # the client is gone, or silent, which is how every conversation ends
        finally:
            sock.close()
            self._forget(current_thread())

    def _forget(self, thread: Thread) -> None:
        with self._lock:
            self._clients.pop(thread, None)

    def _for_each_client(self, step: Callable[[socket.socket], None]) -> None:
        with self._lock:
            sockets = [client.sock for client in self._clients.values()]
        for sock in sockets:
            with suppress(OSError):  # it may be closed already
                step(sock)

    def _join(self, deadline: Deadline) -> bool:
        """Wait for the threads of all clients; return whether they ended in time."""
        with self._lock:
            threads = list(self._clients)
        for thread in threads:
            thread.join(deadline.left)
        return not any(thread.is_alive() for thread in threads)
