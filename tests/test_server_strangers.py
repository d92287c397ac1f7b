"""Strangers at a server: what they may take of it before they log in, and who goes first when something is short."""

import os
import socket
import threading
import time
import zlib
from contextlib import ExitStack
from datetime import timedelta
from importlib.util import find_spec, module_from_spec

import pytest
from conftest import start, wait_until
from memory_fixtures import *  # noqa: F403 - the fixtures
from peers import LOCAL, TUPLE, VALUE, answers, wait_until_taken_over
from proxy import frame
from readers import log_in
from rpyc.core import brine, consts
from servers import listening

from metermt import MeterClient, errors
from metermt.calls import asking, credentials
from metermt.calls.regulars import Regulars, network_of
from metermt.calls.turnstile import Turnstile
from metermt.config import Limits
from metermt.rules import seats
from metermt.transport.boxing import ROOT
from metermt.transport.conversation import Conversation
from metermt.transport.guests import Guests
from metermt.transport.strangers import Strangers

# --- logins


@pytest.fixture
def hashing(monkeypatch):
    """One place to hash passwords, for which four may wait."""
    turnstile = Turnstile(1, most=4, long=4)
    monkeypatch.setattr(credentials, "_hashing", turnstile)
    return turnstile


def somebody_is_hashed(hashing):
    """Keep the only place until the end of the block."""
    return hashing.place(lambda: False, True, "somebody")


def wait_until_waiting(hashing, number):
    wait_until(lambda: len(hashing) == number, f"{number} wait to be let in")


def test_the_password_of_a_client_that_hung_up_is_not_hashed(server, hashing, hasher, stranger):
    gone = stranger(server)
    with somebody_is_hashed(hashing):
        gone.call("login", (VALUE, "carol"), (VALUE, "carol"))
        wait_until_waiting(hashing, 1)
        gone.close()
    wait_until_waiting(hashing, 0)
    wait_until(lambda: server.connections == 0, "it was let go of")
    assert hasher.calls == 0


def test_four_passwords_at_once_are_hashed_and_256_wait_however_many_cores_there_are(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    found = find_spec(credentials.__name__)
    found.loader.exec_module(anew := module_from_spec(found))
    assert (anew._hashing._free, anew._hashing._waiting._most) == (4, 256)


def test_a_login_from_elsewhere_waits_for_one_other_however_many_there_are(server, hashing, hasher, connect, stranger):
    with ExitStack() as stack:
        with somebody_is_hashed(hashing):
            for number in range(4):
                guess = stranger(server)
                guess.sock.close()
                guess.sock = stack.enter_context(
                    socket.create_connection(("127.0.0.1", server.port), 15, ("127.0.0.2", 0))
                )
                guess.call("login", (VALUE, f"nobody{number}"), (VALUE, "x"))
                wait_until_waiting(hashing, number + 1)
            logging_in = start(lambda: connect(server))
            wait_until(lambda: len(hashing._waiting._first.parts[False].parts) == 2, "carol waits, too")
        logging_in()
    assert hasher.hashed.index(b"carol") <= 1, "one of the others was first; last she would be the fifth"


def test_a_login_by_a_name_that_is_known_waits_for_one_other_at_its_own_address(desk, hashing, hasher):
    desk.regulars.logged_in("carol", "10.0.0.1")
    with somebody_is_hashed(hashing):
        guesses = []
        for number in range(3):
            guesses.append(start(lambda number=number: log_in(desk, f"nobody{number}")))
            wait_until_waiting(hashing, number + 1)
        logging_in = start(lambda: log_in(desk))
        wait_until_waiting(hashing, 4)
    assert logging_in().full_name == "Carol Dent"
    assert hasher.hashed.index(b"carol") <= 1, "one of the others was first; last she would be the fourth"
    assert {type(guess()) for guess in guesses} == {errors.LoginError}


def test_a_client_that_is_told_that_the_server_is_busy_tries_again(server, hashing, monkeypatch):
    refused = []
    monkeypatch.setattr(
        errors.ServerBusy, "__init__", lambda error, text: refused.append(text) or setattr(error, "details", {})
    )
    with ExitStack() as stack, somebody_is_hashed(hashing):
        clients = [stack.enter_context(MeterClient("localhost", server.port)) for _ in range(5)]
        logins = [start(lambda client=client: client.login("carol", "carol")) for client in clients]
        wait_until(lambda: refused, "one was told so")
    assert {login() for login in logins} == {"Carol Dent"}


def test_who_has_logged_in_from_an_address_is_known_there_and_nowhere_else():
    regulars = Regulars()
    regulars.logged_in("carol", "10.0.0.1")
    assert regulars.knows("carol", "10.0.0.1")
    assert regulars.knows_address("10.0.0.1")
    assert not regulars.knows("carol", "10.0.0.2")
    assert not regulars.knows("adam", "10.0.0.1")


def test_who_comes_back_with_a_session_is_known_again(desk, connect, server):
    connect(server).get_job()
    desk.regulars = Regulars()
    with MeterClient("localhost", server.port) as again:
        again._session_id = session_of(connect(server))
        desk.regulars = Regulars()
        again.get_status()
    assert desk.regulars.knows("carol", "127.0.0.1")


def session_of(client):
    return client._session_id


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("", ""),
    ],
)
def test_a_whole_network_of_ipv6_counts_as_one_address(address, network):
    assert network_of(address) == network


