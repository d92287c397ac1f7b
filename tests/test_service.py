"""The exposed calls as a plain RPyC client meets them: `rpyc.connect(host, port).root`, and nothing of MeterMT's."""

import inspect
import json
import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone

import apsw
import pytest
import rpyc
from conftest import make_jobs, wait_until
from proxy import Proxy, frames_of
from rpyc.core import brine, consts
from servers import ROOT, BrokenStore, fill, listening

from metermt.errors import BY_CODE
from metermt.manager import Manager
from metermt.store.memory import MemoryStore
from metermt.store.sqlite import SqliteStore
from metermt.transport.service import MeterService

WHEN = "2026-11-20T09:30:00+00:00"
SURROGATE, HUGE, NUL, NAN = "\ud800", 10**5000, "\0", float("nan")
ODD = [
    pytest.param(SURROGATE, id="surrogate"),
    pytest.param(HUGE, id="10**5000"),
    pytest.param(10**4000, id="10**4000"),
    pytest.param(NUL, id="NUL"),
    pytest.param(NAN, id="nan"),
    pytest.param(float("inf"), id="inf"),
    pytest.param(b"\xff", id="bytes"),
    pytest.param((), id="tuple"),
    pytest.param(1j, id="complex"),
    pytest.param(..., id="ellipsis"),
]
on_both_stores = pytest.mark.parametrize("store", ["memory", "sqlite"], indirect=True)


@pytest.fixture
def store(request):
    """The store behind the server: in memory, for a test that does not ask for both."""
    if getattr(request, "param", "memory") == "sqlite":
        return request.getfixturevalue("sqlite_store")
    return MemoryStore()


@pytest.fixture
def crew(store, demo_accounts):
    """The store, with the demo's users and five meters M00000 to M00004 in it."""
    return fill(store, demo_accounts, make_jobs(5))


@pytest.fixture
def server(crew, clock):
    with listening(Manager(crew, clock=clock)) as server:
        yield server


@pytest.fixture
def proxy(server):
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def connect():
    """Connects plain clients, and hangs up for them in the end."""
    with ExitStack() as stack:

        def connect(port):
            connection = rpyc.connect("localhost", port)
            stack.callback(connection.close)
            return connection

        yield connect


@pytest.fixture
def connection(server, connect):
    return connect(server.port)


@pytest.fixture
def uncompressed(connection):
    """Makes the plain client send its bytes as they are, however many."""
    connection._channel.compress = False


@pytest.fixture
def root(connection):
    return connection.root


@pytest.fixture
def session(root):
    return root.login("carol", "carol")[0]


