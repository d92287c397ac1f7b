"""Readers who are logged in share one thread: each is answered as if alone, and none holds up the others."""

import socket
import threading
import time
from contextlib import ExitStack, suppress
from datetime import timedelta

import apsw
import pytest
import rpyc
from conftest import make_jobs, run_together, start, wait_until
from proxy import frame
from rpyc.core import brine
from servers import fill, listening

from metermt import MeterClient
from metermt.config import Limits
from metermt.errors import SessionError, StoreError
from metermt.manager import Manager
from metermt.store.memory import MemoryStore
from metermt.store.sqlite import SqliteStore
from metermt.transport.conversation import Conversation
from metermt.transport.service import MeterService
from metermt.wire import Row


@pytest.fixture
def crew(database_path, demo_accounts):
    with SqliteStore(database_path) as store:
        yield fill(store, demo_accounts, make_jobs(500))


@pytest.fixture
def server(crew):
    with listening(Manager(crew)) as server:
        yield server


@pytest.fixture
def connect():
    """Log readers in; they hang up at the end of the test."""
    with ExitStack() as stack:

        def connected(server, username="carol", timeout=10.0):
            client = stack.enter_context(MeterClient("localhost", server.port, timeout=timeout))
            client.login(username, username)
            return client

        yield connected


def own_threads():
    """Return the threads that clients have to themselves."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("client ")]


def port_of(client):
    return client._connection._stream.sock.getsockname()[1]


def values(store):
    return {reading.meter: reading.submission.value for _, reading in store.readings()}


# --- one thread for all


def test_readers_who_are_logged_in_have_no_thread_of_their_own(server, connect):
    clients = [connect(server) for _ in range(10)]
    wait_until(lambda: not own_threads(), "all have been taken over")

    for client in clients:
        job = client.get_job()
        client.submit_and_next(job.meter, 1)

    assert own_threads() == []
    assert server.connections == 10
    assert clients[0].get_status().count == 10


def test_a_call_that_takes_long_gets_a_thread_and_the_reader_comes_back(server, connect):
    client = connect(server)
    assert client.submit_readings([Row(f"M{n:05}", None, n) for n in range(300)]) == [None] * 300
    wait_until(lambda: not own_threads(), "it has been taken over again")
    assert client.get_status().count == 300
    assert client.login("carol", "carol") == "Carol Dent"
    assert client.get_job().meter == "M00300"


def test_a_crowd_reads_every_meter_once(server, crew, connect):
    def read_all(username):
        client = connect(server, username)
        job = client.get_job()
        while job:
            _, job = client.submit_and_next(job.meter, int(job.meter[1:]))

    run_together(*(lambda name=name: read_all(name) for name in ("adam", "carol", "eric", "gwenda") * 2))

    assert values(crew) == {f"M{n:05}": n for n in range(500)}
    assert sum(1 for _ in crew.readings()) == 500


def test_requests_that_come_at_once_are_answered_in_order(server):
    connection = rpyc.connect("localhost", server.port)
    try:
        session, _ = connection.root.login("carol", "carol")
        submit, status = (rpyc.async_(getattr(connection.root, name)) for name in ("submit_reading", "get_status"))
        wait_until(lambda: not own_threads(), "it has been taken over")
        asked = []
        for n in range(100):
            asked.append(submit(session, f"M{n:05}", "2026-11-20T10:00:00", n))
            asked.append(status(session))
        for answer in asked:
            answer.wait()
        assert [answer.value for answer in asked[1::2]] == [(n, n) for n in range(1, 101)]
    finally:
        connection.close()


def test_a_bare_client_of_rpyc_is_answered_too(server):
    connection = rpyc.connect("localhost", server.port)
    try:
        session, _ = connection.root.login("carol", "carol")
        assert connection.root.get_job(session) == "M00000"
        wait_until(lambda: not own_threads(), "it has been taken over")
        assert connection.root.get_status(session) == (0, 0)
        with pytest.raises(AttributeError):
            connection.root.get_everything(session)
        assert connection.root.get_job(session) == "M00000"
    finally:
        connection.close()


# --- what goes wrong


def test_a_refused_reading_is_told_to_its_sender_and_nobody_else(server, crew, connect):
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
    assert values(crew) == {f"M{n:05}": n for n in range(100)}


def test_when_a_commit_fails_all_who_wrote_are_told_and_nothing_is_written(server, crew, connect, expected_errors):
    clients = [connect(server, name) for name in ("adam", "carol", "eric")]
    failing = threading.Event()
    crew._connection.set_commit_hook(failing.is_set)  # true makes a commit fail
    failing.set()

    def submitted(client, n):
        try:
            client.submit_reading(f"M{n:05}", n)
        except StoreError as error:
            return str(error)

    told = run_together(*(lambda n=n, client=client: submitted(client, n) for n, client in enumerate(clients)))
    assert ["try again later" in words for words in told] == [True] * 3
    assert values(crew) == {}

    failing.clear()
    for n, client in enumerate(clients):
        client.submit_reading(f"M{n:05}", n)
    assert values(crew) == {"M00000": 0, "M00001": 1, "M00002": 2}
    assert len(expected_errors) == 3


def test_while_another_program_writes_readings_wait_and_the_status_does_not(server, crew, connect):
    writer, asker = connect(server), connect(server, "adam", timeout=3)
    writer.get_status()
    asker.get_status()
    other = apsw.Connection(str(crew.path))
    other.execute("BEGIN IMMEDIATE")
    try:
        waiting = start(lambda: writer.submit_reading("M00000", 7))
        wait_until(own_threads, "the reading waits in a thread of its own")
        for _ in range(20):
            assert asker.get_status().total == 0
        assert not waiting.is_there()
    finally:
        other.execute("ROLLBACK")
        other.close()
    waiting()
    assert asker.get_status().total == 1


def test_who_does_not_fetch_answers_holds_up_nobody_else(server, connect):
    greedy = rpyc.connect("localhost", server.port)
    try:
        session, _ = greedy.root.login("adam", "adam")
        ask = rpyc.async_(greedy.root.get_jobs)
        unread = [ask(session, 200) for _ in range(300)]  # 20 kB each; nobody reads them
        client = connect(server, timeout=3)
        for _ in range(50):
            client.get_status()
        assert len(unread) == 300
    finally:
        greedy.close()


def test_who_sends_faster_than_is_answered_fills_no_memory(server):
    connection = rpyc.connect("localhost", server.port)
    sock = connection._channel.stream.sock
    ping = frame(b"\x01" + brine.dump((0, (1, (2, ((1, ""),))))))
    try:
        connection.root.login("carol", "carol")
        wait_until(lambda: not own_threads(), "it has been taken over")
        (conversation,) = server._conversations
        sock.settimeout(0.2)
        sending = start(lambda: sock.sendall(ping * 500_000))  # nine megabytes
        until = time.monotonic() + 2
        with suppress(TimeoutError):
            while time.monotonic() < until:
                sock.recv(1_000_000)
                assert conversation._channel.stream.buffered < 200_000
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            sending()
    finally:
        connection._channel.close()


def test_what_nobody_has_thought_of_ends_no_other_conversation(server, connect, monkeypatch, expected_errors):
    hit, other = connect(server), connect(server, "adam")
    assert hit.get_job().meter == "M00000"
    wait_until(lambda: not own_threads(), "both have been taken over")
    (conversation,) = (one for one in server._conversations if one.sock.getpeername()[1] == port_of(hit))
    really, failures = Conversation.short_request, []

    def short_request(self):
        if self is conversation and not failures:
            failures.append(self)
            raise RuntimeError("nobody has thought of this")
        return really(self)

    monkeypatch.setattr(Conversation, "short_request", short_request)

    assert hit.get_job().meter == "M00000"  # in a thread of its own
    assert other.get_job().meter == "M00001"
    assert failures
    assert [record.getMessage() for record in expected_errors] == ["a turn of the switchboard failed"]


def test_who_asks_for_many_jobs_does_not_hold_up_others():
    assert MeterService.is_short("get_jobs", ("session", 1))
    assert not MeterService.is_short("get_jobs", ("session", 1000))


def test_a_wrong_call_of_one_who_is_logged_in_is_told_and_no_fault_of_the_server(server):
    connection = rpyc.connect("localhost", server.port)
    try:
        connection.root.login("carol", "carol")
        wait_until(lambda: not own_threads(), "it has been taken over")
        for args in ((), ("session",), ("session", "1"), ("session", 1, 1)):
            with pytest.raises(Exception) as caught:  # noqa: PT011 - RPyC makes the class
                connection.root.get_jobs(*args)
            assert caught.value.code in ("call", "session")
    finally:
        connection.close()


class Odd(MemoryStore):
    """Fails in one of its verbs as nobody has thought of."""

    def tally(self, username):
        if username == "adam":
            raise RuntimeError("odd")
        return super().tally(username)


def test_an_error_that_nobody_has_thought_of_is_told_and_ends_nothing(demo_accounts, connect, expected_errors):
    with listening(Manager(fill(Odd(), demo_accounts, make_jobs(5)))) as server:
        adam, carol = connect(server, "adam"), connect(server, "carol")
        for _ in range(3):
            with pytest.raises(Exception, match="Internal error"):
                adam.get_status()
            assert carol.get_status().total == 0
    assert len(expected_errors) == 3


# --- ends


def test_who_says_nothing_any_more_is_hung_up_on_and_keeps_the_job(crew, connect):
    with listening(Manager(crew), Limits(idle=timedelta(seconds=0.5))) as server:
        silent = connect(server)
        assert silent.get_job().meter == "M00000"
        talking, until = connect(server, "adam"), time.monotonic() + 10
        while server.connections > 1:
            talking.get_status()
            assert time.monotonic() < until
        other = connect(server, "carol")
        assert other.get_job().meter == "M00000"
        assert talking.get_status().total == 0


def test_a_client_that_goes_is_let_go_of(server, connect):
    staying, going = connect(server), connect(server, "adam")
    assert going.get_job().meter == "M00000"
    going.close()
    wait_until(lambda: server.connections == 1, "the server has noticed")
    assert connect(server, "adam").get_job().meter == "M00000"
    assert staying.get_job().meter == "M00001"


def test_who_has_logged_out_is_told_so(server, connect):
    client = connect(server)
    client.logout()
    with pytest.raises(SessionError):
        client.get_job()


def test_a_server_stops_with_all_its_readers_connected(crew, connect):
    with listening(Manager(crew)) as server:
        clients = [connect(server, timeout=0.2) for _ in range(20)]
        for client in clients:
            client.get_job()
        started = time.monotonic()
    assert time.monotonic() - started < 3
    assert server.connections == 0
    assert set(crew._connection.execute("SELECT lease_session FROM jobs WHERE lease_username = 'carol'")) == {(None,)}


def test_what_was_acknowledged_while_a_server_stopped_is_stored(crew, connect):
    acknowledged = []
    with listening(Manager(crew)) as server:
        client = connect(server, timeout=0.2)

        def submit_until_it_ends():
            for n in range(500):
                try:
                    client.submit_reading(f"M{n:05}", n)
                except Exception:  # noqa: BLE001 - whatever it is, it was not acknowledged
                    return
                acknowledged.append(f"M{n:05}")

        submitting = start(submit_until_it_ends)
        wait_until(lambda: len(acknowledged) > 20, "some are stored")
    submitting()
    assert set(acknowledged) <= set(values(crew))
