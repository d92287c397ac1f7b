"""How a server is reached: at its address, through SSH, or as any of several that share a database."""

import random
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from metermt.calls import sessions
from metermt.client.lastknown import Address, last_known, remember
from metermt.client.settings import check_one_way, http_url
from metermt.config import PORT, check_port
from metermt.discovery import ANSWER_SECONDS, Registries, split_address
from metermt.errors import (
    DeadlineExceeded,
    Error,
    RegistryUnreachable,
    ServerLost,
    ServerUnreachable,
    SettingError,
    StoreAway,
    TlsError,
)
from metermt.transport.connection import ServerConnection
from metermt.transport.deadline import Deadline
from metermt.transport.pauses import Pauses
from metermt.transport.tls import ClientTls
from metermt.transport.tunnel import SshTunnel

if TYPE_CHECKING:
    from metermt.transport.httpconnection import HttpConnection

_STEP = 1.0  # seconds that one of several servers may take to answer at first; if all are slow they get twice as long
_LOOK = 1.5  # seconds that one that has fallen silent may take to show that it is still there
_SILENT = (ServerUnreachable, DeadlineExceeded)
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(%\w+)?\]|[\w.-]+)(:[1-9][0-9]{0,4})?")


class Connection(Protocol):
    """A connection to a server, as `ServerConnection` is one."""

    def call(self, name: str, args: tuple[Any, ...], deadline: Deadline) -> Any:
        """Make a call."""

    def close(self) -> None:
        """Hang up. Closing twice is harmless."""


class Way(Protocol):
    """A way to a server."""

    host: str
    port: int
    """Which server it is."""
    name: str
    """What was asked for: the same for all servers that may be used, whichever of them it is."""
    count: int
    """How many servers there were to choose from."""

    def connect(self, deadline: Deadline) -> Connection:
        """Connect. Raises `ConnectionFailed`, `StoreAway`, or `SettingError` if that can never be."""


def way_to(  # noqa: PLR0913 - one for each way
    host: str | None,
    port: int | None,
    *,
    servers: str | Iterable[str] | None = None,
    service: str | None = None,
    registry: str | None = None,
    tls_ca: Path | str | None = None,
    tls_cert: Path | str | None = None,
    ssh: str | None = None,
) -> Way:
    """Return the way that is asked for; see `MeterClient`. Raises `SettingError` for what cannot go together."""
    tls = client_tls(tls_ca, tls_cert)
    url = host if host and "://" in host else None
    said = {"host": host, "port": port, "servers": servers, "service": service, "registry": registry, "ssh": ssh}
    settings = {"host": "http" if url else "host", "servers": "server"}  # where they are called otherwise
    check_one_way({settings.get(name, name): f"{name}={value!r}" for name, value in said.items() if value is not None})
    if url:
        return ByHttp(url, tls)
    if servers is not None:
        return AnyOf(listed(servers), tls)
    if service:
        return Named(service, Registries.parse(registry or "localhost"), tls)
    address = "localhost" if host is None else host, check_port(PORT if port is None else port)
    return ThroughSsh(ssh, *address, tls) if ssh else Direct(*address, tls)


def first_connection(way: Way, deadline: Deadline) -> Connection:
    """Connect, and try again while the server hangs up: one with TLS that is full can say so in no other way.

    Raises what `Way.connect` does, `ServerLost` only at the deadline.
    """
    pauses = Pauses(deadline)
    lost: ServerLost | None = None
    while True:
        try:
            return way.connect(deadline)
        except ServerLost as error:
            lost = error
            pauses.wait()
            if not deadline.left:
                raise
        except DeadlineExceeded as error:
            if lost:  # the last try came too late to be told again
                raise lost from error
            raise


class Direct:
    """One server, at its address."""

    count = 1

    def __init__(self, host: str, port: int, tls: ClientTls | None) -> None:
        self.host, self.port = host, port
        self.name = _shown((host.lower(), port))
        self._tls = tls

    def connect(self, deadline: Deadline) -> ServerConnection:
        """Connect."""
        return ServerConnection(self.host, self.port, deadline, self._tls)


