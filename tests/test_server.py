"""The server as a program: real processes, real signals, real sockets."""

import os
import re
import signal
import socket
import struct
import subprocess
import sys
from contextlib import ExitStack, closing, suppress
from datetime import datetime
from pathlib import Path

import apsw
import pytest
import rpyc
from conftest import make_account, make_jobs, start, wait_until
from proxy import frame
from rpyc.core import brine
from rpyc.core.vinegar import GenericException
from servers import METERMT_SERVE, SERVER_PY, Servers, make_database, run_to_end

from metermt.client import MeterClient
from metermt.demo import USERS
from metermt.errors import InvalidTime, ServerBusy, SessionError, TooManyFailures
from metermt.manager import Manager
from metermt.passwords import hash_password
from metermt.store.database import APPLICATION_ID
from metermt.store.memory import MemoryStore
from metermt.store.sqlite import SqliteStore
from metermt.transport.server import MeterServer

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
WHEN = "2024-11-20T10:00"  # in the server's local time
NOT_LOCAL = "192.0.2.1"  # kept for documentation: no machine has it (RFC 5737)


@pytest.fixture
def servers(tmp_path):
    with Servers(tmp_path) as servers:
        yield servers


@pytest.fixture
def database(tmp_path, demo_accounts):
    """A database with the demo's users, whose logins cost little, and 500 meters."""
    return make_database(tmp_path / "metermt.db", demo_accounts, jobs=make_jobs(500))


@pytest.fixture(scope="module")
def lasting_server(tmp_path_factory, demo_accounts):
    """One server for the tests that want to see it unharmed."""
    folder = tmp_path_factory.mktemp("lasting")
    with Servers(folder) as servers:
        database = make_database(folder / "metermt.db", demo_accounts, jobs=make_jobs(500))
        server = servers.start("--database", database)
        server.own_threads, server.own_sockets = server.threads, server.sockets
        yield server
        assert server.stop() == 0


@pytest.fixture
def unharmed(lasting_server):
    """The lasting server; after the test it must have no more threads and sockets than before, and work."""
    server = lasting_server
    yield server
    wait_until(lambda: server.threads == server.own_threads, "the threads of all clients have ended")
    wait_until(lambda: server.sockets == server.own_sockets, "the sockets of all clients are closed")
    with MeterClient("localhost", server.port) as client:
        assert client.login("carol", "carol") == "Carol Dent"
    wait_until(lambda: server.threads == server.own_threads, "the last client is gone too")


def connect(server):
    """Connect a socket to a server, as a program that is no meter client."""
    return socket.create_connection(("localhost", server.port), timeout=10)


def reset(sock):
    """Close a socket so that the other end gets a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def unread(server):
    """Return how many bytes have reached the server and were not read by it yet."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(
        int(queues.split(":")[1], 16)
        for _, local, _, state, queues, *_ in lines
        if state == "01" and int(local.split(":")[1], 16) == server.port
    )


# --- starting and ending


@pytest.mark.parametrize(
    ("command", "number"), [(SERVER_PY, signal.SIGINT), (METERMT_SERVE, signal.SIGTERM)], ids=["SIGINT", "SIGTERM"]
)
def test_it_says_when_and_where_it_starts_and_that_it_ends(command, number, servers, database):
    server = servers.start("--database", database, command=command)
    with MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        assert re.fullmatch(f"Meter server startup at {TIME} on localhost:{server.port}\n", server.output)
        said = datetime.fromisoformat(server.output.split()[4])
        assert abs((datetime.now() - said).total_seconds()) < 20

        assert server.stop(number) == 0

    assert re.fullmatch(
        f"Meter server startup at {TIME} on localhost:{server.port}\nMeter server shutdown at {TIME}\n", server.output
    )
    assert server.errors == ""


def test_the_file_of_notify_has_the_address_and_is_never_seen_half_written(servers, tmp_path):
    notify = tmp_path / "address"
    notify.write_text("localhost:1\n")  # of an earlier run
    seen = set()
    starts = start(lambda: servers.start("--database", ":memory:", notify=notify))
    with notify.open() as earlier:
        while not starts.is_there():
            seen.add(notify.read_text())
        server = starts()
        assert earlier.read() == "localhost:1\n"  # a new file took its place: it was not written over

    assert notify.read_text() == f"localhost:{server.port}\n"
    assert seen <= {"localhost:1\n", f"localhost:{server.port}\n"}
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"address"}


