"""`MeterClient` and servers that hang: every call ends by its deadline."""

import socket
from contextlib import ExitStack

import pytest
from client_fixtures import *  # noqa: F403 - the fixtures
from clients import YESTERDAY, ends_after, ends_by
from conftest import DEADLINE, WHEN, run_together, start, wait_until

from metermt import Answer, MeterClient
from metermt.errors import DeadlineExceeded, UnknownMeter
from metermt.model import Status


def test_while_the_server_is_frozen_every_call_ends_by_its_deadline(servers, database):
    server = servers.start("--database", database)
    with ExitStack() as stack:
        idle, shared, busy = (stack.enter_context(MeterClient("localhost", server.port)) for _ in range(3))
        for client, name in ((idle, "adam"), (shared, "carol"), (busy, "eric")):
            client.login(name, name)
            client.timeout = 1.0
        many = [Answer("X1", 1, "\N{DOG}" * 500, YESTERDAY)] * 1000  # 6 MB

        def call(what):
            with ends_after(1.0), pytest.raises(DeadlineExceeded, match=r"^No answer from the server within 1 sec"):
                what()

        def connect_and_call():
            with MeterClient("localhost", server.port, timeout=1.0) as client:
                client.ping()

        with server.frozen():
            run_together(
                lambda: call(idle.get_job),
                lambda: call(shared.get_status),
                lambda: call(shared.get_status),  # waits for the other one
                lambda: call(shared.ping),
                lambda: call(lambda: busy.submit_readings(many)),  # more than a socket takes
                lambda: call(connect_and_call),
            )
            with ends_after(1.0), pytest.raises(DeadlineExceeded):  # and again, on new connections
                idle.ping()

        for client in (idle, shared, busy):
            client.timeout = DEADLINE
        assert idle.get_job().meter.number == "M00000"
        assert shared.get_status() == Status(0, 0)
        assert busy.submit_readings([Answer("M00002", 1, when=YESTERDAY)]) == [None]


@pytest.fixture
def full_port():
    """A port where a connection is neither accepted nor refused."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):  # the one that may wait
            yield full.getsockname()[1]


def test_a_server_that_accepts_nobody_is_given_up_at_the_deadline(full_port):
    with ends_after(0.5), pytest.raises(DeadlineExceeded):
        MeterClient("127.0.0.1", full_port, timeout=0.5)


def test_an_address_that_lets_nothing_pass_leaves_time_for_the_next_one_of_the_same_host(
    full_port, proxy, known_by_name
):
    known_by_name(full_port, proxy.port)
    with MeterClient("meter.example.org", timeout=2.0) as client:
        client.login("carol", "carol")
        proxy.cut()
        with ends_by(2.0):
            assert client.get_job().meter.number == "M00000"


def test_two_addresses_that_let_nothing_pass_take_no_longer_than_one(full_port, known_by_name):
    known_by_name(full_port, full_port)
    with ends_after(0.5), pytest.raises(DeadlineExceeded):
        MeterClient("meter.example.org", timeout=0.5)


def test_an_address_that_lets_nothing_pass_before_one_that_is_gone_has_all_of_the_time_and_is_not_called_gone(
    full_port, known_by_name
):
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))  # and nobody listens
        known_by_name(full_port, gone.getsockname()[1])
        with ends_after(0.5), pytest.raises(DeadlineExceeded):
            MeterClient("meter.example.org", timeout=0.5)


def test_a_network_that_lets_nothing_pass_is_given_up_at_the_deadline_and_used_again_when_it_does(proxy):
    with MeterClient("localhost", proxy.port) as client:
        client.login("carol", "carol")
        client.timeout = 0.5
        with proxy.deaf(), ends_after(0.5), pytest.raises(DeadlineExceeded):
            client.get_job()
        client.timeout = DEADLINE
        assert client.get_job().meter.number == "M00000"
        assert proxy.connections == 2  # the old one might have brought a late answer


def test_a_farewell_waits_a_second_for_a_server_that_says_nothing_and_for_none_without_a_login(client_behind, proxy):
    with proxy.deaf():
        with ends_after(1.0):
            client_behind.farewell()
        with ends_by(0.0):
            client_behind.farewell()


def test_a_call_does_not_wait_for_that_of_another_thread_beyond_its_own_deadline(client_behind, proxy):
    client_behind.timeout = DEADLINE
    with proxy.deaf():
        other = start(client_behind.get_job)
        wait_until(client_behind._lock.locked, "the other call is under way")
        client_behind.timeout = 0.3
        with ends_after(0.3), pytest.raises(DeadlineExceeded):
            client_behind.get_job()
        assert not other.is_there()
    assert other().meter.number == "M00000"


def test_a_late_answer_is_never_taken_for_that_of_a_later_call(proxy):
    with MeterClient("localhost", proxy.port) as client:
        client.login("carol", "carol")
        client.get_status()
        assert client.get_job().meter.number == "M00000"
        proxy.delay, client.timeout = 0.6, 0.4
        with pytest.raises(DeadlineExceeded):
            client.get_job()
        proxy.delay, client.timeout = 0, DEADLINE

        for _ in range(3):
            assert client.get_status() == Status(0, 0)


def test_an_answer_byte_by_byte_is_an_answer(client_behind, proxy):
    proxy.trickles = True

    assert len(client_behind.get_jobs(3)) == 3
    assert client_behind.get_status() == Status(0, 0)
    with pytest.raises(UnknownMeter):
        client_behind.submit_reading("X1", 1, when=WHEN)


def test_an_answer_that_trickles_in_does_not_put_off_the_deadline(proxy):
    with MeterClient("localhost", proxy.port) as client:
        client.login("carol", "carol")
        client.timeout = 0.5
        proxy.trickles, proxy.delay = True, 0.1
        with ends_after(0.5), pytest.raises(DeadlineExceeded):
            client.get_jobs(20)
