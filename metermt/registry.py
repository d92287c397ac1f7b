"""The registry: knows which servers there are, by name, and tells whoever asks.

It speaks the protocol of RPyC's registry (see `metermt.discovery`), over UDP or TCP; RPyC's own programs can use it.
One malformed message ends RPyC's implementation, one silent TCP client blocks it, and it keeps any number of made-up
registrations; none of that is true of this one.
"""

import logging
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from threading import BoundedSemaphore, Event, Lock, Thread
from time import monotonic
from typing import Any, Self

from rpyc.core import brine

from metermt import discovery
from metermt.config import REGISTRY_PORT, check_port
from metermt.errors import ListenError
from metermt.signing import SharedKey
from metermt.sparinglog import SparingLog
from metermt.transport.plainvalues import Malformed, PlainReader

FORGET_AFTER = 240.0
"""Seconds after which a server that did not register again is forgotten; servers do so every 60."""
MAX_SERVERS = 1000
"""Registrations that are kept at most: more than anybody runs, less than what would fill the memory."""

_MAX_MESSAGE = 1500  # bytes; RPyC's clients read no more, so answers are cut to it as well
_MAX_NAME = 64  # characters of a name or a host
_TCP_SECONDS = 2.0  # how long a TCP client may take to ask
_TCP_CLIENTS = 50  # at once; the connections of more are closed

_log = logging.getLogger("metermt.registry")


