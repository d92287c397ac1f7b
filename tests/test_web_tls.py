"""The door for HTTP over TLS, and what it knows of asyncio's inner parts: a new Python may have others."""

import http.client
import json
import socket
import ssl
from contextlib import closing
from types import SimpleNamespace

import pytest
from memory_fixtures import *  # noqa: F403 - the fixtures
from web_fixtures import *  # noqa: F403 - the fixtures
from web_fixtures import web_door

from metermt.certificates import Authority
from metermt.transport.tls import ServerTls
from metermt.web import visitor as visitors
from metermt.web.visitor import MAX_READ


@pytest.fixture
def encrypted(desk, server, tmp_path):
    """A door over TLS; yields it with what a client trusts."""
    authority = Authority(tmp_path)
    certificate, key = authority.certify_server(["localhost"], "METER")
    with web_door(desk, server, tls=ServerTls(certificate, key)) as door:
        yield door, ssl.create_default_context(cafile=authority.path)


def test_a_connection_over_tls_has_small_buffers_and_all_that_was_not_sent_counts(encrypted):
    door, context = encrypted
    with (
        closing(socket.create_connection(("localhost", door.port), timeout=10)) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as encrypted_sock,
    ):
        encrypted_sock.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert encrypted_sock.recv(100)
        (visitor,) = door._visitors
        inner = visitor.transport._ssl_protocol
        assert len(inner._ssl_buffer) == MAX_READ
        assert visitor.transport.get_read_buffer_limits()[1] == MAX_READ
        assert visitors._unsent(visitor.transport) == 0
        assert inner._transport.get_write_buffer_size() == 0
    lower = SimpleNamespace(get_write_buffer_size=lambda: 5)
    upper = SimpleNamespace(get_write_buffer_size=lambda: 2, _ssl_protocol=SimpleNamespace(_transport=lower))
    assert visitors._unsent(upper) == 7
    upper._ssl_protocol = None
    assert visitors._unsent(upper) == 0


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
