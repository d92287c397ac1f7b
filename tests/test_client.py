"""`MeterClient` against real servers, over connections that break, hang and lie."""

import gc
import signal
import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import pytest
from conftest import NOW, make_jobs, run_together, start, wait_until
from proxy import Proxy, frame
from rpyc.core import brine, consts
from servers import BrokenStore, Servers, fill, listening, make_database, sockets_of

from metermt.client import MeterClient, connect, new_key
from metermt.config import Rules
from metermt.errors import (
    AlreadyRead,
    CallError,
    ConnectionFailed,
    DeadlineExceeded,
    Error,
    InternalError,
    InvalidKey,
    InvalidReading,
    InvalidReason,
    InvalidTime,
    LoginError,
    MeterLeased,
    NotAMeterServer,
    ServerUnreachable,
    SessionError,
    SettingError,
    TooManyFailures,
    UnknownMeter,
)
from metermt.manager import Manager
from metermt.model import Job, Status
from metermt.store.memory import MemoryStore
from metermt.store.sqlite import SqliteStore
from metermt.wire import Row

WHEN = "2026-11-20T09:30:00+00:00"
LONG_AGO = "2024-11-20T09:30:00+00:00"  # for servers that go by the clock of this machine
LATE = 0.5  # seconds that a call may end after its deadline, on a busy machine


@pytest.fixture
def crew(demo_accounts):
    """The demo's users, and 20 meters M00000 to M00019."""
    return fill(MemoryStore(), demo_accounts, make_jobs(20, previous=100, address="1 Mill Lane"))


@pytest.fixture
def server(crew, clock):
    with listening(Manager(crew, clock=clock, rules=Rules(login_failures=3))) as server:
        yield server


@pytest.fixture
def proxy(server):
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def client(server):
    with MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        yield client


@pytest.fixture
def client_behind(proxy):
    """A client that is logged in, behind the proxy."""
    with MeterClient("localhost", proxy.port) as client:
        client.login("carol", "carol")
        yield client


@pytest.fixture
def adam(server):
    with MeterClient("localhost", server.port) as client:
        client.login("adam", "adam")
        yield client


@pytest.fixture
def servers(tmp_path):
    with Servers(tmp_path) as servers:
        yield servers


@pytest.fixture
def database(tmp_path, demo_accounts):
    return make_database(tmp_path / "metermt.db", demo_accounts, jobs=make_jobs(20))


def readings(store):
    """Return the meters and values of all readings, those that count and those that do not."""
    return sorted((reading.meter, reading.submission.value) for _, reading in store.readings())


@contextmanager
def ends_after(seconds, *, earliest=None):
    """Check that the block takes so long, and no longer than a busy machine explains."""
    started = time.monotonic()
    yield
    took = time.monotonic() - started
    assert (seconds - 0.1 if earliest is None else earliest) <= took <= seconds + LATE


def ends_by(seconds):
    return ends_after(seconds, earliest=0)


# --- conversations


def test_a_whole_conversation_with_a_server_in_a_process_of_its_own(servers, database):
    server = servers.start("--database", database)
    with connect("localhost", server.port) as client:
        assert client.login("carol", "carol") == "Carol Dent"
        assert client.get_status() == Status(0, 0)
        job = client.get_job()
        assert isinstance(job, Job)
        assert (job.meter, job.kind, job.dials, job.cycle, job.route, job.sequence) == (
            *("M00000", "G", 5, "2026-11", "North", 0),
        )
        assert client.get_job() == job
        assert client.submit_reading("M00000", 5983, when=datetime.now()) is None
        status, job = client.submit_and_next("M00001", -1, "A dog")
        assert (status, job.meter) == (Status(2, 2), "M00002")
        assert [job.meter for job in client.get_jobs(3)] == ["M00002", "M00003", "M00004"]
        assert client.submit_readings([Row(f"M{number:05}", None, number) for number in range(2, 19)]) == [None] * 17
        status, job = client.submit_and_next("M00019", 7)
        assert (status, job) == (Status(20, 20), None)
        assert client.get_job() is None
        assert client.get_jobs(1000) == []
        assert 0 < client.ping() < 10
        client.logout()


