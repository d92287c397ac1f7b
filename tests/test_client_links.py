"""`MeterClient` over connections that break: it connects again, a submission counts once, and nothing is left."""

import gc
import socket

import pytest
from client_fixtures import *  # noqa: F403 - the fixtures
from clients import YESTERDAY, ends_after, ends_by, read_in
from conftest import WHEN, make_answer, run_together, start, wait_until
from proxy import Proxy
from servers import deaf_socket, listening, sockets_of

from metermt import Answer, MeterClient
from metermt.calls.desk import Desk
from metermt.errors import ConnectionFailed, ServerUnreachable, SettingError
from metermt.model import Status
from metermt.store.sqlite.store import SqliteStore


@pytest.mark.parametrize("hard", [False, True], ids=["closed", "reset"])
def test_a_connection_that_is_cut_is_made_again(hard, client_behind, proxy, town):
    client = client_behind
    for number, call in enumerate(
        (
            client.hello,
            client.get_job,
            client.get_status,
            client.ping,
            lambda: client.submit_reading("M00000", 1, when=WHEN),
            lambda: client.submit_and_next(make_answer("M00001", 1)),
            lambda: client.submit_readings([make_answer("M00002", 1)]),
            client.logout,
        )
    ):
        proxy.cut(hard=hard)
        call()
        assert proxy.connections == number + 2

    assert read_in(town) == [("M00000", 1), ("M00001", 1), ("M00002", 1)]


@pytest.mark.parametrize(
    ("submit", "outcome"),
    [
        (lambda client, meter: client.submit_reading(meter, 5983, when=WHEN), None),
        (lambda client, meter: client.submit_and_next(make_answer(meter, 5983)).status, Status(2, 2)),
        (lambda client, meter: client.submit_readings([make_answer(meter, 5983), make_answer("X1")])[0], None),
    ],
    ids=["submit_reading", "submit_and_next", "submit_readings"],
)
def test_a_submission_whose_answer_is_lost_counts_once(submit, outcome, client_behind, proxy, town):
    submit(client_behind, "M00000")  # from now on such a call is one request
    proxy.lost_answers = 1

    assert submit(client_behind, "M00001") == outcome

    assert proxy.connections == 2
    assert read_in(town) == [("M00000", 5983), ("M00001", 5983)]


def test_an_answer_that_is_lost_again_and_again_counts_once(client_behind, proxy, town):
    client_behind.submit_reading("M00000", 5983, when=WHEN)
    proxy.lost_answers = 3

    client_behind.submit_reading("M00001", 5984, when=WHEN)

    assert proxy.connections == 4
    assert read_in(town) == [("M00000", 5983), ("M00001", 5984)]


def test_a_server_that_is_killed_and_comes_back_is_found_again(servers, database):
    server = servers.start("--database", database)
    with Proxy(server.port) as proxy, MeterClient("localhost", proxy.port) as client:
        client.login("carol", "carol")
        client.submit_and_next(Answer("M00000", 1, when=YESTERDAY))
        proxy.lost_answers = 1
        submission = start(lambda: client.submit_and_next(Answer("M00001", 2, when=YESTERDAY)))
        wait_until(lambda: proxy.lost_answers == 0, "the reading is stored, and its reader does not know")
        server.kill()
        servers.start("--database", database, port=server.port)

        following = submission()
        assert (following.status, following.job.meter.number) == (Status(2, 2), "M00002")
    with SqliteStore(database) as store:
        assert read_in(store) == [("M00000", 1), ("M00001", 2)]


def test_a_server_that_ends_in_order_and_comes_back_is_found_again(town, clock):
    with (
        listening(Desk(town, clock=clock)) as server,
        Proxy(server.port) as proxy,
        MeterClient("localhost", proxy.port) as client,
    ):
        client.login("carol", "carol")
        server.stop()
        submission = start(lambda: client.submit_reading("M00000", 1, when=WHEN))
        with listening(Desk(town, clock=clock)) as again:
            proxy.server_port = again.port
            submission()

    assert read_in(town) == [("M00000", 1)]


def test_a_large_bulk_goes_through_after_a_reconnection_too(client_behind, proxy):
    proxy.cut()
    answers = [make_answer("M00000", number, "\u00e4" * 500) for number in range(1000)]  # some three MiB

    assert client_behind.submit_readings(answers) == [None] * 1000


# --- servers that are not there


def test_a_server_that_is_not_there_is_told_at_once():
    with deaf_socket() as taken:
        port = taken.getsockname()[1]
        words = f"Nobody answers at localhost:{port}: Connection refused"
        with ends_by(0), pytest.raises(ServerUnreachable, match=words):
            MeterClient("localhost", port)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 100, "x..y", ""])
def test_a_host_that_is_none_is_told(host):
    with pytest.raises(ServerUnreachable, match="Nobody answers at "):
        MeterClient(host, 1)


@pytest.mark.parametrize("port", [-1, 65536, 10**6])
def test_a_port_that_is_none_is_told(port):
    with pytest.raises(SettingError, match=f"Invalid port {port}"):
        MeterClient("localhost", port)


def test_while_nobody_answers_a_call_goes_on_trying_until_its_deadline(town):
    with listening(Desk(town)) as server:
        clients = [MeterClient("localhost", server.port) for _ in range(8)]

    def call(client):
        client.timeout = 1.0
        with ends_after(client.timeout, earliest=0.8 * client.timeout), pytest.raises(ConnectionFailed):
            client.ping()

    run_together(*(lambda client=client: call(client) for client in clients))
    for client in clients:
        client.close()


def test_a_client_does_not_take_itself_for_a_server(monkeypatch):
    """Without a listener the system may choose the port that is called as the one to call from."""
    make = socket.socket
    with deaf_socket() as taken:
        port = taken.getsockname()[1]

        def bound_there(*kind):
            sock = make(*kind)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", port))
            return sock

        monkeypatch.setattr(socket, "socket", bound_there)
        with pytest.raises(ServerUnreachable, match=f"^Nobody answers at 127.0.0.1:{port}: Connection refused$"):
            MeterClient("127.0.0.1", port)


# --- nothing left behind


def test_who_could_not_connect_leaves_no_socket_behind():
    gc.collect()
    with deaf_socket() as refusing:
        before = sockets_of("self")
        for host in ("127.0.0.1", "no-such-host.invalid"):
            with pytest.raises(ServerUnreachable):
                MeterClient(host, refusing.getsockname()[1])
        gc.collect()  # a socket that nobody has closed warns now, and warnings are errors
        assert sockets_of("self") == before


def test_a_client_that_has_logged_in_leaves_no_socket_behind(server):
    before = sockets_of("self")
    with MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        client.get_job()
    client.close()
    del client
    gc.collect()

    wait_until(lambda: sockets_of("self") <= before, "both ends are closed")
