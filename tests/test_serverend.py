"""The server's end of a connection, without one: bytes in, calls and answers out, however they come."""

import tracemalloc
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from peers import A_DATETIME, LOCAL, REMOTE, TUPLE, VALUE
from proxy import frame, frames_of
from rpyc.core import brine, consts

from metermt.errors import LoginError, TooManyFailures
from metermt.model import Role
from metermt.transport.frames import MAX_BULK_FRAME, MAX_FRAME, MAX_READER_FRAME, RefusedFrame, Violation
from metermt.transport.serverend import ServerEnd

NAMES = ("get_status", "login", "ping")
REQUEST, REPLY, EXCEPTION = consts.MSG_REQUEST, consts.MSG_REPLY, consts.MSG_EXCEPTION


def message(kind, number, content, *, compressed=False):
    written = bytes([kind]) + brine.dump((number, content))
    return frame(zlib.compress(written), compressed=1) if compressed else frame(written)


def request(number, handler, *packages):
    return message(REQUEST, number, (handler, (TUPLE, packages)))


def said(end):
    """Return what is to be sent: kinds, numbers and contents."""
    return [(frame[0], *brine.load(frame[1:])) for frame in frames_of(end.take_output())]


def of(name):
    return "builtins.method", 2, NAMES.index(name)


def call(number, name, *args, **kwargs):
    return request(number, consts.HANDLE_CALL, (LOCAL, of(name)), (VALUE, args), (VALUE, tuple(kwargs.items())))


def all_calls(end):
    """Take all calls that have come; None comes between them when it would be somebody else's turn."""
    found = []
    while (called := end.next_call()) or end.has_more:
        found += [parts(called)] if called else []
    return found


def parts(called):
    return called and (called.seq, called.name, called.args, called.kwargs)


@pytest.fixture
def end():
    return ServerEnd(NAMES, timed=["login"])


@pytest.fixture
def root(end):
    end.receive(request(0, consts.HANDLE_GETROOT))
    assert end.next_call() is None
    (((kind, number, (label, id_pack))),) = said(end)
    assert (kind, number, label) == (REPLY, 0, REMOTE)
    return LOCAL, id_pack


# --- calls


def test_the_root_and_its_methods_are_the_same_for_everybody_and_every_time(end, root):
    for other in (end, ServerEnd(NAMES), ServerEnd(reversed(NAMES))):
        for name in NAMES:
            other.receive(request(5, consts.HANDLE_GETATTR, root, (VALUE, name)))
            assert other.next_call() is None
            assert said(other) == [(REPLY, 5, (REMOTE, of(name)))]


@pytest.mark.parametrize("args", [(), (1,), ("carol", "carol"), (None, True, 0.5, b"x", ("a", (1,)))])
def test_a_call_is_the_same_however_it_is_written(args, end, root):
    attribute = (TUPLE, ((LOCAL, root[1]), (VALUE, "login"), (VALUE, args)))
    one_by_one = (TUPLE, tuple((VALUE, arg) for arg in args))
    for written in (
        call(3, "login", *args),
        request(3, consts.HANDLE_CALL, (LOCAL, of("login")), (VALUE, args)),
        request(3, consts.HANDLE_CALL, (LOCAL, of("login")), one_by_one, (TUPLE, ())),
        message(REQUEST, 3, (consts.HANDLE_CALLATTR, attribute)),
        request(3, consts.HANDLE_CALLATTR, root, (VALUE, "exposed_login"), (VALUE, args), (VALUE, ())),
        zipped(call(3, "login", *args)),
    ):
        end.receive(written)
        assert parts(end.next_call()) == (3, "login", args, {})
    assert said(end) == []


def zipped(whole):
    (content,) = frames_of(whole)
    return frame(zlib.compress(content), compressed=1)


def test_arguments_may_have_names(end):
    end.receive(call(3, "login", "carol", password="carol"))

    assert parts(end.next_call()) == (3, "login", ("carol",), {"password": "carol"})


