"""A whole server: settings, store, manager and listener put together, and an orderly end."""

import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from metermt.config import PORT, SERVICE, Limits, Rules, check_port
from metermt.demo import add_demo_users
from metermt.discovery import Registry, announced
from metermt.errors import SettingError
from metermt.manager import Manager
from metermt.store.base import Store
from metermt.store.memory import MemoryStore
from metermt.transport.server import MeterServer
from metermt.transport.tls import ServerTls
from metermt.wholefile import whole_file

_ENDING = {signal.SIGINT, signal.SIGTERM}

GRACE = 10.0
"""Seconds that calls in flight have to end when the server stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What a server is told. Raises `SettingError`.

    `database` is None to keep everything in memory. `demo` lets the demo's users in and makes meters up as long as no
    routes are imported. With a `registry` the server can be found there by its `name`.
    """

    host: str = "localhost"
    port: int = PORT
    database: Path | None = None
    demo: bool = False
    registry: Registry | None = None
    advertise: str | None = None
    name: str = SERVICE
    rules: Rules = field(default_factory=Rules)
    limits: Limits = field(default_factory=Limits)
    tls: ServerTls | None = None
    plaintext: bool = False

    def __post_init__(self) -> None:
        check_port(self.port)
        if not (self.tls or self.plaintext or _is_loopback(self.host)):
            raise SettingError(
                f"Others could listen in on {self.host}: use --tls (metermt tls init), or --plaintext if they cannot"
            )


class RunningServer:
    """A store, a manager and a listener that work together, until `stop`.

    Making one raises `ListenError` or `StoreError` if it cannot start. `port` is the true port; the `store`
    stays open until the block of its `with` ends.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        _allow_descriptors(settings.limits.connections)
        self.store = _open_store(settings.database)
        try:
            if settings.demo:
                add_demo_users(self.store)
            self.store.release_all_sessions()  # nobody is connected yet
            manager = Manager(self.store, rules=settings.rules, makes_up_meters=settings.demo)
            self._server = MeterServer(manager, settings.host, settings.port, settings.limits, settings.tls)
        except BaseException:
            self.store.close()
            raise
        self.port: int = self._server.port
        self._server.start()
        self._announcement = ExitStack()
        if settings.registry:
            self._announcement.enter_context(announced(settings.registry, settings.name, self.port, settings.advertise))

    def stop(self) -> None:
        """Answer no more calls, once those in flight have ended. Stopping twice is harmless."""
        self._announcement.close()  # first, so that nobody is sent here any more
        self._server.stop(GRACE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()
        self.store.close()


def serve(settings: ServerSettings, *, notify: Path | None = None, dump: bool = False) -> None:
    """Run a server until SIGINT (Ctrl+C) or SIGTERM comes, saying so on standard output.

    Once it accepts connections `HOST:PORT` is written into the file `notify`. With `dump` the readings that count are
    printed at the end. To be called in the main thread, before others are started. Raises as `RunningServer`.
    """
    # Blocked here, and in all threads to come, a signal waits until it is fetched: none can hit half-way.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    with RunningServer(settings) as server:
        print(f"Meter server startup at {_local_now()} on {settings.host}:{server.port}", flush=True)
        if notify:
            _write_whole(notify, f"{settings.host}:{server.port}\n")
        signal.sigwait(_ENDING)
        server.stop()
        print(f"Meter server shutdown at {_local_now()}", flush=True)
        if dump:
            for line in dump_lines(server.store):
                print(line)


def dump_lines(store: Store) -> Iterator[str]:
    """Yield a line for each reading that counts, sorted by meter: `G5248=5983@2026-11-20T10:00[]carol`.

    The time is local. A reading of -1 says that there is only the reason, which stands in the brackets.
    """
    readings = (reading for _, reading in store.readings() if reading.counts)
    for reading in sorted(readings, key=lambda reading: (reading.meter, reading.cycle)):
        said = reading.submission
        value = -1 if said.value is None else said.value
        when = said.read_at.astimezone().strftime("%Y-%m-%dT%H:%M")
        yield f"{said.meter}={value}@{when}[{said.reason}]{said.username}"


def _is_loopback(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return True  # listening will fail, and say why
    return all(ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


def _allow_descriptors(connections: int) -> None:
    """Ask the system for a descriptor for each connection, and for some files, as far as it lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 100
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )


def _open_store(database: Path | None) -> Store:
    if database is None:
        return MemoryStore()
    from metermt.store.sqlite import SqliteStore  # noqa: PLC0415 - a server in memory needs no database driver

    return SqliteStore(database)


def _local_now() -> str:
    return datetime.now().astimezone().strftime("%Y-%m-%dT%H:%M:%S")


def _write_whole(path: Path, text: str) -> None:
    try:
        with whole_file(path) as file:
            file.write(text)
    except OSError as error:
        raise SettingError(f"Cannot write {path}: {error.strerror}") from error
