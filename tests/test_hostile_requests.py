"""Peers that ask for what does harm: each hole is shown on a plain RPyC server first, then its absence on ours."""

import sys
import threading
import time
from contextlib import suppress
from datetime import datetime

import pytest
from conftest import DEADLINE, start, wait_until
from hostile_fixtures import *  # noqa: F403 - the fixtures
from memory_fixtures import *  # noqa: F403 - the fixtures
from peers import LOCAL, REMOTE, TUPLE, VALUE, Bait, code_of
from rpyc.core import consts

from metermt.calls.table import CALLS

# --- objects of the client's as arguments


class Slow:
    """A time of the client's that takes its time."""

    def __init__(self):
        self.touched, self.goes_on = threading.Event(), threading.Event()

    def exposed_isoformat(self):
        self.touched.set()
        self.goes_on.wait(20)


def test_a_plain_server_waits_for_an_object_of_the_clients_with_its_lock_held(book, plain):
    slow, other = Slow(), plain(book, sync_request_timeout=0.5)
    connection = plain(book)
    call = start(lambda: connection.root.submit_reading("s", "M00000", slow, 1))
    try:
        assert slow.touched.wait(20)
        with pytest.raises(TimeoutError):
            other.root.submit_reading("s", "M00001", datetime.now(), 1)
    finally:
        slow.goes_on.set()
        call()


def test_a_plain_server_runs_code_of_the_clients_when_it_copies_an_argument(book, plain, tmp_path):
    with suppress(Exception):
        plain(book, allow_pickle=True).root.keep_reading("s", "M00000", Bait(tmp_path / "bait"), 1)

    assert (tmp_path / "bait").read_text() == str(book.pid)


def test_ours_refuses_an_object_of_the_clients_untouched(server, plain, tmp_path):
    slow, root = Slow(), plain(server, allow_pickle=True).root
    session, _ = root.login("carol", "carol")

    for argument in (slow, Bait(tmp_path / "bait")):
        assert code_of(root.submit_reading, session, "M00000", argument, 1) == "call"

    assert not slow.touched.is_set()
    assert not (tmp_path / "bait").exists()
    assert root.get_job(session) == "M00000"


# --- what can be asked for


REQUESTS = {
    "repr": (consts.HANDLE_REPR, (VALUE, (3,))),
    "str": (consts.HANDLE_STR, (VALUE, (3,))),
    "compare": (consts.HANDLE_CMP, (VALUE, (3, 4, "__lt__"))),
    "hash": (consts.HANDLE_HASH, (VALUE, (3,))),
    "dir": (consts.HANDLE_DIR, (VALUE, (3,))),
    "iterate": (consts.HANDLE_BUFFITER, (VALUE, ((1, 2), 2))),
    "slice": (consts.HANDLE_OLDSLICING, (VALUE, ("text", "__getitem__", "__getslice__", 0, 2, ()))),
}
NOT_ANSWERED_HERE = {
    "instance of": (consts.HANDLE_INSTANCECHECK, (VALUE, (3, ("builtins.int", 1, 0)))),
    "set an attribute": (consts.HANDLE_SETATTR, (VALUE, (3, "name", 1))),
    "delete an attribute": (consts.HANDLE_DELATTR, (VALUE, (3, "name"))),
    "pickle": (consts.HANDLE_PICKLE, (VALUE, (3, 4))),
    "leave a block": (consts.HANDLE_CTXEXIT, (VALUE, (3, None))),
    "no kind of request": (21, (VALUE, ())),
    "kind 0": (0, (VALUE, ())),
    "a kind below 0": (-1, (VALUE, ())),
    "a large kind": (10**100, (VALUE, ())),
    "a kind that is a text": ("7", (VALUE, ())),
    "a kind that is a number with a point": (1.5, (VALUE, ())),
    "a kind that is a tuple": ((), (VALUE, ())),
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_a_plain_server_does_with_any_value_what_it_is_asked(request_, book, stranger):
    asker = stranger(book)
    asker.request(*request_)
    assert asker.hear_answer()[0] == consts.MSG_REPLY


@pytest.mark.parametrize("logged_in", [False, True], ids=["stranger", "reader"])
@pytest.mark.parametrize("request_", (REQUESTS | NOT_ANSWERED_HERE).values(), ids=REQUESTS | NOT_ANSWERED_HERE)
def test_ours_hangs_up_on_who_asks_for_anything_else(request_, logged_in, server, stranger):
    asker = stranger(server)
    if logged_in:
        asker.log_in()
    asker.request(*request_)
    with pytest.raises(EOFError):
        asker.hear()


POWER = (consts.HANDLE_CALLATTR, (VALUE, (3, "__pow__", (4_000_000,))))


def test_a_plain_server_can_be_held_up_for_everybody_by_one_small_request(doomed_book, plain, stranger):
    other, asker = plain(doomed_book), stranger(doomed_book)
    other.ping()

    def is_held_up():
        asker.request(*POWER)
        return took(lambda: other.ping(timeout=DEADLINE)) > 0.1

    wait_until(is_held_up, "a client that has done nothing wrong is held up")


def took(call):
    started = time.monotonic()
    call()
    return time.monotonic() - started


@pytest.mark.parametrize(
    ("value", "name"), [(3, "__pow__"), ("x", "__mul__"), ("%1000000000d", "__mod__"), ("", "__format__")]
)
def test_ours_lets_nobody_call_a_method_of_a_value(value, name, server, stranger):
    asker = stranger(server)
    for handler, *more in ((consts.HANDLE_CALLATTR, (12_000_000,)), (consts.HANDLE_GETATTR,)):
        asker.request(handler, (VALUE, (value, name, *more)))
        assert asker.error() == ("AttributeError", "There is no such call")


def test_numbers_that_hash_alike_hold_up_nobody(server, stranger):
    asker = stranger(server)
    _ = asker.root
    prime = sys.hash_info.modulus
    names = (VALUE, tuple((prime * times, None) for times in range(1, 50)))  # a message has no more items
    worked = time.process_time()  # whatever else this machine does meanwhile
    asker.call("ping", kwargs=names)
    assert asker.error()[0] == "CallError"
    assert time.process_time() - worked < 0.7


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param((consts.HANDLE_PING, (REMOTE, ("a.class", 1, 2))), id="a reference for arguments"),
        pytest.param((consts.HANDLE_PING, (9, ())), id="no label"),
        pytest.param((consts.HANDLE_PING, (VALUE,)), id="no package"),
        pytest.param((consts.HANDLE_PING, 5), id="a number instead of a package"),
        pytest.param((consts.HANDLE_PING, (LOCAL, 5)), id="a number instead of a reference"),
        pytest.param((consts.HANDLE_PING, (LOCAL, (1, ()))), id="nobody's reference"),
        pytest.param((consts.HANDLE_CALL, (VALUE, (None, (), ()))), id="a call of None"),
        pytest.param((consts.HANDLE_INSPECT, (VALUE, (("a", 1, 2),))), id="an unknown object"),
        pytest.param((consts.HANDLE_PING, (VALUE, 5)), id="a number instead of arguments"),
        pytest.param((consts.HANDLE_PING, (VALUE, None)), id="None instead of arguments"),
        pytest.param((consts.HANDLE_PING, (VALUE, ())), id="too few arguments"),
        pytest.param((consts.HANDLE_GETROOT, (VALUE, (1, 2))), id="too many arguments"),
    ],
)
def test_a_request_that_is_wrong_is_refused_and_the_connection_lives(request_, server, stranger, expected_errors):
    asker = stranger(server)
    asker.request(*request_)
    assert asker.hear_answer()[0] == consts.MSG_EXCEPTION

    asker.call("ping")
    assert asker.hear_answer() == (consts.MSG_REPLY, (VALUE, None))
    assert expected_errors == []