def test_calls_are_answered_in_the_order_in_which_they_come(end):
    end.receive(call(1, "ping") + call(2, "login", "carol") + request(3, consts.HANDLE_PING, (VALUE, "x")))
    first = end.next_call()
    end.reply(first, None)
    second = end.next_call()
    end.refuse(second, LoginError())

    assert end.next_call() is None
    assert [number for _, number, _ in said(end)] == [1, 2, 3]


def test_an_error_is_written_with_its_code_and_its_details(end):
    for error, attributes in (
        (LoginError(), (("code", "login"),)),
        (TooManyFailures("Wait", seconds=5), (("code", "too-many-failures"), ("details", (("seconds", 5),)))),
        (LoginError("\ud800"), (("code", "login"),)),
    ):
        end.receive(call(1, "ping"))
        end.refuse(end.next_call(), error)
        ((kind, number, (cls, _, written, traceback)),) = said(end)
        assert (kind, number, traceback) == (EXCEPTION, 1, "")
        assert cls == ("metermt.errors", type(error).__name__)
        assert written == attributes


def test_no_more_is_looked_at_while_much_waits_to_be_sent(end):
    end.receive(request(1, consts.HANDLE_PING, (VALUE, "x" * 65_000)) + call(2, "ping"))

    assert end.next_call() is None
    assert end.has_more
    end.take_output()
    assert end.next_call().seq == 2


def test_after_a_goodbye_nothing_is_looked_at(end):
    end.receive(request(1, consts.HANDLE_CLOSE) + call(2, "ping"))

    assert end.next_call() is None
    assert end.is_closed
    assert said(end) == [(REPLY, 1, (VALUE, None))]
    assert end.next_call() is None


# --- times


def test_a_call_waits_for_the_text_of_a_time_and_others_wait_behind_it(end):
    end.trust(Role.READER)
    end.receive(request(1, consts.HANDLE_CALL, (LOCAL, of("login")), (TUPLE, ((VALUE, "a"), A_DATETIME))))
    end.receive(call(2, "ping"))
    assert end.next_call() is None
    assert end.waits_for == ("answer", 1)
    assert said(end) == [(REQUEST, 1, (consts.HANDLE_STR, (TUPLE, ((LOCAL, A_DATETIME[1]),))))]

    end.receive(message(REPLY, 1, (VALUE, "2026-11-20")))
    assert parts(end.next_call()) == (1, "login", ("a", "2026-11-20"), {})
    assert parts(end.next_call()) == (2, "ping", (), {})
    let_go = (consts.HANDLE_DEL, (TUPLE, ((LOCAL, A_DATETIME[1]), (VALUE, 1))))
    assert said(end) == [(REQUEST, 2, let_go)]


def test_a_call_whose_time_is_not_told_in_time_is_refused_and_the_next_is_answered(end):
    end.trust(Role.READER)
    end.receive(request(1, consts.HANDLE_CALL, (LOCAL, of("login")), (TUPLE, (A_DATETIME,))) + call(2, "ping"))
    assert end.next_call() is None
    end.stop_asking()
    end.stop_asking()  # there is nothing to stop any more

    assert end.has_more
    assert end.next_call().seq == 2
    assert [(kind, number) for kind, number, _ in said(end)] == [(REQUEST, 1), (EXCEPTION, 1)]
    end.receive(message(REPLY, 1, (VALUE, "2026-11-20")))
    assert end.next_call() is None  # it came too late


def test_the_time_of_a_stranger_is_asked_for_when_its_owner_says_so_only(end):
    end.receive(request(1, consts.HANDLE_CALL, (LOCAL, of("login")), (TUPLE, (A_DATETIME,))))
    called = end.next_call()
    assert (called.name, called.time.id_pack) == ("login", A_DATETIME[1])
    assert said(end) == []

    end.ask_for_time(called)
    end.receive(message(REPLY, 1, (VALUE, "2026-11-20")))
    assert parts(end.next_call()) == (1, "login", ("2026-11-20",), {})


