"""Servers and registries that never end, or say too much: a call is given up at its deadline, and fills no memory."""

import json
import os
import pickle
import socket
import struct
import sys
import tracemalloc
import zlib
from contextlib import contextmanager

import pytest
from conftest import start
from peers import MEGABYTE, REMOTE, TUPLE, VALUE
from proxy import frame, frames_of
from rpyc.core import brine, consts
from scripted import (
    METHOD,
    ROOT,
    SECONDS,
    ScriptedServer,
    answers,
    error_of_a_call,
    hear,
    in_time,
    raises,
    repeats,
    replies,
    say,
    send,
    waits,
)

from metermt.client.client import MeterClient
from metermt.errors import ConnectionFailed, DeadlineExceeded, Error, NotAMeterServer
from metermt.model import Status
from metermt.transport.frames import MAX_BULK_FRAME

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
    assert isinstance(error_of_a_call(script, SECONDS), DeadlineExceeded)


def test_a_server_that_takes_no_request_is_given_up_at_the_deadline():
    with ScriptedServer(reads_nothing) as server, MeterClient("127.0.0.1", server.port) as client:
        client.timeout = SECONDS
        with in_time(), pytest.raises(DeadlineExceeded):
            client.login("carol", "x" * 20 * MEGABYTE)


@pytest.mark.parametrize("place", range(3))
def test_a_server_that_hangs_up_again_and_again_is_given_up_at_the_deadline(place):
    def script(sock, ending):
        for message in [ROOT, METHOD][:place]:
            hear(sock, ending)
            sock.sendall(message)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    assert isinstance(error_of_a_call(script, SECONDS), ConnectionFailed)


@pytest.mark.parametrize("code", ["busy", "lost", "unreachable"])
def test_an_error_after_which_a_client_tries_again_does_not_make_it_try_for_ever(code):
    attributes = (("code", code),)
    script = raises("metermt.errors", "Error", attributes=attributes)
    assert isinstance(error_of_a_call(script, SECONDS), ConnectionFailed)


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
        hear(sock, ending)
        send(sock, header + bytes(100 * 1000), ending)
        waits(sock, ending)

    with memory_below(5 * MEGABYTE):
        assert isinstance(error_of_a_call(script), NotAMeterServer)


@pytest.mark.parametrize("size", [MAX_BULK_FRAME + 1, 100 * MEGABYTE], ids=["a little too much", "100 MB"])
def test_a_bomb_bursts_nothing(size):
    bomb = frame(zlib.compress(bytes(size)), compressed=1)
    with memory_below(3 * MAX_BULK_FRAME):
        assert isinstance(error_of_a_call(answers(bomb)), NotAMeterServer)


def test_an_answer_may_be_compressed():
    def compressed(message):
        (content,) = frames_of(message)
        return frame(zlib.compress(content), compressed=1)

    answer = compressed(say(consts.MSG_REPLY, 2, (VALUE, (3, 5))))
    with (
        ScriptedServer(answers(compressed(ROOT), compressed(METHOD), answer)) as server,
        MeterClient("127.0.0.1", server.port) as client,
    ):
        assert client.get_status() == Status(3, 5)


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
        assert isinstance(error_of_a_call(repeats(message), SECONDS), ConnectionFailed)


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
