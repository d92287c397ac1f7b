"""Peers for tests of the wire: plain RPyC clients, a plain RPyC server, and strangers who say what nobody would."""

import json
import re
import select
import socket
import subprocess
import sys
import threading
import time
import zlib
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import pytest
from conftest import wait_until
from proxy import frame, frames_of
from rpyc.core import brine, consts

from metermt.calls.table import CALLS

VALUE, TUPLE, LOCAL, REMOTE = consts.LABEL_VALUE, consts.LABEL_TUPLE, consts.LABEL_LOCAL_REF, consts.LABEL_REMOTE_REF
MEGABYTE = 1_000_000
A_DATETIME = (REMOTE, ("datetime.datetime", 1, 2))  # as plain RPyC boxes one; the numbers are the client's own


# --- clients of plain RPyC


def code_of(call, *args, **kwargs):
    """Make a call that must fail; return the code of its error."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - what RPyC makes of a class it does not know
        call(*args, **kwargs)
    return caught.value.code


def fails(call, *args):
    """Make a call, and tell whether it fails, here or there: some values RPyC cannot even send."""
    try:
        call(*args)
    except Exception:  # noqa: BLE001 - that is the question
        return True
    return False


@cache
def bomb():
    """Return a small frame that becomes 100 MB; half a second goes into making it, so it is made by who sends it."""
    return frame(zlib.compress(bytes(100 * MEGABYTE)), compressed=1)


class Bait:
    """Writes a file, wherever it is unpickled: who did so."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return exec, (f"import os; open({str(self._path)!r}, 'w').write(str(os.getpid()))",)


def answers(*rows):
    """Write answers, each a meter, a value and perhaps more, as the text that `submit_readings` takes."""
    names = ("meter", "value", "reason", "when", "key")
    return json.dumps({"answers": [dict(zip(names, row, strict=False)) for row in rows]})


def own_threads():
    """Return the threads that clients of servers in this process have to themselves."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("client ")]


def wait_until_taken_over():
    """Wait until the switchboard has taken over all who are connected to servers in this process."""
    wait_until(lambda: not own_threads(), "all have been taken over")


# --- strangers


class Stranger:
    """Speaks RPyC by hand, says what no client of RPyC would, and answers only what it is told to."""

    def __init__(self, port, sock=None):
        self.sock = sock or socket.create_connection(("localhost", port), timeout=15)
        if not sock:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = bytearray()
        self._requests = 0

    def say(self, kind, number, content):
        self.sock.sendall(frame(bytes([kind]) + brine.dump((number, content))))

    def request(self, handler, boxed):
        """Send a request, whose arguments are boxed already."""
        self.say(consts.MSG_REQUEST, self._requests, (handler, boxed))
        self._requests += 1

    def call(self, name, *boxed, kwargs=(VALUE, ())):
        """Send a request that calls a method of the root."""
        self.request(consts.HANDLE_CALLATTR, (TUPLE, ((LOCAL, self.root), (VALUE, name), (TUPLE, boxed), kwargs)))

    def log_in(self, username="carol"):
        """Log in; return the session id."""
        self.call("login", (VALUE, username), (VALUE, username))
        return self.hear_answer()[1][1][0]

    @property
    def root(self):
        if not hasattr(self, "_root"):
            self.request(consts.HANDLE_GETROOT, (VALUE, ()))
            self._root = self.hear()[2][1]
        return self._root

    def hear(self):
        """Return the next message: its kind, its number and its content. Raises `EOFError` after the last."""
        while not (whole := frames_of(self._received)):
            try:
                chunk = self.sock.recv(65536)
            except ConnectionResetError:
                chunk = b""
            if not chunk:
                raise EOFError
            self._received += chunk
        del self._received[: len(whole[0]) + 6]
        return whole[0][0], *brine.load(whole[0][1:])

    def hear_answer(self):
        """Return the kind and the content of the next message that is no question."""
        while (message := self.hear())[0] == consts.MSG_REQUEST:
            pass
        return message[0], message[2]

    def error(self):
        """Return the class name and the text of the error that is the next answer."""
        kind, content = self.hear_answer()
        assert kind == consts.MSG_EXCEPTION, content
        return content[0][1], content[1][0]

    def is_hung_up_on(self, within=8.0):
        """Tell whether the server closes the connection, be it on a busy machine; what it says before is let go.

        It gives up a stranger who does nothing at all after ten seconds.
        """
        until = time.monotonic() + within
        with suppress(ConnectionResetError):
            while (left := until - time.monotonic()) > 0:
                if select.select([self.sock], [], [], left)[0] and not self.sock.recv(65536):
                    return True
            return False
        return True

    def close(self):
        self.sock.close()


# --- servers


@contextmanager
def made_up_calls():
    """Let a test declare calls, with `call` of `metermt.calls.table`; they are gone at the end of the block."""
    before = dict(CALLS)
    try:
        yield
    finally:
        CALLS.clear()
        CALLS.update(before)


def most_memory(process):
    """Return the most bytes that a process has ever had in memory."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


# A server as RPyC's documentation writes one.
BOOK = """
import copy, logging, sys, threading
import rpyc
from rpyc.utils.server import ThreadedServer

class BookService(rpyc.Service):
    lock = threading.Lock()
    def exposed_login(self, username, password):
        return "session", {"carol": "Carol Dent"}[username]
    def exposed_get_job(self, session):
        return "M00000"
    def exposed_submit_reading(self, session, meter, when, reading):
        with self.lock:
            when.isoformat()
    def exposed_keep_reading(self, session, meter, when, reading):
        copy.deepcopy(when)
    def exposed_name_of(self, session):
        return "\\ud800" if session == "half a character" else 10**5000

logging.basicConfig(filename=sys.argv[1])
server = ThreadedServer(BookService, hostname="localhost", port=0)
server._listen()
print(server.port, flush=True)
server.start()
"""


class Book:
    """A plain RPyC server in a process of its own, until the end of the block of its `with`."""

    def __init__(self, log, descriptors=None):
        command = [sys.executable, "-c", BOOK, str(log)]
        if descriptors:
            command = ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh", *command]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.pid, self.port = self._process.pid, int(self._process.stdout.readline())

    @property
    def runs(self):
        return self._process.poll() is None

    def kill(self):
        self._process.kill()
        self._process.wait(20)
        self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.kill()
