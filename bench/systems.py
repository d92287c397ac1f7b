"""The systems that are compared: how the server of each is started, and who its clients are."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from bench.databases import copy_of
from bench.processes import Server, metermt
from metermt.client.client import MeterClient
from metermt.model import Answer, Job


class Reader(Protocol):
    """One client of one system."""

    def login(self, username: str) -> None: ...

    def round(self) -> None:
        """Get a job, submit a reading, and get the status."""


class MeterReader:
    """A client of MeterMT: each round is one request, which brings the job of the next."""

    def __init__(self, port: int, tls_ca: Path | None = None) -> None:
        self.client = MeterClient("localhost" if tls_ca else "127.0.0.1", port, tls_ca=tls_ca, timeout=60)
        self._job: Job | None = None

    def login(self, username: str) -> None:
        self.client.login(username, username)

    def job(self) -> None:
        self._job = self.client.get_job()

    def submit(self) -> None:
        self.client.submit_reading(self._meter, 4711)

    def status(self) -> None:
        self.client.get_status()

    def round(self) -> None:
        if self._job is None:
            self.job()
        self._job = self.client.submit_and_next(Answer(self._meter, 4711)).job

    @property
    def _meter(self) -> str:
        if self._job is None:
            raise RuntimeError("the database has too few meters for this run")
        return self._job.meter.number


@dataclass(frozen=True, slots=True)
class System:
    """One row of the table. `start` gets a folder and the database to copy; `connect` gets the port of the server."""

    name: str
    about: str
    start: Callable[[Path, Path], Server]
    connect: Callable[[int], Any]


def make_certificates(folder: Path) -> Path:
    """Make certificates for `metermt-tls` and return their folder."""
    tls = folder / "tls"
    command = [sys.executable, "-m", "metermt", "tls", "init", "--host", "localhost", "--folder", str(tls)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return tls


def systems(tls: Path) -> list[System]:
    """Return those that are installed; the first is what the others are compared with. `tls` holds certificates."""
    return [
        _peer("plain", "plain RPyC, in memory, three calls a round", "plain"),
        System(
            "metermt",
            "MeterMT, durable, one call a round",
            lambda folder, database: metermt(folder, "--database", copy_of(database, "plain.db")),
            MeterReader,
        ),
        System(
            "metermt-tls",
            "the same, encrypted",
            lambda folder, database: metermt(
                folder, "--database", copy_of(database, "tls.db"), "--tls", "--tls-folder", tls
            ),
            lambda port: MeterReader(port, tls / "ca.pem"),
        ),
        System(
            "metermt-memory",
            "the same server on the store in memory",
            lambda folder, _: Server(folder, "bench.memory"),
            MeterReader,
        ),
        _peer("xmlrpc", "standard library, in memory, three calls", "stdlib_xmlrpc"),
        *([_peer("pyro5", "Pyro5, in memory, three calls", "pyro")] if find_spec("Pyro5") else []),
        *([_peer("grpc", "gRPC with JSON, in memory, three calls", "grpc_json")] if find_spec("grpc") else []),
        _peer("socket", "floor: a round's bytes on a bare socket", "floor"),
        _peer("fdatasync", "floor: the same, and one fdatasync a round", "floor", "--sync", 1),
    ]


def _peer(name: str, about: str, module: str, *options: object) -> System:
    full_name = f"bench.peers.{module}"
    return System(name, about, lambda folder, _: Server(folder, full_name, *options), import_module(full_name).Client)