def test_nothing_is_kept_of_times_whose_release_is_never_answered(end):
    end.trust(Role.READER)

    def ask(times):
        for number in range(times):
            end.receive(request(1, consts.HANDLE_CALL, (LOCAL, of("login")), (TUPLE, (A_DATETIME,))))
            assert end.next_call() is None
            end.receive(message(REPLY, end.waits_for[1], (VALUE, f"{number}")))
            end.reply(end.next_call(), None)
            end.take_output()

    tracemalloc.start()
    try:
        ask(100)
        before, _ = tracemalloc.get_traced_memory()
        ask(1000)
        assert tracemalloc.get_traced_memory()[0] - before < 100_000  # a few hundred bytes for each would be twice that
    finally:
        tracemalloc.stop()


# --- any bytes


@given(st.lists(st.sampled_from(["call", "ping", "zipped", "time"]), max_size=5), st.data())
def test_calls_are_the_same_however_their_bytes_are_cut(kinds, data):
    written = {
        "call": call(1, "login", "carol", "carol"),
        "ping": request(2, consts.HANDLE_PING, (VALUE, "x")),
        "zipped": zipped(call(3, "get_status", "x" * 5000)),
        "time": request(4, consts.HANDLE_CALL, (LOCAL, of("login")), (TUPLE, (A_DATETIME,))),
    }
    stream = b"".join(written[kind] for kind in kinds)
    at_once, bit_by_bit = ServerEnd(NAMES, timed=["login"]), ServerEnd(NAMES, timed=["login"])
    at_once.trust(Role.READER)
    bit_by_bit.trust(Role.READER)
    at_once.receive(stream)
    expected = all_calls(at_once)

    found = []
    while stream:
        length = data.draw(st.integers(1, len(stream)))
        bit_by_bit.receive(stream[:length])
        stream = stream[length:]
        found += all_calls(bit_by_bit)

    assert found == expected
    assert said(bit_by_bit) == said(at_once)
    assert bit_by_bit.waits_for == at_once.waits_for


PACKAGES = st.recursive(
    st.sampled_from([A_DATETIME, (LOCAL, of("ping")), (VALUE, ()), (VALUE, "login"), (VALUE, None), (7, 7), None, "x"]),
    lambda inner: st.lists(inner, max_size=4).map(lambda items: (TUPLE, tuple(items))),
    max_leaves=8,
)


@given(st.lists(st.tuples(st.integers(0, 22), PACKAGES), max_size=4))
@example([(consts.HANDLE_CALL, (TUPLE, ((LOCAL, of("ping")), (VALUE, ()), (VALUE, ()), (VALUE, ()))))])
def test_any_requests_are_answered_or_end_the_connection(requests):
    end = ServerEnd(NAMES)
    try:
        for number, content in enumerate(requests):
            end.receive(message(REQUEST, number, content))
            while called := end.next_call():
                end.reply(called, "x")
    except (Violation, RefusedFrame):
        return
    if end.waits_for[0] == "begin" and not end.is_closed:
        assert [number for kind, number, _ in said(end) if kind != REQUEST] == list(range(len(requests)))


@given(st.binary(max_size=200), st.sampled_from([0, 1]), st.booleans())
@example(b"", 0, True)
@example(b"\x01\x11\x50\x17\xff\xff\xff\xff", 0, True)
def test_any_bytes_are_answered_or_end_the_connection(content, compressed, whole):
    end = ServerEnd(NAMES)
    end.receive(frame(zlib.compress(content) if compressed else content, compressed=compressed) if whole else content)
    try:
        while called := end.next_call():
            end.reply(called, None)
    except (Violation, RefusedFrame):
        pass
    else:
        assert all(kind in (REQUEST, REPLY, EXCEPTION) for kind, *_ in said(end))


@pytest.mark.parametrize(
    ("role", "most"), [(None, MAX_FRAME), (Role.READER, MAX_READER_FRAME), (Role.ADMIN, MAX_BULK_FRAME)]
)
def test_how_long_a_frame_may_be_depends_on_who_has_logged_in(role, most, end):
    if role:
        end.trust(role)
    end.receive(frame(b"", length=most)[:5])
    assert end.next_call() is None
    assert end.waits_for == ("end", 0)

    too_long = ServerEnd(NAMES)
    too_long.receive(frame(b"", length=most + 1)[:5])
    if role:
        too_long.trust(role)
    assert too_long.has_more
    with pytest.raises(RefusedFrame):
        too_long.next_call()
