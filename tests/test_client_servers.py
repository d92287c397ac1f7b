"""`MeterClient` that knows several servers of one database: it goes on with the next when its own is gone."""

import socket
import time
from contextlib import ExitStack, contextmanager
from threading import Event

import pytest
from client_fixtures import *  # noqa: F403 - the fixtures
from clients import YESTERDAY, ends_after, ends_by, read_in
from conftest import DEADLINE, make_answer, start, wait_until
from proxy import Proxy
from servers import sockets_of

from metermt import Answer, MeterClient, connect
from metermt.certificates import Authority
from metermt.client import reaching
from metermt.client.reaching import listed
from metermt.config import PORT
from metermt.discovery import Registry
from metermt.errors import ConnectionFailed, DeadlineExceeded, ServerUnreachable, SettingError, TlsError
from metermt.model import Status
from metermt.registry import RegistryServer
from metermt.serving import RunningServer, ServerSettings
from metermt.store.sqlite.store import SqliteStore
from metermt.transport.tls import ServerTls


def addresses(*servers):
    return [f"localhost:{server.port}" for server in servers]


@pytest.fixture
def pair(servers, database):
    """Two servers on one database."""
    return [servers.start("--database", database) for _ in range(2)]


@pytest.fixture
def ways(server):
    """Three ways to a server, which stand for three servers."""
    with ExitStack() as stack:
        yield [stack.enter_context(Proxy(server.port)) for _ in range(3)]


@pytest.fixture
def carol():
    """Log Carol in at one of several servers."""
    with ExitStack() as stack:

        def carol(*servers, timeout=DEADLINE):
            client = stack.enter_context(MeterClient(servers=addresses(*servers)))
            client.login("carol", "carol")
            client.timeout = timeout
            return client

        yield carol


def used_and_unused(client, one, other):
    return (one, other) if client.port == one.port else (other, one)


