"""Times that plain RPyC clients pass as `datetime`s: the server asks for their text, and waits two seconds at most."""

import socket
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from conftest import CYCLE, WHEN, import_jobs, make_jobs, wait_until
from memory_fixtures import *  # noqa: F403 - the fixtures
from peers import A_DATETIME, VALUE, code_of, fails, own_threads, wait_until_taken_over
from proxy import frames_of
from readers import readings_in
from rpyc.core import consts
from servers import listening

from metermt.transport import conversation

NAIVE = datetime(2026, 11, 20, 9, 30)


@pytest.fixture
def short_questions(monkeypatch):
    """Let a client answer in a tenth of the time."""
    monkeypatch.setattr(conversation, "QUESTION_SECONDS", 0.2)


# --- clients that answer


@pytest.mark.parametrize(
    "when",
    [
        pytest.param(datetime(2026, 11, 20, 11, 30), id="naive datetime"),
        pytest.param(datetime(2026, 11, 20, 9, 30, tzinfo=UTC), id="datetime in UTC"),
        pytest.param(datetime(2026, 11, 20, 4, 30, tzinfo=timezone(-timedelta(hours=5))), id="datetime elsewhere"),
        pytest.param("2026-11-20T11:30", id="naive text"),
        pytest.param("2026-11-20 11:30:00", id="text with a blank"),
        pytest.param("2026-11-20T09:30:00Z", id="text in UTC"),
        pytest.param("2026-11-20T04:30:00-05:00", id="text elsewhere"),
    ],
)
def test_a_time_without_an_offset_is_the_servers_local_time(when, root, session, store, monkeypatch):
    monkeypatch.setenv("TZ", "EET-2")  # two hours ahead of UTC
    time.tzset()
    try:
        root.submit_reading(session, "M00000", when, 1)
    finally:
        monkeypatch.undo()
        time.tzset()

    (reading,) = readings_in(store)
    assert reading.answer.when == datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def test_a_time_may_be_passed_by_keyword(root, session, store):
    root.submit_reading(session, "M00000", when=datetime(2026, 11, 20, 9, 30, tzinfo=UTC), reading=1)

    (reading,) = readings_in(store)
    assert reading.answer.when == datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def test_times_are_asked_for_of_readers_who_are_logged_in_too(server, root, session, store):
    import_jobs(store, CYCLE, make_jobs(20)[5:])
    wait_until_taken_over()
    for number in range(20):
        root.submit_reading(session, f"M{number:05}", NAIVE, number)

    assert own_threads() == []
    assert len(readings_in(store)) == 20


def test_what_passes_itself_off_as_a_datetime_is_only_a_text(root, session):
    class Pretender:
        def __init__(self, text):
            self.text = text

        def __str__(self):
            if self.text is None:
                raise OSError("/etc/passwd")
            return self.text

    Pretender.__module__, Pretender.__name__ = "datetime", "datetime"

    assert code_of(root.submit_reading, session, "M00000", Pretender(None), 1) == "call"
    assert code_of(root.submit_reading, session, "M00000", Pretender("soon"), 1) == "invalid-time"
    assert code_of(root.submit_reading, session, "M00000", Pretender("0" * 65), 1) == "call"
    assert root.submit_reading(session, "M00000", Pretender(WHEN), 1) is None


def test_requests_that_come_before_the_text_of_a_time_are_answered_after_it(server, stranger):
    asker = stranger(server)
    session = asker.log_in()
    asker.call("submit_reading", (VALUE, session), (VALUE, "M00000"), A_DATETIME, (VALUE, 1))
    kind, number, _ = asker.hear()
    assert kind == consts.MSG_REQUEST
    for _ in range(3):
        asker.call("get_status", (VALUE, session))
    asker.say(consts.MSG_REPLY, number, (VALUE, WHEN))

    assert [asker.hear_answer()[1] for _ in range(4)] == [(VALUE, None)] + [(VALUE, (1, 1))] * 3


# --- clients that do not answer


class FrozenClient:
    """A plain client that sends a `datetime` and does not answer what the server asks about it."""

    def __init__(self, connection, session):
        self._socket = connection._channel.stream.sock
        self._submit = connection.root.submit_reading
        self.since = time.monotonic()
        self.answer = connection.async_request(  # sends, and reads nothing
            consts.HANDLE_CALL, self._submit, (session, "M00004", NAIVE, 1), ()
        )

    @property
    def received(self):
        """The number of frames that lie here unread."""
        try:
            return len(frames_of(self._socket.recv(65536, socket.MSG_PEEK | socket.MSG_DONTWAIT)))
        except BlockingIOError:
            return 0


@pytest.fixture
def frozen(connection, session):
    """A client that the server has asked for the text of a time."""
    wait_until_taken_over()
    frozen = FrozenClient(connection, session)
    wait_until(lambda: frozen.received == 1, "the server has asked for the text of the time")
    frozen.connection, frozen.session = connection, session
    return frozen


def test_a_client_that_never_answers_holds_up_itself_for_two_seconds_and_others_not_at_all(
    frozen, server, plain, store
):
    other = plain(server).root
    others_session, _ = other.login("adam", "adam")

    answered = 0
    while frozen.received < 2 and server.connections == 2:  # until it is answered or hung up on
        other.get_status(others_session)
        other.get_job(others_session)
        answered += 1
        assert time.monotonic() < frozen.since + 10, "the server still waits"

    assert time.monotonic() > frozen.since + 1.9 == frozen.since + conversation.QUESTION_SECONDS - 0.1
    assert answered > 5, "who waits for another one is answered once, and then again"
    # It wakes up, and answers late; the call has failed by then, and the session goes on, on the same connection too.
    assert fails(lambda: frozen.answer.value)
    assert frozen.connection.root.get_job(frozen.session) == "M00004"
    assert plain(server).root.get_job(frozen.session) == "M00004"
    assert readings_in(store) == []


def test_a_client_that_leaves_while_it_is_asked_is_no_fault_of_the_server(frozen, server):
    frozen.connection._channel.close()

    wait_until(lambda: server.connections == 0, "the server has noticed that the client is gone")
    # Nothing was logged as an ERROR: the fixtures see to that.


def test_a_server_stops_while_a_client_does_not_answer(desk, plain):
    with listening(desk) as server:
        connection = plain(server)
        session, _ = connection.root.login("carol", "carol")
        frozen = FrozenClient(connection, session)
        wait_until(lambda: frozen.received == 1, "the server has asked for the text of the time")
        before = time.monotonic()

    assert time.monotonic() - before < 8  # of the ten that it would wait for calls


def test_calls_whose_times_are_never_told_all_end_one_after_the_other(server, stranger, short_questions):
    asker = stranger(server)
    session = asker.log_in()
    for _ in range(5):
        asker.call("submit_reading", (VALUE, session), (VALUE, "M00000"), A_DATETIME, (VALUE, 1))

    assert {asker.error()[0] for _ in range(5)} == {"CallError"}
