"""Servers that use RPyC to do harm to their clients: every call of a `MeterClient` ends in an error, in time."""

import json
import os
import pickle
import select
import socket
import struct
import sys
import threading
import time
import tracemalloc
from contextlib import contextmanager, suppress

import pytest
import rpyc
from conftest import start
from proxy import frame
from rpyc.core import brine, consts, vinegar

from metermt.client import MeterClient
from metermt.errors import ConnectionFailed, DeadlineExceeded, Error, NotAMeterServer
from metermt.transport.frames import MAX_BULK_FRAME

VALUE, TUPLE, LOCAL, REMOTE = consts.LABEL_VALUE, consts.LABEL_TUPLE, consts.LABEL_LOCAL_REF, consts.LABEL_REMOTE_REF
SECONDS = 0.5  # that a call has
LATE = 3.0  # seconds: eight MiB of nonsense take one to read, and more on a busy machine
MEGABYTE = 1_000_000


class HostileServer:
    """Listens on `port`, and plays `script(socket)` in each conversation, until the script or the block ends.

    What a client sends is collected in `heard`, unless the script reads it.
    """

    def __init__(self, script):
        self._script = script
        self._ending = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="hostile server", daemon=True)
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


def waits(sock, ending):
    while not ending.is_set():
        with suppress(TimeoutError):
            if not sock.recv(65536):
                return


def answers(*messages):
    """Make a script that answers one request after the other with these, and waits."""

    def script(sock, ending):
        for message in messages:
            if not sock.recv(65536):
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


def call(port):
    """Connect, and make a call whose result is used."""
    with MeterClient("127.0.0.1", port, timeout=SECONDS) as client:
        client.get_jobs(3)


@contextmanager
def in_time(seconds=SECONDS):
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds + LATE


def error_of_a_call(script):
    """Return what a call to such a server raises; it must be an error of ours, and in time."""
    with HostileServer(script) as server, in_time(), pytest.raises(Error) as caught:
        call(server.port)
    assert type(caught.value).__module__ == "metermt.errors"
    return caught.value


# --- code


@pytest.fixture
def loot(tmp_path):
    return tmp_path / "loot"


