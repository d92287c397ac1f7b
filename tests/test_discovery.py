"""Servers found by name, with real registries over UDP and TCP."""

import socket
import time
from contextlib import ExitStack

import pytest
from clients import ends_by
from conftest import wait_until
from demometers import shows
from rpyc.core import brine
from rpyc.utils.registry import TCPRegistryClient, UDPRegistryClient

from metermt import connect, discovery
from metermt.discovery import Registries, Registry, announced, split_address
from metermt.errors import RegistryUnreachable, ServerUnreachable, SettingError
from metermt.model import Answer
from metermt.registry import FORGET_AFTER, MAX_SERVERS, RegistryServer, ServiceTable
from metermt.serving import RunningServer, ServerSettings
from metermt.signing import SharedKey


@pytest.fixture(params=["udp", "tcp"])
def registry(request):
    tcp = request.param == "tcp"
    with RegistryServer(port=0, tcp=tcp) as server:
        yield Registry("localhost", server.port, tcp)


def demo_server(registry, database=None):
    return RunningServer(ServerSettings(port=0, demo=True, database=database, registries=Registries([registry])))


def test_a_server_is_found_by_name_while_it_runs(registry):
    with demo_server(registry) as server:
        wait_until(lambda: registry.servers("METER"), "it is registered")

        assert registry.servers("meter") == [("127.0.0.1", server.port)]
        assert registry.names() == ["METER"]
        with connect(service="METER", registry=str(registry)) as client:
            assert client.login("carol", "carol") == "Carol Dent"
            assert (client.host, client.port) == ("127.0.0.1", server.port)

    assert registry.servers("METER") == []


def test_a_client_by_name_goes_on_with_the_other_server_when_its_own_is_gone(registry, tmp_path):
    with demo_server(registry, tmp_path / "shared.db") as one, demo_server(registry, tmp_path / "shared.db") as other:
        wait_until(lambda: len(registry.servers("METER")) == 2, "both are registered")
        with connect(service="METER", registry=str(registry)) as client:
            client.login("carol", "carol")
            job = client.get_job()
            used, unused = (one, other) if client.port == one.port else (other, one)

            used.stop()
            status = client.submit_and_next(Answer(job.meter.number, shows(job.meter.number))).status

            assert client.port == unused.port
            assert (status.count, status.total) == (1, 1)


def test_a_client_tries_all_servers_of_a_name_and_says_which(registry):
    with socket.socket() as silent:  # accepts connections and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        registry.register("METER", silent.getsockname()[1])
        registry.register("METER", 1)

        with pytest.raises(ServerUnreachable) as caught:
            connect(service="METER", registry=str(registry), timeout=5)

        assert f"127.0.0.1:{silent.getsockname()[1]}" in str(caught.value)
        assert "127.0.0.1:1" in str(caught.value)

        with demo_server(registry) as server:
            wait_until(lambda: ("127.0.0.1", server.port) in registry.servers("METER"), "it is registered")
            for _ in range(3):
                with connect(service="METER", registry=str(registry), timeout=5) as client:
                    assert client.port == server.port


def test_an_unknown_name_and_a_registry_that_is_not_there_are_told_apart(registry):
    with pytest.raises(ServerUnreachable, match="none is registered"):
        connect(service="NOPE", registry=str(registry))
    with pytest.raises(RegistryUnreachable, match="No registry answers at localhost:1"):
        connect(service="METER", registry="localhost:1")
    with pytest.raises(RegistryUnreachable, match="No registry answers at tcp:localhost:1"):
        connect(service="METER", registry="tcp:localhost:1")


def test_a_server_goes_on_without_a_registry_and_registers_when_there_is_one(caplog):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with announced([Registry("localhost", port)], "METER", 4711):
        wait_until(lambda: "tries again" in caplog.text, "it has tried in vain")