# --- time and places


def test_a_stranger_who_only_pings_is_hung_up_on_in_time(desk, stranger):
    with listening(desk, Limits(handshake=timedelta(seconds=0.3))) as server:
        pinger = stranger(server)

        def ping_without_end():
            while True:
                pinger.call("ping")
                pinger.hear_answer()

        with pytest.raises((EOFError, ConnectionError)):
            ping_without_end()


def test_a_stranger_has_ten_seconds_unless_told_otherwise():
    assert Limits().handshake == timedelta(seconds=10)


def test_the_last_place_is_for_an_address_that_somebody_has_logged_in_from(desk, connect, stranger):
    with listening(desk, Limits(connections=10)) as server:
        for _ in range(9):
            connect(server)
        desk.regulars = Regulars()
        assert stranger(server).error()[0] == "ServerBusy"
        desk.regulars.logged_in("carol", "127.0.0.1")
        connect(server)


def test_a_whole_network_of_ipv6_has_the_places_of_one_address(desk):
    guests = Guests(desk, Limits(connections=10, connections_an_address=2))
    with socket.socket() as sock:
        for number in range(2):
            assert not guests.room_for(f"2001:db8::{number}")
            guests.came(Conversation(sock, f"2001:db8::{number}", Limits(), None, desk.told))
    assert "from your address" in guests.room_for("2001:db8::9")
    assert not guests.room_for("2001:db8:1::9")


def test_a_client_that_was_hung_up_on_is_gone(desk):
    """Whoever lets the next one log in asks that, and an error would cost a place for good."""
    with socket.socket() as sock:
        conversation = Conversation(sock, "", Limits(), None, desk.told)
    assert conversation.caller.is_gone()


def test_an_idle_stranger_makes_room_for_somebody_else(desk, connect, stranger, monkeypatch):
    monkeypatch.setattr(seats, "_GRACE", 0.0)
    with listening(desk, Limits(connections=2)) as server:
        first, second = stranger(server), stranger(server)
        _ = first.root, second.root
        assert connect(server).get_job()
        assert first.is_hung_up_on()
        assert second.root


def test_who_waits_for_a_login_has_not_to_go(desk, hashing, stranger, monkeypatch):
    monkeypatch.setattr(seats, "_GRACE", 0.0)
    with listening(desk, Limits(connections=1)) as server:
        waits = stranger(server)
        with somebody_is_hashed(hashing):
            waits.call("login", (VALUE, "carol"), (VALUE, "carol"))
            wait_until_waiting(hashing, 1)
            assert stranger(server).error()[0] == "ServerBusy"
        assert waits.hear_answer()[0] == consts.MSG_REPLY


# --- dear requests


def test_what_strangers_do_takes_a_small_part_of_a_processor(server, stranger, monkeypatch):
    rests, looks, look_at = [], [], Strangers._look_at

    def look_for_long(*args):
        looks.append(len(rests))  # where the rest will stand that is taken for this
        until = time.thread_time() + 0.002
        while time.thread_time() < until:
            pass
        look_at(*args)

    monkeypatch.setattr(Strangers, "_look_at", look_for_long)
    monkeypatch.setattr(server.strangers._stopping, "wait", rests.append)
    asker = stranger(server)
    for turns in range(1, 7):
        asker.sock.sendall(PING)
        asker.hear()
        wait_until(lambda: len(looks) >= turns and len(rests) > looks[-1], "it has rested")  # noqa: B023 - at once
    long = [rests[at] for at in looks]
    assert all(0.011 <= rest <= 0.1 for rest in long), "six times as long as newcomers were heard"
    assert all(rest >= 0.038 for rest in long[4:]), "and nineteen times as long for the others, but not for ever"


PING = frame(b"\x01" + brine.dump((7, (consts.HANDLE_PING, (VALUE, ("x",))))))


def wrong_call(name):
    """Write a call with too many arguments, which is refused before the desk is asked."""
    boxed = (TUPLE, ((LOCAL, ROOT), (VALUE, name), (VALUE, (1,) * 9), (VALUE, ())))
    return frame(b"\x01" + brine.dump((7, (consts.HANDLE_CALLATTR, boxed))))


@pytest.mark.parametrize("message", [PING, wrong_call("ping")], ids=["pings", "calls that are refused"])
def test_strangers_who_send_without_end_are_read_a_few_requests_at_a_time(message, server, stranger, monkeypatch):
    """Each waits for its turn again, so that whoever comes meanwhile has one, too."""
    turns = []
    look_at = Strangers._look_at
    monkeypatch.setattr(Strangers, "_look_at", lambda *args: turns.append(args) or look_at(*args))
    sender = stranger(server)
    sender.sock.sendall(message * 64)
    for _ in range(64):
        sender.hear()
    assert len(turns) >= 4


