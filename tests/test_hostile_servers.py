"""Servers that use RPyC to do harm to their clients: every call of a `MeterClient` ends in an error of ours."""

import pickle
import sys
from contextlib import suppress

import pytest
import rpyc
from conftest import DEADLINE
from peers import LOCAL, REMOTE, VALUE, Bait
from proxy import frame
from rpyc.core import consts, vinegar
from scripted import (
    METHOD,
    ROOT,
    ScriptedServer,
    answers,
    answers_a_call_with,
    error_of_a_call,
    hear,
    raises,
    replies,
    say,
    waits,
)

from metermt.client.client import MeterClient
from metermt.errors import CallError, Error, NotAMeterServer
from metermt.model import Answer

# --- code


@pytest.fixture
def loot(tmp_path):
    return tmp_path / "loot"


def test_a_plain_client_answers_its_servers_requests():
    heard = []

    def script(sock, ending):
        sock.sendall(say(consts.MSG_REQUEST, 0, (consts.HANDLE_DIR, (VALUE, (3,)))))
        heard.append(hear(sock, ending))
        waits(sock, ending)

    with ScriptedServer(script) as server:
        connection = rpyc.connect("127.0.0.1", server.port)
        connection.serve(DEADLINE)
        connection._channel.close()

    assert b"bit_length" in heard[0]


@pytest.mark.parametrize("handler", range(1, 21))
def test_a_request_is_never_answered_by_ours(handler):
    heard = bytearray()

    def script(sock, ending):
        heard.extend(hear(sock, ending))
        first = len(heard)
        sock.sendall(say(consts.MSG_REQUEST, 0, (handler, (VALUE, (3,)))))
        with suppress(ConnectionResetError):
            while chunk := hear(sock, ending):
                heard.extend(chunk)
        del heard[:first]
        ending.wait()

    assert isinstance(error_of_a_call(script), NotAMeterServer)
    assert heard == b""


@pytest.mark.parametrize(
    ("module", "name"),
    [
        *[("builtins", name) for name in ("SystemExit", "KeyboardInterrupt", "StopIteration", "GeneratorExit", "eval")],
        *[("os", "_exit"), ("this", "anything"), ("antigravity", "fly"), ("metermt.errors", "ServerLost")],
        *[
            ("", ""),
            ("\0", "\0"),
            ("metermt.client.client", "MeterClient"),
            (1, 2),
            (None, ()),
            ("builtins", b"OSError"),
        ],
    ],
)
def test_an_exception_of_whatever_class_is_one_of_ours(module, name):
    before, known = set(sys.modules), len(vinegar._generic_exceptions_cache)

    error = error_of_a_call(raises(module, name))

    assert type(error) is Error
    assert not {"this", "antigravity"} & (set(sys.modules) - before)
    assert len(vinegar._generic_exceptions_cache) == known


@pytest.mark.parametrize(
    ("attributes", "details"),
    [
        ((("code", "no such code"),), {}),
        ((("code", 7),), {}),
        ((("code", ("session",)),), {}),
        ((("__class__", "x"), ("__traceback__", 5), ("__dict__", ()), ("args", 1), ("code", "")), {}),
        ((("code", "internal"), ("code", "call")), {}),
        (((7, 8), (None, None), ((), ())), {}),
        ("text", {}),
        (7, {}),
        (((1,),), {}),
        ((), {}),
        ((("details", (("seconds", 5), ("username", "adam"))),), {"seconds": 5, "username": "adam"}),
        ((("details", (("args", ("x",)), ("__class__", b"x"), (7, 8), (1, 2, 3), "x")),), {"7": 8}),
        ((("details", "text"),), {}),
        ((("details", 7),), {}),
        ((("details", ()),), {}),
    ],
    ids=repr,
)
def test_attributes_of_an_exception_are_a_code_and_plain_details_or_nothing(attributes, details):
    error = error_of_a_call(raises("metermt.errors", "Error", attributes=attributes))

    assert vars(error) == {"details": details}


@pytest.mark.parametrize(
    "content",
    [1, "text", None, (), ((), (), (), ()), (("a", "b"), (), (), ""), (("a", "b"), (5,), (), ""), (1, 2, 3, 4, 5)],
    ids=repr,
)
def test_an_exception_of_another_shape_is_an_error(content):
    assert isinstance(error_of_a_call(answers_a_call_with(consts.MSG_EXCEPTION, content)), Error)


@pytest.mark.parametrize(
    "id_pack",
    [
        ("builtins.type", 0, 0),
        ("datetime.datetime", 1, 2),
        ("os.system", 1, 0),
        ("", 0, 0),
        ("x" * 100_000, 1, 2),
        (5, 6, 7),
        (None, None, None),
        ((), (), ()),
        ("a", "b", "c"),
        (10**4000, 1, 2),
        (b"bytes", -1, 10**4000),
        ("too", "few"),
        ("too", "many", 1, 2, 3),
        (),
        "abc",
        7,
        None,
    ],
    ids=lambda id_pack: repr(id_pack)[:30],
)
@pytest.mark.parametrize("place", ["the root", "a method", "a result"])
def test_a_reference_with_an_odd_id_is_an_error(id_pack, place):
    reference = (REMOTE, id_pack)
    before = {"the root": [], "a method": [ROOT], "a result": [ROOT, METHOD]}[place]
    refusal = say(consts.MSG_EXCEPTION, 2, (("builtins", "AttributeError"), ("no",), (), ""))
    script = answers(*before, say(consts.MSG_REPLY, len(before), reference), *[METHOD, refusal][len(before) :])

    error_of_a_call(script)


@pytest.mark.parametrize("label", [LOCAL, 0, 5, -1, "1", None, (), 10**100, 1.5], ids=repr)
def test_a_package_with_an_odd_label_is_an_error(label):
    assert isinstance(error_of_a_call(replies((label, ("x", 1, 2)))), Error)


def test_pickled_data_is_never_unpickled(loot):
    pickled = pickle.dumps(Bait(loot))
    for script in (
        replies((VALUE, pickled)),
        replies((REMOTE, (pickled, 1, 2))),
        answers(pickled),
        answers(frame(pickled)),
        answers(say(consts.MSG_REQUEST, 0, (consts.HANDLE_PICKLE, (VALUE, (pickled, 4))))),
        raises("pickle", "loads", (pickled,)),
    ):
        error_of_a_call(script)

    assert not loot.exists()


@pytest.mark.parametrize("outcomes", ["[]", "[null]", "[null, null, null]"])
def test_there_is_one_outcome_for_each_reading(outcomes):
    with ScriptedServer(replies((VALUE, outcomes))) as server, MeterClient("127.0.0.1", server.port) as client:
        number = outcomes.count("null")
        with pytest.raises(CallError, match=f"sent {number} outcomes of 2 readings"):
            client.submit_readings([Answer("G1", 5), Answer("G2", 5)])