def test_a_job_has_all_that_a_reader_needs(client, crew):
    assert client.get_jobs(20) == make_jobs(20, previous=100, address="1 Mill Lane")


@pytest.mark.parametrize(
    "when",
    [
        datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
        datetime(2026, 11, 20, 11, 30),
        "2026-11-20T09:30Z",
        "2026-11-20T11:30",
        "2026-11-20T04:30-05:00",
    ],
    ids=str,
)
def test_times_without_an_offset_are_local(when, client, crew, monkeypatch):
    monkeypatch.setenv("TZ", "EET-2")  # two hours ahead of UTC
    time.tzset()
    try:
        client.submit_reading("M00000", 1, when=when)
        client.submit_and_next("M00001", 1, when=when)
        client.submit_readings([Row("M00002", when, 1)])
    finally:
        monkeypatch.undo()
        time.tzset()

    said = {reading.submission.read_at for _, reading in crew.readings()}
    assert said == {datetime(2026, 11, 20, 9, 30, tzinfo=UTC)}


def test_a_reading_without_a_time_was_taken_now(crew):
    with listening(Manager(crew)) as server, MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        before = datetime.now(UTC).replace(microsecond=0)
        client.submit_reading("M00000", 1)
        client.submit_readings([Row("M00001", None, 1)])
        after = datetime.now(UTC)

    assert all(before <= reading.submission.read_at <= after for _, reading in crew.readings())


def test_a_key_counts_once(client, crew):
    key = new_key()
    for _ in range(3):
        client.submit_reading("M00000", 1, when=WHEN, key=key)
        client.submit_and_next("M00000", 1, when=WHEN, key=key)
        assert client.submit_readings([Row("M00000", WHEN, 1, "", key)]) == [None]

    assert readings(crew) == [("M00000", 1)]


def test_a_call_is_one_request_and_one_answer(client_behind, proxy, crew):
    client = client_behind

    def calls(meters):
        yield "get_job", client.get_job
        yield "get_jobs", lambda: client.get_jobs(2)
        yield "submit_reading", lambda: client.submit_reading(next(meters), 1, "a reason", NOW)
        yield "submit_and_next", lambda: client.submit_and_next(next(meters), 1, when=NOW.replace(tzinfo=None))
        yield "submit_readings", lambda: client.submit_readings([Row(next(meters), NOW, 1), Row(next(meters), WHEN, 2)])
        yield "get_status", client.get_status
        yield "ping", client.ping
        yield "a refusal", refused
        yield "login", lambda: client.login("carol", "carol")
        yield "logout", client.logout

    def refused():
        with pytest.raises(UnknownMeter):
            client.submit_reading("X1", 1, when=WHEN)

    meters = (job.meter for job in make_jobs(20))
    for _, call in calls(meters):
        call()
    client.login("carol", "carol")

    for name, call in calls(meters):
        before = len(proxy.from_clients), len(proxy.from_server)
        call()
        asked, answered = len(proxy.from_clients) - before[0], len(proxy.from_server) - before[1]
        assert (name, asked, answered) == (name, 1, 1)

    assert proxy.connections == 1
    assert proxy.asked_of_clients == []


def test_2500_readings_are_three_requests_with_an_outcome_for_each(demo_accounts, clock):
    store = fill(MemoryStore(), demo_accounts, make_jobs(2500))
    rows = [Row(f"M{number:05}", WHEN, number) for number in range(2500)]
    rows[0] = rows[0]._replace(meter="X1")
    rows[999] = rows[999]._replace(reading=-1)
    rows[1000] = rows[1000]._replace(when="soon")
    rows[1234] = rows[1234]._replace(reading=-1, reason="A dog")
    rows[2499] = rows[2499]._replace(reading=10**5)
    with (
        listening(Manager(store, clock=clock)) as server,
        Proxy(server.port) as proxy,
        MeterClient("localhost", proxy.port) as client,
    ):
        client.login("carol", "carol")
        client.submit_readings([])
        client.submit_readings(rows[1:2])
        before = len(proxy.from_clients), len(proxy.from_server)

        outcomes = client.submit_readings(iter(rows))

        assert len(proxy.from_clients) - before[0] == len(proxy.from_server) - before[1] == 3
        assert client.get_status() == Status(2496, 2496)

    refused = {place: type(outcome) for place, outcome in enumerate(outcomes) if outcome is not None}
    assert len(outcomes) == 2500
    assert refused == {0: UnknownMeter, 999: InvalidReading, 1000: InvalidTime, 2499: InvalidReading}
    assert str(outcomes[0]) == "Unknown meter 'X1': check the number on the meter"