def test_what_strangers_send_without_end_waits_in_their_sockets(server, stranger, monkeypatch):
    here, look_at = [], Strangers._look_at

    def look_and_measure(strangers, conversation):
        look_at(strangers, conversation)
        here.append(len(conversation._end._frames.received))

    monkeypatch.setattr(Strangers, "_look_at", look_and_measure)
    stranger(server).sock.sendall(PING * 8000)
    wait_until(lambda: len(here) >= 6 and max(here) > 40_000, "it was heard six times, and much has come")
    assert max(here) < 64_000


@pytest.fixture
def read_in(monkeypatch):
    """The names of the threads in which texts of calls are read."""
    names = []
    read = asking.from_text
    monkeypatch.setattr(asking, "from_text", lambda *args: names.append(threading.current_thread().name) or read(*args))
    return names


def test_what_is_large_is_not_read_by_the_thread_that_answers_all(server, stranger, read_in):
    reader = stranger(server)
    session = reader.log_in()
    wait_until_taken_over()
    for text in (answers(), answers() + " " * 10_000):
        reader.call("submit_readings", (VALUE, session), (VALUE, text))
        assert reader.hear_answer() == (consts.MSG_REPLY, (VALUE, "[]"))
    assert read_in == ["switchboard", "long calls"]


def test_what_is_compressed_is_not_read_by_that_thread_behind_calls_that_are_refused_either(server, stranger, read_in):
    reader = stranger(server)
    session = reader.log_in()
    wait_until_taken_over()
    boxed = (TUPLE, ((LOCAL, ROOT), (VALUE, "submit_readings"), (VALUE, (session, " " * 100_000)), (VALUE, ())))
    bulk = zlib.compress(b"\x01" + brine.dump((7, (consts.HANDLE_CALLATTR, boxed))))
    reader.sock.sendall((wrong_call("get_status") + frame(bulk, compressed=1)) * 3)
    assert [reader.error()[0] for _ in range(6)] == ["CallError"] * 6
    assert read_in == ["long calls"] * 3


def test_what_is_large_is_not_read_at_all_for_those_who_may_not_send_it(server, stranger, read_in):
    reader = stranger(server)
    session = reader.log_in()
    wait_until_taken_over()
    reader.call("import_jobs", (VALUE, session), (VALUE, " " * 10_000))
    assert reader.error()[0] == "RoleError"
    reader.call("submit_readings", (VALUE, "x"), (VALUE, " " * 10_000))
    assert reader.error()[0] == "SessionError"
    assert read_in == []


def test_a_text_with_very_many_lists_is_refused_unread(server, stranger):
    reader = stranger(server)
    session = reader.log_in()
    wait_until_taken_over()
    lists = '{"answers": [{"meter": "M00000", "value": [' + "[]," * 100_000 + "[]]}]}"
    reader.call("submit_readings", (VALUE, session), (VALUE, lists))
    assert reader.error() == (
        "CallError",
        "The other side sent more than 10000 objects and lists, or 100000 values, in one call",
    )


def test_bulk_is_kept_in_parts_between_which_others_are_answered(server, stranger):
    reader = stranger(server)
    session = reader.log_in()
    wait_until_taken_over()
    kept = []
    answer = server._desk.answer
    server._desk.answer = lambda asks: kept.append(len(asks[0].request.answers)) or answer(asks)
    reader.call("submit_readings", (VALUE, session), (VALUE, answers(*[(f"NO{n}", n) for n in range(250)])))
    kind, (_, text) = reader.hear_answer()
    assert kind == consts.MSG_REPLY
    assert text.count("unknown-meter") == 250
    assert kept == [100, 100, 50]


def test_of_many_strangers_the_store_is_asked_at_once(desk, stranger, monkeypatch):
    """Sessions that were made up are looked for in one transaction, and each gets its error as ever."""
    asked = []
    begin = desk.begin
    monkeypatch.setattr(desk, "begin", lambda asks, wake: asked.append(len(asks)) or begin(asks, wake))
    with listening(desk) as server:
        crowd = [stranger(server) for _ in range(12)]
        for one in crowd:
            assert one.root
        with monkeypatch.context() as patches:
            patches.setattr(Strangers, "_ask_store", lambda *_: None)
            for one in crowd:
                one.call("get_status", (VALUE, "made up"))
            wait_until(lambda: len(server.strangers._queues[asking.Weight.READ].calls) == 12, "all wait for the store")
        assert [one.error()[0] for one in crowd] == ["SessionError"] * 12
        assert crowd[0].call("ping") is None, "nobody is hung up on for that"
        assert crowd[0].hear_answer()[0] == consts.MSG_REPLY
    assert asked == [12]
