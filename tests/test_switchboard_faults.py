"""An error that nobody has thought of, once, in each step of a server: one client is lost, or the server says so."""

import threading
from contextlib import ExitStack, closing, suppress

import pytest
from conftest import CYCLE, wait_until
from peers import A_DATETIME, VALUE, Stranger, own_threads, wait_until_taken_over
from servers import listening, sockets_of
from switchboard_fixtures import *  # noqa: F403 - the fixtures

from metermt.calls.desk import Answering, BegunAnswers, Desk
from metermt.store.sqlite.groupwriter import GroupWriter
from metermt.store.sqlite.store import SqliteStore
from metermt.transport import conversation as conversation_module
from metermt.transport.away import Away
from metermt.transport.conversation import Conversation
from metermt.transport.guests import Guests
from metermt.transport.pool import Pool
from metermt.transport.server import MeterServer
from metermt.transport.serverend import ServerEnd
from metermt.transport.strangers import Strangers
from metermt.transport.stream import Stream
from metermt.transport.switchboard import Switchboard

STEPS = [
    *(
        (Switchboard, step)
        for step in ("_look_around", "_patience", "_requests", "_answer", "_ask_store", "_keep_time")
    ),
    *(
        (Switchboard, step)
        for step in ("_let_go", "_guarded", "_hear", "_send", "_settle", "_watch_for", "_drop", "_tell")
    ),
    *((Switchboard, step) for step in ("_overdue", "_have_answered", "take", "_welcome", "_go_round", "_answer_some")),
    *(
        (Conversation, step)
        for step in ("begin", "receive_now", "next_call", "answer", "send_now", "settle", "overdue")
    ),
    *((ServerEnd, step) for step in ("receive", "next_call", "reply", "refuse", "stop_asking")),
    *((Stream, step) for step in ("receive_now", "send_now")),
    *((Desk, step) for step in ("answer", "_answer_alone", "begin", "hang_up", "note", "turn")),
    *((Answering, step) for step in ("identify", "remember")),
    (BegunAnswers, "outcomes"),
    (Answering, "outcomes"),
    *((GroupWriter, step) for step in ("begin", "wait")),
    *((Pool, step) for step in ("run", "_start_thread")),
    (MeterServer, "_let_in"),
    *((Guests, step) for step in ("room_for", "came", "note_busy", "note_idle", "went")),
    *((Away, step) for step in ("send", "take_back")),
    *((Strangers, step) for step in ("take", "_welcome", "_hear", "_look_at", "_send", "_tell", "_watch_for")),
    *((Strangers, step) for step in ("_hand_over", "_have_answered", "_start", "_answer", "_is_answered")),
    *((SqliteStore, step) for step in ("read", "write", "begin")),
]
OF_ONE_SERVER = ["select", "register", "unregister", "recv", "ended"]


class Once:
    """Takes the place of a function, and raises a `MemoryError` the first time that it is called."""

    def __init__(self, really):
        self._really = really
        self.was_raised = False

    def __get__(self, owner, _kind=None):
        return lambda *args, **kwargs: self(owner, *args, **kwargs)

    def __call__(self, *args, **kwargs):
        if not self.was_raised:
            self.was_raised = True
            raise MemoryError("no memory")
        return self._really(*args, **kwargs)


class Behind:
    """An object of which one function is replaced."""

    def __init__(self, really, **functions):
        self._really = really
        vars(self).update(functions)

    def __getattr__(self, name):
        return getattr(self._really, name)


def break_once(monkeypatch, owner, step):
    once = Once(getattr(owner, step))
    monkeypatch.setattr(owner, step, once)
    return once


def break_once_in(switchboard, step):
    """Break what one switchboard uses, and no other in this process."""
    if step == "ended":
        switchboard._ended = once = Once(switchboard._ended)
    elif step == "recv":
        once = Once(switchboard._watch._waker.recv)
        switchboard._watch._waker = Behind(switchboard._watch._waker, recv=once)
    else:
        once = Once(getattr(switchboard._watch._selector, step))
        switchboard._watch._selector = Behind(switchboard._watch._selector, **{step: once})
    return once


