"""What a stranger can do over HTTP: be refused, within bounds of bytes, time and connections."""

import http.client
import json
import socket
import struct
import time
import weakref
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from threading import Event, current_thread
from xmlrpc.client import ServerProxy, dumps

import pytest
from conftest import DEADLINE, start, wait_until
from memory_fixtures import *  # noqa: F403 - the fixtures
from web_fixtures import *  # noqa: F403 - the fixtures
from web_fixtures import fault_of, post, said_to, web_door

from metermt import MeterClient
from metermt.client.health import ask_health
from metermt.config import Limits
from metermt.errors import StoreError
from metermt.rules import seats
from metermt.transport.guests import Guests
from metermt.web import door as the_door
from metermt.web import xmlrpc
from metermt.web.faults import FAULTS, INVALID_PARAMS, NO_SUCH_METHOD, PARSE_ERROR
from metermt.web.gate import Gate
from metermt.web.openapi import openapi_text
from metermt.web.visitor import Visitor, _Turn

BOMB = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<methodCall><methodName>get_job</methodName><params><param><value><string>&b;</string></value></param></params></methodCall>"""
CALL = b"<methodCall><methodName>%s</methodName><params>%s</params></methodCall>"


@pytest.mark.parametrize(
    ("body", "number"),
    [
        (b"", PARSE_ERROR),
        (b"nonsense", PARSE_ERROR),
        (b"<methodCall>", PARSE_ERROR),
        (b"<methodCall></methodCall>", PARSE_ERROR),
        (b"<methodResponse><params></params></methodResponse>", PARSE_ERROR),
        (BOMB, PARSE_ERROR),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd">' + CALL % (b"get_job", b""), PARSE_ERROR),
        (b"<?xml version='1.0' encoding='no-such'?>" + CALL % (b"get_job", b""), PARSE_ERROR),
        ("<?xml version='1.0' encoding='utf-16'?>".encode("utf-16") + CALL % (b"get_job", b""), PARSE_ERROR),
        (CALL % (b"get_job", b"<param><value><int>x</int></value></param>"), PARSE_ERROR),
        (CALL % (b"get_job", b"<param><value><int>" + b"9" * 5000 + b"</int></value></param>"), PARSE_ERROR),
        (CALL % (b"get_job", b"<param><value><array><data>" * 1000), PARSE_ERROR),
        (CALL % (b"get_job", b"<param><value><string>&#0;</string></value></param>"), PARSE_ERROR),
        (CALL % (b"get_job", b"<param><value><string>\0</string></value></param>"), PARSE_ERROR),
        (CALL % (b"get_job", b"<param><value><struct/></value></param>"), INVALID_PARAMS),
        (CALL % (b"get_job", b"<param><value><base64>AAAA</base64></value></param>"), INVALID_PARAMS),
        (CALL % (b"get_job", b"<param><value><boolean>1</boolean></value></param>"), FAULTS["session"]),
        (CALL % (b"get_job", b"<param><value>x</value></param>" * 9), INVALID_PARAMS),
        (CALL % (b"get_job", b""), INVALID_PARAMS),
        (CALL % (b"__init__", b""), NO_SUCH_METHOD),
        (CALL % (b"list_users", b"<param><value>x</value></param>"), NO_SUCH_METHOD),
        (dumps(([1] * 101,), "system.multicall").encode(), INVALID_PARAMS),
        (dumps((5,), "system.methodHelp").encode(), INVALID_PARAMS),
    ],
)
def test_any_nonsense_by_xml_rpc_is_a_fault(web, body, number):
    assert fault_of(web, body) == number


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"nonsense", 400),
        (b"\xff", 400),
        (b"[1]", 400),
        (b"[" * 5000, 400),
        (b'{"username": "carol"}', 400),
        (b'{"username": {}, "password": []}', 400),
        (b'{"username": "carol", "password": "carol", "more": 1}', 400),
        (b'{"username": 1, "password": 1e9}', 401),
    ],
)
def test_any_nonsense_by_json_is_an_error(web, body, status):
    told, answer = post(web, "login", body)
    assert (told, set(answer)) == (status, {"code", "text", "details"})


@pytest.mark.parametrize("body", [b"\x00", b"[]", b"null"])
def test_nonsense_is_an_error_also_where_nothing_is_to_be_told(web, body):
    session = post(web, "login", {"username": "carol", "password": "carol"})[1]["session_id"]
    assert post(web, "list_cycles", body, session)[0] == 400
    assert post(web, "list_cycles", b"", session)[0] == post(web, "list_cycles", b"{}", session)[0] == 403


def test_what_is_asked_for_in_another_way_is_a_status(web):
    for request, status in {
        b"GET /meter HTTP/1.1\r\n": 405,
        b"GET /api/login HTTP/1.1\r\n": 405,
        b"OPTIONS /api/login HTTP/1.1\r\n": 405,
        b"POST / HTTP/1.1\r\nContent-Length: 0\r\n": 404,
        b"POST /api/nothing HTTP/1.1\r\nContent-Length: 0\r\n": 404,
        b"POST /api/login HTTP/1.1\r\nContent-Length: 0\r\n": 415,
        b"POST /meter HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n": 415,
        b"POST /meter HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n": 415,
        b"POST /meter HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: 99999999\r\n": 413,
        b"POST /api/login HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 65537\r\n": 413,
        b"POST /api/get_job HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 0\r\n": 401,
        b"POST /meter HTTP/1.1\r\nContent-Length: x\r\n": 400,
        b"POST /meter HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n": 400,
        b"nonsense\r\n": 400,
        b"POST /meter HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 0\r\n": 415,
    }.items():
        assert said_to(web, request + b"Host: x\r\n\r\n") == status, request[:60]


@pytest.fixture
def impatient(desk, server):
    """A door that gives strangers a fifth of a second."""
    with web_door(desk, server, Limits(handshake=timedelta(seconds=0.2))) as door:
        yield door


def test_strangers_who_say_nothing_are_let_go_of(impatient):
    with closing(socket.create_connection(("localhost", impatient.port), timeout=10)) as sock:
        assert sock.recv(1) == b""


def test_who_begins_a_request_and_does_not_end_it_is_let_go_of(web, monkeypatch):
    monkeypatch.setattr("metermt.web.visitor.FRAME_SECONDS", 0.2)
    for begun in (
        b"POST /me",
        b"POST /meter HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 9\r\n\r\n<",
    ):
        with closing(socket.create_connection(("localhost", web.port), timeout=10)) as sock:
            sock.sendall(begun)
            assert sock.recv(1) == b""


@pytest.fixture
def long_grace(monkeypatch):
    """Nobody who has come lately has to make room, however busy the machine is."""
    monkeypatch.setattr(seats, "_GRACE", 60.0)


@pytest.mark.usefixtures("long_grace")
def test_both_doors_have_one_bound_for_connections(desk, limited_server, stranger):
    with web_door(desk, limited_server) as door:
        first = stranger(limited_server)
        wait_until(lambda: len(limited_server.guests) == 1, "the first is there")
        status, told = post(door, "ping", {})
        assert (status, told["code"]) == (503, "busy")
        first.sock.close()
        wait_until(lambda: post(door, "ping", {})[0] == 200, "there is room again")


@contextmanager
def held_answers(desk, monkeypatch):
    """Have the desk answer nobody during the block; yields the requests that it is at."""
    asked, go_on, answer = [], Event(), desk.answer
    monkeypatch.setattr(desk, "answer", lambda asks: (asked.extend(asks), go_on.wait(DEADLINE), answer(asks))[-1])
    try:
        yield asked
    finally:
        go_on.set()


@contextmanager
def pinging(door):
    """Ask something over a connection of its own; yields it before the answer is there."""
    with closing(http.client.HTTPConnection("localhost", door.port, timeout=15)) as connection:
        connection.request("POST", "/api/ping", b"{}", {"Content-Type": "application/json"})
        yield connection


def test_a_visitor_makes_room_at_the_other_door_once_answered_and_not_before(
    desk, limited_server, stranger, monkeypatch
):
    monkeypatch.setattr(seats, "_GRACE", 0.0)
    with web_door(desk, limited_server) as door, ExitStack() as visits:
        with held_answers(desk, monkeypatch) as asked:
            visitor = visits.enter_context(pinging(door))
            wait_until(lambda: asked, "the visitor is being answered")
            assert stranger(limited_server).error()[0] == "ServerBusy"
        assert visitor.getresponse().read()
        with MeterClient("localhost", limited_server.port) as client:
            client.ping()
        assert visitor.sock.recv(1) == b""


def test_who_is_gone_when_it_is_their_turn_is_not_answered(desk, server, web, monkeypatch):
    with ExitStack() as visits, held_answers(desk, monkeypatch) as asked:
        for _ in range(2):  # as many threads as there are for strangers
            visits.enter_context(pinging(web))
        wait_until(lambda: len(asked) == 2, "both threads are at it")
        with pinging(web):
            wait_until(lambda: desk.counting.waiting["http strangers"]() == 1, "a third waits")
        wait_until(lambda: len(server.guests) == 2, "which has hung up")
    wait_until(lambda: not desk.counting.waiting["http strangers"](), "nobody waits")
    assert post(web, "ping")[0] == 200
    assert len(asked) == 3


def test_wrong_passwords_count_at_both_doors_together(desk, web, root):
    for _ in range(5):
        assert post(web, "login", {"username": "carol", "password": "x"})[0] == 401
        with pytest.raises(Exception, match="Invalid username"):
            root.login("carol", "x")
    status, told = post(web, "login", {"username": "carol", "password": "carol"})
    assert (status, told["code"]) == (429, "too-many-failures")
    with pytest.raises(Exception, match="Too many failed logins"):
        root.login("carol", "carol")


PING = b"POST /api/ping HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def test_requests_in_a_row_of_who_has_logged_in_are_all_answered_by_turns(web, monkeypatch):
    turns, came = [], Gate.came
    monkeypatch.setattr(Gate, "came", lambda gate, who: turns.append((gate, type(who))) or came(gate, who))
    session = post(web, "login", {"username": "carol", "password": "carol"})[1]["session_id"]
    with closing(socket.create_connection(("localhost", web.port), timeout=10)) as sock:
        shown = PING.replace(b"ping", b"get_status").replace(b"Host", b"Authorization: Bearer %s\r\nHost")
        sock.sendall(shown % session.encode())
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 OK")
        sock.sendall(PING * 20)
        received = b""
        while received.count(b"HTTP/1.1 200 OK") < 20:
            received += sock.recv(65536)
    assert turns.count((web._hall.known, _Turn)) == 20


def test_of_a_strangers_requests_in_a_row_only_the_first_is_answered(web):
    with closing(socket.create_connection(("localhost", web.port), timeout=10)) as sock:
        sock.sendall(PING * 20)
        received = b""
        while chunk := sock.recv(65536):
            received += chunk
    assert received.count(b"HTTP/1.1 200 OK") == 1


def test_nothing_is_kept_of_visitors_who_reset_their_connection(web):
    visitors = weakref.WeakSet()
    for _ in range(3):
        with pinging(web) as connection:
            assert connection.getresponse().read()
            visitors.update(list(web._visitors))
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sock.close()
    wait_until(lambda: not web._visitors, "all are gone")
    timers = [timer for timer in web._loop._scheduled if not timer.cancelled()]
    assert not [timer for timer in timers if isinstance(getattr(timer._callback, "__self__", None), Visitor)]
    wait_until(lambda: not visitors, "none is kept")


def test_a_stop_does_not_wait_for_those_who_say_nothing_or_half_of_it(desk, server):
    with web_door(desk, server) as door:
        socks = [socket.create_connection(("localhost", door.port), timeout=10) for _ in range(2)]
        socks[1].sendall(
            b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        wait_until(lambda: len(server.guests) == 2, "both are there")
        began = time.monotonic()
    assert time.monotonic() - began < 8  # of the ten that it would wait
    for sock in socks:
        sock.close()


@pytest.mark.usefixtures("long_grace")
def test_a_full_server_tells_who_asks_for_its_health_why(desk, limited_server, stranger):
    with web_door(desk, limited_server) as door:
        stranger(limited_server)
        wait_until(lambda: len(limited_server.guests) == 1, "somebody is there")
        with pytest.raises(StoreError, match="is not ready: The server has as many connections"):
            ask_health(f"http://localhost:{door.port}")


def test_a_turn_of_who_is_gone_is_taken_by_nobody(web, server, monkeypatch):
    session = post(web, "login", {"username": "carol", "password": "carol"})[1]["session_id"]
    with closing(socket.create_connection(("localhost", web.port), timeout=10)) as sock:
        sock.sendall(
            PING.replace(b"ping", b"get_status").replace(b"Host", b"Authorization: Bearer %s\r\nHost")
            % session.encode()
        )
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 OK")
        monkeypatch.setattr(web._hall.known._waiting, "next", lambda: None)
        sock.sendall(PING)
        wait_until(lambda: len(web._hall.known._waiting) == 1, "they wait")
    wait_until(lambda: not (len(web._hall.known._waiting) or server.guests), "they are gone")


def test_no_page_of_somebody_else_may_be_asked_for_by_a_browser(web):
    connection = http.client.HTTPConnection("localhost", web.port, timeout=10)
    connection.request("POST", "/api/login", json.dumps({}), {"Content-Type": "text/plain", "Origin": "http://x"})
    response = connection.getresponse()
    assert response.status == 415
    assert not [name for name in response.headers if name.lower().startswith("access-control")]
    connection.close()


def test_what_a_stranger_asks_about_methods_is_not_made_where_all_are_read(web, monkeypatch):
    threads = []
    introspected = xmlrpc.introspected
    told = lambda *args: threads.append(current_thread().name) or introspected(*args)  # noqa: E731
    monkeypatch.setattr(xmlrpc, "introspected", told)
    with ServerProxy(f"http://localhost:{web.port}/meter") as server:
        assert "get_job" in server.system.listMethods()
    assert len(threads) == 1
    assert "http" not in threads


def test_the_description_of_all_calls_is_made_before_anybody_asks(desk, server):
    openapi_text.cache_clear()
    with web_door(desk, server):
        assert openapi_text.cache_info().currsize == 1


def test_calls_after_the_one_that_the_caller_did_not_wait_for_are_not_made(desk, server, web, monkeypatch):
    calls = dumps(([{"methodName": "get_job", "params": ["x"]}] * 3,), "system.multicall").encode()
    with held_answers(desk, monkeypatch) as asked:
        with closing(http.client.HTTPConnection("localhost", web.port, timeout=15)) as connection:
            connection.request("POST", "/meter", calls, {"Content-Type": "text/xml"})
            wait_until(lambda: asked, "the first is answered")
        wait_until(lambda: not server.guests, "the caller has hung up")
    assert post(web, "ping")[0] == 200
    assert [ask.call.name for ask in asked] == ["get_job", "ping"]


def test_who_hangs_up_while_it_is_found_out_who_they_are_is_not_counted_for_ever(desk, web, server, monkeypatch):
    monkeypatch.setattr("metermt.web.door._STAY_SECONDS", 0.1)
    session = post(web, "login", {"username": "carol", "password": "carol"})[1]["session_id"]
    checks, go_on, check = [], Event(), desk.check
    monkeypatch.setattr(desk, "check", lambda ask: (checks.append(ask), go_on.wait(DEADLINE), check(ask)))
    head = f"POST /api/submit_readings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {session}\r\n"
    more = "Content-Type: application/json\r\nContent-Length: 70000\r\n\r\n"
    with closing(socket.create_connection(("localhost", web.port), timeout=10)) as sock:
        sock.sendall((head + more).encode())
        wait_until(lambda: checks, "it is found out")
    wait_until(lambda: not server.guests, "they have hung up")
    go_on.set()
    wait_until(lambda: checks[0].caller.shown_role, "it was found out")
    wait_until(lambda: not desk.sessions.connected, "nobody counts as connected")


def fail(*_args):
    raise KeyError("a fault")


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        *((Visitor, name) for name in ("is_late", "go_on", "__init__")),
        *((Guests, name) for name in ("room_for", "came")),
        (the_door, "tune"),
    ],
)
def test_a_fault_with_one_visitor_ends_none_but_theirs(web, server, monkeypatch, expected_errors, owner, name):
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fail)
        with closing(socket.create_connection(("localhost", web.port), timeout=10)) as sock:
            assert sock.recv(1) == b""
    wait_until(lambda: not (server.guests or web._visitors), "nobody is there")
    assert post(web, "ping")[0] == 200
    assert web.failure is None
    assert [record.getMessage() for record in expected_errors] == ["a visitor was let go of"]


@pytest.mark.parametrize("who", ["is known", "was not here for a while"])
def test_who_writes_while_the_database_is_locked_keeps_nobody_waiting_who_reads(web, desk, monkeypatch, who):
    session = post(web, "login", {"username": "carol", "password": "carol"})[1]["session_id"]
    go_on, waiting, write = Event(), [], desk.store.write
    monkeypatch.setattr(desk.store, "write", lambda work: (waiting.append(work), go_on.wait(DEADLINE), write(work))[2])
    if who != "is known":
        desk.sessions.forget(list(desk.sessions._known))
        monkeypatch.setattr(desk.sessions, "role_of", lambda _session: None)
    writers = [start(lambda: post(web, "get_job", {}, session)) for _ in range(4)]
    try:
        wait_until(lambda: waiting, "some want to write")
        for _ in range(4):
            assert post(web, "get_status", {}, session)[0] == post(web, "ping")[0] == 200
        assert not go_on.is_set()
    finally:
        go_on.set()
    assert [writer()[0] for writer in writers] == [200] * 4
