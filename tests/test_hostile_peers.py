"""Peers that use RPyC to do harm: each hole is shown on a plain RPyC server first, then its absence on ours."""

import gc
import re
import select
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import rpyc
from conftest import make_jobs, start, wait_until
from proxy import frame, frames_of
from rpyc.core import brine, consts, netref, vinegar
from rpyc.utils.server import ThreadedServer
from servers import ServerProcess, fill

from metermt.client import MeterClient
from metermt.config import Limits
from metermt.errors import ServerBusy
from metermt.manager import Manager
from metermt.store.memory import MemoryStore
from metermt.transport import frames
from metermt.transport.frames import MAX_BULK_FRAME, MAX_FRAME
from metermt.transport.server import MeterServer

WHEN = "2026-11-20T09:30:00+00:00"
VALUE, TUPLE, LOCAL, REMOTE = consts.LABEL_VALUE, consts.LABEL_TUPLE, consts.LABEL_LOCAL_REF, consts.LABEL_REMOTE_REF
MEGABYTE = 1_000_000
A_DATETIME = (REMOTE, ("datetime.datetime", 1, 2))  # as plain RPyC boxes one; the numbers are the client's own

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
    """A plain RPyC server in a process of its own."""

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


class Stranger:
    """Speaks RPyC by hand, says what no client of RPyC would, and answers only what it is told to."""

    def __init__(self, port):
        self.sock = socket.create_connection(("localhost", port), timeout=15)
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

    def is_hung_up_on(self, within=5.0):
        """Tell whether the server closes the connection; what it says before is let go."""
        until = time.monotonic() + within
        with suppress(ConnectionResetError):
            while (left := until - time.monotonic()) > 0:
                if select.select([self.sock], [], [], left)[0] and not self.sock.recv(65536):
                    return True
            return False
        return True

    def close(self):
        self.sock.close()


@pytest.fixture(scope="module")
def lasting_book(tmp_path_factory):
    book = Book(tmp_path_factory.mktemp("book") / "log")
    yield book
    book.kill()


@pytest.fixture
def book(lasting_book):
    """The plain server, for what it survives."""
    assert lasting_book.runs
    return lasting_book


@pytest.fixture
def doomed_book(tmp_path):
    """A plain server that need not survive."""
    book = Book(tmp_path / "log")
    yield book
    book.kill()


@contextmanager
def serving(manager, limits=None):
    server = MeterServer(manager, "localhost", 0, limits or Limits())
    server.start()
    try:
        yield server
    finally:
        server.stop(1)


@pytest.fixture
def crew(demo_accounts):
    return fill(MemoryStore(), demo_accounts, make_jobs(20))


@pytest.fixture
def server(crew):
    with serving(Manager(crew)) as server:
        yield server


@pytest.fixture(scope="module")
def lasting_process(tmp_path_factory):
    with ServerProcess(tmp_path_factory.mktemp("ours"), "--database", ":memory:") as process:
        yield process
        assert "Traceback" not in process.errors


@pytest.fixture
def process(lasting_process):
    """Our server in a process of its own, whose memory is nobody else's. It must serve after each test."""
    yield lasting_process
    with MeterClient("localhost", lasting_process.port) as client:
        client.ping()


@pytest.fixture
def stranger():
    """Connects strangers, and hangs up for them in the end."""
    with ExitStack() as stack:

        def connect(server):
            one = Stranger(server.port)
            stack.callback(one.close)
            return one

        yield connect


@pytest.fixture
def plain():
    """Connects plain clients of RPyC, and hangs up for them in the end, without a word."""
    with ExitStack() as stack:

        def connect(server, **config):
            connection = rpyc.connect("localhost", server.port, config=config)
            stack.callback(connection._channel.close)
            return connection

        yield connect


def code_of(call, *args):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - what RPyC makes of a class it does not know
        call(*args)
    return caught.value.code