class Visitor(Stranger):
    """Logs in, asks for something, and must always get an answer, or lose its connection."""

    def __init__(self, server, username="carol"):
        super().__init__(server.port)
        self.lost = False
        self.session = None
        if self.gets_answer("login", username, username):
            (self.session, _), _ = self.heard[1][1], None

    def gets_answer(self, name, *args):
        """Make a call; tell whether it was answered. Raises `TimeoutError` when nothing comes of it."""
        try:
            self.call(name, *((VALUE, arg) for arg in args))
            self.heard = self.hear_answer()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self.lost = True
        return not self.lost

    def asks(self, name, *args):
        return not self.lost and self.session and self.gets_answer(name, self.session, *args)


@pytest.fixture
def server(desk, monkeypatch):
    """A server whose questions are answered soon, or never. `failures` counts how often it has said that it failed."""
    monkeypatch.setattr(conversation_module, "QUESTION_SECONDS", 0.05)
    failures = []
    before = sockets_of("self")
    with listening(desk, failed=lambda: failures.append(CYCLE)) as server:
        server.failures = failures
        yield server
    wait_until_taken_over()  # or a login that nobody waits for any more would meet a store that is closed
    wait_until(lambda: sockets_of("self") <= before, "all sockets are closed")
    wait_until(lambda: server.connections == 0, "nobody is counted any more")


@pytest.fixture
def visit():
    """Let a visitor come, who leaves in the end."""
    with ExitStack() as stack:
        yield lambda server, username="carol": stack.enter_context(closing(Visitor(server, username)))


def crew_of(server, visit):
    """Return two who do nothing, one who does much, and one who goes; the switchboard has answered all of them."""
    crew = [visit(server, username) for username in ("adam", "eric", "carol", "carol")]
    wait_until_taken_over()
    for visitor in crew:
        assert visitor.asks("get_status")
    return crew[:2], *crew[2:]


def stir(server, visit, busy, going):
    """Have everything happen that can happen at a switchboard; return who came meanwhile."""
    for name in ("get_status", "get_job", "login", "get_status"):
        if name == "login":
            not busy.lost and busy.gets_answer("login", "adam", "adam")
        else:
            busy.asks(name)
    if not busy.lost:
        with suppress(OSError):
            # The text of the time is never told.
            busy.call("submit_reading", (VALUE, busy.session), (VALUE, "M00000"), A_DATETIME, (VALUE, 1))
            try:
                busy.hear_answer()
            except EOFError:
                busy.lost = True
    going.close()
    with suppress(OSError, EOFError), closing(Stranger(server.port)) as passing:
        passing.call("ping")
        passing.hear_answer()
    came = None
    with suppress(OSError, EOFError):  # refused, or hung up on at once
        came = visit(server)
        came.asks("get_job")
    wait_until(lambda: server.failure or server.connections <= 4, "it has noticed who is gone")
    return came


def assert_one_was_lost_or_the_server_says_so(server, visit, bystanders, *others):
    try:
        assert_one_was_lost_at_most(server, visit, bystanders, *others)
    except (AssertionError, OSError, EOFError):
        if server.failure is None:
            raise
        assert_the_server_says_so(server, bystanders)  # perhaps it has failed only now


def assert_one_was_lost_at_most(server, visit, bystanders, *others):
    wait_until_taken_over()
    assert server.failures == []
    assert sum(other is None or other.lost for other in others) <= 1
    for bystander in bystanders:
        assert bystander.asks("get_status"), "one who has done nothing was hung up on"
        assert bystander.asks("get_job")
    late = visit(server, "gwenda")
    assert late.asks("get_job"), "nobody is let in any more"
    assert late.gets_answer("login", "gwenda", "gwenda")


def assert_the_server_says_so(server, bystanders):
    assert isinstance(server.failure, MemoryError)
    wait_until(lambda: server.failures == [CYCLE], "it has called who runs it")
    for bystander in bystanders:
        assert bystander.asks("get_status") or bystander.lost, "it left somebody waiting"
    wait_until(lambda: not lets_in(server), "nobody is let in")


def lets_in(server):
    try:
        Stranger(server.port).close()
    except ConnectionError:
        return False
    return True


def test_without_an_error_nobody_is_lost(server, visit):
    """The tests below would say nothing if the visit itself lost somebody."""
    bystanders, busy, going = crew_of(server, visit)
    came = stir(server, visit, busy, going)

    assert_one_was_lost_or_the_server_says_so(server, visit, bystanders, busy, came)
    assert server.failure is None
    assert not busy.lost
    assert came.session


