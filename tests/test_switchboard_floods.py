"""Readers who send without end, or take no answers: they hold up nobody else, and fill no memory."""

import socket
import time
import tracemalloc
from contextlib import contextmanager, suppress
from threading import Event
from types import SimpleNamespace

import pytest
import rpyc
from conftest import DEADLINE, start, wait_until
from peers import LOCAL, TUPLE, VALUE, wait_until_taken_over
from proxy import frame
from rpyc.core import brine, consts
from switchboard_fixtures import *  # noqa: F403 - the fixtures

from metermt.calls.asking import Caller
from metermt.transport import elsewhere as elsewhere_module
from metermt.transport.deadline import Deadline
from metermt.transport.elsewhere import Elsewhere


@pytest.fixture
def talker(server, stranger):
    return stranger(server)


def test_who_does_not_fetch_answers_holds_up_nobody_else(server, connect, plain):
    greedy = plain(server)
    session, _ = greedy.root.login("adam", "adam")
    ask = rpyc.async_(greedy.root.get_jobs)
    unread = [ask(session, '{"n": 200}') for _ in range(300)]  # 30 kB each; nobody reads them
    client = connect(server)
    for _ in range(50):
        client.get_status()

    assert len(unread) == 300


def status_of(session, root):
    """Write the request for the status of a session by hand."""
    boxed = (TUPLE, ((LOCAL, root), (VALUE, "get_status"), (VALUE, (session,)), (VALUE, ())))
    return frame(b"\x01" + brine.dump((7, (consts.HANDLE_CALLATTR, boxed))))


def ping_of(text):
    """Write the request to send a text back by hand."""
    return frame(b"\x01" + brine.dump((7, (consts.HANDLE_PING, (VALUE, (text,))))))


@pytest.mark.parametrize("asked", ["ping", "status", "no call"])
def test_who_sends_faster_than_is_answered_fills_no_memory(asked, server, talker):
    session, root = talker.log_in(), talker.root
    wait_until_taken_over()
    message = {
        "ping": ping_of(""),
        "status": status_of(session, root),
        "no call": status_of(session, root).replace(b"get_status", b"get_nobody"),
    }[asked]
    all_at_once = message * (9_000_000 // len(message))
    tracemalloc.start()
    try:
        with sending(talker, all_at_once, patience=0.5):
            until = time.monotonic() + 2
            with suppress(TimeoutError):
                while time.monotonic() < until:
                    talker.sock.recv(65_536)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_who_sends_without_end_holds_up_nobody_else(server, connect, talker):
    client = connect(server)
    message = status_of(talker.log_in(), talker.root)
    wait_until_taken_over()
    with sending(talker, message * 1000) as sent:
        reading = start(lambda: drain(talker.sock))
        for n in range(20):
            client.submit_reading(f"M{n:05}", n)
        assert not sent.is_there()
    reading()


@contextmanager
def sending(talker, message, patience=DEADLINE):
    """Send something over and over in a thread during the block."""
    talker.sock.settimeout(patience)

    def send():
        while True:
            talker.sock.sendall(message)

    sent = start(send)
    try:
        yield sent
    finally:
        with suppress(OSError):
            talker.sock.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            sent()


def drain(sock):
    with suppress(OSError):
        while sock.recv(1_000_000):
            pass


def test_a_server_stops_while_one_sends_without_end(server, talker):
    talker.log_in()
    wait_until_taken_over()
    with sending(talker, ping_of("x" * 1000) * 1000):
        reading = start(lambda: drain(talker.sock))
        started = time.monotonic()
        assert server.stop()
        assert time.monotonic() - started < 8  # of the ten that it would wait for calls
    reading()


# --- what takes long is done elsewhere


class Bulky:
    """Somebody who has sent much, which takes two milliseconds to be read, and longer if the test says so."""

    def __init__(self, elsewhere, go_on):
        self.caller, self.is_busy, self.began = Caller("10.0.0.1"), False, False
        self._elsewhere, self._go_on = elsewhere, go_on

    def next_call(self, _check):
        self.began = True
        assert self._go_on.wait(DEADLINE)
        until = time.thread_time() + 0.002
        while time.thread_time() < until:
            pass
        self._elsewhere.turns += 1  # others were answered meanwhile


def test_who_sends_much_is_read_one_by_one_with_rests_while_others_are_answered(desk, monkeypatch):
    rests, go_on = [], Event()
    monkeypatch.setattr(elsewhere_module, "time", SimpleNamespace(thread_time=time.thread_time, sleep=rests.append))
    elsewhere = Elsewhere(desk, lambda: None, lambda _: None)
    both = [Bulky(elsewhere, go_on) for _ in range(2)]
    for one in both:
        elsewhere.read(one)
    wait_until(lambda: any(one.began for one in both), "one is read")
    wait_until(lambda: len(elsewhere._bulks) == 1, "the other waits")
    go_on.set()
    wait_until(lambda: len(elsewhere._back) == 2, "both were read")
    assert elsewhere.stop(Deadline(DEADLINE))
    assert all(rest >= 0.006 for rest in rests), "three times as long"
    assert len(rests) == 2