def code_of(call, *args, **kwargs):
    """Make a call that must fail; return the code of its error."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - what RPyC makes of a class it does not know
        call(*args, **kwargs)
    return caught.value.code


def fails(call, *args):
    """Make a call, and tell whether it fails, here or there: some values RPyC cannot even send."""
    try:
        call(*args)
    except Exception:  # noqa: BLE001 - that is the question
        return True
    return False


def is_plain(value):
    if type(value) is tuple:
        return all(map(is_plain, value))
    return type(value) in (type(None), bool, int, float, str, bytes)


# --- the four calls


@on_both_stores
def test_a_plain_client_reads_a_meter_with_the_four_calls(root, crew):
    session, full_name = root.login("carol", "carol")

    assert full_name == "Carol Dent"
    assert root.get_job(session) == "M00000"
    assert root.submit_reading(session, "M00000", datetime(2026, 11, 20, 9, 30), 5983) is None
    assert root.get_status(session) == (1, 1)
    assert root.get_job(session) == "M00001"
    assert [(reading.meter, reading.submission.value) for _, reading in crew.readings()] == [("M00000", 5983)]


def test_when_all_is_read_there_is_no_job(root, session):
    for number in range(5):
        root.submit_reading(session, f"M0000{number}", WHEN, number)

    assert root.get_job(session) is None


def test_the_names_and_the_order_of_the_original_arguments_are_kept(server):
    calls = ("login", "get_job", "submit_reading", "get_status")
    arguments = [list(inspect.signature(getattr(server.service, f"exposed_{call}")).parameters)[1:] for call in calls]

    assert arguments == [
        ["username", "password"],
        ["session_id"],
        ["session_id", "meter", "when", "reading", "reason", "key"],
        ["session_id"],
    ]


def test_a_reason_may_be_given_by_keyword(root, session, crew):
    root.submit_reading(session, "M00000", WHEN, -1, reason="A dog, a large one")

    (((_, reading)),) = crew.readings()
    assert (reading.submission.value, reading.submission.reason) == (None, "A dog, a large one")


def test_all_arguments_may_be_given_by_keyword(root, crew):
    session, _ = root.login(username="carol", password="carol")
    assert root.get_job(session_id=session) == "M00000"
    root.submit_reading(session_id=session, meter="M00000", when=WHEN, reading=1, reason="", key="one")
    root.submit_reading(session_id=session, meter="M00000", when=WHEN, reading=1, reason="", key="one")

    assert len(list(crew.readings())) == 1


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
def test_a_time_without_an_offset_is_the_servers_local_time(when, root, session, crew, monkeypatch):
    monkeypatch.setenv("TZ", "EET-2")  # two hours ahead of UTC
    time.tzset()
    try:
        root.submit_reading(session, "M00000", when, 1)
    finally:
        monkeypatch.undo()
        time.tzset()

    (((_, reading)),) = crew.readings()
    assert reading.submission.read_at == datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def test_a_plain_client_may_send_more_than_rpyc_sends_uncompressed_if_it_does_not_compress(connection, root, session):
    connection._channel.compress = False  # RPyC compresses frames over 3,000 bytes, and those are refused
    rows = [(f"M0000{number % 5}", WHEN, number, "The meter is behind the boiler", None) for number in range(100)]

    assert json.loads(root.submit_readings(session, json.dumps(rows))) == [None] * 100
    assert code_of(root.submit_reading, session, "M00000", WHEN, 1, "long " * 1000) == "invalid-reason"


# --- what crosses the wire


def test_every_result_is_plain(root):
    session, full_name = root.login("carol", "carol")
    row = ("M00002", WHEN, 1, "", None)
    results = {
        "login": (session, full_name),
        "get_job": root.get_job(session),
        "get_jobs": root.get_jobs(session, 2),
        "submit_reading": root.submit_reading(session, "M00000", WHEN, 1),
        "submit_and_next": root.submit_and_next(session, "M00001", WHEN, 1),
        "submit_readings": root.submit_readings(session, json.dumps([row, row])),
        "get_status": root.get_status(session),
        "ping": root.ping(),
        "logout": root.logout(session),
    }

    exposed = {name.removeprefix("exposed_") for name in vars(MeterService) if name.startswith("exposed_")}
    assert set(results) == exposed
    assert {name: value for name, value in results.items() if not is_plain(value)} == {}


class Thing:
    """An object of the client's."""


def things():
    yield Thing()


@pytest.mark.parametrize(
    "thing",
    [
        pytest.param(Thing(), id="instance"),
        pytest.param(Thing, id="class"),
        pytest.param(things, id="function"),
        pytest.param(things(), id="generator"),
        pytest.param(["carol"], id="list"),
        pytest.param({"carol": 1}, id="dict"),
        pytest.param({"carol"}, id="set"),
        pytest.param(json, id="module"),
        pytest.param(("carol", ["carol"]), id="list in a tuple"),
        pytest.param(timedelta(1), id="timedelta"),
    ],
)
def test_an_object_of_the_client_is_refused_and_never_touched(thing, proxy, connect):
    root = connect(proxy.port).root
    session, _ = root.login("carol", "carol")

    assert code_of(root.login, thing, "carol") == "call"
    assert code_of(root.get_job, thing) == "call"
    assert code_of(root.get_status, session_id=thing) == "call"
    for place in range(4):
        arguments = ["M00000", WHEN, 1, ""]
        arguments[place] = thing
        assert code_of(root.submit_reading, session, *arguments) == "call"

    assert root.get_status(session) == (0, 0)
    assert proxy.asked_of_clients == []


def test_a_live_object_of_the_servers_own_is_refused_as_an_argument(root, session):
    assert code_of(root.get_job, root) == "call"
    assert code_of(root.submit_reading, session, "M00000", WHEN, 1, root.login) == "call"
    assert root.get_status(session) == (0, 0)


def test_of_a_datetime_the_server_asks_the_text_and_nothing_more(proxy, connect):
    root = connect(proxy.port).root
    session, _ = root.login("carol", "carol")

    root.submit_reading(session, "M00000", datetime(2026, 11, 20, 9, 30), 1)
    root.ping()

    handlers = [brine.load(frame[1:])[1][0] for frame in proxy.asked_of_clients]
    assert handlers == [consts.HANDLE_STR, consts.HANDLE_DEL]


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
    assert root.submit_reading(session, "M00000", Pretender(WHEN), 1) is None


# --- calls that are none