def test_once_notify_is_there_clients_can_connect(servers):
    for _ in range(3):
        server = servers.start("--database", ":memory:")
        MeterClient("localhost", server.port).close()


def test_the_demo_prints_its_readings_at_the_end_sorted_by_meter(servers):
    server = servers.start("--demo")
    expected = []
    with MeterClient("localhost", server.port) as carol, MeterClient("localhost", server.port) as adam:
        carol.login("carol", "carol")
        adam.login("adam", "adam")
        for value, reason in ((5983, ""), (0, "new register"), (-1, "Dog [large]"), (7, "")):
            for client, name in ((carol, "carol"), (adam, "adam")):
                meter = client.get_job().meter
                client.submit_reading(meter, value, reason, WHEN)
                expected.append(f"{meter}={value}@2024-11-20T10:00[{reason}]{name}")
        carol.submit_reading(expected[0].split("=")[0], 5984, "", WHEN)  # a correction
        expected[0] = expected[0].replace("=5983@", "=5984@")
        unread_meter = adam.get_job().meter

    assert server.stop(signal.SIGINT) == 0

    _, last, *lines = server.output.splitlines()
    assert re.fullmatch(f"Meter server shutdown at {TIME}", last)
    assert lines == sorted(expected, key=lambda line: line.split("=")[0])
    assert unread_meter not in server.output
    assert server.errors == ""


@pytest.mark.parametrize(("options", "dumps"), [((), False), (("--dump",), True), (("--demo", "--no-dump"), False)])
def test_readings_are_printed_for_the_demo_or_when_asked_for(options, dumps, servers, database):
    server = servers.start("--database", database, *options)
    with MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        client.submit_reading("M00000", 12, "", WHEN)
        client.submit_reading("M00001", -1, "locked", WHEN)
    assert server.stop() == 0

    dump = ["M00000=12@2024-11-20T10:00[]carol", "M00001=-1@2024-11-20T10:00[locked]carol"]
    assert server.output.splitlines()[2:] == (dump if dumps else [])


@pytest.mark.parametrize("zone", ["EST5", "EET-2"], ids=["west", "east"])
def test_a_time_from_long_ago_does_not_spoil_the_dump(zone, servers, database, monkeypatch):
    monkeypatch.setenv("TZ", zone)
    server = servers.start("--database", database, "--dump")
    with MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        with suppress(InvalidTime):
            client.submit_reading("M00000", 1, "", "0001-01-01T00:00:00+00:00")
        client.submit_reading("M00001", 2, "", WHEN)

    assert server.stop() == 0
    assert server.output.splitlines()[-1] == "M00001=2@2024-11-20T10:00[]carol"


def test_signals_that_come_twice_end_it_once(servers, database):
    server = servers.start("--database", database)
    server.send(signal.SIGTERM)
    server.send(signal.SIGINT)

    assert server.stop() == 0
    assert server.errors == ""


# --- calls in flight at the end


def test_logins_under_way_at_sigterm_end_well(servers, tmp_path):
    costly = make_account("carol", password_hash=hash_password("carol"))  # 50 ms for each login
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

    assert server.errors == ""
    with SqliteStore(database) as store:
        manager = Manager(store)
        assert [manager.get_status(session).count for session in sessions] == [0] * 8


def test_a_submission_that_waits_for_the_database_at_sigterm_is_stored_and_acknowledged(servers, database):
    server = servers.start("--database", database)
    with closing(apsw.Connection(str(database))) as other, rpyc.connect("localhost", server.port) as connection:
        session, _ = connection.root.login("carol", "carol")
        other.execute("BEGIN IMMEDIATE")
        submission = rpyc.async_(connection.root.submit_reading)(session, "M00000", WHEN, 1)
        wait_until(lambda: unread(server) == 0, "the server has read the request")

        server.send(signal.SIGTERM)
        wait_until(lambda: refuses(server), "the server has begun to end")
        assert server.runs
        other.execute("ROLLBACK")

        assert submission.value is None
        assert server.stop() == 0
    with SqliteStore(database) as store:
        assert [reading.meter for _, reading in store.readings()] == ["M00000"]


