"""The body of a request by HTTP: how much of it is read, how much at once, and by whom."""

import http.client
import socket
from contextlib import closing, contextmanager
from threading import current_thread

import pytest
from conftest import wait_until
from memory_fixtures import *  # noqa: F403 - the fixtures
from uvicorn.protocols.http.h11_impl import H11Protocol
from web_fixtures import *  # noqa: F403 - the fixtures
from web_fixtures import post, said_to

from metermt.web import visitor
from metermt.web.visitor import MAX_HEAD, Visitor


def test_a_body_that_does_not_say_how_long_it_is_is_not_read_beyond_its_bound(web):
    head = b"POST /meter HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert said_to(web, head + b"8000\r\n" + b"x" * 0x8000 + b"\r\n" + b"8001\r\n" + b"x" * 0x8001 + b"\r\n") == 413


def head_of(call, session):
    """Return a request's first headers."""
    shown = f"Authorization: Bearer {session}\r\nContent-Type: application/json\r\n"
    return f"POST /api/{call} HTTP/1.1\r\nHost: x\r\n{shown}"


@pytest.mark.parametrize("who", ["a stranger", "a reader"])
def test_a_body_in_very_small_chunks_is_read_a_little_at_a_time(web, who, monkeypatch):
    """What h11 makes of 32 KB of them takes some fifty milliseconds, for which nobody else would be read.

    A part of them, as h11 is given it, takes one; and here each turn is over after it.
    """
    monkeypatch.setattr(visitor, "_READ_SECONDS", 1e-9)
    session, parts, wait = "", [], Visitor._wait
    if who == "a reader":
        session = post(web, "login", {"username": "carol", "password": "carol"})[1]["session_id"]
    received = H11Protocol.data_received
    monkeypatch.setattr(H11Protocol, "data_received", lambda *args: parts.append(args[1]) or received(*args))
    monkeypatch.setattr(Visitor, "_wait", lambda who: parts.append("waits") or wait(who))
    head = head_of("get_job", session)
    with closing(socket.create_connection(("localhost", web.port), timeout=10)) as sock:
        if session:  # which has to be known on this connection
            sock.sendall(f"{head}Content-Length: 2\r\n\r\n{{}}".encode())
            assert sock.recv(9999).startswith(b"HTTP/1.1 200")
        sock.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + b"1\r\n \r\n" * 2000)
        wait_until(lambda: sum(part != "waits" and len(part) > 500 for part in parts) >= 6, "it is read")
    told = "".join("w" if part == "waits" else "p" if len(part) > 500 else "" for part in parts)
    assert "pp" not in told, "others are read meanwhile"
    assert max(len(part) for part in parts if part != "waits") < 600


def test_a_body_of_a_known_size_is_taken_as_it_comes(web, monkeypatch):
    """In small parts a bulk of a megabyte took three times as long."""
    session = post(web, "login", {"username": "carol", "password": "carol"})[1]["session_id"]
    head = head_of("submit_readings", session)
    parts, received = [], H11Protocol.data_received
    monkeypatch.setattr(H11Protocol, "data_received", lambda *args: parts.append(args[1]) or received(*args))
    body = b'{"answers": []' + b" " * 60_000 + b"}"
    assert said_to(web, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body) == 200
    assert len(parts) < 12


def test_what_follows_a_body_is_not_taken_with_it(web):
    """A head that has no end is found out also there."""
    session = post(web, "login", {"username": "carol", "password": "carol"})[1]["session_id"]
    first = f"{head_of('get_job', session)}Content-Length: 2\r\n\r\n{{}}".encode()
    with closing(socket.create_connection(("localhost", web.port), timeout=10)) as sock:
        sock.sendall(first)
        assert sock.recv(9999).startswith(b"HTTP/1.1 200")
        sock.sendall(first + b"POST /api/get_job HTTP/1.1\r\nHost: " + b"x" * (MAX_HEAD + 2000) + b"\r\n\r\n")
        received = b"".join(iter(lambda: sock.recv(9999), b""))
    assert received.count(b"HTTP/1.1 200") == 1
    assert b"HTTP/1.1 400" in received


def test_a_body_in_small_chunks_is_taken_whole(web):
    session = post(web, "login", {"username": "carol", "password": "carol"})[1]["session_id"]
    body = b'{"n": 1' + b" " * 4000 + b"}"
    head = head_of("get_jobs", session)
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    assert said_to(web, f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks + b"0\r\n\r\n") == 200


MANY = b'{"a": [' + b"[]," * 100_000 + b"[]]}"


@pytest.mark.parametrize(
    ("call", "status", "words"),
    [
        ("submit_readings", 400, "more than 10000 objects and lists"),
        ("hello", 400, "more than 10000 objects and lists"),
        ("why_no_job", 413, "The body may have 65536 bytes at most"),
        ("get_status", 413, "The body may have 65536 bytes at most"),
    ],
)
def test_a_text_with_very_many_lists_is_refused_unread_also_where_none_is_wanted(web, call, status, words):
    session = post(web, "login", {"username": "carol", "password": "carol"})[1]["session_id"]
    for body in (MANY, b'{"a": 1' + b',"a": 1' * 100_001 + b"}"):
        answer, told = post(web, call, body, session)
        assert (answer, told["code"]) == (status, "call")
        assert words in told["text"]


def test_what_somebody_may_not_ask_for_is_not_read(web):
    session = post(web, "login", {"username": "carol", "password": "carol"})[1]["session_id"]
    assert post(web, "list_users", MANY, session)[0] == 403


def test_a_bulk_of_somebody_who_comes_back_after_a_while_is_taken(web, clock):
    session = post(web, "login", {"username": "carol", "password": "carol"})[1]["session_id"]
    clock.move(hours=1)
    assert post(web, "submit_readings", b'{"answers": []}' + b" " * 100_000, session) == (200, [])


def test_a_connection_goes_on_after_an_error_about_a_body_that_was_read(web):
    connection = http.client.HTTPConnection("localhost", web.port, timeout=15)
    with closing(connection):
        for _ in range(2):
            connection.request("POST", "/api/login", b"[1]", {"Content-Type": "application/json"})
            response = connection.getresponse()
            assert (response.status, response.getheader("Connection")) == (400, None)
            assert response.read()


def test_others_have_the_processor_after_what_is_large_was_read_or_answered(desk, web, monkeypatch):
    session = post(web, "login", {"username": "carol", "password": "carol"})[1]["session_id"]
    rested = []

    @contextmanager
    def resting():
        yield
        rested.append(current_thread().name)

    monkeypatch.setattr(desk, "resting", resting)
    post(web, "get_status", b"{}", session)
    assert rested == []
    post(web, "find_meters", {"text": "A"}, session)
    assert len(rested) == 1, "it looks at all meters"
    post(web, "get_status", b"{}" + b" " * 10_000, session)
    assert len(rested) == 2, "it is read elsewhere"
