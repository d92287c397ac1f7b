"""What a server tells the system's service manager, which starts it anew when it hangs."""

import signal
import socket
from contextlib import contextmanager
from threading import Event

import pytest
from conftest import DEADLINE, wait_until

from metermt import heartbeat
from metermt.calls.desk import Desk
from metermt.errors import StoreAway
from metermt.servicemanager import ServiceManager
from metermt.serving import RunningServer, ServerSettings
from metermt.store.memory.store import MemoryStore
from metermt.transport.server import MeterServer


@pytest.fixture(params=["file", "no file"])
def manager(request, tmp_path, monkeypatch):
    """The socket of a service manager: a file, or a name that is none."""
    name = str(tmp_path / "notify") if request.param == "file" else f"@metermt-{tmp_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(name.replace("@", "\0"))
        sock.settimeout(DEADLINE)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield sock


@pytest.fixture
def running(database, monkeypatch):
    """A server in threads of this process that looks after itself all the time; and how often it was well."""
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.005)
    times = []
    with RunningServer(ServerSettings(port=0, database=database), well=lambda: times.append(1)) as server:
        yield server, times


def test_the_service_manager_is_told_that_a_server_is_ready_and_that_it_ends(manager, servers):
    server = servers.start("--demo")
    assert manager.recv(100) == b"READY=1"
    server.stop()
    assert manager.recv(100) == b"STOPPING=1"


def test_a_service_manager_that_is_gone_is_logged_once(manager, caplog):
    told = ServiceManager()
    told.well()
    assert manager.recv(100) == b"WATCHDOG=1"
    manager.close()
    for _ in range(3):
        told.well()

    (words,) = [record.getMessage().partition(" could ")[2] for record in caplog.records]
    assert words == "not be told WATCHDOG=1: [Errno 111] Connection refused"


def test_without_a_service_manager_nobody_is_told(monkeypatch, caplog):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    ServiceManager().ready()
    assert caplog.records == []


@pytest.mark.parametrize("loop", ["switchboard", "strangers"])
def test_a_server_is_not_well_while_a_thread_that_answers_clients_hangs(running, monkeypatch, loop):
    server, times = running
    assert_well(times)
    hung = getattr(server._server, loop)
    with hanging(hung, "_keep_time", monkeypatch):
        place = ["switchboard", "strangers"].index(loop)
        beats = said_what_went_before(server, place, hung, monkeypatch)
        before = len(times)
        wait_until(lambda: len(beats) > 10, "the store has answered some times")
        assert len(times) == before
    assert_well(times)


def test_a_server_is_not_well_while_the_loop_for_http_hangs(database, monkeypatch):
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.005)
    monkeypatch.setattr("metermt.web.door._LOOK_SECONDS", 0.005)
    settings, times = ServerSettings(port=0, database=database, http=("localhost", 0)), []
    with RunningServer(settings, well=lambda: times.append(1)) as server:
        assert_well(times)
        go_on, hangs = Event(), Event()
        server._web._loop.call_soon_threadsafe(lambda: (hangs.set(), go_on.wait(DEADLINE)))
        try:
            assert hangs.wait(DEADLINE)
            beats = said_what_went_before(server, 2, server._web, monkeypatch)
            before = len(times)
            wait_until(lambda: len(beats) > 10, "the store has answered some times")
            assert len(times) == before
        finally:
            go_on.set()
        assert_well(times)


def test_a_server_is_not_well_while_its_store_hangs(running, monkeypatch):
    server, times = running
    switchboard = server._server.switchboard
    assert_well(times)
    with hanging(server.store, "write", monkeypatch):
        before, turned = len(times), switchboard.rounds
        switchboard.wake()
        wait_until(lambda: switchboard.rounds > turned, "the switchboard turns")
        assert len(times) == before
    assert_well(times)


def test_a_database_that_is_away_is_no_reason_to_start_a_server_anew(running, monkeypatch):
    server, times = running

    def fail(_work):
        raise StoreAway

    with monkeypatch.context() as patched:
        patched.setattr(server.store, "write", fail)
        assert_well(times)


@pytest.mark.parametrize("fault", ["watch", "seal"])
def test_a_sign_of_life_that_fails_unexpectedly_is_logged_and_the_next_one_is_given(
    monkeypatch, expected_errors, fault
):
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.001)
    fails, times = [1], {"watch": 0, "seal": 0, "answered": 0}

    def count(name):
        times[name] += 1
        if fails and name == fault:
            raise ZeroDivisionError

    monkeypatch.setattr(heartbeat, "seal", lambda *_: count("seal"))
    desk = Desk(MemoryStore())
    with heartbeat.heartbeat(desk, lambda: count("watch"), lambda: count("answered")):
        wait_until(lambda: times["watch"] > 2 and times["seal"] > 2, "it went on")
        assert times["answered"] == 0
        fails.clear()
        wait_until(lambda: times["answered"] > 1, "it is well again")
    assert [record.exc_info[0] for record in expected_errors] == [ZeroDivisionError]


def test_the_stacks_of_all_threads_are_printed_when_a_hung_server_is_ended(servers):
    server = servers.start("--demo")

    assert server.stop(signal.SIGABRT) == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in server.errors
    assert server.errors.count("Thread 0x") >= 2


def assert_well(times):
    before = len(times)
    wait_until(lambda: len(times) > before + 2, "the server says that it is well")


@contextmanager
def hanging(thing, name, monkeypatch):
    """Have a method of a thing hang until the block ends; it hangs when the block begins."""
    hangs, goes_on = Event(), Event()
    method = getattr(thing, name)

    def hang(*args, **kwargs):
        hangs.set()
        goes_on.wait(DEADLINE)
        return method(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(thing, name, hang)
        assert hangs.wait(DEADLINE)
        try:
            yield
        finally:
            goes_on.set()


def said_what_went_before(server, place, loop, monkeypatch):
    """Wait until all was said of how a loop turned before it hung, as others may be late; return the beats since."""
    wait_until(lambda: server._rounds[place] == loop.rounds, "it is known how often it turned")
    beats = calls_of(server.store, "write", monkeypatch)
    wait_until(lambda: len(beats) > 2, "what was said before it hung is over")
    return beats


def calls_of(thing, name, monkeypatch):
    """Return a list that grows with each call of a method that has ended."""
    calls, method = [], getattr(thing, name)

    def count(*args, **kwargs):
        outcome = method(*args, **kwargs)
        calls.append(1)
        return outcome

    monkeypatch.setattr(thing, name, count)
    return calls


def test_both_doors_end_at_once_so_that_neither_takes_the_others_time(database, monkeypatch):
    settings, told = ServerSettings(port=0, database=database, http=("localhost", 0)), []
    stop = MeterServer.stop
    with RunningServer(settings) as server:
        ending = Event()
        monkeypatch.setattr(server._web, "stop", lambda _deadline: told.append(ending.wait(DEADLINE)))
        monkeypatch.setattr(MeterServer, "stop", lambda *args: (ending.set(), stop(*args))[-1])
        server.stop()
        monkeypatch.undo()
    assert told == [True]
