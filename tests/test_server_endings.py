"""The server as a program: what becomes of calls in flight when it ends."""

import signal
import socket
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import apsw
import rpyc
from argon2 import PasswordHasher
from clients import YESTERDAY, read_in
from conftest import make_account, start, wait_until
from servers import make_database

from metermt.calls.desk import Desk
from metermt.demo import USERS
from metermt.manager import Manager
from metermt.store.memory.store import MemoryStore
from metermt.store.sqlite.store import SqliteStore
from metermt.transport.server import MeterServer


def test_logins_under_way_at_sigterm_end_well(servers, tmp_path):
    hasher = PasswordHasher(time_cost=1, memory_cost=16_384, parallelism=1)  # some 20 ms for each login
    costly = make_account("carol", password_hash=hasher.hash("carol"))
    database = make_database(tmp_path / "metermt.db", [costly])
    server = servers.start("--database", database)
    with ExitStack() as stack:
        logins = []
        for _ in range(8):
            connection = stack.enter_context(rpyc.connect("localhost", server.port))
            logins.append(rpyc.async_(connection.root.login)("carol", "carol"))
        wait_until(lambda: unread(server) == 0, "the server has read all requests")

        server.send(signal.SIGTERM)

        sessions = [login.value[0] for login in logins]
        assert server.stop() == 0

    assert server.complaints == ""
    with SqliteStore(database) as store:
        manager = Manager(store)
        assert [manager.get_status(session).count for session in sessions] == [0] * 8


def test_a_submission_that_waits_for_the_database_at_sigterm_is_stored_and_acknowledged(servers, database):
    server = servers.start("--database", database)
    with closing(apsw.Connection(str(database))) as other, rpyc.connect("localhost", server.port) as connection:
        session, _ = connection.root.login("carol", "carol")
        submit = connection.root.submit_reading  # kept: when it goes RPyC says so, which is not read before the answer
        other.execute("BEGIN IMMEDIATE")
        submission = rpyc.async_(submit)(session, "M00000", YESTERDAY, 1)
        wait_until(lambda: unread(server) == 0, "the server has read the request")

        server.send(signal.SIGTERM)
        wait_until(lambda: refuses(server), "the server has begun to end")
        assert server.runs
        other.execute("ROLLBACK")

        assert submission.value is None
        assert server.stop() == 0
    with SqliteStore(database) as store:
        assert read_in(store) == [("M00000", 1)]


def unread(server):
    """Return how many bytes were sent to the server and not read by it yet: on their way, and then there."""
    return queued(1, server.port, 0) or queued(0, server.port, 1)


def queued(end, port, queue):
    """Return how many bytes lie in a queue, the first for sending, of sockets whose own or other end is at a port."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(
        int(queues.split(":")[queue], 16)
        for _, *ends, state, queues in (line[:5] for line in lines)
        if state == "01" and int(ends[end].split(":")[1], 16) == port
    )


def refuses(server):
    try:
        socket.create_connection(("localhost", server.port), timeout=10).close()
    except ConnectionError:  # refused, or reset as the listener was closing
        return True
    return False


def test_what_was_acknowledged_until_sigterm_is_stored_and_nothing_else(servers, database):
    server = servers.start("--database", database)
    acknowledged = []

    def read_on(connection, session, first):
        with suppress(EOFError, ConnectionError):
            for number in range(first, first + 100):
                connection.root.submit_reading(session, f"M{number:05}", YESTERDAY, 1)
                acknowledged.append(f"M{number:05}")

    with ExitStack() as stack:
        crews = []
        for place, name in enumerate(USERS):
            connection = stack.enter_context(rpyc.connect("localhost", server.port))
            session, _ = connection.root.login(name, name)
            crews.append(start(lambda args=(connection, session, 100 * place): read_on(*args)))
        wait_until(lambda: len(acknowledged) > 20, "all are at work")
        assert server.stop() == 0
        for ended in crews:
            ended()

    assert len(acknowledged) < 400
    with SqliteStore(database) as store:
        assert [meter for meter, _ in read_in(store)] == sorted(acknowledged)


def test_stopping_a_listener_twice_is_harmless():
    server = MeterServer(Desk(MemoryStore()), "localhost", 0)
    server.start()

    assert server.stop()
    assert server.stop()