def refuses(server):
    try:
        connect(server).close()
    except ConnectionError:  # refused, or reset as the listener was closing
        return True
    return False


def test_what_was_acknowledged_until_sigterm_is_stored_and_nothing_else(servers, database):
    server = servers.start("--database", database)
    acknowledged = []

    def read_on(connection, session, first):
        with suppress(EOFError, ConnectionError):
            for number in range(first, first + 100):
                connection.root.submit_reading(session, f"M{number:05}", WHEN, 1)
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
        assert sorted(reading.meter for _, reading in store.readings()) == sorted(acknowledged)


def test_stopping_a_listener_twice_is_harmless():
    server = MeterServer(Manager(MemoryStore()), "localhost", 0)
    server.start()

    assert server.stop()
    assert server.stop()


# --- servers that cannot start


def another_program(path):
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE notes (text); INSERT INTO notes VALUES ('buy milk')")
    other.close()


def a_newer_version(path):
    other = apsw.Connection(str(path))
    other.execute(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 999; CREATE TABLE users (name)")
    other.close()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda path: path.write_text("Dear diary, " * 100), "not a MeterMT database", id="a text"),
        pytest.param(another_program, "not a MeterMT database", id="of another program"),
        pytest.param(a_newer_version, "newer version", id="of a newer version"),
        pytest.param(lambda path: path.mkdir(), "directory", id="a directory"),
        pytest.param(lambda path: path.symlink_to("/proc/metermt.db"), "cannot be opened", id="cannot be made"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_in_one_line(make, words, tmp_path):
    database = tmp_path / "metermt.db"
    make(database)

    ended = run_to_end("--port", 0, "--database", database)

    assert_told_in_one_line(ended, words)
    assert str(database) in ended.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--port", 70000), "Invalid port 70000"),
        (("--port", -1), "Invalid port -1"),
        (("--port", 0, "--host", "no-such-host.invalid"), "Cannot listen on no-such-host.invalid:0: "),
        (("--port", 0, "--host", "x" * 100), f"Cannot listen on {'x' * 100}:0: no such host name"),
        (("--port", 0, "--notify", "no-such-folder/address"), "Cannot write no-such-folder/address: No such file"),
        (("--port", 0, "--lease-minutes", "0.0001"), "Invalid lease time"),
        (("--port", 0, "--session-hours", "1e6"), "Invalid session time"),
        (("--port", 0, "--idle-minutes", "1441"), "Invalid time for a connection"),
    ],
    ids=lambda value: " ".join(map(str, value[-2:]))[:40] if isinstance(value, tuple) else "",
)
def test_a_setting_that_cannot_be_used_is_told_in_one_line(options, words):
    assert_told_in_one_line(run_to_end("--database", ":memory:", *options), words)


def test_an_address_that_is_not_of_this_machine_is_told():
    ended = run_to_end("--database", ":memory:", "--port", 0, "--host", NOT_LOCAL, "--plaintext")

    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]  # a warning comes before it
    assert last == f"Error: Cannot listen on {NOT_LOCAL}:0: this machine has no such address"


def test_a_port_that_is_taken_is_told_in_one_line():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = run_to_end("--database", ":memory:", "--port", port)

    assert_told_in_one_line(ended, f"Cannot listen on localhost:{port}: the port is taken by another program")


@pytest.mark.skipif(
    os.geteuid() == 0 or int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 80,
    reason="whoever runs this may listen on port 80",
)
def test_a_port_that_only_root_may_use_is_told_in_one_line():
    assert_told_in_one_line(run_to_end("--database", ":memory:", "--port", 80), "Cannot listen on localhost:80: no rig")


def assert_told_in_one_line(ended, words):
    assert ended.returncode == 1
    assert re.fullmatch(f"Error: .*{re.escape(words)}.*\n", ended.stderr)


@pytest.mark.parametrize(
    "options", [("--port", "eleven"), ("--no-such-option",), ("METER",), ("--lease-minutes", "-1")]
)
def test_wrong_usage_ends_with_status_2(options):
    ended = run_to_end(*options)

    assert ended.returncode == 2
    assert ended.stderr.startswith("Usage: ")
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