class ByHttp:
    """One server, at its URL."""

    count = 1

    def __init__(self, url: str, tls: ClientTls | None) -> None:
        self._url = http_url(url)
        is_plain = self._url.scheme == "http"
        if is_plain and tls:
            raise SettingError(f"{url} is not encrypted: write https://, or leave --tls-ca away")
        if not (is_plain or tls):
            raise SettingError(f"{url} needs --tls-ca (in Python tls_ca=), a copy of the server's ca.pem")
        self.host, self.port = self._url.hostname or "", self._url.port or (80 if is_plain else 443)
        self.name = f"{self._url.scheme}://{_shown((self.host, self.port))}{self._url.path.rstrip('/')}"
        self._tls = tls

    def connect(self, deadline: Deadline) -> "HttpConnection":
        """Connect."""
        from metermt.transport.httpconnection import HttpConnection  # noqa: PLC0415 - HTTP, which few want

        return HttpConnection(self._url, self.port, deadline, self._tls)


class ThroughSsh:
    """One server, at its address as it is known where `target`, `USER@HOST`, lets in by SSH."""

    count = 1

    def __init__(self, target: str, host: str, port: int, tls: ClientTls | None) -> None:
        self.host, self.port = host, port
        self.name = f"{_shown((host.lower(), port))} by {target}"
        self._target = target
        self._tls = tls

    def connect(self, deadline: Deadline) -> ServerConnection:
        """Make a tunnel, which ends with the connection, and connect through it."""
        return _Tunnelled(SshTunnel(self._target, self.host, self.port, deadline), deadline, self._tls, self.host)


class _Several(ABC):
    """Several servers that share a database: any will do.

    Each try is bounded, so that one that is dead or frozen leaves time for the others.
    """

    host, port = "", 0
    count = 1

    def __init__(self, name: str, words: str, tls: ClientTls | None, proves: str | None = None) -> None:
        self.name = name
        self._words = words
        self._tls = tls
        self._proves = proves  # what a server must prove that it is; None for its host

    def connect(self, deadline: Deadline) -> ServerConnection:
        """Connect to the first that answers.

        When none does, and some were slow rather than gone, all are given twice the time, until the deadline. Raises
        `ServerUnreachable`, which says what was tried, or `StoreAway`, or `TlsError` if none can be trusted.
        """
        addresses = self._addresses(deadline)
        self.count = len(addresses)
        step = _STEP
        while True:
            failures: list[Error] = []
            for tried, address in enumerate(addresses):
                try:
                    bounded = Deadline(min(step, deadline.check() / (len(addresses) - tried)))
                    connection = self._answering(address, bounded)
                except SettingError:
                    raise
                except Error as error:
                    failures.append(error)
                else:
                    self.host, self.port = address
                    connection.wait_while(partial(self._is_there, address))
                    return connection
            if not (deadline.left and any(isinstance(failure, DeadlineExceeded) for failure in failures)):
                raise self._told(addresses, failures)
            step *= 2

    @abstractmethod
    def _addresses(self, deadline: Deadline) -> list[Address]:
        """Return the servers in the order in which to try them. The one that was used last has failed."""

    def _answering(self, address: Address, deadline: Deadline) -> ServerConnection:
        """Connect to a server that answers, and knows of nothing that keeps its store from working."""
        connection = ServerConnection(*address, deadline, self._tls, self._proves)
        try:  # one that is frozen still accepts connections
            if trouble := sessions.ping.result_of(connection.call(sessions.ping.name, (), deadline)):
                raise StoreAway(trouble)
        except BaseException:
            connection.close()
            raise
        return connection

    def _is_there(self, address: Address) -> bool:
        """Tell whether a server lives: one that is frozen lets another connection wait, one that is full hangs up."""
        try:
            self._answering(address, Deadline(_LOOK)).close()
        except _SILENT:
            return False
        except Error:
            return True
        return True

    def _told(self, addresses: list[Address], failures: list[Error]) -> Error:
        """Return the error that says why none of these servers could be used."""
        for failure in failures:
            if isinstance(failure, StoreAway):
                return failure
        if all(isinstance(failure, TlsError) for failure in failures):
            return failures[0]
        reasons = [str(failure) for failure in failures if not isinstance(failure, _SILENT)]
        tried = f"{self._words}; tried: {', '.join(map(_shown, addresses))}"
        return ServerUnreachable(". ".join(dict.fromkeys([tried, *reasons])))


