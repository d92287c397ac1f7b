"""The kinds of hostile peers that can be started beside honest readers, and how one kind is."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metermt import MeterClient

USERNAME = "mallory"
"""Who of them has logged in; the password is the same."""

KINDS = {
    "logins": "a stranger with 195 connections who tries one made-up login after the other on each",
    "trickle": "one kilobyte a second of logins by made-up names, whose answers nobody waits for",
    "tuples": "4 who have logged in and send 9.8 kB of nested tuples without end",
    "rows": "4 who have logged in and send 1,000 bad readings in bulk without end",
    "lists": "4 who have logged in and send 8 MB of empty lists without end",
    "refused": "4 who have logged in and send a call that is refused and 2 MB behind it, compressed, without end",
    "pings-195": "195 strangers who ping without end",
    "pings-975": "975 strangers who ping without end",
    "idle": "1,000 strangers who say one word and stay",
    "looks": "975 strangers who ask without end how far they are, by made-up sessions",
    "times": "195 who have logged in, whose times stall or raise when the server asks for their text",
}
OVER_HTTP = {
    "http-headers": "975 strangers who send one header a second, and come back when they are hung up on",
    "http-bodies": "975 strangers who send one byte of a body a second, and come back likewise",
    "http-chunks": "195 strangers who send a body in chunks of a byte, over and over",
    "http-known-chunks": "4 who have logged in and do so",
    "http-looks": "975 strangers who ask without end how far they are, by made-up sessions",
    "http-logins": "a stranger with 195 connections who tries one made-up login after the other on each",
    "http-cut": "195 strangers who hang up half-way in a body, and begin again",
    "http-pipelined": "195 strangers who send 200 requests in a row, over and over",
    "http-bombs": "195 strangers who send entities within entities without end",
    "http-calls": "4 who have logged in and ask for their status without end",
    "http-rows": "4 who have logged in and send 1,000 bad readings in bulk without end",
    "http-lists": "4 who are logged in and send two megabytes of empty lists where nothing is wanted",
    "http-deaf": "4 who have logged in, ask without end and read no answer",
}
OVER_TLS = {
    "tls-hellos": "975 strangers who send half of a TLS handshake, and come back when they are hung up on",
    "tls-records": "195 strangers who send half of a TLS record, and come back when they are hung up on",
    "tls-keys": "20 who change the keys of TLS over and over and read nothing, ten of them logged in, and come back",
}
MOST = 1000
"""Connections that one kind has at most."""


@contextmanager
def hostile(
    kind: str, port: int, tls_ca: Path | None = None, peers_port: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Start hostile peers, at other addresses of this machine, until the end of the block; return their process.

    They have a session of RPyC's door, at `port`, and come to `peers_port`, that of another door, unless it is None.
    """
    with MeterClient("127.0.0.1", port, tls_ca=tls_ca) as client:
        client.login(USERNAME, USERNAME)
        session = client._session_id
    program = str(Path(__file__).with_name("hostile.py"))
    command = [sys.executable, program, kind, str(peers_port or port), session, str(tls_ca or "")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout.readline() != "ready\n":
                sys.exit(f"FAILED: the hostile peers ({kind}) did not start")
            yield process
        finally:
            process.kill()
