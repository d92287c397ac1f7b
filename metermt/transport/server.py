"""The listener: accepts connections, serves each in a thread of its own, and stops in order."""

import errno
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Lock, Thread, current_thread

from rpyc.core.channel import Channel
from rpyc.utils.server import ThreadedServer

from metermt.errors import ListenError
from metermt.manager import Manager
from metermt.transport.deadline import Deadline
from metermt.transport.service import MeterService
from metermt.transport.stream import DeadlineStream, tune

_log = logging.getLogger("metermt.server")

_CONFIG = {"bind_threads": False, "logger": None, "include_local_traceback": False, "include_local_version": False}
_PAUSE = 0.1  # seconds until the next try when there are no descriptors: one may be free by then


class MeterServer(ThreadedServer):  # type: ignore[misc]  # rpyc has no type information
    """RPyC's threaded server, which lives on when descriptors run out and knows its threads.

    It listens when it is made; `start` makes it accept, `stop` ends it in order. `port` is the true one.
    """

    def __init__(self, manager: Manager, host: str, port: int) -> None:
        """Listen. Raises `ListenError`."""
        self._manager = manager
        self._stopping = Event()
        self._lock = Lock()  # guards _threads
        self._threads: dict[Thread, socket.socket] = {}
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
        self._for_each_client(lambda sock: sock.shutdown(socket.SHUT_RD))
        in_time = self._join(deadline)
        if not in_time:
            self._for_each_client(lambda sock: sock.shutdown(socket.SHUT_RDWR))
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
            self._threads[thread] = sock
        try:
            thread.start()
        except RuntimeError as error:  # no more threads to be had
            _log.warning("cannot serve %s: %s", address, error)
            self._forget(thread)
            sock.close()

    def _serve(self, sock: socket.socket, address: str) -> None:
        try:
            sock.settimeout(None)
            tune(sock)
            service = MeterService(self._manager, address)
            connection = service._connect(Channel(DeadlineStream(sock), compress=False), dict(_CONFIG))
            try:
                while not self._stopping.is_set() and not connection.closed:
                    connection.serve(None)
            finally:
                connection.close()
        except (EOFError, OSError):
            pass  # the client is gone, which is how every conversation ends
        except Exception as error:  # noqa: BLE001 - bytes that are no RPyC raise anything
            _log.warning("hung up on %s, which does not speak the protocol: %s", address, type(error).__name__)
        finally:
            sock.close()
            self._forget(current_thread())

    def _forget(self, thread: Thread) -> None:
        with self._lock:
            self._threads.pop(thread, None)

    def _for_each_client(self, step: Callable[[socket.socket], None]) -> None:
        with self._lock:
            sockets = list(self._threads.values())
        for sock in sockets:
            with suppress(OSError):  # it may be closed already
                step(sock)

    def _join(self, deadline: Deadline) -> bool:
        """Wait for the threads of all clients; return whether they ended in time."""
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(deadline.left)
        return not any(thread.is_alive() for thread in threads)