@pytest.mark.parametrize(
    ("call", "args", "kwargs"),
    [
        ("login", (), {}),
        ("login", ("carol",), {}),
        ("login", ("carol", "carol", "127.0.0.1"), {}),
        ("login", ("carol", "carol"), {"address": "127.0.0.1"}),
        ("login", ("carol", "carol"), {"username": "carol"}),
        ("login", ("carol", "carol"), {"self": None}),
        ("get_job", (), {}),
        ("get_status", ("x", "y"), {}),
        ("submit_reading", ("x", "y"), {}),
        ("submit_reading", ("x",) * 7, {}),
        ("ping", ("x",), {}),
    ],
)
def test_a_call_with_the_wrong_arguments_is_told_so(call, args, kwargs, root):
    with pytest.raises(Exception, match=f"^{call}: .*argument") as caught:
        getattr(root, call)(*args, **kwargs)

    assert caught.value.code == "call"
    root.ping()


@pytest.mark.parametrize(
    "name",
    [
        *("no_such_call", "exposed_no_such_call", "", "login ", SURROGATE.encode("utf8", "replace").decode()),
        *("_manager", "_address", "_used", "_session_ids", "on_disconnect", "_connect", "ALIASES", "exposed__used"),
        *("__class__", "__dict__", "__init__", "__getattribute__", "__reduce_ex__", "__subclasshook__", "__module__"),
    ],
)
def test_a_name_that_is_not_exposed_is_no_call(name, connection):
    root = connection.root
    for handler, *more in ((consts.HANDLE_GETATTR,), (consts.HANDLE_CALLATTR, ())):
        with pytest.raises(AttributeError) as caught:
            connection.sync_request(handler, root, name, *more)
        assert caught.value.args == ("There is no such call",)

    root.ping()


@pytest.mark.parametrize("name", ["__func__", "__self__", "__globals__", "__code__", "__wrapped__", "__closure__"])
def test_behind_a_call_there_is_nothing_to_reach(name, connection):
    with pytest.raises(AttributeError):
        connection.sync_request(consts.HANDLE_GETATTR, connection.root.login, name)


@pytest.mark.parametrize("call", ["login", "get_job", "ping"])
def test_a_call_cannot_be_replaced(call, connect, server):
    first, second = connect(server.port).root, connect(server.port).root
    with pytest.raises((AttributeError, EOFError)):
        setattr(first, call, "mine")
    with pytest.raises((AttributeError, EOFError)):
        delattr(second, call)

    root = connect(server.port).root
    assert root.get_status(root.login("carol", "carol")[0]) == (0, 0)
    root.ping()


# --- errors


def test_an_error_carries_its_code_and_its_text_and_nothing_else(proxy, connect):
    root = connect(proxy.port).root
    session, _ = root.login("carol", "carol")
    before = len(proxy.from_server)

    codes = [
        code_of(root.login, "carol", "wrong"),
        code_of(root.get_job, "no session"),
        code_of(root.submit_reading, session, "G1", WHEN, 1),
        code_of(root.submit_reading, session, "M00000", "soon", 1),
        code_of(root.submit_reading, session, "M00000", WHEN, 10**6),
        code_of(root.submit_reading, session, "M00000", WHEN, -1),
        code_of(root.submit_reading, session, "M00000", WHEN, 1, "\n"),
        code_of(root.submit_reading, session, "M00000", WHEN, 1, "", "a key"),
        code_of(root.get_jobs, session, 0),
        code_of(root.login, []),
        code_of(root.login),
    ]
    with pytest.raises(AttributeError) as caught:
        _ = root.no_such_call

    assert set(codes) < set(BY_CODE)
    assert caught.value._remote_tb == ""
    answers = b"".join(proxy.from_server[before:])
    for secret in (b"Traceback", b".py", b"site-packages", str(ROOT).encode(), b"_version"):
        assert secret not in answers


@pytest.mark.parametrize(
    ("call", "args", "code", "text"),
    [
        ("login", ("carol", "wrong"), "login", "Invalid username or password"),
        ("login", ("nobody", "wrong"), "login", "Invalid username or password"),
        ("get_job", ("no session",), "session", "Invalid session ID"),
        ("get_status", ("no session",), "session", "Invalid session ID"),
        ("submit_reading", ("no session", "M00000", WHEN, 1), "session", "Invalid session ID"),
    ],
)
def test_errors_of_the_original_calls(call, args, code, text, root):
    with pytest.raises(Exception, match=text) as caught:
        getattr(root, call)(*args)

    assert caught.value.args == (text,)
    assert caught.value.code == code
    assert type(caught.value).__mro__[1].__name__ == f"metermt.errors.{BY_CODE[code].__name__}"


