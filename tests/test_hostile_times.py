"""Peers that answer a question for the text of a time with anything else, or with nothing."""

import gc
from contextlib import suppress

import pytest
from conftest import DEADLINE, WHEN, wait_until
from memory_fixtures import *  # noqa: F403 - the fixtures
from peers import A_DATETIME, MEGABYTE, REMOTE, TUPLE, VALUE
from rpyc.core import consts, netref, vinegar

from metermt.transport import conversation
from metermt.transport.frames import MAX_BULK_FRAME


def call_with_time(stranger):
    """Submit a reading with a `datetime`, after a login."""
    if not hasattr(stranger, "session"):
        stranger.session = stranger.log_in()
    stranger.call("submit_reading", (VALUE, stranger.session), (VALUE, "M00000"), A_DATETIME, (VALUE, 1))


def test_a_client_that_answers_a_question_with_a_reference_ends_with_an_error(server, stranger):
    asker = stranger(server)
    call_with_time(asker)
    asked = 0
    while (message := asker.hear())[0] == consts.MSG_REQUEST:
        _, number, (handler, _) = message
        if handler == consts.HANDLE_STR:
            asked += 1
            asker.say(consts.MSG_REPLY, number, (REMOTE, ("datetime.datetime", 1, 2 + asked)))

    assert message[2][0][1] == "CallError"
    assert asked == 1


def answer_question(stranger, answer):
    """Call with a time, and give this answer when the server asks for its text: its kind and its content."""
    call_with_time(stranger)
    while True:
        kind, number, content = stranger.hear()
        if kind == consts.MSG_REQUEST and content[0] == consts.HANDLE_STR:
            stranger.say(answer[0], number, answer[1])
        elif kind == consts.MSG_EXCEPTION:
            return content[0][1]


def an_exception(module, name):
    return consts.MSG_EXCEPTION, ((module, name), ("words",), (), "")


def test_exceptions_that_a_client_makes_up_are_not_remembered(server, stranger):
    before = len(vinegar._generic_exceptions_cache)
    asker = stranger(server)
    for number in range(50):
        assert answer_question(asker, an_exception("made.up", f"Error{number}")) == "CallError"

    assert len(vinegar._generic_exceptions_cache) == before


@pytest.mark.parametrize(
    "name",
    [
        *("SystemExit", "KeyboardInterrupt", "GeneratorExit", "BaseException"),
        *("StopIteration", "MemoryError", "RecursionError", "TimeoutError", "no class"),
    ],
)
def test_a_time_that_raises_cannot_be_read_and_is_no_fault_of_the_server(name, server, stranger, expected_errors):
    assert answer_question(stranger(server), an_exception("builtins", name)) == "CallError"
    assert expected_errors == []


@pytest.mark.parametrize("answer", [None, 7, b"bytes", ("text",), "x" * 65, True])
def test_a_text_that_is_none_or_too_long_cannot_be_read(answer, server, stranger):
    assert answer_question(stranger(server), (consts.MSG_REPLY, (VALUE, answer))) == "CallError"


def test_a_time_leaves_no_handle_on_it(server, stranger):
    """What is collected later would say so to its client, from whatever thread collects it: others would wait."""
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            asker = stranger(server)
            assert answer_question(asker, an_exception("builtins", "ValueError")) == "CallError"
            asker.close()
        wait_until(lambda: server.connections == 0, "all are gone")
        assert [thing for thing in gc.get_objects() if issubclass(type(thing), netref.BaseNetref)] == []
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(("get_job", A_DATETIME), id="a call that takes none"),
        pytest.param(("submit_reading", *[A_DATETIME] * 4), id="more than one"),
        pytest.param(("login", (VALUE, "carol"), A_DATETIME), id="for a password"),
    ],
)
@pytest.mark.parametrize("logged_in", [False, True], ids=["stranger", "reader"])
def test_nobody_is_asked_for_a_time_where_none_is_taken(call, logged_in, server, stranger):
    asker = stranger(server)
    if logged_in:
        asker.log_in()
    asker.call(*call)

    kind, _, content = asker.hear()
    assert kind == consts.MSG_EXCEPTION
    assert content[1] == ("Objects cannot be passed to this server, only numbers, texts and None",)


@pytest.mark.parametrize("logged_in", [False, True], ids=["stranger", "reader"])
def test_a_ping_brings_no_time(logged_in, server, stranger):
    asker = stranger(server)
    if logged_in:
        asker.log_in()
    asker.request(consts.HANDLE_PING, (TUPLE, (A_DATETIME,)))

    assert asker.hear()[0] == consts.MSG_EXCEPTION


def test_a_stranger_is_not_asked_for_a_time(server, stranger):
    asker = stranger(server)
    asker.call("submit_reading", (VALUE, "no session"), (VALUE, "M00000"), A_DATETIME, (VALUE, 1))

    kind, _, content = asker.hear()
    assert (kind, content[0][1]) == (consts.MSG_EXCEPTION, "SessionError")


def test_a_reader_who_comes_back_is_asked_for_a_time_at_once(server, stranger):
    asker = stranger(server)
    asker.session = stranger(server).log_in()
    call_with_time(asker)
    kind, number, (handler, _) = asker.hear()
    assert (kind, handler) == (consts.MSG_REQUEST, consts.HANDLE_STR)
    asker.say(consts.MSG_REPLY, number, (VALUE, WHEN))

    assert asker.hear_answer() == (consts.MSG_REPLY, (VALUE, None))


def test_answers_to_old_questions_are_let_go_of(server, stranger):
    asker = stranger(server)
    for _ in range(5):
        assert answer_question(asker, (consts.MSG_REPLY, (VALUE, "soon"))) == "InvalidTime"
    for number in range(1, 6):
        asker.say(consts.MSG_REPLY, number, (VALUE, "x" * MEGABYTE))
    asker.call("ping")

    while (message := asker.hear_answer()) != (consts.MSG_REPLY, (VALUE, None)):
        assert message[0] == consts.MSG_REQUEST


def test_who_sends_more_than_is_kept_while_it_is_asked_is_hung_up_on(server, stranger, monkeypatch):
    monkeypatch.setattr(conversation, "QUESTION_SECONDS", DEADLINE)  # it is not for want of an answer
    asker = stranger(server)
    call_with_time(asker)
    assert asker.hear()[0] == consts.MSG_REQUEST
    with suppress(OSError):  # it may have hung up already
        for _ in range(20):
            asker.call("get_job", (VALUE, "x" * (MAX_BULK_FRAME // 10)))

    assert asker.is_hung_up_on(within=8)
