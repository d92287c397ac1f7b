"""The registry: knows which servers there are, by name, and tells whoever asks.

It speaks the protocol of RPyC's registry (see `metermt.discovery`), over UDP or TCP; RPyC's own programs can use it.
One malformed message ends RPyC's implementation, one silent TCP client blocks it, and it keeps any number of made-up
registrations; none of that is true of this one.
"""

import logging
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any, NamedTuple, Self

from rpyc.core import brine

from metermt import discovery
from metermt.config import REGISTRY_PORT, check_port
from metermt.registrydoors import MAX_MESSAGE, answer_connections, answer_datagrams, listen
from metermt.signing import SharedKey
from metermt.sparinglog import SparingLog
from metermt.transport.plainvalues import Malformed, PlainReader

FORGET_AFTER = 240.0
"""Seconds after which a server that did not register again is forgotten; ours do so every 10, RPyC's every 60."""
MAX_SERVERS = 1000
"""Registrations that are kept at most: more than anybody runs, less than what would fill the memory."""

_MAX_NAME = 64  # characters of a name or a host
_MAX_AGE = 60.0  # seconds that a clock may differ from this one, and for which a signed message is good

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
        self._run = secrets.token_bytes(16)  # is signed with each message: none of an earlier run is good
        self._latest: dict[tuple[str, int], int] = {}  # host, port: the stamp of its last message; for one thread only
        self._stopping = Event()
        self._journal = SparingLog(_log)
        self._socket = listen(host, check_port(port), tcp=tcp)
        self.port: int = self._socket.getsockname()[1]
        work = answer_connections if tcp else answer_datagrams
        self._thread = Thread(
            target=work,
            args=(self._socket, self.answer, self._journal.tell_counts, self._stopping),
            name="registry",
            daemon=True,
        )
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

    def answer(self, message: bytes, host: str, most: int = MAX_MESSAGE) -> bytes | None:
        """Return the answer to a message from this host, of so many bytes; None if it is not one of the protocol."""
        try:
            content = _read(message)
            if content == discovery.WHICH_RUN:
                return _written(self._run)
            if (told := self._answered(content)) is not None:
                return _fitting(told, most)
            return _written(self._told(content, host))
        except Malformed:
            return None

    def _told(self, message: Any, host: str) -> str:
        """Do what a message says if its sender may, and return the answer."""
        if self._key is None:
            return self._obeyed(_opened(message).content, host)
        match message:
            case (discovery.SIGNED, bytes(signature), bytes(inner)):
                if not self._key.is_good(inner, signature):
                    self._journal.warning(
                        "messages with a wrong key", host, "a message from %s is signed with another key", host
                    )
                    return discovery.WRONG_KEY
                signed = _opened(message)
                return self._refused(signed) or self._obeyed(signed.content, host)
        return discovery.NO_KEY

    def _refused(self, signed: "_Signed") -> str:
        """Return why a message that was signed with the key does not count; nothing if it does, this once."""
        now = int(time.time() * 1e6)
        if abs(now - signed.stamp) > _MAX_AGE * 1e6:
            return discovery.WRONG_TIME
        place = _place_of(signed.content)
        if signed.run != self._run or signed.stamp <= self._latest.get(place, 0):
            return discovery.SAID_BEFORE
        oldest = now - 2 * _MAX_AGE * 1e6  # which is refused anyway
        self._latest = {place: stamp for place, stamp in self._latest.items() if stamp > oldest}
        self._latest[place] = signed.stamp
        return ""

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


class _Signed(NamedTuple):
    """What stands in a message under its signature."""

    run: bytes
    stamp: int
    """Microseconds since 1970: grows with each message of a server, also from one of its lives to the next."""
    content: Any


def _opened(message: Any) -> _Signed:
    """Return what is in a message, which may be signed."""
    match message:
        case (discovery.SIGNED, bytes(_), bytes(inner)):
            match _read(inner):
                case (bytes(run), int(stamp), content):
                    return _Signed(run, stamp, content)
            raise Malformed
    return _Signed(b"", 0, message)


def _place_of(message: Any) -> tuple[str, int]:
    """Return host and port that a signed message is about: both are in it, or it could be sent from elsewhere."""
    match message:
        case ("RPYC", "REGISTER", ((*_,), int(port), str(host))) | ("RPYC", "UNREGISTER", (int(port), str(host))):
            return host, port
    raise Malformed


def _read(message: bytes) -> Any:
    """Return the value in a message. Who asks may fill it up with zeros, so that the answer may be longer."""
    reader = PlainReader(message)
    value = reader.value()
    if reader.peek(len(message)).strip(b"\0"):
        raise Malformed
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


def _fitting(entries: tuple[Any, ...], most: int) -> bytes:
    """Write as many entries as fit so many bytes."""
    while len(answer := _written(entries)) > most:
        entries = entries[: len(entries) * 9 // 10]
    return answer