def test_eight_threads_share_a_client_whose_connection_breaks_now_and_then(client_behind, proxy, crew):
    client = client_behind

    def reads(meter):
        def work():
            for value in range(10):
                client.submit_reading(meter, value, when=WHEN)
                status, job = client.submit_and_next(meter, value + 100, when=WHEN)
                assert type(status) is Status
                assert type(job) is Job
                assert client.submit_readings([Row(meter, WHEN, value + 200)]) == [None]
                assert 1 <= client.get_status().count <= 8
                assert len(client.get_jobs(3)) == 3

        return work

    def cuts():
        for frames in (30, 100, 170):
            wait_until(lambda frames=frames: len(proxy.from_clients) > frames, "they have done some more")
            proxy.cut()

    run_together(cuts, *(reads(f"M{number:05}") for number in range(8)))

    assert proxy.connections == 4
    assert client.get_status() == Status(8, 8)
    assert readings(crew) == sorted(
        (f"M{number:05}", value + more) for number in range(8) for value in range(10) for more in (0, 100, 200)
    )


# --- errors


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda c: c.login("carol", "wrong"), LoginError, "Invalid username or password"),
        (lambda c: c.login("nobody", "nobody"), LoginError, "Invalid username or password"),
        (lambda c: c.submit_reading("X1", 1, when=WHEN), UnknownMeter, "Unknown meter 'X1': check the number"),
        (lambda c: c.submit_reading("M00000", -1, when=WHEN), InvalidReading, "Invalid reading: -1 is below zero"),
        (lambda c: c.submit_reading("M00000", 10**5, when=WHEN), InvalidReading, "Invalid reading: 100000 is too long"),
        (lambda c: c.submit_reading("M00000", 1.5, when=WHEN), InvalidReading, "Invalid reading: 1.5 is not a whole"),
        (lambda c: c.submit_reading("M00000", 1, "a\nb", WHEN), InvalidReason, "Invalid reason: it has control"),
        (lambda c: c.submit_reading("M00000", 1, when="soon"), InvalidTime, "Invalid time: 'soon' is not a date"),
        (lambda c: c.submit_reading("M00000", 1, when="2027-01-01"), InvalidTime, "Invalid time: 2027-01-01T"),
        (lambda c: c.submit_reading("M00000", 1, when=WHEN, key="a b"), InvalidKey, "Invalid key: use 1 to 64"),
        (lambda c: c.submit_and_next("X1", 1, when=WHEN), UnknownMeter, "Unknown meter 'X1': check the number"),
        (lambda c: c.get_jobs(0), CallError, "Ask for 1 to 1000 jobs at once"),
        (lambda c: c.get_jobs(1001), CallError, "Ask for 1 to 1000 jobs at once"),
        (lambda c: c.get_jobs([1]), CallError, "Only numbers, texts and None can be sent"),
        (lambda c: c._call("no_such_call"), CallError, "This server does not know that call"),
        (lambda c: c._call("login"), CallError, "login: missing a required argument: 'username'"),
    ],
)
def test_an_error_arrives_as_its_own_class_with_its_text(call, error, text, client):
    with pytest.raises(error) as caught:
        call(client)

    assert type(caught.value) is error
    assert str(caught.value).startswith(text)
    assert client.get_status() == Status(0, 0)


def test_a_meter_in_other_hands_or_read_by_others_is_told_so(client, adam):
    meter = adam.get_job().meter
    with pytest.raises(MeterLeased, match=f"Meter {meter} is being read by adam"):
        client.submit_reading(meter, 1, when=WHEN)
    adam.submit_reading(meter, 1, when=WHEN)
    with pytest.raises(AlreadyRead, match=f"Meter {meter} was already read this cycle by adam"):
        client.submit_reading(meter, 1, when=WHEN)