@pytest.mark.parametrize(("owner", "step"), STEPS, ids=lambda part: getattr(part, "__name__", part))
def test_one_error_ends_one_client_or_is_told_loudly(owner, step, server, visit, monkeypatch, expected_errors):
    bystanders, busy, going = crew_of(server, visit)
    once = break_once(monkeypatch, owner, step)
    came = stir(server, visit, busy, going)

    assert once.was_raised, "this step is never taken"
    assert_one_was_lost_or_the_server_says_so(server, visit, bystanders, busy, came)


@pytest.mark.parametrize("step", OF_ONE_SERVER)
def test_one_error_of_the_system_ends_one_client_or_is_told_loudly(step, server, visit, expected_errors):
    bystanders, busy, going = crew_of(server, visit)
    once = break_once_in(server.switchboard, step)
    came = stir(server, visit, busy, going)

    assert once.was_raised, "this step is never taken"
    assert_one_was_lost_or_the_server_says_so(server, visit, bystanders, busy, came)


def test_a_server_that_has_failed_leaves_no_thread_behind(server, visit, monkeypatch, expected_errors):
    reader = visit(server)
    stranger = Stranger(server.port)
    break_once(monkeypatch, Switchboard, "_ask_store")
    assert not reader.asks("get_job")

    assert server.stop()
    assert own_threads() == []
    assert [
        thread.name for thread in threading.enumerate() if thread.name in ("switchboard", "strangers", "acceptor")
    ] == []
    assert stranger.is_hung_up_on()
    stranger.close()


def test_a_failed_server_says_why_in_its_log(server, visit, monkeypatch, expected_errors):
    reader = visit(server)
    break_once(monkeypatch, Switchboard, "_ask_store")
    reader.asks("get_job")

    wait_until(lambda: expected_errors, "it is logged")
    assert expected_errors[0].levelname == "CRITICAL"
    assert expected_errors[0].exc_info[1] is server.failure


@pytest.mark.parametrize("who", ["a stranger", "a reader"])
def test_who_goes_is_let_go_of_even_if_nobody_can_be_told(who, server, visit, monkeypatch, expected_errors):
    going = Stranger(server.port) if who == "a stranger" else visit(server)
    wait_until_taken_over()
    assert going.root
    once = break_once(monkeypatch, Desk, "hang_up")
    going.close()

    wait_until(lambda: server.connections == 0, "it is let go of")
    assert once.was_raised
    assert server.failure is None


def test_a_server_that_can_let_nobody_in_any_more_says_so(server, visit, expected_errors):
    reader, last = visit(server), visit(server, "adam")
    once = Once(server.listener.accept)
    server.listener = Behind(server.listener, accept=once)
    lets_in(server)  # perhaps, as it may have waited for somebody already

    wait_until(lambda: server.failure, "it has failed")
    assert once.was_raised
    wait_until(lambda: not lets_in(server), "nobody is let in")
    wait_until(lambda: server.failures == [CYCLE], "it has called who runs it")
    assert reader.asks("get_job")
    assert server.stop()
    assert last.lost or last.is_hung_up_on()


@pytest.mark.parametrize(
    "step",
    ["_look_around", "_patience", "_serve_next", "_ask_store", "_keep_time", "_let_go", "_guarded", "_drop", "_ended"],
)
def test_a_server_that_hears_no_strangers_any_more_says_so(step, server, visit, monkeypatch, expected_errors):
    reader = visit(server)
    last = Stranger(server.port)
    assert last.root
    if step == "_ended":
        server.strangers._ended = once = Once(server.strangers._ended)
    else:
        once = break_once(monkeypatch, Strangers, step)
    with suppress(OSError):  # it may have failed already
        last.call("login", (VALUE, "adam"), (VALUE, "adam"))
    lets_in(server)

    wait_until(lambda: server.failure, "it has failed")
    assert once.was_raised
    wait_until(lambda: not lets_in(server), "nobody is let in")
    wait_until(lambda: server.failures == [CYCLE], "it has called who runs it")
    assert reader.asks("get_job")
    assert server.stop()
    assert last.is_hung_up_on()
    last.close()