LOCKS = {
    "nobody may read": "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE",
    "nobody may write": "BEGIN IMMEDIATE",
}


@pytest.fixture(scope="module", autouse=True)
def locked_out(tmp_path_factory, demo_accounts):
    """Servers that find their databases locked, started with the first test: they have ten seconds of patience."""
    folder = tmp_path_factory.mktemp("locked")
    with ExitStack() as stack:
        started = {}
        for lock, statements in LOCKS.items():
            database = make_database(folder / f"{lock}.db", demo_accounts)
            other = apsw.Connection(str(database))
            stack.callback(other.close)
            other.execute(statements).fetchall()
            command = [*SERVER_PY, "--port", "0", "--database", str(database)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            started[lock] = process, database
        yield started


# --- clients that misbehave


def vanish_without_goodbye(server, stack):
    clients = [MeterClient("localhost", server.port) for _ in range(34)]
    for client in clients:
        client.login("carol", "carol")
        client.get_job()
    return lambda: [client.close() for client in clients]


def vanish_with_a_reset_during_a_call(server, stack):
    sockets = []
    for _ in range(33):
        connection = rpyc.connect("localhost", server.port)
        login, sock = connection.root.login, connection._channel.stream.sock
        login("carol", "carol")
        sockets.append((connection, sock, rpyc.async_(login)("carol", "carol")))

    def vanish():
        for connection, sock, _ in sockets:
            reset(sock)
            connection.close()

    return vanish


def vanish_by_kill(server, stack):
    """A process with 33 connections that is killed."""
    program = (
        "import sys, rpyc\n"
        "clients = [rpyc.connect('localhost', int(sys.argv[1])) for _ in range(33)]\n"
        "for client in clients: client.root.login('adam', 'adam')\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = stack.enter_context(
        subprocess.Popen(
            [sys.executable, "-c", program, str(server.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
    )
    assert process.stdout.readline() == b"ready\n"
    return process.kill


@pytest.mark.parametrize("way", [vanish_without_goodbye, vanish_with_a_reset_during_a_call, vanish_by_kill])
def test_clients_that_vanish_leave_no_thread_and_no_descriptor(way, unharmed):
    with ExitStack() as stack:
        vanish = way(unharmed, stack)
        wait_until(lambda: unharmed.sockets >= unharmed.own_sockets + 33, "all are connected")
        vanish()


def test_clients_that_connect_and_say_nothing_cost_a_thread_each_and_nothing_when_they_go(unharmed):
    silent = [connect(unharmed) for _ in range(50)]
    wait_until(lambda: unharmed.threads == unharmed.own_threads + 50, "each client has its thread")
    for sock in silent:
        sock.close()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", id="HTTP"),
        pytest.param(bytes.fromhex("160301020001fc0303") + bytes(500), id="TLS"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="SSH"),
        pytest.param(b"\xff" * 1000, id="bytes"),
        pytest.param(frame(b"\x01\x10", length=2**32 - 1), id="frame of 4 GiB"),
        pytest.param(frame(b"\x01\xff\xff\xff"), id="frame with garbage"),
        pytest.param(frame(b"\xff"), id="message of no kind"),
        pytest.param(frame(b"\x01"), id="request of nothing"),
        pytest.param(frame(b"garbage", compressed=1), id="compressed garbage"),
    ],
)
def test_who_does_not_speak_the_protocol_is_hung_up_on(sent, unharmed):
    with connect(unharmed) as sock:
        sock.settimeout(2)
        sock.sendall(sent)
        with suppress(ConnectionResetError):
            while sock.recv(4096):  # an answer is fine; no end is not
                pass


@pytest.mark.parametrize("sent", [b"\0", b"\0\0\0\x10", b"\0\0\0\x10\0", frame(b"\x01" * 16)[:12]], ids=len)
def test_half_a_frame_and_then_the_end_is_the_end(sent, unharmed):
    with connect(unharmed) as sock:
        sock.sendall(sent)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""


def test_a_request_that_comes_byte_by_byte_is_answered(unharmed):
    request = frame(b"\x01" + brine.dump((0, (1, (2, ((1, "echo"),))))))  # RPyC's ping
    with connect(unharmed) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in range(len(request)):
            sock.sendall(request[place : place + 1])
        assert b"echo" in sock.recv(4096)


def test_a_server_without_descriptors_lives_on_and_takes_clients_when_there_are_some_again(servers, database):
    server = servers.start("--database", database, descriptors=40)
    with MeterClient("localhost", server.port) as known:
        known.login("carol", "carol")
        many = [connect(server) for _ in range(60)]
        wait_until(lambda: "cannot accept a connection: Too many open files" in server.errors, "there are none left")
        assert known.get_job().meter == "M00000"

        for sock in many:
            sock.close()
        with MeterClient("localhost", server.port) as client:
            assert client.login("adam", "adam") == "Adam Ong"
            assert client.get_job().meter == "M00001"

    assert server.errors.count("cannot accept") <= 3  # it does not fill the log
    assert server.stop() == 0


def test_a_server_that_is_full_says_so_and_takes_the_next_when_there_is_room(servers):
    server = servers.start("--database", ":memory:", "--max-connections", 3)
    clients = [MeterClient("localhost", server.port, timeout=0.5) for _ in range(4)]
    for client in clients[:3]:
        client.ping()
    with pytest.raises(ServerBusy):
        clients[3].ping()
    clients[0].close()
    clients[3].timeout = 10

    clients[3].ping()

    for client in clients:
        client.close()


def test_a_connection_that_is_silent_for_long_is_closed_and_made_again_when_it_is_used(servers, database):
    server = servers.start("--database", database, "--idle-minutes", 0.005)
    threads = server.threads
    with MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        wait_until(lambda: server.threads == threads, "the server has hung up")
        assert client.get_job().meter == "M00000"


# --- more than one server, and servers that are killed


def test_two_servers_on_one_database_know_each_others_sessions(servers, database):
    first, second = (servers.start("--database", database) for _ in range(2))
    with rpyc.connect("localhost", first.port) as one, rpyc.connect("localhost", second.port) as other:
        session, _ = one.root.login("carol", "carol")
        adams, _ = other.root.login("adam", "adam")

        assert one.root.get_job(session) == other.root.get_job(session) == "M00000"
        assert one.root.get_job(adams) == other.root.get_job(adams) == "M00001"
        other.root.submit_reading(session, "M00000", WHEN, 1)
        one.root.submit_reading(adams, "M00001", WHEN, 1)
        assert one.root.get_status(session) == other.root.get_status(session) == (1, 2)

        other.root.logout(session)
        wait_until(lambda: is_over(one.root, session), "the other server knows that the session is over")


def is_over(root, session):
    try:
        root.get_status(session)
    except GenericException as error:
        return error.code == SessionError.code
    return False


def test_failed_logins_count_on_all_servers_of_a_database(servers, database):
    first, second = (servers.start("--database", database) for _ in range(2))
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
        client.submit_reading("M00000", 5983, "", WHEN)
        assert client.get_job().meter == "M00001"
        server.kill()

    again = servers.start("--database", database, port=server.port)
    with rpyc.connect("localhost", again.port) as connection, MeterClient("localhost", again.port) as adam:
        adam.login("adam", "adam")
        assert adam.get_job().meter == "M00002"
        assert connection.root.get_status(session) == (1, 1)
        assert connection.root.get_job(session) == "M00001"
    assert again.stop() == 0
    with SqliteStore(database) as store:
        assert [(reading.meter, reading.submission.value) for _, reading in store.readings()] == [("M00000", 5983)]


def test_a_server_that_is_killed_frees_its_port_for_the_next(servers):
    server = servers.start("--database", ":memory:")
    clients = [MeterClient("localhost", server.port) for _ in range(3)]
    server.kill()
    again = servers.start("--database", ":memory:", port=server.port)

    for client in clients:
        assert client.ping() < 10
        client.close()
    assert again.port == server.port


# --- last, because the server it is about has been waiting since the first test


@pytest.mark.parametrize("lock", LOCKS)
def test_a_database_that_another_program_keeps_locked_is_told_in_one_line(lock, locked_out):
    process, database = locked_out[lock]
    output, errors = process.communicate(timeout=20)

    assert_told_in_one_line(subprocess.CompletedProcess([], process.returncode, output, errors), "locked by another")
    assert str(database) in errors
    assert output == ""