def test_a_key_for_two_readings_is_told_so(client):
    client.submit_reading("M00000", 1, when=WHEN, key="k")
    with pytest.raises(InvalidKey, match="This key was used before, for a reading of M00000"):
        client.submit_reading("M00001", 1, when=WHEN, key="k")


def test_too_many_wrong_passwords_are_told_so(client):
    for _ in range(3):
        with pytest.raises(LoginError):
            client.login("carol", "guess")
    with pytest.raises(TooManyFailures, match="Too many failed logins for 'carol' from your address: try again in 1"):
        client.login("carol", "carol")


def test_without_a_login_all_but_login_and_ping_say_so(server):
    with MeterClient("localhost", server.port) as client:
        client.ping()
        for call in (
            client.get_job,
            client.get_status,
            lambda: client.get_jobs(1),
            lambda: client.submit_reading("M00000", 1, when=WHEN),
            lambda: client.submit_and_next("M00000", 1, when=WHEN),
            lambda: client.submit_readings([Row("M00000", WHEN, 1)]),
        ):
            with pytest.raises(SessionError, match="Invalid session ID"):
                call()


def test_a_logout_twice_or_without_a_login_is_harmless(server):
    with MeterClient("localhost", server.port) as client:
        client.logout()
        client.login("carol", "carol")
        client.logout()
        client.logout()
        with pytest.raises(SessionError):
            client.get_job()
        assert client.login("carol", "carol") == "Carol Dent"
        assert client.get_job().meter == "M00000"


def test_a_session_that_has_expired_is_told_so_and_logged_out_of(client, clock):
    clock.move(hours=13)

    with pytest.raises(SessionError):
        client.get_job()
    client.logout()


def test_a_fault_of_the_server_arrives_as_an_internal_error_with_its_id(demo_accounts, expected_errors):
    with (
        listening(Manager(fill(BrokenStore(), demo_accounts))) as server,
        MeterClient("localhost", server.port) as client,
    ):
        client.login("carol", "carol")
        with pytest.raises(InternalError, match=r"^Internal error [0-9a-f]{8}: tell whoever runs the") as caught:
            client.get_status()
        assert client.get_job() is None

    (record,) = expected_errors
    assert record.getMessage().split()[2] in str(caught.value)


@pytest.mark.parametrize(
    "odd",
    ["\ud800", 10**5000, float("nan"), b"\xff", ["list"], {}, object()],
    ids=["surrogate", "10**5000", "nan", "bytes", "list", "dict", "object"],
)
def test_an_odd_value_is_an_error_like_any_other_and_the_client_goes_on(odd, client, crew):
    for call in (
        lambda: client.login(odd, "carol"),
        lambda: client.login("carol", odd),
        lambda: client.get_jobs(odd),
        lambda: client.submit_reading(odd, 1, "", WHEN),
        lambda: client.submit_reading("M00000", odd, "", WHEN),
        lambda: client.submit_reading("M00000", 1, odd, WHEN),
        lambda: client.submit_reading("M00000", 1, "", odd),
        lambda: client.submit_and_next("M00000", 1, "", WHEN, odd or "a b"),
    ):
        with pytest.raises(Error):
            call()
        assert client.get_status() == Status(0, 0)

    assert readings(crew) == []


@pytest.mark.parametrize(
    "odd",
    ["\ud800", 10**5000, float("nan"), {}, object(), b"\xff"],
    ids=["surrogate", "10**5000", "nan", "dict", "object", "bytes"],
)
def test_an_odd_value_among_many_readings_is_an_error_like_any_other(odd, client):
    outcomes = []
    with suppress(Error):
        outcomes = client.submit_readings([Row("M00000", WHEN, odd), Row("M00001", WHEN, 1)])

    assert [type(outcome) for outcome in outcomes] in ([], [InvalidReading, type(None)])
    assert client.get_status().count in (0, 1)