class ServiceTable:
    """Which servers are registered. All times are seconds of one clock that never goes back."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = Lock()  # guards _seen
        self._seen: dict[tuple[str, str, int], float] = {}  # name, host, port: when last registered

    def register(self, name: str, host: str, port: int) -> bool:
        """Remember a server; return False if there are too many."""
        entry = name.upper(), host, port
        with self._lock:
            self._forget_old()
            if entry not in self._seen and len(self._seen) >= MAX_SERVERS:
                return False
            self._seen[entry] = self._clock()
            return True

    def unregister(self, host: str, port: int) -> None:
        """Forget a server, under all its names."""
        with self._lock:
            for entry in [entry for entry in self._seen if entry[1:] == (host, port)]:
                del self._seen[entry]

    def servers(self, name: str) -> list[tuple[str, int]]:
        """Return host and port of each server of this name, the one heard of last first."""
        with self._lock:
            self._forget_old()
            found = [(seen, host, port) for (known, host, port), seen in self._seen.items() if known == name.upper()]
        return [(host, port) for _, host, port in sorted(found, reverse=True)]

    def names(self) -> list[str]:
        """Return all names."""
        with self._lock:
            self._forget_old()
            return sorted({name for name, _, _ in self._seen})

    def _forget_old(self) -> None:
        oldest = self._clock() - FORGET_AFTER
        for entry in [entry for entry, seen in self._seen.items() if seen < oldest]:
            del self._seen[entry]


class RegistryServer:
    """A registry that listens from when it is made until `stop`. `port` is the true one; 0 asks for any."""

    def __init__(
        self,
        host: str = "localhost",
        port: int = REGISTRY_PORT,
        *,
        tcp: bool = False,
        key: SharedKey | None = None,
    ) -> None:
        """Listen and answer in the background; with a key only who signs with it may register and unregister.

        Raises `ListenError` or `SettingError`.
        """
        self.table = ServiceTable()
        self._key = key
        self._stopping = Event()
        self._places = BoundedSemaphore(_TCP_CLIENTS)
        self._journal = SparingLog(_log)
        self._socket = _listen(host, check_port(port), tcp=tcp)
        self._socket.settimeout(0.5)  # so that `stop` is noticed, should its own message not arrive
        self.port: int = self._socket.getsockname()[1]
        self._thread = Thread(target=self._work_tcp if tcp else self._work_udp, name="registry", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening. Stopping twice is harmless."""
        self._stopping.set()
        with suppress(OSError), socket.socket(self._socket.family, self._socket.type) as waker:
            waker.connect(self._socket.getsockname())
            waker.send(b".")  # no message: it only ends the wait for one
        self._thread.join()
        self._journal.tell_counts(at_once=True)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def answer(self, message: bytes, host: str) -> bytes | None:
        """Return the answer to a message from this host, None if it is not one of the protocol."""
        try:
            content, trusted = self._opened(_read(message), host)
            told = self._answered(content)
            if told is not None:
                return _fitting(told)
            return _written(self._obeyed(content, host) if trusted else "KEY")
        except Malformed:
            return None

    def _opened(self, message: Any, host: str) -> tuple[Any, bool]:
        """Return what is in a message that may be signed, and whether it may change anything."""
        match message:
            case (discovery.SIGNED, int(stamp), bytes(signature), bytes(inner)):
                if self._key is None or self._key.is_good(inner, stamp, signature, time.time()):
                    return _read(inner), True
                self._journal.warning(
                    "messages with a wrong key", host, "a message from %s has a wrong key, or its clock is wrong", host
                )
                return _read(inner), False
        return message, self._key is None

    def _answered(self, message: Any) -> tuple[Any, ...] | None:
        match message:
            case ("RPYC", "QUERY", (str(name),)):
                return tuple(self.table.servers(name))
            case ("RPYC", "LIST", ((None,),) | (None,) | ()):
                return tuple(self.table.names())
        return None

    def _obeyed(self, message: Any, host: str) -> str:
        match message:
            case ("RPYC", "REGISTER", ((*names,), int(port), *at)) if _all_names(names) and _is_place(port, at):
                taken = [self.table.register(name, at[0] if at else host, port) for name in names]
                return "OK" if all(taken) else "FULL"
            case ("RPYC", "UNREGISTER", (int(port), *at)) if _is_place(port, at):
                self.table.unregister(at[0] if at else host, port)
                return "OK"
        raise Malformed

    def _work_udp(self) -> None:
        while not self._stopping.is_set():
            self._journal.tell_counts()
            with suppress(OSError):  # a time-out, or the asker is gone
                message, address = self._socket.recvfrom(_MAX_MESSAGE)
                if answer := self.answer(message, address[0]):
                    self._socket.sendto(answer, address)

    def _work_tcp(self) -> None:
        while not self._stopping.is_set():
            self._journal.tell_counts()
            try:
                sock, address = self._socket.accept()
            except TimeoutError:
                continue
            except OSError:
                self._stopping.wait(0.1)  # out of descriptors: one may be free by then
                continue
            if self._places.acquire(blocking=False):
                Thread(target=self._talk, args=(sock, address[0]), name="registry client", daemon=True).start()
            else:
                sock.close()

    def _talk(self, sock: socket.socket, host: str) -> None:
        try:
            with sock, suppress(OSError):
                sock.settimeout(_TCP_SECONDS)
                if answer := self.answer(sock.recv(_MAX_MESSAGE), host):
                    sock.sendall(answer)
        finally:
            self._places.release()


def _listen(host: str, port: int, *, tcp: bool) -> socket.socket:
    kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)[0]
        sock = socket.socket(family, kind)
        try:
            if tcp:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            if tcp:
                sock.listen()
        except BaseException:
            sock.close()
            raise
    except (OSError, UnicodeError) as error:
        raise ListenError.at(host, port, error) from error
    return sock


def _read(message: bytes) -> Any:
    reader = PlainReader(message)
    value = reader.value()
    reader.end()
    return value


def _all_names(names: list[Any]) -> bool:
    return 0 < len(names) <= 10 and all(_is_name(name) for name in names)


def _is_place(port: int, at: list[Any]) -> bool:
    return 0 < port <= 65535 and (not at or (len(at) == 1 and _is_name(at[0])))


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= _MAX_NAME


def _written(answer: Any) -> bytes:
    written: bytes = brine.dump(answer)
    return written


def _fitting(entries: tuple[Any, ...]) -> bytes:
    """Write as many entries as fit a message."""
    while len(answer := _written(entries)) > _MAX_MESSAGE:
        entries = entries[: len(entries) * 9 // 10]
    return answer
