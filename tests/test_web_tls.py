"""The door for HTTP over TLS, and what it knows of asyncio's inner parts: a new Python may have others."""

import http.client
import json
import socket
import ssl
import weakref
from contextlib import closing, contextmanager
from types import SimpleNamespace

import pytest
from conftest import wait_until
from memory_fixtures import *  # noqa: F403 - the fixtures
from tlspeers import TlsStranger
from web_fixtures import *  # noqa: F403 - the fixtures
from web_fixtures import web_door

from metermt.certificates import Authority
from metermt.transport.tls import ServerTls
from metermt.web.gate import Gate
from metermt.web.tlsparts import MAX_READ, unsent


@pytest.fixture
def encrypted(desk, server, tmp_path):
    """A door over TLS; yields it with what a client trusts."""
    authority = Authority(tmp_path)
    certificate, key = authority.certify_server(["localhost"], "METER")
    with web_door(desk, server, tls=ServerTls(certificate, key)) as door:
        yield door, ssl.create_default_context(cafile=authority.path)


@contextmanager
def visit(door, context):
    """Ask something over a connection that lasts until the end of the block; yields the door."""
    with (
        closing(socket.create_connection(("localhost", door.port), timeout=10)) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as encrypted_sock,
    ):
        encrypted_sock.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert encrypted_sock.recv(100)
        yield door


def test_a_connection_over_tls_has_small_buffers_and_all_that_was_not_sent_counts(encrypted):
    with visit(*encrypted) as door:
        (visitor,) = door._visitors
        inner = visitor.transport._ssl_protocol
        assert len(inner._ssl_buffer) == MAX_READ
        assert visitor.transport.get_read_buffer_limits()[1] == MAX_READ
        assert unsent(visitor.transport) == 0
        assert inner._transport.get_write_buffer_size() == 0
    lower = SimpleNamespace(get_write_buffer_size=lambda: 5)
    upper = SimpleNamespace(get_write_buffer_size=lambda: 2, _ssl_protocol=SimpleNamespace(_transport=lower))
    assert unsent(upper) == 7
    upper._ssl_protocol = None
    assert unsent(upper) == 0


def test_a_bulk_over_tls_is_taken_of_who_has_to_wait_for_a_turn_to_be_read(encrypted):
    door, context = encrypted

    def post(call, body, **headers):
        headers["Content-Type"] = "application/json"
        with closing(http.client.HTTPSConnection("localhost", door.port, timeout=10, context=context)) as connection:
            connection.request("POST", f"/api/{call}", body, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    _, welcome = post("login", b'{"username": "carol", "password": "carol"}')
    bulk = b'{"answers": []}' + b" " * 1_000_000
    assert post("submit_readings", bulk, Authorization=f"Bearer {welcome['session_id']}") == (200, [])


def test_nothing_is_kept_of_visitors_over_tls(encrypted):
    with visit(*encrypted) as door:
        visitors = weakref.WeakSet(door._visitors)
    wait_until(lambda: not (door._visitors or visitors), "they are gone, before anybody looks for rings")


def test_who_shakes_hands_makes_room_at_once(encrypted, server):
    door, _context = encrypted
    with closing(socket.create_connection(("localhost", door.port), timeout=10)) as sock:
        wait_until(lambda: len(server.guests) == 1, "they are there")
        (visitor,) = door._visitors
        visitor.leave()
        assert sock.recv(1) == b""
    wait_until(lambda: not (server.guests or door._visitors or door._tasks), "nothing is left of them")


def test_who_changes_keys_over_and_over_waits_for_turns_and_is_hung_up_on(encrypted, tmp_path, monkeypatch, caplog):
    door, _context = encrypted
    monkeypatch.setattr("metermt.web.visitor._BARREN_SECONDS", 0.01)  # a fifth of what is sent
    turns, came = [], Gate.came
    monkeypatch.setattr(Gate, "came", lambda gate, who: turns.append(who) or came(gate, who))
    with closing(TlsStranger(door.port, tmp_path / "ca.pem", tmp_path)) as peer:
        peer.change_keys(times=2000)
    wait_until(lambda: not door._visitors, "they are gone")
    assert len(turns) > 2, "one for each read"
    assert "it goes on and on in TLS" in caplog.text