def test_a_fault_of_the_server_crosses_as_an_id_under_which_the_log_has_the_details(
    demo_accounts, connect, expected_errors
):
    store = fill(BrokenStore(), demo_accounts, make_jobs(1))
    with listening(Manager(store)) as server, Proxy(server.port) as proxy:
        root = connect(proxy.port).root
        session, _ = root.login("carol", "carol")
        with pytest.raises(Exception, match=r"^Internal error [0-9a-f]{8}: tell whoever runs the server") as caught:
            root.get_status(session)
        assert code_of(root.get_status, session) == "internal"
        assert root.get_job(session) == "M00000"
        answers = b"".join(proxy.from_server)

    first, second = expected_errors
    correlation_id = caught.value.args[0].split()[2].rstrip(":")
    assert first.getMessage() == f"internal error {correlation_id}"
    assert correlation_id not in second.getMessage()
    error = first.exc_info[1]
    assert repr(error) == "RuntimeError('cannot read /var/lib/metermt/carol')"
    assert error.__traceback__ is not None
    assert b"RuntimeError" not in answers
    assert b"/var" not in answers


def test_a_locked_database_is_told_without_saying_where_it_is(demo_accounts, database_path, connect, expected_errors):
    with SqliteStore(database_path, busy_seconds=0.05) as store:
        fill(store, demo_accounts, make_jobs(1))
        with listening(Manager(store)) as server:
            root = connect(server.port).root
            session, _ = root.login("carol", "carol")
            other = apsw.Connection(str(database_path))
            try:
                other.execute("BEGIN IMMEDIATE")
                with pytest.raises(Exception) as caught:  # noqa: PT011 - its text is what this is about
                    root.get_job(session)
            finally:
                other.close()
            assert root.get_job(session) == "M00000"

    assert caught.value.code in ("store-locked", "internal")
    assert str(database_path.parent) not in caught.value.args[0]


# --- odd values


@on_both_stores
@pytest.mark.parametrize("odd", ODD)
def test_an_odd_value_in_any_argument_is_refused_and_the_connection_lives(odd, uncompressed, root, session, crew):
    for call, *arguments in (
        ("login", "carol", "carol"),
        ("get_job", session),
        ("get_jobs", session, 1),
        ("submit_reading", session, "M00000", WHEN, 1, "", "a-key"),
        ("submit_and_next", session, "M00000", WHEN, 1, "", "a-key"),
        ("submit_readings", session, "[]"),
        ("get_status", session),
        ("logout", session),
    ):
        for place in range(len(arguments)):
            values = [*arguments[:place], odd, *arguments[place + 1 :]]
            assert fails(getattr(root, call), *values), f"{call} took it as argument {place}"
            assert root.get_status(session) == (0, 0)

    assert list(crew.readings()) == []


@on_both_stores
@pytest.mark.parametrize(
    "written",
    [r'"\ud800"', r'"\u0000"', "NaN", "Infinity", "1e400", "1" * 4000, "[1]", "{}", "true"],
    ids=["surrogate", "NUL", "nan", "inf", "1e400", "4000 digits", "list", "dict", "bool"],
)
def test_an_odd_value_among_many_readings_hinders_no_other(written, uncompressed, root, session, crew):
    for place in range(5):
        good = json.dumps([f"M0000{place}", WHEN, 1, "", None])
        odd = [json.dumps(value) for value in ("M00000", WHEN, 2, "", None)]
        odd[place] = written

        none, (code, text) = json.loads(root.submit_readings(session, f"[{good}, [{', '.join(odd)}]]"))

        assert none is None
        assert code in BY_CODE
        assert len(text) < 200
        assert root.get_status(session) == (place + 1, place + 1)

    assert [reading.submission.value for _, reading in crew.readings()] == [1] * 5


@pytest.mark.parametrize(
    "rows",
    [
        "",
        "no JSON",
        "null",
        "{}",
        "[1]",
        "[[]]",
        '[["M00000"]]',
        "[" * 100_000,
        f"[[{'1' * 5000}]]",
        f"[{'[],' * 1000}[]]",
    ],
    ids=lambda rows: rows[:12] or "empty",
)
def test_rows_that_are_none_are_refused(rows, uncompressed, root, session):
    assert code_of(root.submit_readings, session, rows) == "call"
    assert root.get_status(session) == (0, 0)