def most_memory(process):
    """Return the most bytes that the process has ever had in memory."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


@pytest.fixture
def thread_faults(monkeypatch):
    """The classes of the exceptions that threads end with, for the test to look at."""
    faults = []
    monkeypatch.setattr(threading, "excepthook", lambda ended: faults.append(ended.exc_type))
    return faults


@contextmanager
def longest_stall():
    """Measure how long no thread of this process could run during the block."""
    longest, ended = [0.0], threading.Event()

    def tick():
        while not ended.is_set():
            before = time.monotonic()
            ended.wait(0.001)
            longest[0] = max(longest[0], time.monotonic() - before)

    ticks = start(tick)
    try:
        yield lambda: longest[0]
    finally:
        ended.set()
        ticks()


# --- objects of the client's as arguments


class Bait:
    """Writes a file, wherever it is unpickled."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return exec, (f"import os; open({str(self._path)!r}, 'w').write(str(os.getpid()))",)


class Slow:
    """A time of the client's that takes its time."""

    def __init__(self):
        self.touched, self.goes_on = threading.Event(), threading.Event()

    def exposed_isoformat(self):
        self.touched.set()
        self.goes_on.wait(20)


def test_a_plain_server_waits_for_an_object_of_the_clients_with_its_lock_held(book, plain):
    slow, other = Slow(), plain(book, sync_request_timeout=0.5)
    connection = plain(book)
    call = start(lambda: connection.root.submit_reading("s", "M00000", slow, 1))
    try:
        assert slow.touched.wait(20)
        with pytest.raises(TimeoutError):
            other.root.submit_reading("s", "M00001", datetime.now(), 1)
    finally:
        slow.goes_on.set()
        call()


def test_a_plain_server_runs_code_of_the_clients_when_it_copies_an_argument(book, plain, tmp_path):
    with suppress(Exception):
        plain(book, allow_pickle=True).root.keep_reading("s", "M00000", Bait(tmp_path / "bait"), 1)

    assert (tmp_path / "bait").read_text() == str(book.pid)


def test_ours_refuses_an_object_of_the_clients_untouched(server, plain, tmp_path):
    slow, root = Slow(), plain(server, allow_pickle=True).root
    session, _ = root.login("carol", "carol")

    for argument in (slow, Bait(tmp_path / "bait")):
        assert code_of(root.submit_reading, session, "M00000", argument, 1) == "call"

    assert not slow.touched.is_set()
    assert not (tmp_path / "bait").exists()
    assert root.get_job(session) == "M00000"


def test_while_ours_waits_for_the_text_of_a_time_others_submit(server, stranger, crew):
    frozen = stranger(server)
    frozen.call("login", (VALUE, "carol"), (VALUE, "carol"))
    session = frozen.hear_answer()[1][1][0]
    started = time.monotonic()
    frozen.call("submit_reading", (VALUE, session), (VALUE, "M00000"), A_DATETIME, (VALUE, 1))
    assert frozen.hear()[0] == consts.MSG_REQUEST

    with MeterClient("localhost", server.port) as adam:
        adam.login("adam", "adam")
        adam.submit_reading("M00001", 1)
    assert time.monotonic() - started < 1.5

    assert frozen.error()[0] == "CallError"
    assert time.monotonic() - started < 4
    assert [reading.meter for _, reading in crew.readings()] == ["M00001"]


def test_a_client_that_answers_each_question_with_a_question_ends_with_an_error(server, stranger):
    asker = stranger(server)
    asker.call("get_job", A_DATETIME)
    asked = 0
    while (message := asker.hear())[0] == consts.MSG_REQUEST:
        _, number, (handler, _) = message
        if handler == consts.HANDLE_STR:
            asked += 1
            asker.say(consts.MSG_REPLY, number, (REMOTE, ("datetime.datetime", 1, 2 + asked)))

    assert message[2][0][1] == "CallError"
    assert asked < 1000


