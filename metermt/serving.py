"""A whole server: settings, database, desk and listener put together, and an orderly end."""

import faulthandler
import gc
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from ipaddress import ip_address
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, Self

from metermt.calls.credentials import waiting_to_hash
from metermt.calls.desk import Desk
from metermt.config import PORT, SERVICE, DatabaseLocation, Limits, check_port
from metermt.demo import add_town, check_no_town
from metermt.discovery import Registries, announced
from metermt.diskspace import SpaceWatch, space_at
from metermt.errors import InternalError, SettingError
from metermt.files.whole import whole_file
from metermt.heartbeat import heartbeat
from metermt.logring import LogRing
from metermt.model import Reading
from metermt.policy import Policy
from metermt.servicemanager import ServiceManager
from metermt.store.base import Store, Tx
from metermt.store.opening import open_store
from metermt.transport.deadline import Deadline
from metermt.transport.server import MeterServer
from metermt.transport.tls import ServerTls

if TYPE_CHECKING:
    from metermt.web.door import WebDoor

_ENDING = {signal.SIGINT, signal.SIGTERM}

_log = logging.getLogger("metermt.server")

_SWITCH_SECONDS = 0.0005  # for which a thread that is busy with bulk keeps those waiting who are answered in one
GRACE = 10.0
"""Seconds that calls in flight have to end when the server stops, and what it writes last within the same time."""
_GOODBYE_SECONDS = 1.0  # that this has at least


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What a server is told. Raises `SettingError`.

    `database` is None for one in a temporary folder, which is removed at the end. `demo` adds the users and the meters
    of a made-up town, as `metermt.demo.add_town` does, to a database that has no others. With `registries` the
    server can be found there by its `name`. With `http`, a host and a port, it also speaks HTTP there.
    """

    host: str = "localhost"
    port: int = PORT
    database: DatabaseLocation | None = None
    demo: bool = False
    registries: Registries | None = None
    advertise: str | None = None
    name: str = SERVICE
    policy: Policy = field(default_factory=Policy)
    limits: Limits = field(default_factory=Limits)
    http: tuple[str, int] | None = None
    tls: ServerTls | None = None
    plaintext: bool = False

    def __post_init__(self) -> None:
        for host, port in filter(None, [(self.host, self.port), self.http]):
            check_port(port)
            try:
                found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            except (OSError, UnicodeError):
                continue  # listening will fail, and say why
            self.check_private([str(address[0]) for *_, address in found])

    def check_private(self, addresses: list[str]) -> None:
        """Raise `SettingError` if others could listen in on a server that is bound to one of these addresses."""
        if self.tls or self.plaintext:
            return
        for address in addresses:
            if not ip_address(address.partition("%")[0]).is_loopback:
                raise SettingError(
                    f"Others could listen in on {address}: use --tls (metermt tls init), or --plaintext if they cannot"
                )


class RunningServer:
    """A database, a desk and a listener that work together, until `stop`.

    Making one raises `ListenError`, `StoreError` or `SettingError` if it cannot start. `port` is the true port; the
    `store` stays open until the block of its `with` ends. `failed` is called, in any thread, when the server cannot go
    on, and `well` every few seconds, by one thread, as long as the switchboard, the thread of strangers and the loop
    for HTTP turn, and the store answers. Admins may look at the `log` that is kept.
    """

    def __init__(
        self,
        settings: ServerSettings,
        failed: Callable[[], None] = lambda: None,
        well: Callable[[], None] = lambda: None,
        log: LogRing | None = None,
    ) -> None:
        self.settings = settings
        _allow_descriptors(settings.limits.connections)
        with ExitStack() as opened:
            self.store = opened.enter_context(_opened_store(settings.database))
            self._desk = Desk(self.store, settings.policy, log=log)
            self._desk.counting.waiting["passwords"] = waiting_to_hash
            self._server = MeterServer(self._desk, settings.host, settings.port, settings.limits, settings.tls, failed)
            opened.callback(self._server.stop, 0.0)
            self._web = self._web_door(failed)
            if self._web:
                opened.callback(self._web.stop, Deadline(0.0))
            self.port: int = self._server.port
            settings.check_private([self._server.listener.getsockname()[0]])  # a name may have led elsewhere meanwhile
            # Only one server at a time listens there: a session of this name is one of its own or of an earlier life.
            self._desk.server = f"{socket.gethostname()}/{settings.host}:{self.port}"
            if settings.demo:
                add_town(self._desk)
            else:
                check_no_town(self._desk)
            self._heartbeat = opened.enter_context(ExitStack())
            self._well, self._rounds = well, list[int]()
            self._heartbeat.enter_context(heartbeat(self._desk, _space_watch(self.store), self._look_round))
            self._server.start()
            if self._web:
                self._web.start()
            self._announcement = opened.enter_context(ExitStack())
            if settings.registries:
                self._announcement.enter_context(
                    announced(settings.registries, settings.name, self.port, settings.advertise)
                )
            self._opened = opened.pop_all()

    @property
    def has_failed(self) -> bool:
        """Whether the server could not go on; its log says why."""
        return self._server.failure is not None or (self._web is not None and self._web.failure is not None)

    @property
    def http_port(self) -> int | None:
        """The true port for HTTP, None without one."""
        return self._web.port if self._web else None

    def stop(self) -> None:
        """Answer no more calls, once those in flight have ended. Stopping twice is harmless."""
        self._announcement.close()  # first, so that nobody is sent here any more
        if self._desk.log:
            self._desk.log.close()
        deadline = Deadline(GRACE)
        with ExitStack() as stopped:
            if self._web:  # at the same time, so that neither door takes the grace of the other
                stopping = Thread(target=self._web.stop, args=(deadline,), name="http's end")
                stopping.start()
                stopped.callback(stopping.join)
            self._server.stop(GRACE)
        self.store.hurry(max(deadline.left, _GOODBYE_SECONDS))  # where another program keeps the database locked
        self._heartbeat.close()

    def _look_round(self) -> None:
        """Say that all is well, if all loops have gone round since it was said, and have them go round."""
        loops = (self._server.switchboard, self._server.strangers)
        rounds = [loop.rounds for loop in loops] + ([self._web.rounds] if self._web else [])
        if all(now != before for now, before in zip_longest(rounds, self._rounds)):
            self._rounds = rounds
            self._well()
        for loop in loops:
            loop.wake()

    def _web_door(self, failed: Callable[[], None]) -> "WebDoor | None":
        settings = self.settings
        if settings.http is None:
            return None
        try:
            from metermt.web.door import WebDoor  # noqa: PLC0415 - an extra, which nothing else needs
        except ModuleNotFoundError as error:
            raise SettingError(
                f"--http needs {error.name}, which is not installed: pip install 'metermt[http]'"
            ) from error
        door = WebDoor(self._desk, *settings.http, self._server.guests, settings.limits, settings.tls, failed)
        settings.check_private([door.listener.getsockname()[0]])
        return door

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()
        self._opened.close()


def serve(
    settings: ServerSettings, *, notify: Path | None = None, dump: bool = False, log: LogRing | None = None
) -> None:
    """Run a server until SIGINT (Ctrl+C) or SIGTERM comes, saying so on standard output.

    Once it accepts connections `HOST:PORT` is written into the file `notify`, and the system's service manager is told,
    if there is one; it is also told, all the time, that the server is well. If the interpreter crashes, the stacks of
    all threads are printed on standard error. With `dump` the readings that count are
    printed at the end. To be called in the main thread, before others are started. Raises as `RunningServer`, and
    `InternalError` when the server could not go on.
    """
    # Blocked here, and in all threads to come, a signal waits until it is fetched: none can hit half-way.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    sys.setswitchinterval(_SWITCH_SECONDS)
    if sys.__stderr__:
        faulthandler.enable(sys.__stderr__)
    manager = ServiceManager()
    end = partial(os.kill, os.getpid(), signal.SIGTERM)
    with RunningServer(settings, failed=end, well=manager.well, log=log) as server:
        print(f"Meter server startup at {_local_now()} on {settings.host}:{server.port}", flush=True)
        if settings.http:
            print(f"HTTP on {settings.http[0]}:{server.http_port}", flush=True)
        gc.freeze()  # what has been made so far stays: the collector, which stops all threads, need not look at it
        if notify:
            _write_whole(notify, f"{settings.host}:{server.port}\n")
        manager.ready()
        signal.sigwait(_ENDING)
        manager.stopping()
        server.stop()
        print(f"Meter server shutdown at {_local_now()}", flush=True)
        if dump:
            for line in dump_lines(server.store):
                print(line)
        if server.has_failed:
            raise InternalError("The server could not go on: its log says why")


def dump_lines(store: Store) -> list[str]:
    """Return a line for each reading that counts, sorted by meter: `G5248=5983@2026-11-20T10:00[]carol`.

    The time is local. A reading of -1 says that there is only the reason, which stands in the brackets.
    """

    def counting(tx: Tx) -> list[Reading]:
        return [reading for _, reading in tx.readings.all(None) if reading.counts]

    by_meter = sorted(store.read(counting), key=lambda reading: (reading.answer.meter, reading.cycle))
    return [_dump_line(reading) for reading in by_meter]


def _dump_line(reading: Reading) -> str:
    said = reading.answer
    assert isinstance(said.when, datetime), "it is, once an answer was accepted"
    value = -1 if said.value is None else said.value
    return f"{said.meter}={value}@{said.when.astimezone():%Y-%m-%dT%H:%M}[{said.reason}]{reading.username}"


def _space_watch(store: Store) -> Callable[[], None]:
    """Return what looks whether the disk of a store is nearly full, and logs it once each time."""
    file = store.file()
    if file is None:
        return lambda: None
    watch = SpaceWatch(partial(space_at, file))

    def look() -> None:
        if space := watch.news():
            _log.warning("the disk of the database %s is nearly full: %s", file, space.in_words())

    return look


def _allow_descriptors(connections: int) -> None:
    """Ask the system for a descriptor for each connection, and for some files, as far as it lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 100
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )


@contextmanager
def _opened_store(database: DatabaseLocation | None) -> Iterator[Store]:
    """Open a database until the block ends; None is a new one, which is gone then."""
    with ExitStack() as opened:
        if database is None:
            database = Path(opened.enter_context(TemporaryDirectory(prefix="metermt-")), "metermt.db")
        yield opened.enter_context(open_store(database))


def _local_now() -> str:
    return datetime.now().astimezone().strftime("%Y-%m-%dT%H:%M:%S")


def _write_whole(path: Path, text: str) -> None:
    try:
        with whole_file(path) as file:
            file.write(text)
    except OSError as error:
        raise SettingError(f"Cannot write {path}: {error.strerror}") from error