# --- connections that break


@pytest.mark.parametrize("hard", [False, True], ids=["closed", "reset"])
def test_a_connection_that_is_cut_is_made_again(hard, client_behind, proxy, crew):
    client = client_behind
    for number, call in enumerate(
        (
            client.get_job,
            client.get_status,
            client.ping,
            lambda: client.submit_reading("M00000", 1, when=WHEN),
            lambda: client.submit_and_next("M00001", 1, when=WHEN),
            lambda: client.submit_readings([Row("M00002", WHEN, 1)]),
            client.logout,
        )
    ):
        proxy.cut(hard=hard)
        call()
        assert proxy.connections == number + 2

    assert readings(crew) == [("M00000", 1), ("M00001", 1), ("M00002", 1)]


@pytest.mark.parametrize(
    ("submit", "answer"),
    [
        (lambda client, meter: client.submit_reading(meter, 5983, when=WHEN), None),
        (lambda client, meter: client.submit_and_next(meter, 5983, when=WHEN)[0], Status(2, 2)),
        (lambda client, meter: client.submit_readings([Row(meter, WHEN, 5983), Row("X1", WHEN, 1)])[0], None),
    ],
    ids=["submit_reading", "submit_and_next", "submit_readings"],
)
def test_a_submission_whose_answer_is_lost_counts_once(submit, answer, client_behind, proxy, crew):
    submit(client_behind, "M00000")  # from now on such a call is one request
    proxy.lost_answers = 1

    assert submit(client_behind, "M00001") == answer

    assert proxy.connections == 2
    assert readings(crew) == [("M00000", 5983), ("M00001", 5983)]


def test_an_answer_that_is_lost_again_and_again_counts_once(client_behind, proxy, crew):
    client_behind.submit_reading("M00000", 5983, when=WHEN)
    proxy.lost_answers = 3

    client_behind.submit_reading("M00001", 5984, when=WHEN)

    assert proxy.connections == 4
    assert readings(crew) == [("M00000", 5983), ("M00001", 5984)]


def test_a_server_that_is_killed_and_comes_back_is_found_again(servers, database):
    server = servers.start("--database", database)
    with Proxy(server.port) as proxy, MeterClient("localhost", proxy.port) as client:
        client.login("carol", "carol")
        client.submit_and_next("M00000", 1, when=LONG_AGO)
        proxy.lost_answers = 1
        submission = start(lambda: client.submit_and_next("M00001", 2, when=LONG_AGO))
        wait_until(lambda: proxy.lost_answers == 0, "the reading is stored, and its reader does not know")
        server.kill()
        servers.start("--database", database, port=server.port)

        status, job = submission()
        assert (status, job.meter) == (Status(2, 2), "M00002")
    with SqliteStore(database) as store:
        assert readings(store) == [("M00000", 1), ("M00001", 2)]


def test_a_server_that_ends_in_order_and_comes_back_is_found_again(crew, clock):
    with (
        listening(Manager(crew, clock=clock)) as server,
        Proxy(server.port) as proxy,
        MeterClient("localhost", proxy.port) as client,
    ):
        client.login("carol", "carol")
        server.stop()
        submission = start(lambda: client.submit_reading("M00000", 1, when=WHEN))
        with listening(Manager(crew, clock=clock)) as again:
            proxy.server_port = again.port
            submission()

    assert readings(crew) == [("M00000", 1)]


def test_a_server_that_is_not_there_is_told_at_once():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

    words = f"Nobody answers at localhost:{port}: Connection refused"
    with ends_by(0), pytest.raises(ServerUnreachable, match=words):
        MeterClient("localhost", port)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 100, "x..y", ""])
def test_a_host_that_is_none_is_told(host):
    with pytest.raises(ServerUnreachable, match="Nobody answers at "):
        MeterClient(host, 1)


@pytest.mark.parametrize("port", [-1, 65536, 10**6])
def test_a_port_that_is_none_is_told(port):
    with pytest.raises(SettingError, match=f"Invalid port {port}"):
        MeterClient("localhost", port)


