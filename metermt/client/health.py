"""How a server is, asked by HTTP."""

import time
from http import HTTPStatus
from pathlib import Path

from metermt.client.reaching import ByHttp, client_tls
from metermt.errors import CallError, Error, NotAMeterServer, StoreError
from metermt.printable import printable
from metermt.signing import SharedKey
from metermt.transport.deadline import Deadline
from metermt.transport.httpconnection import HttpConnection
from metermt.wire import from_text

_SECONDS = 10.0  # longer than a server waits for its database before it says so


def ask_health(
    url: str, *, tls_ca: Path | None = None, tls_cert: Path | None = None, key: SharedKey | None = None
) -> tuple[str, float]:
    """Return where the server is, as HOST:PORT, and how many seconds it took to say that it is ready.

    Who shows the key is told why a server on another machine is not ready. Raises `StoreError` if it is not,
    `ConnectionFailed` if it does not answer, and `SettingError`.
    """
    way, deadline = ByHttp(url, client_tls(tls_ca, tls_cert)), Deadline(_SECONDS)
    where = f"{way.host}:{way.port}"
    connection = way.connect(deadline)
    try:
        began = time.perf_counter()
        status, words = _asked(connection, key, deadline)
        seconds = time.perf_counter() - began
    finally:
        connection.close()
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        raise StoreError(f"{where} is not ready" + (f": {_why(words)}" if words != "not ready" else ""))
    if status != HTTPStatus.OK or words != "ready":
        raise NotAMeterServer(f"What answers at {where} is no meter server: check the URL")
    return where, seconds


def _asked(connection: HttpConnection, key: SharedKey | None, deadline: Deadline) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {key.text}"} if key else {}
    status, text = connection.get("/health/ready", headers, deadline)
    return status, printable(text.strip())


def _why(words: str) -> str:
    """Return what a server says: one that lets nobody in does so as it tells of errors."""
    try:
        return str(from_text(Error, words))
    except CallError:
        return words