def test_calls_inside_calls_all_end(server, stranger):
    asker = stranger(server)
    for _ in range(40):
        asker.call("get_job", A_DATETIME)

    # All wait inside one another; when the innermost has waited long enough, so have the others.
    started = time.monotonic()
    assert {asker.error()[0] for _ in range(40)} == {"CallError"}
    assert time.monotonic() - started < 10


def answer_question(stranger, answer):
    """Call with a time, and give this answer when the server asks for its text: its kind and its content."""
    stranger.call("get_job", A_DATETIME)
    while True:
        kind, number, content = stranger.hear()
        if kind == consts.MSG_REQUEST and content[0] == consts.HANDLE_STR:
            stranger.say(answer[0], number, answer[1])
        elif kind == consts.MSG_EXCEPTION:
            return content[0][1]


def an_exception(module, name):
    return consts.MSG_EXCEPTION, ((module, name), ("words",), (), "")


def test_exceptions_that_a_client_makes_up_are_not_remembered(server, stranger):
    before = len(vinegar._generic_exceptions_cache)
    asker = stranger(server)
    for number in range(50):
        assert answer_question(asker, an_exception("made.up", f"Error{number}")) == "CallError"

    assert len(vinegar._generic_exceptions_cache) == before


@pytest.mark.parametrize("name", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "BaseException"])
def test_an_exception_of_the_clients_is_no_fault_of_the_server(name, server, stranger, expected_errors):
    assert answer_question(stranger(server), an_exception("builtins", name)) == "CallError"
    assert expected_errors == []


@pytest.mark.parametrize("name", ["StopIteration", "MemoryError", "RecursionError", "TimeoutError", "no class"])
def test_a_time_that_raises_cannot_be_read(name, server, stranger):
    assert answer_question(stranger(server), an_exception("builtins", name)) == "CallError"


def test_a_time_that_raises_leaves_no_handle_on_it(server, stranger):
    """What is collected later says so to its client, from whatever thread collects it: others would wait for that."""
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            asker = stranger(server)
            assert answer_question(asker, an_exception("builtins", "ValueError")) == "CallError"
            asker.close()
        wait_until(lambda: server.connections == 0, "all are gone")
        assert [thing for thing in gc.get_objects() if issubclass(type(thing), netref.BaseNetref)] == []
    finally:
        gc.enable()


def test_times_with_long_texts_do_not_fill_the_memory(process, stranger):
    asker = stranger(process)
    asker.call("get_job", *[A_DATETIME] * 60)
    before = most_memory(process)
    text = "x" * (MAX_FRAME - 100)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while (message := asker.hear())[0] == consts.MSG_REQUEST:
            if message[2][0] == consts.HANDLE_STR:
                asker.say(consts.MSG_REPLY, message[1], (VALUE, text))

    assert most_memory(process) - before < 20 * MEGABYTE


# --- what can be asked for