def test_while_nobody_answers_a_call_goes_on_trying_until_its_deadline(crew):
    with listening(Manager(crew)) as server:
        clients = [MeterClient("localhost", server.port, timeout=1.0) for _ in range(8)]

    def call(client):
        with ends_after(client.timeout, earliest=0.8 * client.timeout), pytest.raises(ConnectionFailed):
            client.ping()

    run_together(*(lambda client=client: call(client) for client in clients))
    for client in clients:
        client.close()


# --- servers that hang


@pytest.fixture
def frozen(servers, database):
    """A server to freeze: what is called with it runs while it is frozen, and it thaws at the end of the block."""
    server = servers.start("--database", database)

    @contextmanager
    def freeze():
        server.send(signal.SIGSTOP)
        wait_until(lambda: ") T " in Path(f"/proc/{server.pid}/stat").read_text(), "the server is frozen")
        try:
            yield
        finally:
            server.send(signal.SIGCONT)

    server.frozen = freeze
    return server


def test_while_the_server_is_frozen_every_call_ends_by_its_deadline(frozen):
    with ExitStack() as stack:
        idle, shared, busy = (stack.enter_context(MeterClient("localhost", frozen.port, timeout=1.0)) for _ in range(3))
        for client, name in ((idle, "adam"), (shared, "carol"), (busy, "eric")):
            client.login(name, name)
        many = [Row("X1", WHEN, 1, "\N{DOG}" * 500)] * 1000  # 6 MB

        def call(what):
            with ends_after(1.0), pytest.raises(DeadlineExceeded, match=r"^No answer from the server within 1 sec"):
                what()

        def connect_and_call():
            with MeterClient("localhost", frozen.port, timeout=1.0) as client:
                client.ping()

        with frozen.frozen():
            run_together(
                lambda: call(idle.get_job),
                lambda: call(shared.get_status),
                lambda: call(shared.get_status),  # waits for the other one
                lambda: call(shared.ping),
                lambda: call(lambda: busy.submit_readings(many)),  # more than a socket takes
                lambda: call(connect_and_call),
            )
            with ends_after(1.0), pytest.raises(DeadlineExceeded):  # and again, on new connections
                idle.ping()

        assert idle.get_job().meter == "M00000"
        assert shared.get_status() == Status(0, 0)
        assert busy.submit_readings([Row("M00002", LONG_AGO, 1)]) == [None]


def test_a_server_that_accepts_nobody_is_given_up_at_the_deadline():
    with ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        stack.enter_context(socket.create_connection(full.getsockname()))  # the one that may wait

        with ends_after(0.5), pytest.raises(DeadlineExceeded):
            MeterClient("127.0.0.1", full.getsockname()[1], timeout=0.5)


def test_a_network_that_lets_nothing_pass_is_given_up_at_the_deadline_and_used_again_when_it_does(proxy):
    with MeterClient("localhost", proxy.port, timeout=0.5) as client:
        client.login("carol", "carol")
        with proxy.deaf(), ends_after(0.5), pytest.raises(DeadlineExceeded):
            client.get_job()

        assert client.get_job().meter == "M00000"
        assert proxy.connections == 2  # the old one might have brought a late answer


def test_a_call_does_not_wait_for_that_of_another_thread_beyond_its_own_deadline(client_behind, proxy):
    def call():
        with pytest.raises(DeadlineExceeded):
            client_behind.get_job()

    with proxy.deaf():
        client_behind.timeout = 1.0
        other = start(call)
        wait_until(client_behind._lock.locked, "the other call is under way")
        client_behind.timeout = 0.3
        with ends_after(0.3):
            call()
        assert not other.is_there()
        other()


def test_a_late_answer_is_never_taken_for_that_of_a_later_call(proxy, adam):
    with MeterClient("localhost", proxy.port, timeout=0.4) as client:
        client.login("carol", "carol")
        client.get_status()
        assert client.get_job().meter == "M00000"
        proxy.delay = 0.6
        with pytest.raises(DeadlineExceeded):
            client.get_job()
        proxy.delay = 0

        for _ in range(3):
            assert client.get_status() == Status(0, 0)