def test_programs_that_use_the_clients_of_rpyc_find_our_servers(registry):
    client = (TCPRegistryClient if registry.tcp else UDPRegistryClient)("127.0.0.1", port=registry.port)
    registry.register("METER", 4711)

    assert client.discover("METER") == (("127.0.0.1", 4711),)
    assert client.list() == ("METER",)
    assert client.register(("OTHER",), 4712)
    assert registry.names() == ["METER", "OTHER"]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff" * 1500,
        b"GET / HTTP/1.1\r\n\r\n",
        brine.dump(("RPYC", 7, ())),
        brine.dump(("RPYC", "QUERY", (7,))),
        brine.dump(("RPYC", "QUERY", ())),
        brine.dump(("RPYC", "REGISTER", ((), 5))),
        brine.dump(("RPYC", "REGISTER", (("A",), 0))),
        brine.dump(("RPYC", "REGISTER", (("A",), 10**9))),
        brine.dump(("RPYC", "REGISTER", ((7,), 5))),
        brine.dump(("RPYC", "REGISTER", (("A" * 65,), 5))),
        brine.dump(("RPYC", "UNREGISTER", ("x",))),
        brine.dump(("RPYC", "_answer", ())),
        brine.dump(("NO", "QUERY", ("METER",))),
        brine.dump(7),
    ],
)
def test_any_bytes_leave_the_registry_running(registry, message):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if registry.tcp else socket.SOCK_DGRAM) as stranger:
        stranger.connect(("127.0.0.1", registry.port))
        stranger.send(message)

        assert registry.names() == []


def test_a_silent_tcp_client_blocks_nobody():
    with RegistryServer(port=0, tcp=True) as server, socket.create_connection(("127.0.0.1", server.port)):
        registry = Registry("localhost", server.port, tcp=True)
        with ends_by(1.0):
            registry.register("METER", 4711)
            assert registry.servers("METER") == [("127.0.0.1", 4711)]


def test_the_server_heard_of_last_comes_first_and_old_ones_are_forgotten():
    now = 0.0
    table = ServiceTable(clock=lambda: now)
    table.register("METER", "10.0.0.1", 1)
    now = 1.0
    table.register("METER", "10.0.0.2", 2)
    assert table.servers("METER") == [("10.0.0.2", 2), ("10.0.0.1", 1)]

    now = FORGET_AFTER + 0.5
    assert table.servers("METER") == [("10.0.0.2", 2)]
    now = FORGET_AFTER + 1.5
    assert table.names() == []


def test_a_registry_cannot_be_filled_without_end():
    table = ServiceTable()

    taken = [table.register(f"N{n}", "10.0.0.1", 1) for n in range(MAX_SERVERS + 1)]

    assert taken == [True] * MAX_SERVERS + [False]
    assert table.register("N0", "10.0.0.1", 1)


def test_an_answer_is_cut_to_what_a_client_reads(registry):
    for port in range(1, 301):
        registry.register("METER", port)

    found = registry.servers("METER")

    assert 30 < len(found) < 300
    assert found[0] == ("127.0.0.1", 300)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("meter.example.org", ("meter.example.org", 18811)),
        ("10.1.2.3:99", ("10.1.2.3", 99)),
        ("[::1]", ("::1", 18811)),
        ("[::1]:99", ("::1", 99)),
        ("::1", ("::1", 18811)),
    ],
)
def test_an_address_is_host_and_perhaps_port(text, address):
    assert split_address(text, 18811) == address


