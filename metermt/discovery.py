"""Servers found by name: asking a registry, and telling it where a server is.

The messages are those of RPyC's registry: `("RPYC", command, arguments)` in RPyC's `brine`, answered with a plain
value in the same, over UDP or TCP.
"""

import logging
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from threading import Event, Thread
from typing import Any

from rpyc.core import brine

from metermt.config import REGISTRY_PORT, check_port
from metermt.errors import RegistryUnreachable, SettingError
from metermt.signing import SharedKey
from metermt.transport.plainvalues import Malformed, PlainReader

_log = logging.getLogger("metermt.discovery")

SIGNED = "METERMT"
"""Stands before a signed message: `(SIGNED, signature, signed)`; `signed` is `(run, stamp, message)` in brine, with the
run of the registry and a stamp that grows, so that what was overheard counts no second time."""
WHICH_RUN = (SIGNED, "RUN")
"""Asks a registry for its run: random bytes that it has made when it started."""
NO_KEY, WRONG_KEY, WRONG_TIME, SAID_BEFORE = "KEY", "WRONG KEY", "WRONG TIME", "SAID BEFORE"
"""Answers of a registry with a key to what it does not do."""
QUESTION_BYTES = 500
"""How long a question over UDP is made, with zeros: an answer is at most three times as long."""
MAX_ANSWER = 65_507
"""Bytes of the longest datagram."""
ANSWER_SECONDS = 2.0
"""How long a registry may take to answer."""

_REGISTER_EVERY = 10.0  # seconds; so long after it was started again a registry knows all servers
_REGISTER_AGAIN = 5.0  # seconds, when the registry did not answer


