"""A store that fails, that another process has locked, or that is busy: the switchboard goes on, with few threads."""

import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import apsw
import pytest
from conftest import DEADLINE, make_jobs, run_together, start, wait_until
from peers import VALUE, made_up_calls, own_threads, wait_until_taken_over
from readers import WHEN
from servers import ServerProcess, listening, make_database
from switchboard_fixtures import *  # noqa: F403 - the fixtures
from switchboard_fixtures import values

from metermt import MeterClient
from metermt.calls.asking import Ask, Weight
from metermt.calls.desk import Desk
from metermt.calls.table import call
from metermt.calls.turn import Turn
from metermt.errors import StoreError
from metermt.model import Answer, Role


@pytest.fixture
def process(tmp_path, demo_accounts):
    """A server in a process of its own, with jobs for M00000 to M01999."""
    database = make_database(tmp_path / "metermt.db", demo_accounts, make_jobs(2000))
    with ServerProcess(tmp_path, "--database", database) as process:
        process.database = database
        yield process
        assert "Traceback" not in process.errors


# --- a store that fails


def test_when_a_commit_fails_all_who_wrote_are_told_and_nothing_is_written(server, store, connect, expected_errors):
    clients = [connect(server, name) for name in ("adam", "carol", "eric")]
    failing = threading.Event()
    store._connection.set_commit_hook(failing.is_set)  # true makes a commit fail
    failing.set()

    def submitted(client, n):
        try:
            client.submit_reading(f"M{n:05}", n)
        except StoreError as error:
            return str(error)

    told = run_together(*(lambda n=n, client=client: submitted(client, n) for n, client in enumerate(clients)))
    assert ["try again later" in words for words in told] == [True] * 3
    assert values(store) == {}

    failing.clear()
    for n, client in enumerate(clients):
        client.submit_reading(f"M{n:05}", n)
    assert values(store) == {"M00000": 0, "M00001": 1, "M00002": 2}
    assert len(expected_errors) == 1  # those that come again are counted


# --- a store that another process has locked


