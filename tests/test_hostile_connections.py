"""Connections that are silent, too many, or told what goes wrong: on a plain RPyC server, and on ours."""

import re
import socket
import threading
import time
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path

import pytest
import rpyc
from conftest import DEADLINE, wait_until
from hostile_fixtures import *  # noqa: F403 - the fixtures
from memory_fixtures import *  # noqa: F403 - the fixtures
from peers import VALUE, Book, Stranger, made_up_calls, wait_until_taken_over
from proxy import frame
from rpyc.core import consts
from servers import listening

from metermt.calls.asking import Ask, Weight
from metermt.calls.table import call
from metermt.calls.turn import Turn
from metermt.client.client import MeterClient
from metermt.config import Limits
from metermt.errors import DeadlineExceeded, ServerBusy, ServerLost

# --- silence


def test_a_plain_server_takes_silent_connections_for_ever_and_is_ended_by_too_many(tmp_path):
    with Book(tmp_path / "log", descriptors=40) as book, ExitStack() as stack:
        with suppress(OSError):
            for _ in range(80):
                stack.enter_context(socket.create_connection(("localhost", book.port)))
        wait_until(lambda: not book.runs, "the whole server has ended")


def of(seconds):
    return timedelta(seconds=seconds)


def test_ours_hangs_up_on_who_says_nothing_from_the_start(desk, stranger):
    with listening(desk, Limits(handshake=of(0.3))) as server:
        started = time.monotonic()
        assert stranger(server).is_hung_up_on()
        assert 0.2 < time.monotonic() - started < 8


@pytest.mark.parametrize("logged_in", [False, True], ids=["stranger", "reader"])
def test_ours_hangs_up_on_who_says_nothing_any_more(logged_in, desk, stranger):
    with listening(desk, Limits(idle=of(0.3))) as server:
        silent = stranger(server)
        started = time.monotonic()
        if logged_in:
            silent.log_in()
        else:
            _ = silent.root
        assert silent.is_hung_up_on()
        assert 0.2 < time.monotonic() - started < 8


def test_empty_frames_do_not_make_a_stranger_a_client(desk, stranger):
    with listening(desk, Limits(handshake=of(0.3))) as server:
        silent = stranger(server)
        silent.sock.sendall(frame(b""))
        assert silent.is_hung_up_on(within=8)


# --- crowds


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(connections=3), "The server has as many connections as it takes: try again later"),
        (Limits(3, 2), "The server has as many connections from your address as it takes: try again later"),
    ],
    ids=["from everybody", "from an address"],
)
def test_ours_tells_the_next_client_that_there_is_no_room(limits, words, desk, plain, stranger):
    with listening(desk, limits) as server, ExitStack() as stack:
        for _ in range(min(limits.connections, limits.connections_an_address)):
            stack.enter_context(MeterClient("localhost", server.port)).ping()
        with MeterClient("localhost", server.port, timeout=1.0) as client, pytest.raises(ServerBusy, match=words):
            client.ping()
        with pytest.raises(Exception, match=words) as caught:
            plain(server).root  # noqa: B018 - asking for it is the first request
        assert caught.value.args == (words,)
        assert caught.value.code == "busy"
        assert stranger(server).is_hung_up_on()  # a second later, though it has not asked for anything
        stack.close()

        with MeterClient("localhost", server.port) as client:
            assert client.login("carol", "carol") == "Carol Dent"


def test_those_who_are_logged_in_count_too(desk):
    with listening(desk, Limits(connections=1)) as server, MeterClient("localhost", server.port) as reader:
        reader.login("carol", "carol")
        wait_until_taken_over()
        with MeterClient("localhost", server.port, timeout=1.0) as client, pytest.raises(ServerBusy):
            client.ping()
        reader.ping()


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_who_was_refused_is_let_go_of(desk):
    with listening(desk, Limits(connections=1)) as server, MeterClient("localhost", server.port) as client:
        client.ping()
        before = descriptors()
        for _ in range(100):
            Stranger(server.port).close()
        wait_until(lambda: descriptors() <= before, "all descriptors are free again")
        wait_until(lambda: not refusals(), "all are told")
        client.ping()


def test_who_was_refused_and_goes_on_talking_is_let_go_of_too(desk, stranger):
    with listening(desk, Limits(connections=1)) as server, MeterClient("localhost", server.port) as client:
        client.ping()
        talker, started = stranger(server), time.monotonic()
        wait_until(refusals, "it is being refused")
        while time.monotonic() - started < DEADLINE and refusals():
            with suppress(OSError):
                talker.sock.sendall(b"x")
            time.sleep(0.2)

        assert not refusals()


