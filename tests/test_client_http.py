"""`MeterClient` by HTTP, and servers and proxies that answer otherwise than ours does."""

import pytest
from memory_fixtures import *  # noqa: F403 - the fixtures
from scripted import ScriptedServer, hear, send
from web_fixtures import *  # noqa: F403 - the fixtures

from metermt import MeterClient
from metermt.errors import CallError, NotAMeterServer
from metermt.transport.deadline import Deadline

LONG = '"' + "x" * 200_000 + '"'
"""A result that comes in several parts."""


def by_http(server):
    return MeterClient(f"http://localhost:{server.port}")


def answers(*told):
    """Make a script that answers each connection's request with the next of these, and hangs up."""
    left = iter(told)

    def script(sock, ending):
        request = b""
        while not request.endswith(b"\r\n\r\n{}") and (chunk := hear(sock, ending)):
            request += chunk
        send(sock, next(left).encode(), ending)

    return script


@pytest.mark.parametrize(
    "head",
    [f"Content-Length: {len(LONG)}\r\nConnection: close\r\n", "Connection: close\r\n", ""],
    ids=["with its length", "as long as it stands", "unsaid"],
)
def test_an_answer_after_which_the_connection_ends_is_read_whole(head):
    with ScriptedServer(answers(f"HTTP/1.1 200 OK\r\n{head}\r\n{LONG}")) as server, by_http(server) as client:
        assert client._connection.call("hello", (), Deadline(5)) == LONG


@pytest.mark.parametrize(
    "told", ["HTTP/1.", "HTTP/1.1 200 OK\r\nContent-Len", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnu"]
)
def test_an_answer_that_is_cut_off_is_asked_for_again(told):
    whole = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull"
    with ScriptedServer(answers(told, whole)) as server, by_http(server) as client:
        client.ping()


def test_a_client_that_asks_at_the_port_for_rpyc_is_told_so_at_once(server):
    with by_http(server) as client, pytest.raises(NotAMeterServer, match="does not speak HTTP: check the URL"):
        client.ping()


def test_a_url_with_a_path_that_leads_nowhere_is_told(web):
    words = "There is no such call at that URL: check it"
    with MeterClient(f"http://localhost:{web.port}/abc") as client, pytest.raises(CallError, match=words):
        client.ping()


def test_a_client_goes_on_after_what_could_not_be_sent(web):
    with by_http(web) as client:
        client._session_id = "x\n"
        with pytest.raises(CallError, match="cannot be sent"):
            client.get_status()
        client._session_id = ""
        client.ping()
