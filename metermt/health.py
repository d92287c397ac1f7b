"""How a server is, asked by HTTP."""

import http.client
import ssl
import time
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from metermt.config import HTTP_PORT
from metermt.errors import NotAMeterServer, ServerLost, ServerUnreachable, SettingError, StoreError
from metermt.printable import printable
from metermt.reaching import client_tls
from metermt.signing import SharedKey
from metermt.transport.connection import connect_socket
from metermt.transport.deadline import Deadline
from metermt.transport.tls import tls_errors

_SECONDS = 10.0  # longer than a server waits for its database before it says so
_LONGEST = 1000  # bytes of a reason


def ask_health(
    url: str, *, tls_ca: Path | None = None, tls_cert: Path | None = None, key: SharedKey | None = None
) -> tuple[str, float]:
    """Return where the server is, as HOST:PORT, and how many seconds it took to say that it is ready.

    With `https` its certificate must be of that authority, or of one that this machine trusts. Who shows the key is
    told why a server on another machine is not ready. Raises `StoreError` if it is not, `ConnectionFailed` if it does
    not answer, and `SettingError`.
    """
    is_encrypted, host, port = _parts(url)
    tls = client_tls(tls_ca, tls_cert) if is_encrypted else None
    deadline = Deadline(_SECONDS)
    sock = connect_socket(host, port, deadline)
    connection = http.client.HTTPConnection(host, port)
    try:
        sock.settimeout(deadline.check())
        if is_encrypted:
            context = tls.context() if tls else ssl.create_default_context()
            with tls_errors(host, deadline):
                sock = context.wrap_socket(sock, server_hostname=host)
        connection.sock = sock
        began = time.perf_counter()
        status, words = _asked(connection, {"Authorization": f"Bearer {key.text}"} if key else {}, deadline)
    finally:
        sock.close()
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        raise StoreError(f"{host}:{port} is not ready: {words}" if words else f"{host}:{port} is not ready")
    if status != HTTPStatus.OK or words != "ready":
        raise NotAMeterServer(f"What answers at {host}:{port} is no meter server: check the URL")
    return f"{host}:{port}", time.perf_counter() - began


def _parts(url: str) -> tuple[bool, str, int]:
    try:
        split = urlsplit(url)
        host, port = split.hostname, split.port
    except ValueError:
        host = port = None
    if not host or split.scheme not in ("http", "https") or split.path.strip("/") or split.query:
        raise SettingError(f"Invalid URL {url!r}: write it as http://HOST:PORT or https://HOST:PORT")
    return split.scheme == "https", host, HTTP_PORT if port is None else port


def _asked(connection: http.client.HTTPConnection, headers: dict[str, str], deadline: Deadline) -> tuple[int, str]:
    where = f"{connection.host}:{connection.port}"
    try:
        connection.request("GET", "/health/ready", headers=headers)
        response = connection.getresponse()
        words = response.read(_LONGEST).decode(errors="replace").strip()
    except TimeoutError:
        raise deadline.exceeded() from None
    except http.client.RemoteDisconnected as error:
        raise ServerLost(f"{where} hung up before it said a word: does it want https?") from error
    except OSError as error:
        raise ServerUnreachable(f"Nobody answers at {where}: {error.strerror or error}") from error
    except http.client.HTTPException as error:
        raise NotAMeterServer(f"What answers at {where} speaks no HTTP: check the port") from error
    return response.status, "" if words == "not ready" else printable(words, _LONGEST)
