"""Frames that are too long, nested too deep, compressed to burst, or never end: on a plain RPyC server, and on ours."""

import gc
import time
import tracemalloc
import zlib
from contextlib import suppress
from datetime import timedelta

import pytest
import rpyc
from conftest import start, wait_until
from hostile_fixtures import *  # noqa: F403 - the fixtures
from memory_fixtures import *  # noqa: F403 - the fixtures
from peers import LOCAL, MEGABYTE, TUPLE, VALUE, answers, bomb, most_memory, wait_until_taken_over
from proxy import frame
from rpyc.core import brine, consts
from rpyc.utils.server import ThreadedServer
from servers import ServerProcess, listening

from metermt.client.client import MeterClient
from metermt.config import Limits
from metermt.transport import conversation
from metermt.transport.frames import MAX_BULK_FRAME, MAX_FRAME


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


def assert_goes_on(asker):
    asker.call("ping")
    assert asker.hear_answer() == (consts.MSG_REPLY, (VALUE, None))


# --- lengths


def test_a_plain_server_takes_all_that_is_announced(doomed_book, stranger):
    sender, before = stranger(doomed_book), most_memory(doomed_book)
    sender.sock.sendall(frame(b"", length=2**32 - 1)[:-1])
    for _ in range(60):
        sender.sock.sendall(bytes(MEGABYTE))

    wait_until(lambda: most_memory(doomed_book) - before > 50 * MEGABYTE, "it holds what was sent")
    assert not sender.is_hung_up_on(within=0.1)


def test_a_plain_server_unpacks_a_bomb(doomed_book, stranger):
    sender, before = stranger(doomed_book), most_memory(doomed_book)
    sender.sock.sendall(bomb())

    wait_until(lambda: most_memory(doomed_book) - before > 90 * MEGABYTE, "it has unpacked it")


@pytest.mark.parametrize(
    "announced",
    [
        pytest.param(frame(b"", length=2**32 - 1)[:5], id="4 GB"),
        pytest.param(frame(b"", length=MAX_FRAME + 1)[:5], id="a little too much"),
        pytest.param(frame(b""), id="nothing"),
        pytest.param(bomb, id="a bomb"),
        pytest.param(frame(zlib.compress(bytes(MAX_FRAME + 1)), compressed=1), id="a small bomb"),
        pytest.param(frame(zlib.compress(b"\x01" * 100)[:-5], compressed=1), id="a part of what is compressed"),
        pytest.param(frame(zlib.compress(b""), compressed=1), id="nothing compressed"),
        pytest.param(frame(b"\x01", compressed=1), id="not compressed at all"),
        pytest.param(frame(b"\x01", compressed=255), id="compressed in no known way"),
    ],
)
def test_ours_hangs_up_on_frames_it_does_not_take(announced, process, stranger):
    sender, before = stranger(process), most_memory(process)
    with suppress(BrokenPipeError, ConnectionResetError):
        sender.sock.sendall(announced() if announced is bomb else announced)

    assert sender.is_hung_up_on()
    assert most_memory(process) - before < 10 * MEGABYTE


def test_a_bomb_of_one_who_is_logged_in_bursts_nothing(server, stranger):
    reader = stranger(server)
    reader.log_in()
    sent = bomb()
    tracemalloc.start()
    try:
        reader.sock.sendall(sent)
        assert reader.is_hung_up_on()
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_BULK_FRAME
    finally:
        tracemalloc.stop()


def ping_of(size):
    """Write a request for a text to be sent back, of so many bytes in all."""
    empty = bytes([consts.MSG_REQUEST]) + brine.dump((7, (consts.HANDLE_PING, (VALUE, ("x" * 1000,)))))
    text = "x" * (size - len(empty) + 1000)
    request = bytes([consts.MSG_REQUEST]) + brine.dump((7, (consts.HANDLE_PING, (VALUE, (text,)))))
    assert len(request) == size
    return request, text


@pytest.mark.parametrize("compressed", [0, 1])
@pytest.mark.parametrize("size", [3001, MAX_FRAME - 1, MAX_FRAME])
def test_a_frame_up_to_the_bound_is_answered_compressed_or_not(size, compressed, server, stranger):
    asker = stranger(server)
    request, text = ping_of(size)
    asker.sock.sendall(frame(zlib.compress(request) if compressed else request, compressed=compressed))

    assert asker.hear_answer() == (consts.MSG_REPLY, (VALUE, text))


def test_a_frame_may_be_larger_after_a_login(server, stranger):
    reader = stranger(server)
    session = reader.log_in()

    reader.call("submit_readings", (VALUE, session), (VALUE, answers() + " " * (2 * MAX_FRAME)))
    assert reader.hear_answer() == (consts.MSG_REPLY, (VALUE, "[]"))
    with suppress(BrokenPipeError, ConnectionResetError):
        reader.call("submit_readings", (VALUE, session), (VALUE, " " * MAX_BULK_FRAME))
    assert reader.is_hung_up_on()


