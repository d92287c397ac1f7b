"""Clients and servers that know registries: several of them, none that answers, one that was started again."""

import json
import socket
import stat
from contextlib import ExitStack

import pytest
from client_fixtures import *  # noqa: F403 - the fixtures
from clients import ends_by
from commands import *  # noqa: F403 - the fixtures
from conftest import DEADLINE, wait_until
from proxy import Proxy
from servers import listening

from metermt import connect, discovery
from metermt.certificates import Authority
from metermt.client import lastknown, reaching
from metermt.client.lastknown import last_known, remember
from metermt.discovery import Registries, Registry, announced
from metermt.errors import RegistryUnreachable, ServerUnreachable, TlsError
from metermt.model import Status
from metermt.registry import RegistryServer
from metermt.transport import clientend
from metermt.transport.tls import ServerTls


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Where clients keep what they remember."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "metermt" / "servers.json"


@pytest.fixture
def registries():
    """Two registries."""
    with RegistryServer(port=0) as one, RegistryServer(port=0) as other:
        yield one, other


def at(*registries):
    return ",".join(f"localhost:{registry.port}" for registry in registries)


def found(*registries, **settings):
    return connect(service="METER", registry=at(*registries), **settings)


# --- several


def test_a_server_is_registered_with_all_registries_and_found_by_any(registries, server):
    one, other = registries
    with announced(Registries.parse(at(one, other)), "METER", server.port):
        wait_until(lambda: one.table.servers("METER") and other.table.servers("METER"), "both know it")
        one.stop()
        with ends_by(1.0), found(one, other) as client:
            client.ping()
    assert other.table.servers("METER") == []


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_a_registry_is_found_at_whichever_address_of_its_host_it_answers(tcp, known_by_name):
    kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
    with RegistryServer(port=0, tcp=tcp) as registry, socket.socket(type=kind) as silent:
        silent.bind(("127.0.0.1", 0))
        known_by_name(silent.getsockname()[1], registry.port)
        by_name = Registry.parse(f"{'tcp:' if tcp else ''}meter.example.org")
        by_name.register("METER", 11003, "10.0.0.9")
        assert by_name.servers("METER", 1.0) == [("10.0.0.9", 11003)]


def test_a_registry_that_knows_none_yet_does_not_hide_what_another_knows(registries, server):
    one, other = registries
    other.table.register("METER", "127.0.0.1", server.port)

    with found(one, other) as client:
        assert client.port == server.port
    assert Registries.parse(at(one, other)).all_servers() == [("METER", "127.0.0.1", server.port)]


def test_a_server_is_there_again_soon_after_its_registry_was_started_again(monkeypatch):
    # At the worst it has registered a moment before the registry ends, or the registry is not there yet.
    slowest = discovery._REGISTER_EVERY + discovery.ANSWER_SECONDS
    assert max(slowest, discovery._REGISTER_AGAIN + discovery.ANSWER_SECONDS) <= 15
    monkeypatch.setattr(discovery, "_REGISTER_EVERY", 0.1)
    with RegistryServer(port=0) as first:
        port = first.port
        stack = ExitStack()
        stack.enter_context(announced([Registry(port=port)], "METER", 4711))
        wait_until(lambda: first.table.servers("METER"), "it is registered")
    with RegistryServer(port=port) as second, stack:
        wait_until(lambda: second.table.servers("METER"), "it is registered again")


# --- when none answers


def test_without_a_registry_a_client_finds_its_server_where_it_was(registries, server, cache):
    one, other = registries
    one.table.register("METER", "127.0.0.1", server.port)
    found(one, other).close()
    one.stop()
    other.stop()

    with found(one, other) as client:
        assert client.port == server.port
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600
    with pytest.raises(RegistryUnreachable):  # another name, and another registry
        connect(service="NORTH", registry=at(one, other))
    with pytest.raises(RegistryUnreachable):
        found(one)


def test_when_no_server_is_where_it_was_the_error_says_that_no_registry_answers(registries):
    one, _ = registries
    one.table.register("METER", "127.0.0.1", 1)
    with pytest.raises(ServerUnreachable, match="No server of the name METER answers; tried"):
        found(one)
    one.stop()

    with pytest.raises(ServerUnreachable, match=r"found last\. No registry answers at .*; tried: 127\.0\."):
        found(one)