REQUESTS = {
    "repr": (consts.HANDLE_REPR, (VALUE, (3,))),
    "str": (consts.HANDLE_STR, (VALUE, (3,))),
    "compare": (consts.HANDLE_CMP, (VALUE, (3, 4, "__lt__"))),
    "hash": (consts.HANDLE_HASH, (VALUE, (3,))),
    "dir": (consts.HANDLE_DIR, (VALUE, (3,))),
    "iterate": (consts.HANDLE_BUFFITER, (VALUE, ((1, 2), 2))),
    "slice": (consts.HANDLE_OLDSLICING, (VALUE, ("text", "__getitem__", "__getslice__", 0, 2, ()))),
}
NOT_ANSWERED_HERE = {
    "instance of": (consts.HANDLE_INSTANCECHECK, (VALUE, (3, ("builtins.int", 1, 0)))),
    "set an attribute": (consts.HANDLE_SETATTR, (VALUE, (3, "name", 1))),
    "delete an attribute": (consts.HANDLE_DELATTR, (VALUE, (3, "name"))),
    "pickle": (consts.HANDLE_PICKLE, (VALUE, (3, 4))),
    "leave a block": (consts.HANDLE_CTXEXIT, (VALUE, (3, None))),
    "no kind of request": (21, (VALUE, ())),
    "kind 0": (0, (VALUE, ())),
    "a kind below 0": (-1, (VALUE, ())),
    "a large kind": (10**100, (VALUE, ())),
    "a kind that is a text": ("7", (VALUE, ())),
    "a kind that is a number with a point": (1.5, (VALUE, ())),
    "a kind that is a tuple": ((), (VALUE, ())),
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_a_plain_server_does_with_any_value_what_it_is_asked(request_, book, stranger):
    asker = stranger(book)
    asker.request(*request_)
    assert asker.hear_answer()[0] == consts.MSG_REPLY


@pytest.mark.parametrize("request_", (REQUESTS | NOT_ANSWERED_HERE).values(), ids=REQUESTS | NOT_ANSWERED_HERE)
def test_ours_hangs_up_on_who_asks_for_anything_else(request_, server, stranger):
    asker = stranger(server)
    asker.request(*request_)
    with pytest.raises(EOFError):
        asker.hear()


POWER = (consts.HANDLE_CALLATTR, (VALUE, (3, "__pow__", (4_000_000,))))


def test_a_plain_server_can_be_held_up_for_everybody_by_one_small_request(doomed_book, plain, stranger):
    other = plain(doomed_book)
    other.ping()
    stranger(doomed_book).request(*POWER)

    wait_until(lambda: took(other.ping) > 0.1, "a client that has done nothing wrong is held up")


def took(call):
    started = time.monotonic()
    call()
    return time.monotonic() - started


@pytest.mark.parametrize(
    ("value", "name"), [(3, "__pow__"), ("x", "__mul__"), ("%1000000000d", "__mod__"), ("", "__format__")]
)
def test_ours_lets_nobody_call_a_method_of_a_value(value, name, server, stranger):
    asker = stranger(server)
    for handler, *more in ((consts.HANDLE_CALLATTR, (12_000_000,)), (consts.HANDLE_GETATTR,)):
        asker.request(handler, (VALUE, (value, name, *more)))
        assert asker.error() == ("AttributeError", "There is no such call")


def test_numbers_that_hash_alike_hold_up_nobody(server, stranger):
    asker = stranger(server)
    _ = asker.root
    prime = sys.hash_info.modulus
    names = (VALUE, tuple((prime * number, None) for number in range(1, 15_001)))  # 400 kB; a frame takes more
    with longest_stall() as longest:
        asker.call("ping", kwargs=names)
        assert asker.error()[0] == "CallError"

    assert longest() < 0.7


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param((consts.HANDLE_PING, (REMOTE, ("a.class", 1, 2))), id="a reference for arguments"),
        pytest.param((consts.HANDLE_PING, (9, ())), id="no label"),
        pytest.param((consts.HANDLE_PING, (VALUE,)), id="no package"),
        pytest.param((consts.HANDLE_PING, 5), id="a number instead of a package"),
        pytest.param((consts.HANDLE_PING, (LOCAL, 5)), id="a number instead of a reference"),
        pytest.param((consts.HANDLE_PING, (LOCAL, (1, ()))), id="nobody's reference"),
        pytest.param((consts.HANDLE_CALL, (VALUE, (None, (), ()))), id="a call of None"),
        pytest.param((consts.HANDLE_INSPECT, (VALUE, (("a", 1, 2),))), id="an unknown object"),
        pytest.param((consts.HANDLE_DEL, (VALUE, (None, -1))), id="None let go of"),
    ],
)
def test_a_request_that_is_wrong_is_refused(request_, server, stranger):
    asker = stranger(server)
    asker.request(*request_)
    with suppress(EOFError):
        kind, _ = asker.hear_answer()
        assert kind in (consts.MSG_EXCEPTION, consts.MSG_REPLY)
    # That no ERROR was logged is seen to by the fixtures.


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param((consts.HANDLE_PING, (VALUE, 5)), id="a number instead of arguments"),
        pytest.param((consts.HANDLE_PING, (VALUE, None)), id="None instead of arguments"),
        pytest.param((consts.HANDLE_PING, (VALUE, ())), id="too few arguments"),
        pytest.param((consts.HANDLE_GETROOT, (VALUE, (1, 2))), id="too many arguments"),
    ],
)
def test_a_request_with_the_wrong_number_of_arguments_does_not_fill_the_log(
    request_, server, stranger, expected_errors
):
    asker = stranger(server)
    asker.request(*request_)
    with suppress(EOFError):
        asker.hear_answer()

    assert expected_errors == []


