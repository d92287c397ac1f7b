"""Checks of what answers: the servers of a database that are on this machine, a port, and a registry."""

import socket
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path

from metermt.cli.findings import Finding
from metermt.cli.seen import SeenServer
from metermt.client.client import connect
from metermt.discovery import Registry
from metermt.errors import ConnectionFailed, Error, ServerUnreachable, TlsError

_SECONDS = 2.0  # that a server may take to answer
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - how servers name all interfaces

_OTHER_NAMES = (62, 64)  # OpenSSL's words for a certificate of another name or address than the one it was asked by


def check_servers(servers: Sequence[SeenServer], host: str, port: int, authority: Path) -> Iterator[Finding]:
    """Ask each server of the database that is on this machine. If there is none anywhere look whether one could start.

    `host` and `port` are where it would listen. Servers with TLS are known by this authority, if there is one.
    """
    alive = [seen.server.name.partition("/") for seen in servers if seen.is_alive]
    for name, _, place in alive:
        if name == socket.gethostname():
            yield _check_server(*_split(place), authority)
    if not alive:
        yield _check_free(host, port, authority)


def check_registry(address: str) -> Finding:
    """Ask a registry which servers it knows."""
    try:
        names = Registry.parse(address).names()
    except Error as error:
        return Finding("registry", str(error), "start it: metermt registry")
    if not names:
        return Finding(
            "registry", f"The registry at {address} knows no server", f"start one: metermt serve --registry {address}"
        )
    return Finding("registry", f"The registry at {address} knows {', '.join(names)}")


def _split(place: str) -> tuple[str, int]:
    host, _, port = place.rpartition(":")
    return _ANY.get(host, host), int(port)


def _check_server(host: str, port: int, authority: Path) -> Finding:
    if fault := _fault_of(host, port, authority):
        return Finding(
            "port",
            f"the server at {host}:{port} does not answer: {fault}",
            "systemctl restart metermt, where it is a service",
        )
    return Finding("port", f"The server at {host}:{port} answers")


def _check_free(host: str, port: int, authority: Path) -> Finding:
    if _is_free(host, port):
        return Finding("port", f"{host}:{port} is free for a server")
    words = "something else than a meter server" if _fault_of(host, port, authority) else "a server of another database"
    mend = "stop that, or choose another port: metermt serve --port PORT"
    return Finding("port", f"{words} listens at {host}:{port}", mend)


def _fault_of(host: str, port: int, authority: Path) -> str:
    """Return why no meter server answers there; empty if one does."""
    fault = ""
    for tls_ca in [authority, None] if authority.exists() else [None]:
        try:
            with connect(host, port, tls_ca=tls_ca, timeout=_SECONDS) as client:
                client.ping()
                return ""
        except TlsError as error:
            cause = error.__cause__
            if isinstance(cause, ssl.SSLCertVerificationError):
                return "" if cause.verify_code in _OTHER_NAMES else str(error)
            fault = str(error)
        except Error as error:
            fault = str(error)
    return fault


def _is_free(host: str, port: int) -> bool:
    try:
        with connect(host, port, timeout=_SECONDS):
            return False
    except ServerUnreachable:
        return True
    except ConnectionFailed:
        return False