def test_an_answer_byte_by_byte_is_an_answer(client_behind, proxy):
    proxy.trickles = True

    assert len(client_behind.get_jobs(3)) == 3
    assert client_behind.get_status() == Status(0, 0)
    with pytest.raises(UnknownMeter):
        client_behind.submit_reading("X1", 1, when=WHEN)


def test_an_answer_that_trickles_in_does_not_put_off_the_deadline(proxy):
    with MeterClient("localhost", proxy.port, timeout=0.5) as client:
        client.login("carol", "carol")
        proxy.trickles, proxy.delay = True, 0.1
        with ends_after(0.5), pytest.raises(DeadlineExceeded):
            client.get_jobs(20)


# --- peers that are no meter server


class Peer:
    """A server of one's own making: `script(socket)` is its part in each conversation."""

    def __init__(self, script):
        self._script = script
        self._talking = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="peer", daemon=True)
        self._thread.start()

    def _run(self):
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._talking.append(sock)
                sock.settimeout(5)
                with suppress(OSError):
                    self._script(sock)

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        for sock in (self._listener, *self._talking):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for sock in (self._listener, *self._talking):
            sock.close()


def message(kind, number, content):
    return frame(bytes([kind]) + brine.dump((number, content)))


def answers(*frames):
    """Make a script that answers each request with one of these, whatever it was."""

    def script(sock):
        for one in frames:
            sock.recv(65536)
            sock.sendall(one)
        while sock.recv(65536):
            pass

    return script


ROOT = message(consts.MSG_REPLY, 0, (consts.LABEL_REMOTE_REF, ("metermt.transport.service.MeterService", 1, 2)))
METHOD = message(consts.MSG_REPLY, 1, (consts.LABEL_REMOTE_REF, ("builtins.method", 3, 4)))


def result(value):
    """Make a script that answers the first call with this."""
    return answers(ROOT, METHOD, message(consts.MSG_REPLY, 2, (consts.LABEL_VALUE, value)))


def test_a_peer_that_says_nothing_is_given_up_at_the_deadline():
    with Peer(answers()) as peer, MeterClient("127.0.0.1", peer.port, timeout=0.5) as client:  # noqa: SIM117
        with ends_after(0.5), pytest.raises(DeadlineExceeded, match=r"No answer from the server within 0\.5 seconds"):
            client.ping()


def test_a_peer_that_always_hangs_up_is_told_by_the_deadline():
    with Peer(lambda sock: sock.close()) as peer, MeterClient("127.0.0.1", peer.port, timeout=0.5) as client:  # noqa: SIM117
        with ends_by(0.5), pytest.raises(ConnectionFailed):
            client.ping()


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(answers(b"SSH-2.0-OpenSSH_9.6\r\n"), id="SSH"),
        pytest.param(answers(Random(1).randbytes(100_000)), id="random bytes"),
        pytest.param(answers(frame(b"\xff\xfe\xfd")), id="message of no kind"),
        pytest.param(answers(frame(b"\x02\xff\xfe\xfd")), id="answer of garbage"),
        pytest.param(answers(frame(b"\x03\xff\xfe\xfd")), id="error of garbage"),
        pytest.param(answers(frame(b"\x02")), id="answer of nothing"),
        pytest.param(answers(frame(b"garbage", compressed=1)), id="compressed garbage"),
        pytest.param(answers(message(consts.MSG_REPLY, 0, (99, None))), id="label of no kind"),
        pytest.param(answers(message(consts.MSG_REPLY, 0, (consts.LABEL_LOCAL_REF, ("x", 1, 2)))), id="unknown object"),
        pytest.param(answers(message(consts.MSG_EXCEPTION, 0, 5)), id="error that is a number"),
        pytest.param(answers(message(consts.MSG_EXCEPTION, 0, ((1, 2), ("x",), 5, ""))), id="error of nonsense"),
        pytest.param(answers(message(consts.MSG_REQUEST, 0, (consts.HANDLE_DIR, ()))), id="question"),
    ],
)
def test_a_peer_that_talks_garbage_is_told_at_once(script):
    with Peer(script) as peer, MeterClient("127.0.0.1", peer.port) as client:
        for _ in range(2):
            with ends_by(0), pytest.raises(NotAMeterServer):
                client.ping()


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(answers(b"\0" * 6 * 1000), id="empty frames"),
        pytest.param(answers(message(consts.MSG_REPLY, 0, (consts.LABEL_VALUE, None))), id="no root"),
    ],
)
def test_a_peer_that_says_nothing_of_use_is_an_error_like_any_other(script):
    with Peer(script) as peer, MeterClient("127.0.0.1", peer.port, timeout=0.3) as client:
        for _ in range(2):
            with ends_by(0.3), pytest.raises(Error):
                client.ping()


