"""Peers that answer a question for the text of a time with anything else, or with nothing."""

import gc
from contextlib import suppress

import pytest
from conftest import wait_until
from memory_fixtures import *  # noqa: F403 - the fixtures
from peers import A_DATETIME, MEGABYTE, REMOTE, VALUE, most_memory
from proxy import frame
from rpyc.core import brine, consts, netref, vinegar
from servers import ServerProcess

from metermt.transport.frames import MAX_FRAME


def test_a_client_that_answers_a_question_with_a_reference_ends_with_an_error(server, stranger):
    asker = stranger(server)
    asker.call("get_job", A_DATETIME)
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
    stranger.call("get_job", A_DATETIME)
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


def test_a_call_takes_one_time_only(server, stranger):
    asker = stranger(server)
    asker.call("get_job", *[A_DATETIME] * 20)

    assert asker.error() == ("CallError", "Objects cannot be passed to this server, only numbers, texts and None")


def test_answers_to_old_questions_are_let_go_of(server, stranger):
    asker = stranger(server)
    for _ in range(5):
        assert answer_question(asker, (consts.MSG_REPLY, (VALUE, "soon"))) == "SessionError"
    for number in range(1, 6):
        asker.say(consts.MSG_REPLY, number, (VALUE, "x" * (MAX_FRAME - 100)))
    asker.call("ping")

    while (message := asker.hear_answer()) != (consts.MSG_REPLY, (VALUE, None)):
        assert message[0] == consts.MSG_REQUEST


def test_who_sends_more_than_is_kept_while_it_is_asked_is_hung_up_on(server, stranger):
    asker = stranger(server)
    asker.call("get_job", A_DATETIME)
    assert asker.hear()[0] == consts.MSG_REQUEST
    with suppress(OSError):  # it may have hung up already
        for _ in range(20):
            asker.call("get_job", (VALUE, "x" * (MAX_FRAME // 10)))

    assert asker.is_hung_up_on(within=1.5)


def test_long_texts_and_many_requests_for_an_answer_do_not_fill_the_memory(tmp_path, stranger):
    with ServerProcess(tmp_path, "--database", ":memory:") as process:
        asker = stranger(process)
        asker.call("get_job", A_DATETIME)
        kind, number, _ = asker.hear()
        assert kind == consts.MSG_REQUEST
        before = most_memory(process)
        for _ in range(100):
            asker.say(consts.MSG_REPLY, number, (VALUE, "x" * (MAX_FRAME - 100)))
        tiny = frame(b"\x01" + brine.dump((1, None)))
        with suppress(OSError):
            for _ in range(1000):
                asker.call("get_job", A_DATETIME)
                asker.sock.sendall(tiny * 1000)

        assert asker.is_hung_up_on()
        assert most_memory(process) - before < 8 * MEGABYTE