class AnyOf(_Several):
    """Any server of a list. It begins with one by chance, and whenever it connects again with the next one."""

    def __init__(self, servers: list[Address], tls: ClientTls | None) -> None:
        super().__init__(",".join(sorted(map(_shown, servers))), "None of the servers answers", tls)
        self._servers = servers
        self.host, self.port = random.choice(servers)  # noqa: S311 - so that not all clients use the same

    def _addresses(self, deadline: Deadline) -> list[Address]:  # noqa: ARG002 - a list waits for nobody
        after = self._servers.index((self.host, self.port)) + 1
        return self._servers[after:] + self._servers[:after]


class Named(_Several):
    """Any server that registries know by a name, by chance. When none of them answers, where it was found last."""

    def __init__(self, name: str, registries: Registries, tls: ClientTls | None) -> None:
        super().__init__(f"service {name}", f"No server of the name {name} answers", tls, name)
        self._service = name
        self._registries = registries
        self._asked = f"{name.upper()} at {registries}"

    def _addresses(self, deadline: Deadline) -> list[Address]:
        self._words = f"No server of the name {self._service} answers"
        try:
            addresses = self._registries.servers(self._service, min(ANSWER_SECONDS, deadline.check() / 2))
        except RegistryUnreachable as error:
            addresses = last_known(self._asked)
            if not addresses:
                raise
            self._words += f" where it was found last. {error}"
        else:
            if not addresses:
                raise ServerUnreachable(f"{self._words}: none is registered at {self._registries}")
            remember(self._asked, addresses)
        random.shuffle(addresses)
        return sorted(addresses, key=lambda address: address == (self.host, self.port))


def listed(servers: str | Iterable[str]) -> list[Address]:
    """Read `HOST`, `HOST:PORT`, `[IPV6]` and `[IPV6]:PORT`, in a list or with commas between. Raises `SettingError`."""
    texts = [servers] if isinstance(servers, str) else servers
    entries = [entry.strip() for text in texts for entry in text.split(",")]
    if not entries:
        raise SettingError("The list of servers is empty: give each as HOST or HOST:PORT")
    for entry in entries:
        if not _ADDRESS.fullmatch(entry):
            raise SettingError(f"Invalid server {entry!r}: write it as HOST, HOST:PORT or [IPV6]:PORT")
    return list(dict.fromkeys(split_address(entry, PORT) for entry in entries))


def answer_time(address: Address, name: str, tls: ClientTls | None, deadline: Deadline) -> float:
    """Return how many seconds a server takes to answer, which must prove that it is of this name if TLS is asked for.

    Raises `ConnectionFailed`.
    """
    with closing(ServerConnection(*address, deadline, tls, name)) as connection:
        started = perf_counter()
        connection.call(sessions.ping.name, (), deadline)
        return perf_counter() - started


def client_tls(tls_ca: Path | str | None, tls_cert: Path | str | None) -> ClientTls | None:
    """Return what a client trusts and shows, None for a link that is not encrypted. Raises `SettingError`."""
    if tls_ca is None:
        if tls_cert is not None:
            raise SettingError("A client certificate needs TLS: give the server's authority too, with --tls-ca")
        return None
    return ClientTls(Path(tls_ca), Path(tls_cert) if tls_cert else None)


class _Tunnelled(ServerConnection):
    """A connection through a tunnel, which is closed with it."""

    def __init__(self, tunnel: SshTunnel, deadline: Deadline, tls: ClientTls | None, name: str) -> None:
        self._tunnel = tunnel
        try:
            super().__init__("localhost", tunnel.port, deadline, tls, name)
        except BaseException:
            tunnel.close()
            raise

    def close(self) -> None:
        super().close()
        self._tunnel.close()


def _shown(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
