"""Servers that share a database, that are killed and start again, and that cannot start beside another."""

import pytest
import rpyc
from clients import YESTERDAY, meter_of, read_in
from conftest import dump, make_jobs, wait_until
from readers import left_to
from rpyc.core.vinegar import GenericException
from servers import fill, run_to_end

from metermt.client.client import MeterClient
from metermt.errors import SessionError, TooManyFailures
from metermt.serving import RunningServer, ServerSettings
from metermt.store.opening import open_store


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, demo_accounts):
    """A database of each kind in turn, with the demo's users and 500 meters."""
    place = request.getfixturevalue("database_path" if request.param == "sqlite" else "postgres_url")
    with open_store(place) as store:
        fill(store, demo_accounts, make_jobs(500))
    return place


@pytest.fixture
def running(database):
    """Two servers on the database, both in this process."""
    settings = ServerSettings(port=0, database=database)
    with RunningServer(settings) as server, RunningServer(settings) as other:
        yield server, other


def test_two_servers_on_one_database_know_each_others_sessions(running):
    first, second = running
    with rpyc.connect("localhost", first.port) as one, rpyc.connect("localhost", second.port) as other:
        session, _ = one.root.login("carol", "carol")
        adams, _ = other.root.login("adam", "adam")

        assert one.root.get_job(session) == other.root.get_job(session) == "M00000"
        assert one.root.get_job(adams) == other.root.get_job(adams) == "M00499"
        other.root.submit_reading(session, "M00000", YESTERDAY, 1)
        one.root.submit_reading(adams, "M00499", YESTERDAY, 1)
        assert one.root.get_status(session) == other.root.get_status(session) == (1, 2)

        other.root.logout(session)
        wait_until(lambda: is_over(one.root, session), "the other server knows that the session is over")


def is_over(root, session):
    try:
        root.get_status(session)
    except GenericException as error:
        return error.code == SessionError.code
    return False


def test_failed_logins_count_on_all_servers_of_a_database(running):
    first, second = running
    with rpyc.connect("localhost", first.port) as one, rpyc.connect("localhost", second.port) as other:
        for _ in range(5):
            for root in (one.root, other.root):
                with pytest.raises(Exception, match="Invalid username or password"):
                    root.login("carol", "guess")
        for root in (one.root, other.root):
            with pytest.raises(Exception, match="Too many failed logins") as caught:
                root.login("carol", "carol")
            assert caught.value.code == TooManyFailures.code
            assert root.login("adam", "adam")[1] == "Adam Ong"


def test_after_a_kill_sessions_jobs_and_readings_are_there(servers, database):
    server = servers.start("--database", database)
    with MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        session = client._session_id
        client.submit_reading("M00000", 5983, "", YESTERDAY)
        assert client.get_job().meter.number == "M00001"
        server.kill()

    again = servers.start("--database", database, port=server.port)
    with rpyc.connect("localhost", again.port) as connection, MeterClient("localhost", again.port) as adam:
        adam.login("adam", "adam")
        assert adam.get_job().meter.number == "M00499"
        assert connection.root.get_status(session) == (1, 1)
        assert connection.root.get_job(session) == "M00001"
    assert again.stop() == 0
    with open_store(database) as store:
        assert read_in(store) == [("M00000", 5983)]


# --- what sessions hold belongs to them, whatever servers come and go


@pytest.mark.parametrize("options", [(), ("--demo",)], ids=["plain", "demo"])
def test_a_server_that_cannot_listen_touches_nothing_in_the_database(options, servers, database, connect):
    server = servers.start("--database", database)
    first, second = connect(server), connect(server)
    assert meter_of(first) == "M00000"
    with open_store(database) as store:
        before = dump(store)
        refused = run_to_end("--database", database, "--port", server.port, *options)
        assert "the port is taken by another program" in refused.stderr
        assert dump(store) == before

    assert meter_of(second) == "M00001"
    assert meter_of(first) == "M00000"


def test_a_server_that_was_killed_leaves_to_their_readers_what_its_earlier_life_held(servers, database, connect):
    server, other = (servers.start("--database", database) for _ in range(2))
    assert meter_of(connect(server)) == "M00000"
    assert meter_of(connect(other)) == "M00001"
    server.kill()

    again = servers.start("--database", database, port=server.port)

    assert meter_of(connect(again, "adam")) == "M00499"
    carol = connect(again)
    assert [job.meter.number for job in carol.get_jobs(2)] == ["M00000", "M00002"]


def test_what_is_held_through_another_server_stays_when_one_starts(servers, database, connect):
    server = servers.start("--database", database)
    assert meter_of(connect(server)) == "M00000"

    for _ in range(2):
        other = servers.start("--database", database)
        assert meter_of(connect(other)) != "M00000"
        other.kill()


def test_a_server_that_ends_leaves_to_their_readers_what_was_held_through_it(running, connect):
    server, other = running
    assert meter_of(connect(server)) == "M00000"
    assert meter_of(connect(other)) == "M00001"
    server.stop()

    assert meter_of(connect(other, "adam")) == "M00499"
    assert [job.meter.number for job in connect(other).get_jobs(2)] == ["M00000", "M00002"]


def test_who_was_connected_when_the_server_was_killed_goes_on_with_what_they_hold(servers, database, connect):
    server = servers.start("--database", database)
    first, second = connect(server), connect(server)
    held = meter_of(first), meter_of(second)
    server.kill()
    servers.start("--database", database, port=server.port)

    assert (meter_of(first), meter_of(second)) == held == ("M00000", "M00001")


def test_who_loses_the_connection_leaves_what_they_hold_to_their_next_session(running, database, connect):
    server, other = running
    first = connect(server)
    assert meter_of(first) == "M00000"
    assert meter_of(connect(other)) == "M00001"
    first.close()

    def is_left():
        with open_store(database) as store:
            return left_to(store) == ["M00000"]

    wait_until(is_left, "the server knows that nobody is connected with the session")
    assert meter_of(connect(other, "adam")) == "M00499"
    assert meter_of(connect(other)) == "M00000"


def test_what_somebody_held_who_logs_out_is_free_for_everybody_at_once(running, connect):
    server, other = running
    carol, adam, eric = connect(server), connect(other, "adam"), connect(server, "eric")
    assert [job.meter.number for job in carol.get_jobs(2)] == ["M00000", "M00001"]
    carol.logout()

    assert meter_of(adam) == "M00000"
    assert meter_of(eric) == "M00499"


# --- ports


def test_a_server_that_is_killed_frees_its_port_for_the_next(servers):
    server = servers.start("--database", ":memory:")
    clients = [MeterClient("localhost", server.port) for _ in range(3)]
    server.kill()
    again = servers.start("--database", ":memory:", port=server.port)

    for client in clients:
        assert client.ping() < 10
        client.close()
    assert again.port == server.port