@dataclass(frozen=True, slots=True)
class Registry:
    """Where a registry listens. Every question raises `RegistryUnreachable` if no answer comes."""

    host: str = "localhost"
    port: int = REGISTRY_PORT
    tcp: bool = False
    key: SharedKey | None = None
    """Signs what is told to a registry that takes signed messages only."""

    @classmethod
    def parse(cls, text: str, key: SharedKey | None = None) -> "Registry":
        """Read `HOST`, `HOST:PORT`, or either with `tcp:` before it. Raises `SettingError`."""
        tcp = text.startswith("tcp:")
        host, port = split_address(text.removeprefix("tcp:"), REGISTRY_PORT)
        return cls(host, port, tcp, key)

    def __str__(self) -> str:
        return f"{'tcp:' if self.tcp else ''}{self.host}:{self.port}"

    def servers(self, name: str, seconds: float = ANSWER_SECONDS) -> list[tuple[str, int]]:
        """Return host and port of each server of this name; the registry may take so many seconds to answer.

        A registry elsewhere cannot send anybody to a server on this machine: such addresses are dropped.
        """
        answer = self._ask(("RPYC", "QUERY", (name,)), seconds=seconds)
        match answer:
            case tuple() if all(_is_place(place) for place in answer):
                is_here = _is_loopback(self.host)
                return [(host, port) for host, port in answer if is_here or not _is_loopback(host)]
        raise RegistryUnreachable(f"What answers at {self} is no registry of meter servers")

    def names(self) -> list[str]:
        """Return the names that servers are registered under."""
        answer = self._ask(("RPYC", "LIST", ((None,),)))
        match answer:
            case tuple() if all(isinstance(name, str) for name in answer):
                return sorted(answer)
        raise RegistryUnreachable(f"The registry at {self} does not list its services")

    def register(self, name: str, port: int, host: str | None = None) -> None:
        """Say that a server of this name listens on this port, of this machine or of `host`."""
        self._tell("REGISTER", (name,), port, host=host)

    def unregister(self, port: int, host: str | None = None) -> None:
        """Say that the server on this port, of this machine or of `host`, has gone."""
        self._tell("UNREGISTER", port, host=host)

    def _tell(self, command: str, *arguments: Any, host: str | None) -> None:
        run = self._ask(WHICH_RUN) if self.key else b""
        answer = self._ask(("RPYC", command, arguments), host=host, signed_for=run)
        if answer != "OK":
            words = _REFUSALS.get(answer) if isinstance(answer, str) else None
            raise RegistryUnreachable(f"The registry at {self} {words or 'takes no more registrations'}")

    def _ask(
        self,
        message: tuple[Any, ...],
        *,
        seconds: float = ANSWER_SECONDS,
        host: str | None = None,
        signed_for: Any = None,
    ) -> Any:
        """Return the answer at the first address of the host that gives one; each has its share of the time."""
        kind = socket.SOCK_STREAM if self.tcp else socket.SOCK_DGRAM
        failure: Exception | None = None
        try:
            places = socket.getaddrinfo(self.host, self.port, type=kind)
            for family, _, _, _, address in places:
                with socket.socket(family, kind) as sock:
                    sock.settimeout(seconds / len(places))
                    try:
                        sock.connect(address)
                        return self._asked(sock, message, host, signed_for)
                    except OSError as error:
                        failure = error
        except (OSError, UnicodeError) as error:
            failure = error
        except Malformed as error:
            raise RegistryUnreachable(f"What answers at {self} is no registry") from error
        raise RegistryUnreachable(f"No registry answers at {self}: is 'metermt registry' running there?") from failure

    def _asked(self, sock: socket.socket, message: tuple[Any, ...], host: str | None, signed_for: Any) -> Any:
        if signed_for is None:
            content = brine.dump(message)
            if not self.tcp:
                content = content.ljust(QUESTION_BYTES, b"\0")
        else:
            content = self._told(message, host, sock.getsockname()[0], signed_for)
        sock.sendall(content)
        return PlainReader(sock.recv(MAX_ANSWER), most_items=MAX_ANSWER).value()

    def _told(self, message: tuple[Any, ...], host: str | None, own: str, run: Any) -> bytes:
        """Write what a server says of itself, signed if there is a key."""
        if host or self.key:
            # The host is signed too: else whoever overheard the message could register another one with it.
            message = (*message[:2], (*message[2], host or own))
        if not self.key:
            return bytes(brine.dump(message))
        # The time grows from one life of a server to the next, and nobody has to remember it.
        signed: bytes = brine.dump((run, time.time_ns() // 1000, message))
        return bytes(brine.dump((SIGNED, self.key.sign(signed), signed)))


_REFUSALS = {
    NO_KEY: "takes signed registrations only: --registry-key-file",
    WRONG_KEY: "has another key than this server: give both the same --registry-key-file",
    WRONG_TIME: "has a clock that is more than a minute from this one: set both right",
    SAID_BEFORE: "has heard a later message of this server already: was the clock set back?",
}


class Registries:
    """Registries that servers are registered with: each server with all of them, so that any will do."""

    def __init__(self, registries: Iterable[Registry]) -> None:
        self._registries = list(registries)

    @classmethod
    def parse(cls, text: str, key: SharedKey | None = None) -> "Registries":
        """Read one, or several with commas between, as `Registry.parse` does. Raises `SettingError`."""
        return cls(Registry.parse(one.strip(), key) for one in text.split(","))

    def __iter__(self) -> Iterator[Registry]:
        return iter(list(self._registries))

    def __str__(self) -> str:
        return ", ".join(map(str, self._registries))

    def servers(self, name: str, seconds: float = ANSWER_SECONDS) -> list[tuple[str, int]]:
        """Return host and port of each server of this name, by the first registry that knows one.

        All of them together may take so many seconds. The one that has answered last is asked first. Raises
        `RegistryUnreachable` if none answers.
        """
        failures: list[RegistryUnreachable] = []
        asked = list(self._registries)
        for registry in asked:
            try:
                found = registry.servers(name, seconds / len(asked))
            except RegistryUnreachable as error:
                failures.append(error)
                continue
            if found:
                self._registries = [registry, *(one for one in asked if one is not registry)]
                return found
        if len(failures) == len(asked):
            raise RegistryUnreachable(" ".join(map(str, failures)))
        return []

    def all_servers(self, name: str | None = None) -> list[tuple[str, str, int]]:
        """Return name, host and port of all servers, or of those of one name, that any registry knows, in order.

        Raises `RegistryUnreachable` if none answers.
        """
        failures: list[RegistryUnreachable] = []
        found: set[tuple[str, str, int]] = set()
        for registry in self._registries:
            try:
                for known in [name] if name else registry.names():
                    found.update((known, host, port) for host, port in registry.servers(known))
            except RegistryUnreachable as error:
                failures.append(error)
        if len(failures) == len(self._registries):
            raise RegistryUnreachable(" ".join(map(str, failures)))
        return sorted(found)


def split_address(text: str, default_port: int) -> tuple[str, int]:
    """Read `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`. Raises `SettingError`."""
    host, port = text, str(default_port)
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        host, port = text.split(":")
    if not host or not (port.isascii() and port.isdigit() and len(port) < 6):
        raise SettingError(f"Invalid address {text!r}: write it as HOST or HOST:PORT")
    return host, check_port(int(port))


@contextmanager
def announced(registries: Iterable[Registry], name: str, port: int, host: str | None = None) -> Iterator[None]:
    """Keep a server, on this machine or at `host`, registered until the block ends, then unregister it.

    A registry that does not answer is asked again and again; the server can be reached by its address meanwhile.
    """
    ending = Event()
    announcers = [
        Thread(target=_announce, args=(registry, name, port, host, ending), name="announcer", daemon=True)
        for registry in registries
    ]
    for announcer in announcers:
        announcer.start()
    try:
        yield
    finally:
        ending.set()
        for announcer in announcers:
            announcer.join()


def _announce(registry: Registry, name: str, port: int, host: str | None, ending: Event) -> None:
    registered = warned = False
    while not ending.is_set():
        try:
            registry.register(name, port, host)
            registered, warned = True, False
        except RegistryUnreachable as error:
            if not warned:
                _log.warning("%s The server goes on without it and tries again.", error)
            registered, warned = False, True
        ending.wait(_REGISTER_EVERY if registered else _REGISTER_AGAIN)
    if registered:
        try:
            registry.unregister(port, host)
        except RegistryUnreachable as error:
            _log.warning("not unregistered: %s", error)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_place(place: object) -> bool:
    match place:
        case (str(), int(port)):
            return 0 < port <= 65535
    return False