@pytest.mark.parametrize("kind", [0, consts.MSG_REPLY, consts.MSG_EXCEPTION, 4, 255])
def test_ours_hangs_up_on_answers_to_no_question(kind, server, stranger):
    asker = stranger(server)
    asker.say(kind, 0, (VALUE, None))
    with pytest.raises(EOFError):
        asker.hear()


# --- objects that stay


def objects_after_fetches(asker, number):
    """Fetch a method so often, and return how many more objects there are then in this process."""
    asker.request(consts.HANDLE_GETATTR, (TUPLE, ((LOCAL, asker.root), (VALUE, "get_job"))))
    asker.hear_answer()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(number // 100):
        for _ in range(100):
            asker.request(consts.HANDLE_GETATTR, (TUPLE, ((LOCAL, asker.root), (VALUE, "get_job"))))
        for _ in range(100):
            asker.hear_answer()
    gc.collect()
    return len(gc.get_objects()) - before


class BookService(rpyc.Service):
    def exposed_get_job(self, session):
        return "M00000"


@pytest.fixture
def book_in_a_thread():
    """A plain server in this process, whose objects can be counted."""
    server = ThreadedServer(BookService, hostname="localhost", port=0)
    server.logger.disabled = True
    server._listen()
    serves = start(server.start)
    yield server
    server.close()
    serves()


def test_a_plain_server_keeps_an_object_for_each_fetch(book_in_a_thread, stranger):
    assert objects_after_fetches(stranger(book_in_a_thread), 1000) > 1000


def test_ours_keeps_nothing_for_a_fetch(server, stranger):
    assert objects_after_fetches(stranger(server), 10_000) < 200


def test_session_ids_that_are_none_are_not_remembered(server, stranger):
    asker = stranger(server)
    asker.call("get_job", (VALUE, "x"))
    asker.hear_answer()
    tracemalloc.start()
    try:
        for number in range(20):
            asker.call("get_job", (VALUE, f"{number}" + "x" * MEGABYTE))
            assert asker.error()[0] == "SessionError"
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept < 5 * MEGABYTE


def test_of_a_request_that_failed_nothing_is_kept(server, stranger):
    asker = stranger(server)
    asker.call("submit_readings", (VALUE, "x"), (VALUE, "[]"))
    asker.hear_answer()
    text = "[" + " " * (MAX_FRAME // 2) + "]"
    tracemalloc.start()
    try:
        asker.call("submit_readings", (VALUE, "x"), (VALUE, text))
        assert asker.error()[0] == "SessionError"
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept < MAX_FRAME // 4


# --- frames


BOMB = zlib.compress(bytes(100 * MEGABYTE))


def test_a_plain_server_takes_all_that_is_announced(doomed_book, stranger):
    sender, before = stranger(doomed_book), most_memory(doomed_book)
    sender.sock.sendall(frame(b"", length=2**32 - 1)[:-1])
    for _ in range(60):
        sender.sock.sendall(bytes(MEGABYTE))

    wait_until(lambda: most_memory(doomed_book) - before > 50 * MEGABYTE, "it holds what was sent")
    assert not sender.is_hung_up_on(within=0.1)


def test_a_plain_server_unpacks_a_bomb(doomed_book, stranger):
    sender, before = stranger(doomed_book), most_memory(doomed_book)
    sender.sock.sendall(frame(BOMB, compressed=1))

    wait_until(lambda: most_memory(doomed_book) - before > 90 * MEGABYTE, "it has unpacked it")


def test_a_plain_server_dies_of_deep_nesting_in_the_thread_of_the_connection(book, stranger):
    sender = stranger(book)
    sender.sock.sendall(frame(b"\x01" + brine.TAG_TUP1 * 5000))

    assert sender.hear()[2][0] == consts.HANDLE_CLOSE


@pytest.mark.parametrize(
    "announced",
    [
        pytest.param(frame(b"", length=2**32 - 1)[:5], id="4 GB"),
        pytest.param(frame(b"", length=MAX_FRAME + 1)[:5], id="a little too much"),
        pytest.param(frame(BOMB, compressed=1), id="a bomb"),
        pytest.param(frame(zlib.compress(b"\x01"), compressed=1), id="compressed"),
        pytest.param(frame(b"\x01", compressed=255), id="compressed in no known way"),
    ],
)
def test_ours_hangs_up_on_frames_it_does_not_take(announced, process, stranger):
    sender, before = stranger(process), most_memory(process)
    with suppress(BrokenPipeError, ConnectionResetError):
        sender.sock.sendall(announced)

    assert sender.is_hung_up_on()
    assert most_memory(process) - before < 10 * MEGABYTE


def test_a_frame_may_be_larger_after_a_login(server, stranger):
    reader = stranger(server)
    reader.call("login", (VALUE, "carol"), (VALUE, "carol"))
    session = reader.hear_answer()[1][1][0]

    reader.call("submit_readings", (VALUE, session), (VALUE, "[" + " " * (2 * MAX_FRAME) + "]"))
    assert reader.hear_answer() == (consts.MSG_REPLY, (VALUE, "[]"))
    with suppress(BrokenPipeError, ConnectionResetError):
        reader.call("submit_readings", (VALUE, session), (VALUE, " " * MAX_BULK_FRAME))
    assert reader.is_hung_up_on()


def assert_nesting_is_refused(asker, tag, depth):
    asker.sock.sendall(frame((b"\x01" + brine.TAG_TUP2 + brine.dump(7) + tag * depth)[:MAX_FRAME]))
    assert asker.hear()[1:] == (
        *(7, (("metermt.errors", "CallError"), ("Only plain values can be sent",), (("code", "call"),), "")),
    )

    asker.call("ping")
    assert asker.hear_answer()[0] == consts.MSG_REPLY


@pytest.mark.parametrize("depth", [13, 5000, 500_000])
@pytest.mark.parametrize("tag", [brine.TAG_TUP1, brine.TAG_TUP_L1 + b"\1"], ids=["of one", "of so many"])
def test_deep_nesting_is_refused_and_the_connection_lives(depth, tag, server, stranger):
    assert_nesting_is_refused(stranger(server), tag, depth)


@pytest.mark.parametrize("depth", [5000, 500_000])
def test_texts_in_texts_are_refused_and_the_connection_lives(depth, crew, stranger, thread_faults):
    with serving(Manager(crew)) as server:
        assert_nesting_is_refused(stranger(server), brine.TAG_UNICODE, depth)
    assert thread_faults == []


BEGUN = pytest.mark.parametrize("begun", [1, 3, 50], ids=["a byte", "half a header", "half a frame"])
WHOLE = frame(b"\1" * 100)


@BEGUN
def test_a_plain_server_waits_for_the_end_of_a_frame_for_ever(begun, book, stranger):
    sender = stranger(book)
    sender.sock.sendall(WHOLE[:begun])

    assert not sender.is_hung_up_on(within=0.5)


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "byte by byte"])
@BEGUN
def test_ours_waits_for_the_end_of_a_frame_for_so_long_only(begun, drips, server, stranger, monkeypatch):
    monkeypatch.setattr(frames, "FRAME_SECONDS", 0.5)
    sender = stranger(server)
    started = time.monotonic()
    sender.sock.sendall(WHOLE[:begun])
    while not sender.is_hung_up_on(within=0.05):
        assert time.monotonic() - started < 5
        if drips:
            with suppress(OSError):
                sender.sock.sendall(WHOLE[begun : begun + 1])
                begun += 1

    assert time.monotonic() - started > 0.4