class Bait:
    """Writes a file, wherever it is unpickled."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return exec, (f"open({str(self._path)!r}, 'w').write('mine')",)


def test_a_plain_client_answers_its_servers_requests():
    heard = []

    def script(sock, ending):
        sock.sendall(say(consts.MSG_REQUEST, 0, (consts.HANDLE_DIR, (VALUE, (3,)))))
        heard.append(sock.recv(65536))
        waits(sock, ending)

    with HostileServer(script) as server:
        connection = rpyc.connect("127.0.0.1", server.port)
        connection.serve(1)
        connection._channel.close()

    assert b"bit_length" in heard[0]


@pytest.mark.parametrize("handler", range(1, 21))
def test_a_request_is_never_answered_by_ours(handler):
    heard = bytearray()

    def script(sock, ending):
        heard.extend(sock.recv(65536))
        first = len(heard)
        sock.sendall(say(consts.MSG_REQUEST, 0, (handler, (VALUE, (3,)))))
        with suppress(ConnectionResetError):
            while chunk := sock.recv(65536):
                heard.extend(chunk)
        del heard[:first]
        ending.wait()

    assert isinstance(error_of_a_call(script), NotAMeterServer)
    assert heard == b""


@pytest.mark.parametrize(
    ("module", "name"),
    [
        *[("builtins", name) for name in ("SystemExit", "KeyboardInterrupt", "StopIteration", "GeneratorExit", "eval")],
        *[("os", "_exit"), ("this", "anything"), ("antigravity", "fly"), ("metermt.errors", "ServerLost")],
        *[("", ""), ("\0", "\0"), ("metermt.client", "MeterClient"), (1, 2), (None, ()), ("builtins", b"OSError")],
    ],
)
def test_an_exception_of_whatever_class_is_one_of_ours(module, name):
    before, known = set(sys.modules), len(vinegar._generic_exceptions_cache)

    error = error_of_a_call(raises(module, name))

    assert type(error) is Error
    assert not {"this", "antigravity"} & (set(sys.modules) - before)
    assert len(vinegar._generic_exceptions_cache) == known


@pytest.mark.parametrize(
    "attributes",
    [
        (("code", "no such code"),),
        (("code", 7),),
        (("code", ("session",)),),
        (("__class__", "x"), ("__traceback__", 5), ("__dict__", ()), ("args", 1), ("code", "")),
        (("code", "internal"), ("code", "call")),
        ((7, 8), (None, None), ((), ())),
        "text",
        7,
        ((1,),),
        (),
    ],
    ids=repr,
)
def test_attributes_of_an_exception_are_a_code_or_nothing(attributes):
    error = error_of_a_call(raises("metermt.errors", "Error", attributes=attributes))

    assert set(vars(error)) == set()


@pytest.mark.parametrize(
    "content",
    [1, "text", None, (), ((), (), (), ()), (("a", "b"), (), (), ""), (("a", "b"), (5,), (), ""), (1, 2, 3, 4, 5)],
    ids=repr,
)
def test_an_exception_of_another_shape_is_an_error(content):
    assert isinstance(error_of_a_call(answers_a_call_with(consts.MSG_EXCEPTION, content)), Error)


@pytest.mark.parametrize(
    "id_pack",
    [
        ("builtins.type", 0, 0),
        ("datetime.datetime", 1, 2),
        ("os.system", 1, 0),
        ("", 0, 0),
        ("x" * 100_000, 1, 2),
        (5, 6, 7),
        (None, None, None),
        ((), (), ()),
        ("a", "b", "c"),
        (10**4000, 1, 2),
        (b"bytes", -1, 10**4000),
        ("too", "few"),
        ("too", "many", 1, 2, 3),
        (),
        "abc",
        7,
        None,
    ],
    ids=lambda id_pack: repr(id_pack)[:30],
)
@pytest.mark.parametrize("place", ["the root", "a method", "a result"])
def test_a_reference_with_an_odd_id_is_an_error(id_pack, place):
    reference = (REMOTE, id_pack)
    before = {"the root": [], "a method": [ROOT], "a result": [ROOT, METHOD]}[place]
    refusal = say(consts.MSG_EXCEPTION, 2, (("builtins", "AttributeError"), ("no",), (), ""))
    script = answers(*before, say(consts.MSG_REPLY, len(before), reference), *[METHOD, refusal][len(before) :])

    error_of_a_call(script)


@pytest.mark.parametrize("label", [LOCAL, 0, 5, -1, "1", None, (), 10**100, 1.5], ids=repr)
def test_a_package_with_an_odd_label_is_an_error(label):
    assert isinstance(error_of_a_call(replies((label, ("x", 1, 2)))), Error)


def test_pickled_data_is_never_unpickled(loot):
    pickled = pickle.dumps(Bait(loot))
    for script in (
        replies((VALUE, pickled)),
        replies((REMOTE, (pickled, 1, 2))),
        answers(pickled),
        answers(frame(pickled)),
        answers(say(consts.MSG_REQUEST, 0, (consts.HANDLE_PICKLE, (VALUE, (pickled, 4))))),
        raises("pickle", "loads", (pickled,)),
    ):
        error_of_a_call(script)

    assert not loot.exists()


# --- time


def says_nothing(sock, ending):
    waits(sock, ending)


def reads_nothing(sock, ending):
    ending.wait()


def drips(sock, ending):
    for byte in frame(bytes(1000)):
        if ending.wait(0.05):
            return
        sock.sendall(bytes([byte]))


def half_a_frame(sock, ending):
    sock.sendall(frame(bytes(1000))[:500])
    waits(sock, ending)


FROZEN = [says_nothing, reads_nothing, drips, half_a_frame]


@pytest.mark.parametrize("script", FROZEN, ids=lambda script: script.__name__)
def test_a_server_that_does_not_go_on_is_given_up_at_the_deadline(script):
    assert isinstance(error_of_a_call(script), DeadlineExceeded)


def test_a_server_that_takes_no_request_is_given_up_at_the_deadline():
    with HostileServer(reads_nothing) as server, MeterClient("127.0.0.1", server.port, timeout=SECONDS) as client:  # noqa: SIM117
        with in_time(), pytest.raises(DeadlineExceeded):
            client.login("carol", "x" * 20 * MEGABYTE)


@pytest.mark.parametrize("place", range(3))
def test_a_server_that_hangs_up_again_and_again_is_given_up_at_the_deadline(place):
    def script(sock, ending):
        for message in [ROOT, METHOD][:place]:
            sock.recv(65536)
            sock.sendall(message)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    assert isinstance(error_of_a_call(script), ConnectionFailed)


@pytest.mark.parametrize("code", ["busy", "lost", "unreachable"])
def test_an_error_after_which_a_client_tries_again_does_not_make_it_try_for_ever(code):
    attributes = (("code", code),)
    assert isinstance(error_of_a_call(raises("metermt.errors", "Error", attributes=attributes)), ConnectionFailed)


PRIME = sys.hash_info.modulus


def test_names_that_hash_alike_do_not_hang_the_client():
    error_of_a_call(raises("a", "b", attributes=tuple((PRIME * number, None) for number in range(1, 24_001))))


@pytest.mark.parametrize("alike", [False, True], ids=["many", "that hash alike"])
def test_references_in_a_result_do_not_hang_the_client(alike):
    number = 12_000 if alike else 100_000
    references = tuple((REMOTE, ("a", 0, PRIME * place if alike else place)) for place in range(1, number))
    assert len(brine.dump(references)) < MAX_BULK_FRAME
    error_of_a_call(replies((TUPLE, references)))


# --- memory


@contextmanager
def memory_below(size):
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < size
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(frame(b"", length=2**32 - 1)[:5], id="4 GB"),
        pytest.param(frame(b"", length=MAX_BULK_FRAME + 1)[:5], id="a little too much"),
        pytest.param(frame(b"x", compressed=1), id="compressed"),
    ],
)
def test_a_frame_that_is_not_taken_is_refused_at_its_header(header):
    def script(sock, ending):
        sock.recv(65536)
        send(sock, header + bytes(100 * 1000), ending)
        waits(sock, ending)

    with memory_below(5 * MEGABYTE):
        assert isinstance(error_of_a_call(script), NotAMeterServer)


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(frame(b""), id="empty frames"),
        pytest.param(say(consts.MSG_REPLY, 77, (VALUE, "x" * 1000)), id="answers to no question"),
        pytest.param(say(consts.MSG_EXCEPTION, 77, (("a", "b"), ("x",), (), "")), id="errors to no question"),
        pytest.param(say(consts.MSG_REPLY, 77, (REMOTE, ("a", 1, 2))), id="references"),
    ],
)
def test_a_stream_of_frames_without_end_ends_at_the_deadline_and_fills_nothing(message):
    with memory_below(5 * MEGABYTE):
        assert isinstance(error_of_a_call(repeats(message)), ConnectionFailed)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 8 * MEGABYTE, id="lists in lists"),
        pytest.param("[" + "[]," * (MEGABYTE // 2) + "[]]", id="lists"),
        pytest.param('"' + "x" * 8 * MEGABYTE + '"', id="a text"),
        pytest.param("1" * 8 * MEGABYTE, id="a number"),
        pytest.param("[" + "1e999," * MEGABYTE + "1]", id="endless numbers"),
        pytest.param(json.dumps([["M1", "G", 5, "", "", "2026-11", "R", 1, 1, "9" * MEGABYTE]]), id="a date"),
    ],
)
def test_a_long_text_is_an_error_in_time(text):
    error_of_a_call(replies((VALUE, text)))


# --- registries


@contextmanager
def registry(answer):
    """A registry that says this, whatever it is asked; None to say nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(20)
        asked = start(lambda: sock.recvfrom(2000)[1])
        answered = start(lambda: answer is None or sock.sendto(answer, asked()))
        yield f"127.0.0.1:{sock.getsockname()[1]}"
        answered()
        asked()


