"""What a server counts of its work."""

import logging

import pytest
from conftest import make_jobs
from memory_fixtures import *  # noqa: F403 - the fixtures
from memory_fixtures import on_all_stores
from readers import WHEN, Reader, fail_to_log_in, is_shut_out, log_in, open_with_past
from servers import fill, listening

from metermt.calls import readings
from metermt.calls.asking import Ask
from metermt.calls.desk import Desk
from metermt.client.client import MeterClient
from metermt.counting import SECONDS, SIZES, Histogram
from metermt.errors import ConfirmReading, Error, StoreError
from metermt.model import Answer
from metermt.sparinglog import SparingLog


def calls(desk, name):
    """Return how many calls of this name had which outcome."""
    return {outcome: times for (call, outcome), times in desk.counting.counts().calls.items() if call == name}


def test_a_value_at_a_bound_counts_as_up_to_it():
    histogram = Histogram()
    for value in (0.0, 1e-4, 0.00011, 10.0, 10.1, 99.0):
        histogram.add(value)
    assert histogram.counts == [2, 1, *[0] * (len(SECONDS) - 3), 1, 2]
    assert histogram.total == pytest.approx(119.10021)


def test_calls_are_counted_by_what_came_of_them(desk):
    carol = Reader(desk)
    meter = carol.meter()
    carol.submit(meter)
    with pytest.raises(Error):
        carol.submit("G404")
    with pytest.raises(Error):
        Reader(desk, session_id="nobody's").submit(meter)
    assert calls(desk, "submit_reading") == {"ok": 1, "unknown-meter": 1, "session": 1}
    counts = desk.counting.counts()
    assert sum(counts.seconds["submit_reading"].counts) == 3
    assert 0 < counts.seconds["submit_reading"].total < 10
    assert counts.readings == {"accepted": 1, "refused": 1, "asked": 0}


def test_logins_wrong_passwords_and_lock_outs_are_counted(desk):
    log_in(desk)
    fail_to_log_in(desk, desk.policy.login_failures)
    assert is_shut_out(desk)
    assert calls(desk, "login") == {"ok": 1, "login": desk.policy.login_failures, "too-many-failures": 1}


def test_what_is_odd_is_counted_by_its_flag(desk_of_readers):
    desk = desk_of_readers
    open_with_past(desk, {"M00001": 1988})
    carol = Reader(desk)
    with pytest.raises(ConfirmReading):
        carol.submit("M00001", 87_712)
    assert desk.counting.counts().readings == {"accepted": 0, "refused": 0, "asked": 1}
    carol.submit("M00001", 87_712)
    assert desk.counting.counts().readings == {"accepted": 1, "refused": 0, "asked": 1}
    assert desk.counting.counts().flags == {"high": 1}


def test_a_key_that_is_sent_again_is_no_second_reading(desk):
    carol = Reader(desk)
    for _ in range(2):
        carol.submit("M00001", key="once")
    assert calls(desk, "submit_reading") == {"ok": 2}
    assert desk.counting.counts().readings["accepted"] == 1


def test_what_was_not_kept_is_not_counted_as_a_reading(desk, monkeypatch):
    carol = Reader(desk)

    written = desk.store.write

    def write(work):
        def work_and_fail(tx):
            work(tx)
            raise StoreError("the disk is full")

        return written(work_and_fail)

    monkeypatch.setattr(desk.store, "write", write)
    with pytest.raises(StoreError):
        carol.submit("M00001")
    assert desk.counting.counts().readings == {"accepted": 0, "refused": 0, "asked": 0}
    assert calls(desk, "submit_reading") == {"store": 1}


def test_a_turn_is_counted_once_however_often_its_work_was_run(desk, monkeypatch):
    readers = [Reader(desk, name) for name in ("carol", "adam", "eric")]
    asks = [
        Ask(readings.submit_reading, reader.caller, reader.session_id, Answer(f"M0000{n}", 5, "", WHEN))
        for n, reader in enumerate(readers)
    ]
    written = desk.store.write

    def write_after_a_failure(work):
        def work_and_fail(tx):
            work(tx)
            raise StoreError("another transaction was in the way")

        with pytest.raises(StoreError):
            written(work_and_fail)
        return written(work)

    monkeypatch.setattr(desk.store, "write", write_after_a_failure)
    assert desk.answer(asks) == [None, None, None]
    counts = desk.counting.counts()
    assert counts.readings["accepted"] == 3
    assert calls(desk, "submit_reading") == {"ok": 3}
    assert counts.turns.counts[SIZES.index(4)] == 1


def test_a_bulk_that_is_kept_in_parts_is_one_call(store, demo_accounts):
    desk = Desk(fill(store, demo_accounts, make_jobs(250)))
    with listening(desk) as server, MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        answers = [Answer(f"M{n:05}", 5, "", WHEN) for n in range(250)]
        client.submit_readings(answers)
        assert calls(desk, "submit_readings") == {"ok": 1}
        assert desk.counting.counts().readings["accepted"] == 250


def test_the_queues_of_a_server_can_be_looked_at(desk):
    with listening(desk):
        names = {"requests", "reads", "writes", "long calls", "bulks"}
        assert names <= desk.counting.waiting.keys()
        assert {desk.counting.waiting[name]() for name in names} == {0}


@on_all_stores
def test_a_store_tells_what_it_is_and_how_long_its_commits_take(desk, store):
    Reader(desk).submit("M00001")
    figures = store.figures()
    if type(store).__name__ == "MemoryStore":
        assert (figures.engine, figures.size, sum(figures.commits.counts)) == ("memory", None, 0)
        return
    assert figures.engine.startswith(("SQLite 3.", "PostgreSQL 1"))
    assert figures.size > 10_000
    assert sum(figures.commits.counts) >= 2, "the login and the reading"
    assert figures.waiting == 0


def test_lines_that_are_held_back_are_counted_by_their_kind(caplog):
    journal = SparingLog(logging.getLogger("metermt.server"))
    for _ in range(3):
        journal.warning("wrong passwords", "10.0.0.1", "wrong password for carol")
    assert journal.held_back == {"wrong passwords": 2}
