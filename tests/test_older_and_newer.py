"""Programs of different versions: what one does not know is let go, and what the other does not say has its default."""

import json
from dataclasses import dataclass

import pytest
from conftest import WHEN, make_job
from peers import VALUE, made_up_calls
from readers import readings_in
from rpyc.core import consts
from scripted import ScriptedServer, answers_a_call_with, replies

from metermt import MeterClient
from metermt.calls import readings, rounds, sessions
from metermt.calls.asking import Ask, Weight
from metermt.calls.readings import Next
from metermt.calls.table import CALLS, call
from metermt.calls.turn import Turn
from metermt.errors import AlreadyRead, CallError, Error
from metermt.model import Answer, Status
from metermt.wire import to_text


@pytest.fixture
def store(sqlite_store):
    return sqlite_store


# --- clients of another version


def test_a_newer_client_may_say_more_than_the_server_knows(root, session, store):
    answer = {"meter": "M00000", "value": 5, "photo": "…", "where": {"lat": 52.1, "lon": 4.3}}

    welcome = json.loads(root.hello('{"version": "99", "protocol": 99, "wants": ["photos"]}'))
    assert welcome["protocol"] < 99
    assert len(json.loads(root.get_jobs(session, '{"n": 2, "near": [52.1, 4.3]}'))) == 2
    assert json.loads(root.next_job(session, '{"near": [52.1, 4.3]}'))["meter"]["number"] == "M00000"
    assert json.loads(root.submit_readings(session, json.dumps({"answers": [answer], "route": "North"}))) == [None]
    assert json.loads(root.submit_and_next(session, json.dumps(answer | {"meter": "M00001"})))["status"]["count"] == 2
    assert [reading.answer.value for reading in readings_in(store)] == [5, 5]


def test_a_newer_client_of_ours_gets_its_answer(server):
    @dataclass(frozen=True)
    class Wanted:
        n: int
        near: str = ""
        photos: bool = True

    newer = _as_newer(rounds.get_jobs, request=Wanted)
    with MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        assert [job.meter.number for job in client.call(newer, Wanted(2, "here"))] == ["M00000", "M00001"]


def _as_newer(known, **changed):
    """Return a call as a program of another version declares it."""
    with made_up_calls():
        del CALLS[known.name]

        def function(turn, ask):
            raise NotImplementedError

        function.__name__ = known.name
        function.__annotations__ = {
            "ask": Ask[changed.get("request", known.request)],
            "return": changed.get("result", known.result),
        }
        return call(known.least, known.weight)(function)


def test_an_older_client_leaves_out_what_has_a_default(root, session, store):
    assert "version" in json.loads(root.hello())
    assert json.loads(root.submit_readings(session, '{"answers": [{"meter": "M00000", "value": 5}]}')) == [None]
    assert json.loads(root.submit_and_next(session, '{"meter": "M00001", "value": 6}'))["job"]
    root.submit_reading(session, "M00002", WHEN, 7)

    assert [(reading.answer.value, reading.answer.reason) for reading in readings_in(store)] == [
        (5, ""),
        (6, ""),
        (7, ""),
    ]


def test_what_has_no_default_is_missed(root, session):
    with pytest.raises(Exception, match="JobsWanted") as caught:
        root.get_jobs(session, "{}")
    assert caught.value.code == "call"
    with pytest.raises(Exception, match="Answer") as caught:
        root.submit_and_next(session, '{"value": 6}')
    assert caught.value.code == "call"


# --- servers of another version


def test_what_was_added_at_the_end_is_not_told_to_a_server_that_may_not_know_it():
    """A call of plain values takes no more of them than it knows."""
    assert readings.submit_reading.told("s", Answer("G1", 5, "", WHEN, "k")) == ("s", "G1", WHEN, 5, "", "k")
    assert readings.submit_reading.told("s", Answer("G1", 5, cycle="2026-11"))[-2:] == (None, "2026-11")
    assert sessions.login.told("", sessions.Login("carol", None)) == ("carol", None)


def told_by(server, ask):
    """Return what a client makes of a server's answer."""
    with MeterClient("127.0.0.1", server.port, timeout=5) as client:
        return ask(client)


def says(value):
    """Make a script of a server that answers the first call with this as JSON."""
    return replies((VALUE, json.dumps(value)))