def find(answer):
    with registry(answer) as place, in_time(), pytest.raises(Error):
        MeterClient(service="METER", registry=place, timeout=SECONDS)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff", id="garbage"),
        pytest.param(b"\x10" * 60_000, id="deep nesting"),
        pytest.param(b"\x15\xff\xff\xff\xff" + bytes(60_000), id="an endless tuple"),
        pytest.param(b"\x17\0\0\xe0\0" + b"1" * 57_344, id="a number of 57,344 digits"),
        pytest.param(brine.dump((("127.0.0.1", 1),) * 3000), id="3,000 places"),
        pytest.param(brine.dump((("127.0.0.1", -1),)), id="a port below 0"),
        pytest.param(brine.dump((("127.0.0.1", 99_999),)), id="a port too high"),
        pytest.param(brine.dump((("a\0b", 5),)), id="a host with a NUL"),
        pytest.param(brine.dump((("\U0001f600" * 70, 5),)), id="a host of smileys"),
        pytest.param(brine.dump((("", 5),)), id="a host of nothing"),
        pytest.param(brine.dump((("127.0.0.1", "5"),)), id="a port that is a text"),
        pytest.param(brine.dump(("127.0.0.1", 5)), id="no pairs"),
        pytest.param(brine.dump(7), id="a number"),
        pytest.param(pickle.dumps(os.getcwd), id="pickled data"),
    ],
)
def test_whatever_a_registry_says_is_an_error_like_any_other(answer):
    find(answer)


def test_a_port_of_thirty_digits_is_an_error_like_any_other():
    find(brine.dump((("127.0.0.1", 10**30),)))


def test_a_registry_that_says_nothing_is_given_up_at_the_deadline_of_the_client():
    find(None)