LOCK = """
import sys, apsw
connection = apsw.Connection(sys.argv[1])
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""


@contextmanager
def locked(database):
    """Have another process hold the right to write during the block."""
    command = [sys.executable, "-c", LOCK, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"locked\n"
        yield
        other.stdin.close()
        assert other.wait(20) == 0


def test_while_another_process_writes_all_who_write_wait_and_nobody_else(process, connect):
    writers = [connect(process, name) for name in ("adam", "carol", "eric", "gwenda") * 2]
    asker = connect(process, "adam")
    for client in (*writers, asker):
        client.get_status()
    quiet = process.threads

    with locked(process.database):
        until = time.monotonic() + 1
        waiting = [
            start(lambda client=client, n=n: client.submit_reading(f"M{n:05}", n)) for n, client in enumerate(writers)
        ]
        took, threads = [], set()
        while time.monotonic() < until or len(took) < 10:
            asked = time.monotonic()
            assert asker.get_status().total == 0
            took.append(time.monotonic() - asked)
            threads.add(process.threads)
        assert not any(result.is_there() for result in waiting)
    released = time.monotonic()
    for result in waiting:
        result()

    assert time.monotonic() - released < 8  # of the ten that they would wait
    assert sorted(took)[len(took) // 2] < 0.3  # who waits for those who write is answered once, after a second
    assert max(threads) <= quiet
    assert asker.get_status().total == len(writers)


def test_newcomers_log_in_once_the_other_process_has_written(process, connect):
    reader = connect(process)
    with locked(process.database):
        logging_in = start(lambda: connect(process, "adam").get_status())
        for _ in range(20):
            assert reader.get_status().total == 0
        assert not logging_in.is_there()

    assert logging_in().total == 0


def test_who_waits_for_the_store_and_goes_away_is_let_go_of(server, store, connect, stranger):
    going, staying = stranger(server), connect(server, "adam")
    session = going.log_in()
    wait_until_taken_over()
    other = apsw.Connection(str(store.path))
    other.execute("BEGIN IMMEDIATE")
    try:
        going.call("submit_reading", *((VALUE, value) for value in (session, "M00000", None, 7)))
        wait_until(lambda: server.switchboard._queues[1].begun, "the store is at it")
        going.close()
        assert staying.get_status().total == 0
    finally:
        other.execute("ROLLBACK")
        other.close()
    wait_until(lambda: server.connections == 1, "the server has noticed")
    assert staying.get_status().total == 1  # it was sent, and kept
    assert connect(server).get_job().meter.number == "M00001"


class SlowAnswers:
    """Answers of the store that are there when the test says so."""

    def __init__(self, answers, are_there):
        self._answers, self._are_there = answers, are_there
        self.begun = self

    def wait(self, _seconds):
        return self._are_there() and self._answers.begun.wait(DEADLINE)

    def outcomes(self):
        return self._answers.outcomes()


def test_who_goes_away_just_as_the_store_is_ready_for_others_is_connected_no_more(server, desk, connect, stranger):
    staying, going = connect(server), stranger(server)
    session = going.log_in("adam")
    wait_until_taken_over()
    begin, writers = desk.begin, server.switchboard._queues[1]

    def comes_and_goes():  # at the last look at the store before it is his turn
        return bool(writers.waiting) and going.close() is None

    looks = [comes_and_goes, iter([False, False, True]).__next__]
    desk.begin = lambda asks, wake: SlowAnswers(begin(asks, wake), looks.pop(0))
    submitting = start(lambda: staying.submit_reading("M00000", 7))
    wait_until(lambda: writers.begun, "the store is at the reading of one")
    going.call("submit_reading", *((VALUE, value) for value in (session, "M00001", WHEN, 8)))
    submitting()
    wait_until(lambda: len(values(desk.store)) == 2, "both are kept")
    wait_until(lambda: not writers.begun, "both were answered")

    desk.begin = begin
    assert staying.get_status().total == 2
    wait_until(lambda: server.connections == desk.sessions.connected == 1, "one is gone")


def test_a_server_that_stops_while_another_process_writes_answers_when_it_may(desk, store, connect):
    other = apsw.Connection(str(store.path))
    with listening(desk) as server:
        client = connect(server, timeout=20)
        wait_until_taken_over()
        other.execute("BEGIN IMMEDIATE")
        waiting = start(lambda: client.submit_reading("M00000", 7))
        wait_until(lambda: server.switchboard._queues[1].begun, "the store is at it")
        for _ in range(20):
            assert connect_and_ask(server) == 0
        assert not waiting.is_there()
        stopping = start(server.stop)
        wait_until(lambda: not server.active, "it stops")
        other.execute("ROLLBACK")
        other.close()
        assert stopping()
        waiting()
    assert values(store) == {"M00000": 7}


def connect_and_ask(server):
    with MeterClient("localhost", server.port) as client:
        client.hello()
    return 0


# --- calls that take long


def test_large_bulks_of_one_do_not_make_threads_for_all(process, connect):
    readers = [connect(process, name) for name in ("adam", "carol", "eric", "gwenda") * 2]
    bulky = connect(process)
    for client in (*readers, bulky):
        client.get_status()

    def send_bulks():
        for begin in range(100, 1100, 20):  # those before are in the hands of the others
            rows = [Answer(f"M{n:05}", n) for n in range(begin, begin + 20)]
            assert bulky.submit_readings(rows) == [None] * 20
        for begin in range(1100, 1700, 200):
            rows = [Answer(f"M{n:05}", n) for n in range(begin, begin + 200)]
            assert bulky.submit_readings(rows) == [None] * 200

    def read_one_by_one(client):
        while not sent.is_there():
            client.get_job()
            client.get_status()

    sent = start(send_bulks)
    reading = [start(lambda client=client: read_one_by_one(client)) for client in readers]
    most = 0
    while not sent.is_there():
        most = max(most, process.threads)
    sent()
    for result in reading:
        result()

    assert 3 <= most <= 8
    assert bulky.get_status().total == 1600


@pytest.fixture
def slow_calls():
    """A call that waits, those that were asked for, and an event that lets them go on."""
    with made_up_calls():
        running, goes_on = [], threading.Event()

        @call(Role.READER, Weight.LONG, parameters={})
        def wait_for_it(desk: Desk, ask: Ask[None]) -> int:
            running.append(ask)
            assert goes_on.wait(20)
            return len(running)

        yield wait_for_it, running, goes_on
        goes_on.set()


def test_calls_that_take_long_are_four_at_once_and_hold_up_nobody(server, connect, slow_calls):
    wait_for_it, running, goes_on = slow_calls
    slow = [connect(server, timeout=20) for _ in range(6)]
    quick = connect(server, "adam")
    wait_until_taken_over()
    waiting = [start(lambda client=client: client.call(wait_for_it, None)) for client in slow]
    wait_until(lambda: len(running) == 4, "four are being answered")
    for n in range(20):
        quick.submit_reading(f"M{n:05}", n)

    assert len(running) == 4
    assert own_threads() == []
    goes_on.set()
    assert sorted(result() for result in waiting)[-1] == 6
    assert sum(thread.name == "long calls" for thread in threading.enumerate()) == 4


def test_large_requests_wait_for_one_another_and_small_ones_of_the_same_call_do_not(server, connect):
    goes_on, begun = threading.Event(), threading.Event()
    with made_up_calls():

        @call(Role.READER, Weight.READ, parameters={}, is_large=lambda _: True)
        def wait_for_it(turn: Turn, ask: Ask[None]) -> int:
            begun.set()
            assert goes_on.wait(20)
            return 0

        slow, large, small = connect(server, timeout=20), connect(server, timeout=20), connect(server, "adam")
        wait_until_taken_over()
        waiting = start(lambda: slow.call(wait_for_it, None))
        wait_until(begun.is_set, "the thread for large requests is busy")
        bulk = start(lambda: large.submit_readings([Answer(f"M{n:05}", n) for n in range(300, 400)]))
        for _ in range(50):  # in which a bulk would be over
            assert small.submit_readings([Answer(f"M{n:05}", n) for n in range(20)]) == [None] * 20
            assert len(small.get_jobs(20)) == 20

        assert not bulk.is_there()
        goes_on.set()
        assert bulk() == [None] * 100
        assert len(large.get_jobs(200)) == 200
        waiting()


def test_a_server_that_stops_answers_the_calls_that_take_long(desk, connect, slow_calls):
    wait_for_it, running, goes_on = slow_calls
    with listening(desk) as server:
        clients = [connect(server, timeout=20) for _ in range(3)]
        wait_until_taken_over()
        waiting = [start(lambda client=client: client.call(wait_for_it, None)) for client in clients]
        wait_until(lambda: len(running) == 3, "all are being answered")
        stopping = start(server.stop)
        wait_until(lambda: not server.active, "it stops")
        goes_on.set()
        assert stopping()
        assert [result() for result in waiting] == [3] * 3


def test_who_goes_away_during_a_long_call_is_let_go_of_when_it_is_over(server, connect, slow_calls):
    wait_for_it, _, goes_on = slow_calls
    client = connect(server)
    wait_until_taken_over()
    client.timeout = 0.3
    with pytest.raises(Exception, match="No answer"):
        client.call(wait_for_it, None)
    client.close()
    goes_on.set()

    wait_until(lambda: server.connections == 0, "the server has noticed")
