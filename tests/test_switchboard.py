"""Readers who are logged in share one thread: each is answered as if alone, and none holds up the others."""

import threading
import time
from datetime import timedelta

import pytest
import rpyc
from conftest import WHEN, run_together, start, wait_until
from peers import made_up_calls, own_threads, wait_until_taken_over
from readers import left_to, readings_in
from servers import listening
from switchboard_fixtures import *  # noqa: F403 - the fixtures
from switchboard_fixtures import values

from metermt.calls.asking import Ask, Weight
from metermt.calls.table import call
from metermt.calls.turn import Turn
from metermt.config import Limits
from metermt.errors import InternalError, SessionError
from metermt.model import Answer, Role

# --- one thread for all


def test_readers_who_are_logged_in_have_no_thread_of_their_own(server, connect):
    clients = [connect(server) for _ in range(10)]
    wait_until_taken_over()

    for client in clients:
        client.submit_and_next(Answer(client.get_job().meter.number, 1))

    assert own_threads() == []
    assert server.connections == 10
    assert clients[0].get_status().count == 10


def test_whatever_a_reader_asks_for_nobody_gets_a_thread_back(server, connect):
    client, seen = connect(server), []
    wait_until_taken_over()
    with watching(lambda: seen.extend(own_threads())):
        answers = [Answer(f"M{n:05}", n) for n in range(300)]
        assert client.submit_readings(answers) == [None] * 300
        assert client.get_status().count == 300
        assert client.login("carol", "carol") == "Carol Dent"
        assert len(client.get_jobs(150)) == 150
        assert client.get_job().meter.number == "M00300"

    assert seen == []


class watching:  # noqa: N801 - it reads as a word of the sentence
    """Look at something again and again during a block."""

    def __init__(self, look):
        self._look, self._ended = look, threading.Event()

    def _watch(self):
        while not self._ended.wait(0.001):
            self._look()

    def __enter__(self):
        self._result = start(self._watch)

    def __exit__(self, *_exc):
        self._ended.set()
        self._result()


def test_a_crowd_reads_every_meter_once(server, store, connect):
    def read_all(username):
        client = connect(server, username)
        job = client.get_job()
        while job:
            job = client.submit_and_next(Answer(job.meter.number, int(job.meter.number[1:]))).job

    run_together(*(lambda name=name: read_all(name) for name in ("adam", "carol", "eric", "gwenda") * 2))

    assert values(store) == {f"M{n:05}": n for n in range(500)}
    assert len(readings_in(store)) == 500


def test_requests_that_come_at_once_are_answered_in_order(server, plain):
    connection = plain(server)
    session, _ = connection.root.login("carol", "carol")
    submit, status = (rpyc.async_(getattr(connection.root, name)) for name in ("submit_reading", "get_status"))
    wait_until_taken_over()
    asked = []
    for n in range(100):
        asked.append(submit(session, f"M{n:05}", WHEN, n))
        asked.append(status(session))
    for answer in asked:
        answer.wait()

    assert [answer.value for answer in asked[1::2]] == [(n, n) for n in range(1, 101)]


def test_a_bare_client_of_rpyc_is_answered_too(server, plain):
    root = plain(server).root
    session, _ = root.login("carol", "carol")
    assert root.get_job(session) == "M00000"
    wait_until_taken_over()
    assert root.get_status(session) == (0, 0)
    with pytest.raises(AttributeError):
        root.get_everything(session)
    assert root.get_job(session) == "M00000"


# --- what goes wrong


def test_a_refused_reading_is_told_to_its_sender_and_nobody_else(server, store, connect):
    good, bad = connect(server, "carol"), connect(server, "adam")
    errors = []

    def send_bad():
        for n in range(30):
            try:
                bad.submit_reading(f"X{n}", 1)
            except Exception as error:  # noqa: BLE001 - its kind is what is asked
                errors.append(type(error).__name__)

    run_together(send_bad, lambda: [good.submit_reading(f"M{n:05}", n) for n in range(100)])

    assert errors == ["UnknownMeter"] * 30
    assert values(store) == {f"M{n:05}": n for n in range(100)}


