"""Servers that play a script: every call that a `MeterClient` makes to them ends, in an error or not, in time."""

import select
import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from peers import REMOTE
from proxy import frame
from rpyc.core import brine, consts

from metermt.client.client import MeterClient
from metermt.errors import Error

SECONDS = 0.5  # that a call has whose server does not go on
PATIENCE = 15.0  # seconds that one has whose server answers, at once or on a busy machine
LATE = 10.0  # seconds that one may end after its deadline on a busy machine
WORK = 3.5  # seconds of a processor: eight MiB of nonsense take one to read


class ScriptedServer:
    """Listens on `port`, and plays `script(socket)` in each conversation, until the script or the block ends.

    What a client sends is collected in `heard`, unless the script reads it.
    """

    def __init__(self, script):
        self._script = script
        self._ending = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="scripted server", daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ending.is_set():
            if not select.select([self._listener], [], [], 0.02)[0]:
                continue
            sock, _ = self._listener.accept()
            with sock, suppress(OSError):
                sock.settimeout(0.2)  # so that the end of the block is noticed
                self._script(sock, self._ending)

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self._ending.set()
        self._thread.join()
        self._listener.close()


def say(kind, number, content):
    return frame(bytes([kind]) + brine.dump((number, content)))


def hear(sock, ending):
    """Return what comes next, however long that takes; nothing at the end of the connection or of the block."""
    while not ending.is_set():
        with suppress(TimeoutError):
            return sock.recv(65536)
    return b""


def waits(sock, ending):
    while hear(sock, ending):
        pass


def answers(*messages):
    """Make a script that answers one request after the other with these, and waits."""

    def script(sock, ending):
        for message in messages:
            if not hear(sock, ending):
                return
            send(sock, message, ending)
        waits(sock, ending)

    return script


def send(sock, message, ending):
    while message and not ending.is_set():
        with suppress(TimeoutError):
            message = message[sock.send(message[:500_000]) :]


def repeats(message):
    """Make a script that says the same again and again, as fast as it is taken, and reads what is sent."""

    def script(sock, ending):
        some = message * max(1, 20_000 // len(message))
        while not ending.is_set():
            if select.select([sock], [], [], 0)[0] and not sock.recv(65536):
                return
            send(sock, some, ending)

    return script


ROOT = say(consts.MSG_REPLY, 0, (REMOTE, ("metermt.transport.service.MeterService", 1, 2)))
METHOD = say(consts.MSG_REPLY, 1, (REMOTE, ("builtins.method", 3, 4)))


def answers_a_call_with(kind, content):
    return answers(ROOT, METHOD, say(kind, 2, content))


def replies(boxed):
    return answers_a_call_with(consts.MSG_REPLY, boxed)


def raises(module, name, args=("words",), attributes=(), traceback=""):
    return answers_a_call_with(consts.MSG_EXCEPTION, ((module, name), args, attributes, traceback))


def call(port, seconds):
    """Connect, and make a call whose result is used."""
    with MeterClient("127.0.0.1", port) as client:
        client.timeout = seconds
        client.get_jobs(3)


@contextmanager
def in_time(seconds=SECONDS):
    """Check that the block ends by then, and that this thread has not worked for long."""
    started, worked = time.monotonic(), time.thread_time()
    yield
    assert time.thread_time() - worked < WORK
    assert time.monotonic() - started < seconds + LATE


def error_of_a_call(script, seconds=PATIENCE):
    """Return what a call to such a server raises; it must be an error of ours, and in time."""
    with ScriptedServer(script) as server, in_time(seconds), pytest.raises(Error) as caught:
        call(server.port, seconds)
    assert type(caught.value).__module__ == "metermt.errors"
    return caught.value
