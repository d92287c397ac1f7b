"""The server as a program, and clients that misbehave: none of them harms it, and nothing of them is left."""

import socket
import struct
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import rpyc
from conftest import make_jobs, wait_until
from peers import bomb
from proxy import frame
from rpyc.core import brine, consts
from servers import Servers, make_database

from metermt.client.client import MeterClient
from metermt.errors import ServerBusy

ROOT = (consts.LABEL_LOCAL_REF, ("metermt.transport.service.MeterService", 1, 1))
HELLO, NONE = (consts.LABEL_VALUE, "hello"), (consts.LABEL_VALUE, ())
LONG_CALLS = 4  # threads for them, which stay once there was something for them to do


@pytest.fixture(scope="module")
def lasting_server(tmp_path_factory, demo_accounts):
    """One server for the tests that want to see it unharmed."""
    folder = tmp_path_factory.mktemp("lasting")
    with Servers(folder) as servers:
        database = make_database(folder / "metermt.db", demo_accounts, make_jobs(500))
        server = servers.start("--database", database)
        server.own_sockets = server.sockets
        server.own_threads = server.threads + LONG_CALLS
        with ExitStack() as stack:
            crew = [stack.enter_context(rpyc.connect("localhost", server.port)) for _ in range(8)]
            logins = [rpyc.async_(connection.root.login) for connection in crew]
            wait_until(lambda: all_at_once(logins) and server.threads == server.own_threads, "all threads are there")
        yield server
        assert server.stop() == 0


def all_at_once(logins):
    """Log in by all connections, which takes long; return whether all went well."""
    answers = [login("carol", "carol") for login in logins]
    return all(answer.value for answer in answers)


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


def test_clients_that_connect_and_say_nothing_cost_no_thread_and_nothing_when_they_go(unharmed):
    silent = [connect(unharmed) for _ in range(50)]
    wait_until(lambda: unharmed.sockets == unharmed.own_sockets + 50, "all are there")
    assert unharmed.threads == unharmed.own_threads
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
        pytest.param(bomb, id="compressed frame of 100 MB"),
    ],
)
def test_who_does_not_speak_the_protocol_is_hung_up_on(sent, unharmed):
    content = sent() if sent is bomb else sent
    with connect(unharmed) as sock:
        sock.settimeout(8)  # of the ten seconds that a stranger has
        sock.sendall(content)
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
        assert known.get_job().meter.number == "M00000"

        for sock in many:
            sock.close()
        with MeterClient("localhost", server.port) as client:
            assert client.login("adam", "adam") == "Adam Ong"
            assert client.get_job().meter.number == "M00499"

    assert server.errors.count("cannot accept") <= 3  # it does not fill the log
    assert server.stop() == 0


def test_strangers_who_all_ask_at_once_share_a_few_connections_to_the_database(servers, database):
    server = servers.start("--database", database, "--max-per-address", 200)
    hello = frame(b"\x01" + brine.dump((0, (consts.HANDLE_CALLATTR, (consts.LABEL_TUPLE, (ROOT, HELLO, NONE, NONE))))))
    with ExitStack() as stack:
        crowd = [stack.enter_context(connect(server)) for _ in range(200)]
        for sock in crowd:
            sock.sendall(hello)
        for sock in crowd:
            assert b'"version"' in sock.recv(4096)
        files = len(list(Path(f"/proc/{server.pid}/fd").iterdir())) - server.sockets

    assert files < 60


def test_a_server_that_is_full_says_so_and_takes_the_next_when_there_is_room(servers, database):
    server = servers.start("--database", database, "--max-connections", 3)
    with ExitStack() as stack:
        clients = [stack.enter_context(MeterClient("localhost", server.port)) for _ in range(3)]
        for client in clients:  # who has logged in need not make room
            client.login("carol", "carol")
        late = stack.enter_context(MeterClient("localhost", server.port, timeout=1.5))
        with pytest.raises(ServerBusy):
            late.ping()
        clients[0].close()
        late.timeout = 10

        late.ping()


def test_a_connection_that_is_silent_for_long_is_closed_and_made_again_when_it_is_used(servers, database):
    server = servers.start("--database", database, "--idle-minutes", 0.005)
    threads = server.threads
    with MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        wait_until(lambda: server.threads == threads, "the server has hung up")
        assert client.get_job().meter.number == "M00000"