@contextmanager
def refusing():
    """A port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


# --- which one


def test_clients_begin_with_any_of_the_servers(ways):
    seen = set()

    def look():
        with connect(servers=addresses(*ways)) as client:
            assert client.host == "localhost"
            seen.add(client.port)
        return seen == {way.port for way in ways}

    wait_until(look, "each server was somebody's first")


def test_a_client_stays_with_its_server_as_long_as_it_works(ways, carol):
    client = carol(*ways)
    first = client.port
    for _ in range(20):
        client.ping()
        client.get_job()

    assert client.port == first
    assert sorted(way.connections for way in ways) == [0, 0, 1]


def test_whoever_is_cut_off_goes_on_with_the_next_of_the_list_round_and_round(ways, carol):
    client = carol(*ways)
    ports = [way.port for way in ways]
    first = ports.index(client.port)
    for number in range(1, 7):
        ways[ports.index(client.port)].cut()

        assert client.get_status() == Status(0, 0)
        assert client.port == ports[(first + number) % 3]


def test_a_server_that_is_gone_is_passed_over(ways, carol):
    client = carol(*ways)
    ports = [way.port for way in ways]
    at = ports.index(client.port)
    ways[(at + 1) % 3].close()
    ways[at].close()

    assert client.get_status() == Status(0, 0)
    assert client.port == ports[(at + 2) % 3]


def test_a_list_of_one_server_is_a_list(server):
    with connect(servers=addresses(server), timeout=1.0) as client:
        client.ping()
        assert client.port == server.port


# --- servers that go


def test_a_reader_whose_server_is_killed_again_and_again_hardly_waits(servers, database, pair):
    over = Event()
    with MeterClient(servers=addresses(*pair)) as client:
        client.login("carol", "carol")

        def read():
            waits = []
            while not over.is_set():
                started = time.monotonic()
                client.submit_reading(f"M{len(waits) % 500:05}", len(waits), when=YESTERDAY)
                waits.append(time.monotonic() - started)
            return waits

        reading = start(read)
        for _ in range(2):
            used, unused = used_and_unused(client, *pair)
            used.kill()
            wait_until(lambda unused=unused: client.port == unused.port, "the reader goes on")
            pair[pair.index(used)] = servers.start("--database", database, port=used.port)
        over.set()
        waits = reading()

    assert max(waits) < 4  # on a busy machine; who does not go on at once waits for half of ten seconds
    with SqliteStore(database) as store:
        assert read_in(store) == sorted((f"M{number % 500:05}", number) for number in range(len(waits)))


def test_a_reading_whose_server_is_killed_before_it_answers_counts_once(pair, database):
    with ExitStack() as stack:
        proxies = [stack.enter_context(Proxy(server.port)) for server in pair]
        client = stack.enter_context(MeterClient(servers=addresses(*proxies)))
        client.login("carol", "carol")
        client.submit_and_next(Answer("M00000", 1, when=YESTERDAY))
        used, unused = used_and_unused(client, *proxies)
        used.lost_answers = 1
        submission = start(lambda: client.submit_and_next(Answer("M00001", 2, when=YESTERDAY)))
        wait_until(lambda: used.lost_answers == 0, "the reading is stored, and its reader does not know")
        pair[proxies.index(used)].kill()

        following = submission()
        assert (following.status, following.job.meter.number) == (Status(2, 2), "M00002")
        assert client.port == unused.port
    with SqliteStore(database) as store:
        assert read_in(store) == [("M00000", 1), ("M00001", 2)]


def test_a_call_to_a_frozen_server_is_made_at_the_other_one_after_half_of_its_time(pair, carol):
    client = carol(*pair, timeout=2.0)
    job = client.get_job()
    used, unused = used_and_unused(client, *pair)
    with used.frozen():
        with ends_after(1.0):
            assert client.submit_and_next(Answer(job.meter.number, 1, when=YESTERDAY)).status == Status(1, 1)
        assert client.port == unused.port
        with ends_by(0):
            client.ping()


def test_a_new_client_waits_a_second_for_a_frozen_server(pair):
    with pair[0].frozen():
        for _ in range(4):
            with ends_by(1.0), connect(servers=addresses(*pair)) as client:
                assert client.port == pair[1].port


def test_a_short_deadline_is_shared_among_the_servers(ways, monkeypatch):
    monkeypatch.setattr(reaching.random, "choice", lambda servers: servers[-1])  # it is tried last
    with ways[0].deaf(), ways[1].deaf(), ends_by(1.8), connect(servers=addresses(*ways), timeout=1.8) as client:
        assert client.port == ways[2].port


def test_a_server_without_another_has_the_whole_time_of_a_call(ways, carol):
    client = carol(ways[0], timeout=0.8)
    with ways[0].deaf(), ends_after(0.8), pytest.raises(DeadlineExceeded, match=r"within 0\.8 seconds"):
        client.get_status()


def test_a_large_bulk_goes_through_at_another_server_too(ways, carol, town):
    client = carol(*ways)
    used = next(way for way in ways if way.port == client.port)
    used.close()
    answers = [make_answer("M00000", number, "\u00e4" * 500) for number in range(1000)]  # some three MiB

    assert client.submit_readings(answers) == [None] * 1000
    assert client.port != used.port


def test_servers_that_are_all_slow_are_given_more_time(ways, monkeypatch):
    monkeypatch.setattr(reaching, "_STEP", 0.2)
    for way in ways:
        way.delay = 0.1  # an answer; the first call takes three
    with connect(servers=addresses(*ways)) as client:
        before = sum(len(way.from_server) for way in ways)
        client.ping()
        assert sum(len(way.from_server) for way in ways) - before == 1, "the connection stands, and knows the call"


# --- when none is left


def test_when_all_are_gone_the_error_says_at_once_what_was_tried():
    with refusing() as one, refusing() as other, ends_by(0), pytest.raises(ServerUnreachable) as caught:
        connect(servers=[f"127.0.0.1:{one}", f"localhost:{other}"])

    assert str(caught.value).startswith("None of the servers answers; tried: ")
    assert f"127.0.0.1:{one}" in str(caught.value)
    assert f"localhost:{other}" in str(caught.value)


def test_when_all_are_frozen_the_call_ends_by_its_deadline(ways, carol):
    client = carol(*ways, timeout=1.5)
    with ways[0].deaf(), ways[1].deaf(), ways[2].deaf(), ends_after(1.5), pytest.raises(ServerUnreachable) as caught:
        client.get_status()

    assert all(str(way.port) in str(caught.value) for way in ways)
    client.timeout = DEADLINE
    assert client.get_status() == Status(0, 0)


def test_while_all_are_gone_a_call_goes_on_trying_until_one_is_back(servers, database, pair):
    with MeterClient(servers=addresses(*pair)) as client:
        client.login("carol", "carol")
        for server in pair:
            server.kill()
        status = start(client.get_status)
        servers.start("--database", database, port=pair[1].port)

        assert status() == Status(0, 0)
        assert client.port == pair[1].port


def test_who_could_not_connect_to_any_leaves_no_socket_behind(ways):
    before = sockets_of("self")
    with ways[0].deaf(), ways[1].deaf(), refusing() as gone, pytest.raises(ConnectionFailed):
        connect(servers=[*addresses(*ways[:2]), f"localhost:{gone}"], timeout=0.5)

    for way in ways:
        way.cut()
    wait_until(lambda: sockets_of("self") <= before, "both ends are closed")


# --- found by name


def test_a_call_to_a_frozen_server_that_was_found_by_name_is_made_at_another_one(ways):
    with RegistryServer(port=0) as listening:
        registry = Registry("localhost", listening.port)
        for way in ways[:2]:
            registry.register("METER", way.port)
        with connect(service="METER", registry=str(registry)) as client:
            client.login("carol", "carol")
            client.timeout = 1.0
            used, unused = used_and_unused(client, *ways[:2])
            with used.deaf():
                with ends_after(0.5):
                    assert client.get_status() == Status(0, 0)
                assert client.port == unused.port


# --- encrypted


def test_each_server_must_prove_that_it_is_the_host_of_the_list(tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.certify_server(["localhost"], "METER")
    with RunningServer(ServerSettings(port=0, demo=True, tls=ServerTls(certificate, key))) as server:
        good, bad = f"localhost:{server.port}", f"127.0.0.1:{server.port}"
        for _ in range(4):
            with connect(servers=[good, bad], tls_ca=authority.path) as client:
                assert client.host == "localhost"
        with (
            refusing() as gone,
            pytest.raises(ServerUnreachable, match=r"\. The server 127\.0\.0\.1 cannot be tru"),
        ):
            connect(servers=[bad, f"localhost:{gone}"], tls_ca=authority.path)
        with pytest.raises(TlsError, match=r"127\.0\.0\.1 cannot be trusted: its certificate is for another address"):
            connect(servers=[bad], tls_ca=authority.path)


# --- how they are written


def test_a_server_is_host_and_perhaps_port_and_counts_once():
    assert listed(["a", "b:99", "a:11003", "[::1]", "[fe80::1%eth0]:99"]) == [
        ("a", PORT),
        ("b", 99),
        ("::1", PORT),
        ("fe80::1%eth0", 99),
    ]
    assert listed("meter-1.example.org, 10.1.2.3:99") == [("meter-1.example.org", PORT), ("10.1.2.3", 99)]


@pytest.mark.parametrize(
    "entry",
    ["", " ", ":5", "a:", "a:port", "a:0", "a:-1", "a b", "a:1:2", "::1", "::1:5", "[::1", "[a]", "http://a", "c@a"],
)
def test_what_is_no_server_is_refused(entry):
    with pytest.raises(SettingError) as caught:
        connect(servers=["localhost:1", entry])

    assert str(caught.value) == f"Invalid server {entry.strip()!r}: write it as HOST, HOST:PORT or [IPV6]:PORT"


def test_a_port_that_is_none_and_a_list_of_none_are_refused():
    with pytest.raises(SettingError, match="Invalid port 70000"):
        connect(servers=["a:70000"])
    with pytest.raises(SettingError, match="The list of servers is empty: give each as HOST or HOST:PORT"):
        connect(servers=[])


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"host": "b"}, "host='b'"),
        ({"port": 5}, "port=5"),
        ({"host": "localhost", "port": PORT}, "host='localhost', port=11003"),
        ({"service": "METER"}, "service='METER'"),
        ({"registry": "localhost"}, "registry='localhost'"),
        ({"ssh": "carol@b"}, "ssh='carol@b'"),
    ],
)
def test_a_list_of_servers_goes_with_no_other_way(other, words):
    with pytest.raises(SettingError) as caught:
        connect(servers=["a"], **other)

    assert str(caught.value) == f"servers=['a'] says which server: leave {words} away"