def test_who_is_found_where_a_server_was_must_prove_to_be_it(desk, tmp_path, registries):
    one, _ = registries
    ours, strangers = Authority(tmp_path / "ours"), Authority(tmp_path / "strangers")
    tls = ServerTls(*strangers.certify_server(["localhost"], "METER"))
    with listening(desk, tls=tls) as impostor:
        remember(f"METER at {at(one)}", [("127.0.0.1", impostor.port)])
        one.stop()
        with pytest.raises(TlsError, match="The server METER cannot be trusted"):
            found(one, tls_ca=ours.path)


def test_no_more_is_remembered_than_has_its_place(cache):
    for number in range(30):
        remember(f"NAME {number}", [("10.0.0.1", port) for port in range(1, 100)])

    kept = json.loads(cache.read_text())
    assert list(kept) == [f"NAME {number}" for number in range(10, 30)]
    assert {len(places) for places in kept.values()} == {20}
    assert last_known("NAME 29")[0] == ("10.0.0.1", 1)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"METER": 7}', '{"METER": [["a", 0], ["a"], [7, 7], {"a": 1}, null]}', "[" * 60_000, "\udcff"],
)
def test_what_makes_no_sense_in_the_file_is_not_there(text, cache):
    cache.parent.mkdir(parents=True)
    cache.write_bytes(text.encode("utf-8", "surrogateescape"))

    assert last_known("METER") == []
    remember("METER", [("10.0.0.1", 1)])
    assert last_known("METER") == [("10.0.0.1", 1)]


def test_who_can_keep_nothing_does_without_it(cache):
    cache.parent.parent.write_text("no folder")
    remember("METER", [("10.0.0.1", 1)])

    assert last_known("METER") == []


def test_what_is_the_same_is_not_written_again(cache, monkeypatch):
    remember("METER", [("10.0.0.1", 1), ("10.0.0.2", 1)])
    monkeypatch.setattr(lastknown, "whole_file", None)

    remember("METER", [("10.0.0.2", 1), ("10.0.0.1", 1)])


# --- a server that is frozen


@pytest.fixture
def quick_looks(monkeypatch):
    """Let a client look sooner whether a silent server is still there."""
    monkeypatch.setattr(clientend, "_SILENCE", 0.2)
    monkeypatch.setattr(reaching, "_LOOK", 0.3)


def test_a_frozen_server_is_left_soon_whatever_its_client_knew_of_others(server, registries, quick_looks):
    one, _ = registries
    with Proxy(server.port) as its_own, Proxy(server.port) as came_later:
        one.table.register("METER", "127.0.0.1", its_own.port)
        with found(one) as client:
            client.login("carol", "carol")
            one.table.register("METER", "127.0.0.1", came_later.port)
            with its_own.deaf(), ends_by(1.5):
                assert client.get_status() == Status(0, 0)
            assert client.port == came_later.port


def test_a_server_that_only_takes_its_time_is_waited_for(server, registries, monkeypatch):
    monkeypatch.setattr(clientend, "_SILENCE", 0.01)
    monkeypatch.setattr(reaching, "_LOOK", DEADLINE)
    one, _ = registries
    with Proxy(server.port) as slow, Proxy(server.port) as other:
        one.table.register("METER", "127.0.0.1", slow.port)
        with found(one) as client:
            client.login("carol", "carol")
            one.table.register("METER", "127.0.0.1", other.port)
            slow.delay = 0.1
            assert client.get_status() == Status(0, 0)
            assert client.port == slow.port


# --- commands, encrypted


def test_services_and_ping_by_name_take_the_options_of_tls(desk, tmp_path, registries, invoke):
    one, other = registries
    authority = Authority(tmp_path / "ours")
    with listening(desk, tls=ServerTls(*authority.certify_server(["localhost"], "METER"))) as server:
        one.table.register("METER", "127.0.0.1", server.port)
        to = ("--registry", at(other, one))
        with_tls = ("--tls-ca", str(authority.path))
        strangers = ("--tls-ca", str(Authority(tmp_path / "strangers").path))

        assert "answers in" in invoke("ping", "--service", "METER", *to, *with_tls).stdout
        assert f"127.0.0.1  {server.port}  in " in invoke("services", *to, *with_tls).stdout
        assert "no: The server METER cannot be trusted" in invoke("services", *to, *strangers).stdout
        assert f"127.0.0.1  {server.port}  no: " in invoke("services", *to).stdout