def refusals():
    return [thread for thread in threading.enumerate() if thread.name == "refusal"]


def start_unless(name, really_start=threading.Thread.start):
    """Return what starts a thread, unless its name begins so: then there are no more to be had."""

    def start(thread):
        if thread.name.startswith(name):
            raise RuntimeError("can't start new thread")
        really_start(thread)

    return start


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_ours_lives_on_when_there_is_no_thread_for_a_refusal(desk, stranger, monkeypatch, thread_faults):
    with listening(desk, Limits(connections=1)) as server:
        with MeterClient("localhost", server.port) as client:
            client.ping()
            with monkeypatch.context() as patches:
                patches.setattr(threading.Thread, "start", start_unless("refusal"))
                assert stranger(server).is_hung_up_on()
        with MeterClient("localhost", server.port) as client:
            client.ping()
    assert thread_faults == []


def test_ours_lives_on_when_there_is_no_thread_for_a_login(desk, stranger, monkeypatch, thread_faults):
    with listening(desk) as server, MeterClient("localhost", server.port) as before:
        before.login("carol", "carol")
        with monkeypatch.context() as patches:
            patches.setattr(threading.Thread, "start", start_unless("client "))
            logs_in = stranger(server)
            logs_in.call("login", (VALUE, "carol"), (VALUE, "carol"))
            assert logs_in.is_hung_up_on()
        wait_until(lambda: server.connections == 1, "it is counted no more")
        before.ping()
        with MeterClient("localhost", server.port) as client:
            client.ping()
    assert thread_faults == []


def test_ours_lives_on_when_there_is_no_thread_for_a_long_call(desk, monkeypatch, expected_errors):
    with listening(desk) as server, MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        wait_until_taken_over()
        with monkeypatch.context() as patches:
            patches.setattr(threading.Thread, "start", start_unless("long calls"))
            client.timeout = 0.5
            with pytest.raises((ServerLost, DeadlineExceeded)):  # as the last try ends
                client.login("carol", "carol")
        client.timeout = 10
        assert client.login("carol", "carol") == "Carol Dent"
        assert client.get_job().meter.number == "M00000"


# --- errors


def test_a_plain_server_tells_where_its_code_is_and_what_it_runs_on(book, stranger):
    asker = stranger(book)
    asker.call("login", (VALUE, "nobody"), (VALUE, ""))
    _, (_, _, attributes, traceback) = asker.hear_answer()

    assert "Traceback" in traceback
    assert "/rpyc/core/protocol.py" in traceback
    assert dict(attributes)["_remote_version"] == rpyc.__version__


@pytest.fixture
def faulty_calls():
    """Calls that fail as nobody has thought of, or answer with what cannot be written."""
    with made_up_calls():

        @call(None, Weight.READ, parameters={})
        def fail(turn: Turn, ask: Ask[None]) -> None:
            raise KeyError("carol in /var/lib/metermt")

        @call(None, Weight.READ, parameters={})
        def half_a_character(turn: Turn, ask: Ask[None]) -> str:
            return "\ud800"

        @call(None, Weight.READ, parameters={})
        def a_huge_number(turn: Turn, ask: Ask[None]) -> int:
            return 10**5000

        @call(None, Weight.READ, parameters={})
        def a_live_object(turn: Turn, ask: Ask[None]) -> str:
            return turn

        yield


@pytest.mark.parametrize("name", ["fail", "a_live_object"])
def test_ours_tells_an_id_and_nothing_else(name, desk, stranger, faulty_calls, expected_errors):
    with listening(desk) as server:
        asker = stranger(server)
        asker.call(name)
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


@pytest.mark.parametrize("logged_in", [False, True], ids=["stranger", "reader"])
@pytest.mark.parametrize("name", ["half_a_character", "a_huge_number"])
def test_an_answer_that_cannot_be_written_is_an_error_and_the_connection_lives(
    name, logged_in, desk, stranger, faulty_calls, thread_faults
):
    with listening(desk) as server:
        asker = stranger(server)
        if logged_in:
            asker.log_in()
        asker.call(name)
        assert asker.error() == ("CallError", "The answer cannot be written")
        asker.call("ping")
        assert asker.hear_answer() == (consts.MSG_REPLY, (VALUE, None))
    assert thread_faults == []