def test_a_wrong_call_of_one_who_is_logged_in_is_told_and_no_fault_of_the_server(server, plain):
    root = plain(server).root
    root.login("carol", "carol")
    wait_until_taken_over()
    for args in ((), ("session",), ("session", "1"), ("session", 1, 1), ("session", "{}")):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - RPyC makes the class
            root.get_jobs(*args)
        assert caught.value.code in ("call", "session")


@pytest.mark.parametrize("weight", [Weight.READ, Weight.WRITE, Weight.LONG], ids=lambda weight: weight.name)
def test_an_error_that_nobody_has_thought_of_is_told_and_ends_nothing(weight, server, connect, expected_errors):
    with made_up_calls():

        @call(Role.READER, weight, parameters={})
        def odd(turn: Turn, ask: Ask[None]) -> None:
            raise RuntimeError("odd")

        adam, carol = connect(server, "adam"), connect(server, "carol")
        wait_until_taken_over()
        for _ in range(3):
            with pytest.raises(InternalError, match="Internal error"):
                adam.call(odd, None)
            assert carol.get_status().total == 0
        assert adam.get_job()
    assert len(expected_errors) == 1  # those that come again are counted


def test_a_call_that_cannot_even_be_weighed_ends_its_client_alone(server, connect, plain, expected_errors):
    with made_up_calls():

        @call(Role.READER, Weight.WRITE, parameters={}, is_large=lambda request: request.size > 5)
        def odd(turn: Turn, ask: Ask[None]) -> None:
            """Have nothing to weigh."""

        root, carol = plain(server).root, connect(server)
        session, _ = root.login("adam", "adam")
        wait_until_taken_over()
        with pytest.raises(EOFError):
            root.odd(session)
        assert carol.get_job()
    assert server.failure is None


# --- ends


def test_who_says_nothing_any_more_is_hung_up_on_and_keeps_the_job(desk, connect):
    with listening(desk, Limits(idle=timedelta(seconds=0.5))) as server:
        silent = connect(server)
        assert silent.get_job().meter.number == "M00000"
        talking, until = connect(server, "adam"), time.monotonic() + 10
        while server.connections > 1:
            talking.get_status()
            assert time.monotonic() < until
        other = connect(server, "carol")
        assert other.get_job().meter.number == "M00000"
        assert talking.get_status().total == 0


def test_a_client_that_goes_is_let_go_of(server, connect):
    staying, going = connect(server), connect(server, "adam")
    assert going.get_job().meter.number == "M00000"
    going.close()
    wait_until(lambda: server.connections == 1, "the server has noticed")
    assert connect(server, "adam").get_job().meter.number == "M00000"
    assert staying.get_job().meter.number == "M00499"


def test_who_has_logged_out_is_told_so(server, connect):
    client = connect(server)
    client.logout()
    with pytest.raises(SessionError):
        client.get_job()


def test_a_server_stops_with_all_its_readers_connected(desk, store, connect):
    with listening(desk) as server:
        clients = [connect(server) for _ in range(20)]
        for client in clients:
            client.get_job()
        started = time.monotonic()
    assert time.monotonic() - started < 8  # of the ten that it would wait for calls
    assert server.connections == 0
    assert len(left_to(store)) == 20


def test_what_was_acknowledged_while_a_server_stopped_is_stored(desk, store, connect):
    acknowledged = []
    with listening(desk) as server:
        client = connect(server)

        def submit_until_it_ends():
            for n in range(500):
                try:
                    client.submit_reading(f"M{n:05}", n)
                except Exception:  # noqa: BLE001 - whatever it is, it was not acknowledged
                    return
                acknowledged.append(f"M{n:05}")

        submitting = start(submit_until_it_ends)
        wait_until(lambda: len(acknowledged) > 20, "some are stored")
        client.timeout = 0.5  # it need not look for the server for long
    submitting()
    assert set(acknowledged) <= set(values(store))