# --- what is in them


def test_a_plain_server_dies_of_deep_nesting_in_the_thread_of_the_connection(book, stranger):
    sender = stranger(book)
    sender.sock.sendall(frame(b"\x01" + brine.TAG_TUP1 * 5000))

    assert sender.hear()[2][0] == consts.HANDLE_CLOSE


def assert_nesting_is_refused(asker, tag, depth):
    asker.sock.sendall(frame((b"\x01" + brine.TAG_TUP2 + brine.dump(7) + tag * depth)[:MAX_FRAME]))
    assert asker.hear()[1:] == (
        *(7, (("metermt.errors", "CallError"), ("Only plain values can be sent",), (("code", "call"),), "")),
    )
    assert_goes_on(asker)


@pytest.mark.parametrize("depth", [13, 5000, 500_000])
@pytest.mark.parametrize("tag", [brine.TAG_TUP1, brine.TAG_TUP_L1 + b"\1"], ids=["of one", "of so many"])
def test_deep_nesting_is_refused_and_the_connection_lives(depth, tag, server, stranger):
    assert_nesting_is_refused(stranger(server), tag, depth)


@pytest.mark.parametrize("depth", [5000, 500_000])
def test_texts_in_texts_are_refused_and_the_connection_lives(depth, desk, stranger, thread_faults):
    with listening(desk) as server:
        assert_nesting_is_refused(stranger(server), brine.TAG_UNICODE, depth)
    assert thread_faults == []


# --- what stays of them


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


@pytest.fixture
def patient(desk):
    """A server that gives strangers five minutes."""
    with listening(desk, Limits(handshake=timedelta(minutes=5))) as server:
        yield server


def test_ours_keeps_nothing_for_a_fetch(patient, stranger):
    assert objects_after_fetches(stranger(patient), 2_000) < 200


def kept_after(asker, *calls):
    """Make calls with session ids that are none; return how many bytes are kept of them."""
    asker.call("get_job", (VALUE, "x"))
    asker.hear_answer()
    tracemalloc.start()
    try:
        for call in calls:
            asker.call(*call)
            assert asker.error()[0] == "SessionError"
        assert_goes_on(asker)  # or the server might not have let go of the last yet
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_session_ids_that_are_none_are_not_remembered(patient, stranger):
    calls = (("get_job", (VALUE, f"{number}" + "x" * (MAX_FRAME - 500))) for number in range(100))

    assert kept_after(stranger(patient), *calls) < 2 * MEGABYTE


def test_of_a_request_that_failed_nothing_is_kept(server, stranger):
    text = answers() + " " * (MAX_FRAME // 2)

    assert kept_after(stranger(server), ("submit_readings", (VALUE, "x"), (VALUE, text))) < MAX_FRAME // 4


# --- how long they may take


@pytest.fixture
def short_frames(monkeypatch):
    """Let a frame that has begun end within half a second."""
    monkeypatch.setattr(conversation, "FRAME_SECONDS", 0.5)


BEGUN = pytest.mark.parametrize("begun", [1, 3, 50], ids=["a byte", "half a header", "half a frame"])
WHOLE = frame(b"\1" * 100)


@BEGUN
def test_a_plain_server_waits_for_the_end_of_a_frame_for_ever(begun, book, stranger):
    sender = stranger(book)
    sender.sock.sendall(WHOLE[:begun])

    assert not sender.is_hung_up_on(within=0.5)


@pytest.mark.parametrize("logged_in", [False, True], ids=["stranger", "reader"])
@pytest.mark.parametrize("drips", [False, True], ids=["silent", "byte by byte"])
@BEGUN
def test_ours_waits_for_the_end_of_a_frame_for_so_long_only(begun, drips, logged_in, server, stranger, short_frames):
    sender = stranger(server)
    if logged_in:
        sender.log_in()
        wait_until_taken_over()
    started = time.monotonic()
    sender.sock.sendall(WHOLE[:begun])
    while not sender.is_hung_up_on(within=0.05):
        assert time.monotonic() - started < 8
        if drips:
            with suppress(OSError):
                sender.sock.sendall(WHOLE[begun : begun + 1])
                begun += 1

    assert time.monotonic() - started > 0.4


@pytest.mark.parametrize("logged_in", [False, True], ids=["stranger", "reader"])
def test_ours_gives_up_on_who_takes_no_answers(logged_in, server, stranger, short_frames):
    sender = stranger(server)
    if logged_in:
        sender.log_in()
        wait_until_taken_over()
    sender.sock.settimeout(2)
    with suppress(OSError):  # a time-out while the server waits, or a reset
        for _ in range(1000):
            sender.request(consts.HANDLE_PING, (VALUE, ("x" * (MAX_FRAME // 2),)))

    wait_until(lambda: server.connections == 0, "the server has hung up")
    wait_until_taken_over()