# --- clients that do not answer


class FrozenClient:
    """A plain client that sends a `datetime` and does not answer what the server asks about it."""

    def __init__(self, connection, session):
        self._socket = connection._channel.stream.sock
        self._submit = connection.root.submit_reading
        self.answer = connection.async_request(  # sends, and reads nothing
            consts.HANDLE_CALL, self._submit, (session, "M00004", datetime(2026, 11, 20, 9, 30), 1), ()
        )

    @property
    def received(self):
        """The number of frames that lie here unread."""
        try:
            return len(frames_of(self._socket.recv(65536, socket.MSG_PEEK | socket.MSG_DONTWAIT)))
        except BlockingIOError:
            return 0


def test_a_client_that_never_answers_holds_up_itself_for_two_seconds_and_others_not_at_all(server, connect, crew):
    connection, other = connect(server.port), connect(server.port).root
    session, _ = connection.root.login("carol", "carol")
    others_session, _ = other.login("adam", "adam")
    started = time.monotonic()
    frozen = FrozenClient(connection, session)
    wait_until(lambda: frozen.received == 1, "the server has asked for the text of the time")

    longest = 0.0
    while frozen.received < 2 and server.connections == 2:  # until it is answered or hung up on
        before = time.monotonic()
        other.get_status(others_session)
        other.get_job(others_session)
        longest = max(longest, time.monotonic() - before)
        assert time.monotonic() < started + 5, "the server still waits"

    assert 1.5 < time.monotonic() - started < 3
    assert longest < 0.5
    # It wakes up, and answers late; the call has failed by then, and the session goes on.
    assert fails(lambda: frozen.answer.value)
    assert connect(server.port).root.get_job(session) == "M00001"
    assert list(crew.readings()) == []


def test_a_client_that_leaves_while_it_is_asked_is_no_fault_of_the_server(server, connect):
    connection = connect(server.port)
    session, _ = connection.root.login("carol", "carol")
    frozen = FrozenClient(connection, session)
    wait_until(lambda: frozen.received == 1, "the server has asked for the text of the time")

    connection._channel.close()

    wait_until(lambda: server.connections == 0, "the server has noticed that the client is gone")
    # Nothing was logged as an ERROR: the fixtures see to that.


def test_a_server_stops_while_a_client_does_not_answer(crew, connect):
    with listening(Manager(crew)) as server:
        connection = connect(server.port)
        session, _ = connection.root.login("carol", "carol")
        frozen = FrozenClient(connection, session)
        wait_until(lambda: frozen.received == 1, "the server has asked for the text of the time")
        before = time.monotonic()

    assert time.monotonic() - before < 3


# --- connections that end


@on_both_stores
@pytest.mark.parametrize("goodbye", [True, False], ids=["in order", "without a word"])
def test_the_jobs_of_an_ended_connection_stay_with_their_reader(goodbye, server, connect):
    first, second, adams = connect(server.port), connect(server.port).root, connect(server.port).root
    session, _ = first.root.login("carol", "carol")
    second_session, _ = second.login("carol", "carol")
    adams_session, _ = adams.login("adam", "adam")
    assert first.root.get_job(session) == "M00000"
    assert second.get_job(second_session) == "M00001"

    if goodbye:
        first.close()
    else:
        first._channel.close()
    wait_until(lambda: server.connections == 2, "the server has noticed that a client is gone")

    assert adams.get_job(adams_session) == "M00002"
    third = connect(server.port).root
    assert third.get_job(third.login("carol", "carol")[0]) == "M00000"
    assert second.get_job(second_session) == "M00001"


def test_a_session_outlives_its_connection(server, connect):
    connection = connect(server.port)
    session, _ = connection.root.login("carol", "carol")
    connection.root.get_job(session)
    connection.close()

    root = connect(server.port).root
    assert root.get_status(session) == (0, 0)
    root.submit_reading(session, "M00000", WHEN, 1)
    assert root.get_status(session) == (1, 1)


def test_a_session_of_one_connection_may_be_used_on_another_at_the_same_time(root, session, server, connect):
    other = connect(server.port).root

    assert other.get_job(session) == root.get_job(session) == "M00000"


def test_an_expired_lease_goes_to_the_next_reader(root, session, server, connect, clock):
    adams = connect(server.port).root
    adams_session, _ = adams.login("adam", "adam")
    assert root.get_job(session) == "M00000"
    assert adams.get_job(adams_session) == "M00001"

    clock.move(minutes=31)

    assert adams.get_job(adams_session) == "M00000"