@pytest.mark.parametrize(
    ("name", "arguments", "value"),
    [
        ("login", ("carol", "carol"), None),
        ("login", ("carol", "carol"), (1, 2, 3)),
        ("get_status", (), None),
        ("get_status", (), ("many", "more")),
        ("get_job", (), None),
        ("get_job", (), "[[]]"),
        ("submit_and_next", ("M00000", 1), "no tuple"),
        ("submit_and_next", ("M00000", 1), (1, 1, None)),
        ("submit_readings", ([Row("M00000", WHEN, 1)],), None),
        ("submit_readings", ([Row("M00000", WHEN, 1)],), "[1]"),
        ("submit_readings", ([Row("M00000", WHEN, 1)],), "[]"),
    ],
)
def test_an_answer_that_makes_no_sense_is_an_error_like_any_other(name, arguments, value):
    with Peer(result(value)) as peer, MeterClient("127.0.0.1", peer.port, timeout=0.5) as client, pytest.raises(Error):
        getattr(client, name)(*arguments)


@pytest.mark.parametrize("protocol", ["HTTP/1.0", "HTTP/1.1"])
def test_a_web_server_is_told_for_what_it_is(protocol):
    class Page(BaseHTTPRequestHandler):
        protocol_version = protocol

        def log_message(self, *_args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as web:
        serving = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01}, name="web")
        serving.start()
        try:
            with MeterClient("127.0.0.1", web.server_port) as client, pytest.raises(NotAMeterServer):
                client.ping()
        finally:
            web.shutdown()
            serving.join()


# --- nothing left behind


def test_a_conversation_that_fails_leaves_no_socket_behind():
    with socket.create_server(("127.0.0.1", 0)) as other:
        refusing = other.getsockname()[1]
    before = sockets_of("self")
    with (
        Peer(answers()) as mute,
        MeterClient("127.0.0.1", mute.port, timeout=0.2) as client,
        pytest.raises(DeadlineExceeded),
    ):
        client.ping()
    for host in ("127.0.0.1", "no-such-host.invalid"):
        with pytest.raises(ServerUnreachable):
            MeterClient(host, refusing)

    gc.collect()  # a socket that nobody has closed warns now, and warnings are errors
    assert sockets_of("self") == before


def test_a_client_that_has_logged_in_leaves_no_socket_behind(server):
    before = sockets_of("self")
    with MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        client.get_job()
    client.close()
    del client
    gc.collect()

    wait_until(lambda: sockets_of("self") == before, "both ends are closed")


def test_a_client_that_was_closed_connects_again_when_it_is_used(client):
    client.close()

    assert client.get_job().meter == "M00000"


def test_a_large_bulk_goes_through_after_a_reconnection_too(crew):
    with (
        listening(Manager(crew)) as server,
        Proxy(server.port) as proxy,
        MeterClient("localhost", proxy.port) as client,
    ):
        client.login("carol", "carol")
        proxy.cut()
        rows = [Row("M00000", WHEN, number, "\u00e4" * 500) for number in range(1000)]  # some three MiB

        assert client.submit_readings(rows) == [None] * 1000


def test_a_client_does_not_take_itself_for_a_server(monkeypatch):
    """Without a listener the system may choose the port that is called as the one to call from."""
    itself = socket.socket()
    itself.bind(("127.0.0.1", 0))
    itself.connect(itself.getsockname())
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: itself)

    with pytest.raises(ServerUnreachable, match="Nobody answers"):
        MeterClient("127.0.0.1", 11003)
