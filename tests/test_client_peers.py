"""`MeterClient` and peers that are no meter server, or talk nonsense: errors of ours, and in time."""

import gc
import json
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

import pytest
from clients import ends_after, ends_by
from conftest import make_answer
from peers import MEGABYTE
from proxy import frame
from rpyc.core import brine, consts
from scripted import METHOD, ROOT, ScriptedServer, answers, replies, say
from servers import sockets_of

from metermt import MeterClient
from metermt.errors import CallError, ConnectionFailed, DeadlineExceeded, Error, NotAMeterServer
from metermt.model import Status


def compressed(kind, number, content):
    return frame(zlib.compress(bytes([kind]) + brine.dump((number, content))), compressed=1)


def result(value):
    """Make a script that answers the first call with this."""
    return replies((consts.LABEL_VALUE, value))


# --- peers that do not speak the protocol


def test_a_peer_that_says_nothing_is_given_up_at_the_deadline():
    with ScriptedServer(answers()) as peer, MeterClient("127.0.0.1", peer.port) as client:
        client.timeout = 0.5
        with ends_after(0.5), pytest.raises(DeadlineExceeded, match=r"No answer from the server within 0\.5 seconds"):
            client.ping()


def test_a_peer_that_always_hangs_up_is_told_by_the_deadline():
    with ScriptedServer(lambda *_: None) as peer, MeterClient("127.0.0.1", peer.port) as client:
        client.timeout = 0.5
        with ends_by(0.5), pytest.raises(ConnectionFailed):
            client.ping()


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(answers(b"SSH-2.0-OpenSSH_9.6\r\n"), id="SSH"),
        pytest.param(answers(Random(1).randbytes(100_000)), id="random bytes"),
        pytest.param(answers(frame(b"\xff\xfe\xfd")), id="message of no kind"),
        pytest.param(answers(frame(b"\x02\xff\xfe\xfd")), id="answer of garbage"),
        pytest.param(answers(frame(b"\x03\xff\xfe\xfd")), id="error of garbage"),
        pytest.param(answers(frame(b"\x02")), id="answer of nothing"),
        pytest.param(answers(frame(b"garbage", compressed=1)), id="compressed garbage"),
        pytest.param(answers(frame(zlib.compress(b"\x02" * 99)[:-1], compressed=1)), id="part of a compressed frame"),
        pytest.param(
            answers(frame(zlib.compress(bytes(9 * MEGABYTE)), compressed=1)), id="compressed frame that is too large"
        ),
        pytest.param(answers(say(consts.MSG_REPLY, 0, (99, None))), id="label of no kind"),
        pytest.param(answers(say(consts.MSG_REPLY, 0, (consts.LABEL_LOCAL_REF, ("x", 1, 2)))), id="unknown object"),
        pytest.param(answers(say(consts.MSG_EXCEPTION, 0, 5)), id="error that is a number"),
        pytest.param(answers(say(consts.MSG_EXCEPTION, 0, ((1, 2), ("x",), 5, ""))), id="error of nonsense"),
        pytest.param(answers(say(consts.MSG_REQUEST, 0, (consts.HANDLE_DIR, ()))), id="question"),
    ],
)
def test_a_peer_that_talks_garbage_is_told_at_once(script):
    with ScriptedServer(script) as peer, MeterClient("127.0.0.1", peer.port) as client:
        for _ in range(2):
            with ends_by(0), pytest.raises(NotAMeterServer):
                client.ping()


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(answers(b"\0" * 6 * 1000), id="empty frames"),
        pytest.param(answers(say(consts.MSG_REPLY, 0, (consts.LABEL_VALUE, None))), id="no root"),
    ],
)
def test_a_peer_that_says_nothing_of_use_is_an_error_like_any_other(script):
    with ScriptedServer(script) as peer, MeterClient("127.0.0.1", peer.port) as client:
        client.timeout = 0.3
        for _ in range(2):
            with ends_by(0.3), pytest.raises(Error):
                client.ping()


