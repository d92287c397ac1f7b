"""The same calls, errors and limits through each door: RPyC, XML-RPC and JSON."""

import asyncio
import xmlrpc.client
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

import pytest
import rpyc
from conftest import DEADLINE, WHEN
from memory_fixtures import *  # noqa: F403 - the fixtures
from readers import Reader, readings_in
from web_fixtures import *  # noqa: F403 - the fixtures
from web_fixtures import post

from metermt.calls.asking import Ask
from metermt.calls.readings import Answers, submit_readings
from metermt.calls.table import CALLS
from metermt.errors import BY_CODE
from metermt.model import Answer
from metermt.transport.deadline import Deadline
from metermt.web.answering import Answering
from metermt.web.faults import FAULTS

CODES = {number: code for code, number in FAULTS.items()}


class Failed(Exception):
    """What a door says of an error: its code, and its text."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code, self.text = code, text


class ByRpyc:
    """Plain values by plain RPyC."""

    def __init__(self, server, web, stack):
        connection = rpyc.connect("localhost", server.port)
        stack.callback(connection._channel.close)
        self._root = connection.root

    def __call__(self, name, *values):
        try:
            return getattr(self._root, name)(*values)
        except Exception as error:  # noqa: BLE001 - what RPyC makes of a class it does not know
            raise Failed(error.code, str(error.args[0])) from None


class ByXmlRpc:
    """The standard library's client: no None, and no numbers beyond 32 bits."""

    def __init__(self, server, web, stack):
        self._proxy = stack.enter_context(xmlrpc.client.ServerProxy(f"http://localhost:{web.port}/meter"))

    def __call__(self, name, *values):
        values = [str(value) if isinstance(value, int) and abs(value) >= 1 << 31 else value for value in values]
        try:
            answer = getattr(self._proxy, name)(*["" if value is None else value for value in values])
        except xmlrpc.client.Fault as fault:
            raise Failed(CODES[fault.faultCode], fault.faultString) from None
        if CALLS[name].result is type(None):
            assert answer is True
            return None
        return tuple(answer) if isinstance(answer, list) else (answer or None)


class ByJson:
    """Named arguments, and the session as a token."""

    def __init__(self, server, web, stack):
        self._web = web

    def __call__(self, name, *values):
        call, values = CALLS[name], list(values)
        session = str(values.pop(0)) if call.least and values else ""
        named = dict(zip(call.parameters, values, strict=False)) | {f"more{n}": 0 for n in range(len(values) - 7)}
        named = {name: str(value) if isinstance(value, datetime) else value for name, value in named.items()}
        status, answer = post(self._web, name, named, session)
        if status != 200:
            raise Failed(answer["code"], answer["text"])
        return tuple(answer.values()) if isinstance(answer, dict) else answer


@pytest.fixture(params=[ByRpyc, ByXmlRpc, ByJson], ids=["rpyc", "xml-rpc", "json"])
def door(request, server, web):
    with ExitStack() as stack:
        yield request.param(server, web, stack)


@pytest.fixture
def carol(door):
    return door("login", "carol", "carol")[0]


def code_of(door, *call):
    with pytest.raises(Failed) as caught:
        door(*call)
    return caught.value.code


def test_a_reader_reads_all_meters_with_the_four_calls(door, store):
    session, full_name = door("login", "carol", "carol")
    assert full_name == "Carol Dent"
    number = 0
    while meter := door("get_job", session):
        assert meter == f"M0000{number}"
        assert door("submit_reading", session, meter, WHEN, number, "") is None
        number += 1
    assert door("get_status", session) == (number, number)
    assert door("logout", session) is None
    assert code_of(door, "get_status", session) == "session"
    assert [reading.answer.value for reading in readings_in(store)] == list(range(number))


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (("M9", WHEN, 5, ""), "unknown-meter"),
        (("M00000", WHEN, -2, ""), "invalid-reading"),
        (("M00000", WHEN, -1, ""), "invalid-reading"),
        (("M00000", WHEN, 123_456_789_012, ""), "invalid-reading"),
        (("M00000", WHEN, 1.5, ""), "invalid-reading"),
        (("M00000", WHEN, True, ""), "invalid-reading"),
        (("M00000", "yesterday", 5, ""), "invalid-time"),
        (("M00000", "2029-01-01T00:00:00Z", 5, ""), "invalid-time"),
        (("M00000", WHEN, -1, "x" * 501), "invalid-reason"),
        (("M00000", WHEN, 5, "", "a key"), "invalid-key"),
        (("M00000", WHEN, 5, "", "k", "2019-01"), "unknown-cycle"),
        (("M00000", WHEN, 5, "", "k", "2026-11", "C", "more", "more"), "call"),
        ((), "call"),
    ],
)
def test_what_cannot_be_taken_is_the_same_error_at_each_door(door, carol, store, values, code):
    assert code_of(door, "submit_reading", carol, *values) == code
    assert readings_in(store) == []


def test_a_time_may_be_one_of_the_clients_own(door, carol, store):
    when = datetime(2026, 11, 20, 9, 30)
    door("submit_reading", carol, "M00000", when, -1, "A dog, a large one: größer")
    (reading,) = readings_in(store)
    assert reading.answer.when == when.astimezone(UTC)
    assert reading.answer.reason == "A dog, a large one: größer"


def test_a_number_beyond_32_bits_is_told_as_it_was_typed(door, carol):
    with pytest.raises(Failed, match="123456789012"):
        door("submit_reading", carol, "M00000", WHEN, 123_456_789_012, "")


def test_a_key_counts_once_and_for_one_reading(door, carol, store):
    for _ in range(2):
        door("submit_reading", carol, "M00000", WHEN, 5, "", "k1")
    assert code_of(door, "submit_reading", carol, "M00001", WHEN, 6, "", "k1") == "invalid-key"
    assert len(readings_in(store)) == 1


@pytest.mark.parametrize("session", ["", "x", "\N{DOG}", "0" * 60_000])
def test_a_session_that_is_none_is_told_so(door, session):
    if isinstance(door, ByJson) and (len(session) > 99 or not session.isascii()):
        session = "y"  # a header has no such texts
    assert code_of(door, "get_job", session) == "session"


def test_ten_wrong_passwords_make_a_name_wait(door):
    for _ in range(10):
        assert code_of(door, "login", "carol", "x") == "login"
    assert code_of(door, "login", "carol", "carol") == "too-many-failures"
    assert door("login", "eric", "eric")[1]


def test_a_session_that_is_not_used_ends(door, carol, clock):
    clock.move(hours=13)
    assert code_of(door, "get_job", carol) == "session"


def test_a_job_is_not_handed_to_another_reader_at_another_door(door, carol, root):
    assert door("get_job", carol) == "M00000"
    eric, _ = root.login("eric", "eric")
    meter = root.get_job(eric)
    assert meter not in ("M00000", None)


@pytest.mark.parametrize(("size", "rests"), [(250, 3), (2, 0)])
def test_a_bulk_by_http_rests_after_each_part(desk, size, rests):
    times = []

    @contextmanager
    def resting():
        yield
        times.append(1)

    desk.resting = resting
    carol = Reader(desk)
    bulk = Answers([Answer(f"M{n:05}", 5, "", WHEN) for n in range(size)])
    answering = Answering(desk)
    asyncio.run(answering.answer(Ask(submit_readings, carol.caller, carol.session_id, bulk), lambda outcome: outcome))
    assert answering.stop(Deadline(DEADLINE))
    assert len(times) == rests


def test_each_error_has_a_number_of_its_own():
    assert set(FAULTS) == set(BY_CODE)
    assert len(CODES) == len(FAULTS)