METHOD = ("builtins.method", 2, sorted(CALLS).index("get_status"))
NO_METHODS = [
    *(("builtins.method", 2, number) for number in (-1, 1000, 10**100, "0", None, 0.0, ())),
    *(("builtins.method", 3, 0), ("builtins.function", 2, 0), ("builtins.method", 2), (), "text", 7, None),
]


@pytest.mark.parametrize("method", NO_METHODS, ids=lambda method: repr(method)[:40])
def test_a_method_with_a_made_up_number_is_none(method, server, stranger):
    asker = stranger(server)
    asker.request(consts.HANDLE_CALL, (TUPLE, ((LOCAL, method), (VALUE, ()), (VALUE, ()))))
    assert asker.hear_answer()[0] == consts.MSG_EXCEPTION

    asker.call("ping")
    assert asker.hear_answer() == (consts.MSG_REPLY, (VALUE, None))


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        pytest.param((VALUE, 5), (VALUE, ()), id="a number for arguments"),
        pytest.param((VALUE, "text"), (VALUE, ()), id="a text for arguments"),
        pytest.param((VALUE, None), (VALUE, ()), id="None for arguments"),
        pytest.param((LOCAL, METHOD), (VALUE, ()), id="a method for arguments"),
        pytest.param((VALUE, ()), (VALUE, 5), id="a number for names"),
        pytest.param((VALUE, ()), (VALUE, (5,)), id="no pairs for names"),
        pytest.param((VALUE, ()), (VALUE, ((5, 5),)), id="numbers for names"),
        pytest.param((VALUE, ()), (VALUE, (("a", 5, 5),)), id="a name with two values"),
        pytest.param((VALUE, ()), (VALUE, (("a", 5), ("a", 6))), id="a name given twice"),
    ],
)
@pytest.mark.parametrize("logged_in", [False, True], ids=["stranger", "reader"])
def test_a_call_with_arguments_of_another_shape_is_refused(args, kwargs, logged_in, server, stranger, expected_errors):
    asker = stranger(server)
    if logged_in:
        asker.log_in()
    asker.request(consts.HANDLE_CALL, (TUPLE, ((LOCAL, METHOD), args, kwargs)))
    assert asker.error()[0] == "CallError"
    assert expected_errors == []


def test_who_lets_go_of_anything_is_told_that_it_is_done_and_nothing_happens(server, stranger):
    asker = stranger(server)
    for boxed in ((VALUE, (None, -1)), (TUPLE, ((LOCAL, asker.root), (VALUE, 1))), (TUPLE, ((LOCAL, METHOD),))):
        asker.request(consts.HANDLE_DEL, boxed)
        assert asker.hear_answer() == (consts.MSG_REPLY, (VALUE, None))
    asker.call("ping")
    assert asker.hear_answer() == (consts.MSG_REPLY, (VALUE, None))


@pytest.mark.parametrize("logged_in", [False, True], ids=["stranger", "reader"])
@pytest.mark.parametrize("number", [0, 1, -1, 10**30])
@pytest.mark.parametrize("kind", [0, consts.MSG_REPLY, consts.MSG_EXCEPTION, 4, 255])
def test_ours_hangs_up_on_answers_to_no_question(kind, number, logged_in, server, stranger):
    asker = stranger(server)
    if logged_in:
        asker.log_in()
    asker.say(kind, number, (VALUE, None))
    with pytest.raises(EOFError):
        asker.hear()