def test_ours_gives_up_on_who_takes_no_answers(server, stranger, monkeypatch):
    monkeypatch.setattr(frames, "FRAME_SECONDS", 0.5)
    sender = stranger(server)
    sender.sock.settimeout(2)
    with suppress(OSError):  # a time-out while the server waits, or a reset
        for _ in range(1000):
            sender.request(consts.HANDLE_PING, (VALUE, ("x" * (MAX_FRAME // 2),)))

    wait_until(lambda: not clients_of_this_process(), "the server has hung up")


def clients_of_this_process():
    return [thread for thread in threading.enumerate() if thread.name.startswith("client ")]


# --- connections


def test_a_plain_server_takes_silent_connections_for_ever_and_is_ended_by_too_many(tmp_path):
    book = Book(tmp_path / "log", descriptors=40)
    with ExitStack() as stack:
        stack.callback(book.kill)
        with suppress(OSError):
            for _ in range(80):
                stack.enter_context(socket.create_connection(("localhost", book.port)))
        wait_until(lambda: not book.runs, "the whole server has ended")


def of(seconds):
    return timedelta(seconds=seconds)


def test_ours_hangs_up_on_who_says_nothing_from_the_start(crew, stranger):
    with serving(Manager(crew), Limits(handshake=of(0.3))) as server:
        silent, started = stranger(server), time.monotonic()
        assert silent.is_hung_up_on()
        assert 0.2 < time.monotonic() - started < 3


def test_ours_hangs_up_on_who_says_nothing_any_more(crew, stranger):
    with serving(Manager(crew), Limits(idle=of(0.3))) as server:
        silent = stranger(server)
        _, started = silent.root, time.monotonic()
        assert silent.is_hung_up_on()
        assert 0.2 < time.monotonic() - started < 3


def test_empty_frames_do_not_make_a_stranger_a_client(crew, stranger):
    with serving(Manager(crew), Limits(handshake=of(0.3))) as server:
        silent = stranger(server)
        silent.sock.sendall(frame(b""))
        assert silent.is_hung_up_on(within=3)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(connections=3), "The server has as many connections as it takes: try again later"),
        (Limits(3, 2), "The server has as many connections from your address as it takes: try again later"),
    ],
    ids=["from everybody", "from an address"],
)
def test_ours_tells_the_next_client_that_there_is_no_room(limits, words, crew, plain, stranger):
    with serving(Manager(crew), limits) as server, ExitStack() as stack:
        for _ in range(min(limits.connections, limits.connections_an_address)):
            stack.enter_context(MeterClient("localhost", server.port)).ping()
        with MeterClient("localhost", server.port, timeout=0.3) as client, pytest.raises(ServerBusy, match=words):
            client.ping()
        with pytest.raises(Exception, match=words) as caught:
            plain(server).root  # noqa: B018 - asking for it is the first request
        assert caught.value.args == (words,)
        assert caught.value.code == "busy"
        assert stranger(server).is_hung_up_on()  # a second later, though it has not asked for anything
        stack.close()

        with MeterClient("localhost", server.port) as client:
            assert client.login("carol", "carol") == "Carol Dent"


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_who_was_refused_is_let_go_of(crew):
    with serving(Manager(crew), Limits(connections=1)) as server, MeterClient("localhost", server.port) as client:
        client.ping()
        before = descriptors()
        for _ in range(100):
            Stranger(server.port).close()
        wait_until(lambda: descriptors() == before, "all descriptors are free again")
        wait_until(lambda: all(thread.name != "refusal" for thread in threading.enumerate()), "all are told")
        client.ping()


def test_who_was_refused_and_goes_on_talking_is_let_go_of_too(crew, stranger):
    with serving(Manager(crew), Limits(connections=1)) as server, MeterClient("localhost", server.port) as client:
        client.ping()
        talker, started = stranger(server), time.monotonic()
        wait_until(refusals, "it is being refused")
        while time.monotonic() - started < 3 and refusals():
            with suppress(OSError):
                talker.sock.sendall(b"x")
            time.sleep(0.2)

        assert not refusals()


def refusals():
    return [thread for thread in threading.enumerate() if thread.name == "refusal"]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_ours_lives_on_when_there_is_no_thread_for_a_refusal(crew, stranger, monkeypatch, thread_faults):
    really_start = threading.Thread.start

    def start_unless_refusal(thread):
        if thread.name == "refusal":
            raise RuntimeError("can't start new thread")
        really_start(thread)

    with serving(Manager(crew), Limits(connections=1)) as server:
        with MeterClient("localhost", server.port) as client:
            client.ping()
            monkeypatch.setattr(threading.Thread, "start", start_unless_refusal)
            refused = stranger(server)
            assert refused.is_hung_up_on(within=1)
            monkeypatch.setattr(threading.Thread, "start", really_start)
        with MeterClient("localhost", server.port, timeout=3) as client:
            client.ping()
    assert thread_faults == []


# --- errors


def test_a_plain_server_tells_where_its_code_is_and_what_it_runs_on(book, stranger):
    asker = stranger(book)
    asker.call("login", (VALUE, "nobody"), (VALUE, ""))
    _, (_, _, attributes, traceback) = asker.hear_answer()

    assert "Traceback" in traceback
    assert "/rpyc/core/protocol.py" in traceback
    assert dict(attributes)["_remote_version"] == rpyc.__version__


class FaultyManager(Manager):
    """Fails at logins as nobody has thought of, or answers them with what cannot be written."""

    def login(self, username, password, address=""):
        match username:
            case "half a character":
                return "session", "\ud800"
            case "a huge number":
                return "session", 10**5000
        raise KeyError(f"{username} in /var/lib/metermt")


def test_ours_tells_an_id_and_nothing_else(stranger, expected_errors):
    with serving(FaultyManager(MemoryStore())) as server:
        asker = stranger(server)
        asker.call("login", (VALUE, "carol"), (VALUE, ""))
        kind, (cls, (text,), attributes, traceback) = asker.hear_answer()

    assert (kind, cls, attributes) == (
        *(consts.MSG_EXCEPTION, ("metermt.errors", "InternalError"), (("code", "internal"),)),
    )
    assert re.fullmatch(r"Internal error [0-9a-f]{8}: tell whoever runs the server", text)
    assert traceback == ""
    assert len(expected_errors) == 1


@pytest.mark.parametrize("session", ["half a character", "a huge number"])
def test_a_plain_server_dies_of_an_answer_it_cannot_write_in_the_thread_of_the_connection(session, book, stranger):
    asker = stranger(book)
    asker.call("name_of", (VALUE, session))
    assert asker.hear()[2][0] == consts.HANDLE_CLOSE


@pytest.mark.parametrize("username", ["half a character", "a huge number"])
def test_an_answer_that_cannot_be_written_is_an_error_and_the_connection_lives(
    username, stranger, expected_errors, thread_faults
):
    with serving(FaultyManager(MemoryStore())) as server:
        asker = stranger(server)
        asker.call("login", (VALUE, username), (VALUE, ""))
        assert asker.error()[0] == "InternalError"
        asker.call("ping")
        assert asker.hear_answer() == (consts.MSG_REPLY, (VALUE, None))
    assert thread_faults == []