def test_what_a_newer_server_says_more_is_let_go():
    job = json.loads(to_text(make_job(previous=7)))
    more = job | {"assigned_to": "carol", "photos": [], "meter": job["meter"] | {"owner": {"name": "Dent"}}}
    answer = {"status": {"count": 1, "total": 2, "skipped": 3}, "job": more, "weather": "rain"}

    with ScriptedServer(says(answer)) as server:
        told = told_by(server, lambda client: client.submit_and_next(Answer("G72168", 5)))
    assert told == Next(Status(1, 2), make_job(previous=7))

    with ScriptedServer(says({"version": "99", "protocol": 99, "now": "", "motd": "Hi"})) as server:
        assert told_by(server, MeterClient.hello) == sessions.Welcome("99", 99)


def test_what_an_older_server_does_not_say_has_its_default():
    with ScriptedServer(says({"status": {"count": 1, "total": 2}})) as server:
        assert told_by(server, lambda client: client.submit_and_next(Answer("G1", 5))) == Next(Status(1, 2), None)
    with ScriptedServer(says([{"meter": {"number": "G1"}, "cycle": "2026-11"}])) as server:
        (job,) = told_by(server, lambda client: client.get_jobs(3))
    assert (job.meter.number, job.meter.dials, job.route, job.previous) == ("G1", None, "", None)
    with ScriptedServer(says({"version": "0.1", "protocol": 1})) as server:
        assert told_by(server, MeterClient.hello) == sessions.Welcome("0.1", 1, "")


def test_a_tuple_of_a_newer_server_may_be_longer():
    with ScriptedServer(replies((VALUE, (1, 2, 3)))) as server:
        assert told_by(server, MeterClient.get_status) == Status(1, 2)


@pytest.mark.parametrize("short", [(), (1,), 7, None, "text"])
def test_a_tuple_that_is_too_short_makes_no_sense(short):
    with ScriptedServer(replies((VALUE, short))) as server, pytest.raises(CallError, match="The other side sent"):
        told_by(server, MeterClient.get_status)


def test_what_an_older_server_must_say_is_missed():
    with ScriptedServer(says({"job": None})) as server, pytest.raises(CallError, match="a Next that makes no sense"):
        told_by(server, lambda client: client.submit_and_next(Answer("G1", 5)))


def test_an_error_with_a_code_of_a_newer_server_is_an_error_with_its_words_and_details():
    attributes = (("code", "meter-on-fire"), ("details", (("floor", 3),)), ("severity", "high"))
    content = (("metermt.errors", "MeterOnFire"), ("Run!",), attributes, "")
    with ScriptedServer(answers_a_call_with(consts.MSG_EXCEPTION, content)) as server, pytest.raises(Error) as caught:
        told_by(server, MeterClient.get_status)
    assert (type(caught.value), str(caught.value), caught.value.details) == (Error, "Run!", {"floor": 3})


def test_an_error_of_an_older_server_has_no_details():
    content = (("metermt.errors", "AlreadyRead"), ("read",), (("code", "already-read"),), "")
    with (
        ScriptedServer(answers_a_call_with(consts.MSG_EXCEPTION, content)) as server,
        pytest.raises(AlreadyRead) as caught,
    ):
        told_by(server, MeterClient.get_status)
    assert caught.value.details == {}


# --- calls that the other side does not have


def test_a_client_is_told_that_the_server_does_not_know_its_call(server):
    with made_up_calls():

        @call(None, Weight.READ)
        def weather(turn: Turn, ask: Ask[None]) -> str:
            return "rain"

    with MeterClient("localhost", server.port) as client:
        for _ in range(2):
            with pytest.raises(CallError, match="This server does not know that call"):
                client.call(weather, None)
        assert client.login("carol", "carol") == "Carol Dent"
        with pytest.raises(CallError, match="does not know that call"):
            client.call(weather, None)
        assert client.get_job().meter.number == "M00000"


def test_so_it_is_by_a_server_that_refuses_only_the_call():
    no_such = (("builtins", "AttributeError"), ("There is no such call",), (), "")
    script = answers_a_call_with(consts.MSG_EXCEPTION, no_such)
    with ScriptedServer(script) as server, pytest.raises(CallError, match="does not know that call"):
        told_by(server, MeterClient.get_status)


def test_a_result_of_another_kind_makes_no_sense():
    with ScriptedServer(replies((VALUE, "[1]"))) as server, pytest.raises(CallError, match="The other side sent"):
        told_by(server, lambda client: client.call(readings.submit_readings, readings.Answers([])))