@pytest.mark.parametrize("protocol", ["HTTP/1.0", "HTTP/1.1"])
def test_a_web_server_is_told_for_what_it_is(protocol):
    class Page(BaseHTTPRequestHandler):
        protocol_version = protocol

        def log_say(self, *_args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as web:
        serving = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01}, name="web")
        serving.start()
        try:
            with MeterClient("127.0.0.1", web.server_port) as client, pytest.raises(NotAMeterServer):
                client.ping()
        finally:
            web.shutdown()
            serving.join()


def test_who_was_given_no_answer_leaves_no_socket_behind():
    gc.collect()
    before = sockets_of("self")
    with ScriptedServer(answers()) as mute, MeterClient("127.0.0.1", mute.port) as client:
        client.timeout = 0.2
        with pytest.raises(DeadlineExceeded):
            client.ping()
    gc.collect()  # a socket that nobody has closed warns now, and warnings are errors
    assert sockets_of("self") == before


# --- answers that are not as they should be

CALLS = {
    "login": lambda client: client.login("carol", "carol"),
    "hello": lambda client: client.hello(),
    "get_status": lambda client: client.get_status(),
    "get_job": lambda client: client.get_job(),
    "get_jobs": lambda client: client.get_jobs(1),
    "submit_and_next": lambda client: client.submit_and_next(make_answer()),
    "submit_readings": lambda client: client.submit_readings([make_answer()]),
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, None) for name in CALLS),
        *((name, "no JSON") for name in CALLS),
        *((name, b"{}") for name in CALLS),
        *((name, "[[]]") for name in CALLS),
        *((name, "5") for name in CALLS),
        *((name, '{"status": 5}') for name in CALLS),
        ("login", (1, 2, 3)),
        ("login", ("session",)),
        ("hello", '{"version": "1"}'),
        ("get_status", ("many", "more")),
        ("get_status", (True, False)),
        ("get_job", '{"meter": {"number": "G1"}, "cycle": 5}'),
        ("get_job", '{"meter": {"number": "no number"}, "cycle": "2026-11"}'),
        ("submit_and_next", (1, 1, None)),
        ("submit_and_next", '{"status": {"count": 1, "total": "many"}, "job": null}'),
        ("submit_readings", "[1]"),
        ("submit_readings", "[]"),
        ("submit_readings", "[null, null]"),
        ("submit_readings", '[{"code": 5}]'),
    ],
)
def test_an_answer_that_makes_no_sense_is_an_error_like_any_other(name, value):
    with ScriptedServer(result(value)) as peer, MeterClient("127.0.0.1", peer.port) as client, pytest.raises(CallError):
        CALLS[name](client)


def test_names_in_an_answer_that_a_newer_server_knows_are_ignored():
    newer = {"status": {"count": 1, "total": 2, "rank": 3}, "job": None, "weather": "rain"}
    with ScriptedServer(result(json.dumps(newer))) as peer, MeterClient("127.0.0.1", peer.port) as client:
        following = client.submit_and_next(make_answer())

    assert (following.status, following.job) == (Status(1, 2), None)


def test_an_error_of_a_newer_server_is_an_error_with_its_text_and_details():
    newer = [{"code": "meter-on-fire", "text": "Run", "details": {"degrees": 451}}]
    with ScriptedServer(result(json.dumps(newer))) as peer, MeterClient("127.0.0.1", peer.port) as client:
        (outcome,) = client.submit_readings([make_answer()])

    assert (type(outcome), str(outcome), outcome.details) == (Error, "Run", {"degrees": 451})


def test_an_answer_that_comes_compressed_is_taken():
    said = compressed(consts.MSG_REPLY, 2, (consts.LABEL_VALUE, ("session", "Carol Dent")))
    with ScriptedServer(answers(ROOT, METHOD, said)) as peer, MeterClient("127.0.0.1", peer.port) as client:
        assert client.login("carol", "carol") == "Carol Dent"