@pytest.mark.parametrize("text", ["", ":5", "host:", "host:port", "host:99999", "host:-1"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(SettingError):
        split_address(text, 18811)


KEY = SharedKey(b"a secret of the firm, long enough")


@pytest.fixture
def locked_registry():
    with RegistryServer(port=0, key=KEY) as server:
        yield server


def test_without_the_key_nobody_registers_or_unregisters(locked_registry):
    stranger, owner = Registry(port=locked_registry.port), Registry(port=locked_registry.port, key=KEY)
    other = Registry(port=locked_registry.port, key=SharedKey(b"another secret, long enough"))
    owner.register("METER", 4711)

    for asker, words in ((stranger, "takes signed registrations only"), (other, "has another key than this server")):
        for attempt in (lambda asker=asker: asker.register("METER", 4712), lambda asker=asker: asker.unregister(4711)):
            with pytest.raises(RegistryUnreachable, match=words):
                attempt()
    assert stranger.servers("METER") == [("127.0.0.1", 4711)]

    owner.unregister(4711)
    assert stranger.servers("METER") == []


REGISTER = ("RPYC", "REGISTER", (("METER",), 4711, "10.0.0.1"))
UNREGISTER = ("RPYC", "UNREGISTER", (4711, "10.0.0.1"))


def run_of(registry):
    return brine.load(registry.answer(brine.dump(discovery.WHICH_RUN), "10.6.6.6"))


def signed(registry, message, age=0.0, key=KEY):
    """Write a message as a server does that is so many seconds behind."""
    inner = brine.dump((run_of(registry), int((time.time() - age) * 1e6), message))
    return brine.dump((discovery.SIGNED, key.sign(inner), inner))


def hears(registry, written):
    answer = registry.answer(written, "10.6.6.6")
    return answer and brine.load(answer)


def test_a_signed_message_is_good_for_a_minute_and_for_its_own_host_only(locked_registry):
    assert hears(locked_registry, signed(locked_registry, REGISTER, age=120)) == discovery.WRONG_TIME
    assert hears(locked_registry, signed(locked_registry, REGISTER, age=-120)) == discovery.WRONG_TIME
    changed = signed(locked_registry, REGISTER).replace(b"10.0.0.1", b"10.6.6.6")
    assert hears(locked_registry, changed) == discovery.WRONG_KEY
    nowhere = ("RPYC", "REGISTER", (("METER",), 4711))  # it would be for the host that it is sent from
    assert hears(locked_registry, signed(locked_registry, nowhere)) is None
    assert locked_registry.table.servers("METER") == []
    assert hears(locked_registry, signed(locked_registry, REGISTER, age=50)) == "OK"
    assert locked_registry.table.servers("METER") == [("10.0.0.1", 4711)]


def test_what_a_server_has_said_counts_once(locked_registry):
    early = signed(locked_registry, REGISTER, age=3)
    overheard = [signed(locked_registry, message, age) for message, age in ((REGISTER, 2), (UNREGISTER, 1))]
    assert [hears(locked_registry, written) for written in overheard] == ["OK", "OK"]
    assert locked_registry.table.servers("METER") == []

    for written in (early, *overheard):
        assert hears(locked_registry, written) == discovery.SAID_BEFORE
    assert locked_registry.table.servers("METER") == []

    assert hears(locked_registry, signed(locked_registry, REGISTER)) == "OK"
    assert hears(locked_registry, overheard[1]) == discovery.SAID_BEFORE
    assert locked_registry.table.servers("METER") == [("10.0.0.1", 4711)]


def test_nothing_that_was_said_to_an_earlier_run_of_a_registry_counts(locked_registry):
    overheard = signed(locked_registry, REGISTER)
    with RegistryServer(port=0, key=KEY) as later:
        assert hears(later, overheard) == discovery.SAID_BEFORE
        assert later.table.servers("METER") == []


@pytest.mark.parametrize(
    "question",
    [("RPYC", "QUERY", ("METER",)), ("RPYC", "LIST", ((None,),)), discovery.WHICH_RUN, ("RPYC", "REGISTER", ((), 1))],
)
def test_an_answer_is_at_most_three_times_as_long_as_its_question(question):
    """Whoever can write another's address on a question must not have much sent there."""
    with RegistryServer(port=0) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for number in range(300):
            server.table.register("METER", "10.0.0.1", number + 1)
            server.table.register(f"NAME {number}", "10.0.0.1", 1)
        stranger.settimeout(0.3)
        stranger.connect(("127.0.0.1", server.port))
        for written in (brine.dump(question), brine.dump(question).ljust(discovery.QUESTION_BYTES, b"\0")):
            stranger.send(written)
            try:
                answer = stranger.recv(65536)
            except TimeoutError:
                continue
            assert len(answer) <= 3 * len(written)


def test_silent_tcp_clients_keep_nobody_out():
    with RegistryServer(port=0, tcp=True) as server, ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        registry = Registry("localhost", server.port, tcp=True)
        for number in range(30):
            registry.register("METER", 4711 + number)
        assert len(registry.servers("METER")) == 30


def test_a_server_registers_under_the_address_that_it_advertises(locked_registry):
    registry = Registry(port=locked_registry.port, key=KEY)
    settings = ServerSettings(port=0, demo=True, registries=Registries([registry]), advertise="meter.example.org")
    with RunningServer(settings) as server:
        wait_until(lambda: registry.servers("METER"), "it is registered")
        assert registry.servers("METER") == [("meter.example.org", server.port)]
    assert registry.servers("METER") == []


def test_a_registry_elsewhere_cannot_send_anybody_to_this_machine(registry, monkeypatch):
    registry.register("METER", 4711)
    registry.register("METER", 4712, "10.0.0.1")
    is_loopback = discovery._is_loopback
    monkeypatch.setattr(discovery, "_is_loopback", lambda host: host != "localhost" and is_loopback(host))

    assert registry.servers("METER") == [("10.0.0.1", 4712)]


def test_a_key_that_is_short_or_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "short").write_text("secret\n")
    with pytest.raises(SettingError, match="16 bytes at least"):
        SharedKey.read(tmp_path / "short")
    with pytest.raises(SettingError, match="Cannot read the key file"):
        SharedKey.read(tmp_path / "none")
