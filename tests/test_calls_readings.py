"""Whose reading is accepted, and which is refused."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from conftest import CYCLE, HUGE, NOW, dump, make_jobs
from readers import WHEN, Reader, as_office, readings_in

from metermt.calls import cycles, readings, rounds
from metermt.calls.asking import MAX_ITEMS, Ask
from metermt.errors import (
    AlreadyRead,
    CallError,
    Error,
    InvalidKey,
    InvalidReading,
    InvalidReason,
    InvalidTime,
    MeterLeased,
    UnknownCycle,
    UnknownMeter,
)
from metermt.model import Answer, Status
from metermt.rules.answers import MAX_REASON

REFUSED = {
    "a text": (InvalidReading, {"value": "5"}),
    "a float": (InvalidReading, {"value": 5.0}),
    "not a number": (InvalidReading, {"value": float("nan")}),
    "nothing": (InvalidReading, {"value": None}),
    "a bool": (InvalidReading, {"value": True}),
    "bytes with a reason": (InvalidReading, {"value": b"5", "reason": "dog"}),
    "below zero without a reason": (InvalidReading, {"value": -1}),
    "far below zero without a reason": (InvalidReading, {"value": -HUGE}),
    "below zero with a blank reason": (InvalidReading, {"value": -1, "reason": "   "}),
    "one digit more than the dials": (InvalidReading, {"value": 100_000}),
    "many digits more than the dials": (InvalidReading, {"value": HUGE}),
    "a long reason": (InvalidReason, {"reason": "x" * (MAX_REASON + 1)}),
    "a reason in two lines": (InvalidReason, {"reason": "dog\ncat"}),
    "a reason with a terminal's code": (InvalidReason, {"reason": "\x1b[2J"}),
    "a reason with a lone surrogate": (InvalidReason, {"reason": "dog \ud800"}),
    "a reason that is none": (InvalidReason, {"reason": None}),
    "a reason that is a number": (InvalidReason, {"reason": HUGE}),
    "a time that is a number": (InvalidTime, {"when": HUGE}),
    "a time nobody can read": (InvalidTime, {"when": "soon"}),
    "a time with a lone surrogate": (InvalidTime, {"when": "\ud800"}),
    "a time that is not in the calendar": (InvalidTime, {"when": "2026-11-31T10:00:00Z"}),
    "a time more than ten minutes ahead": (InvalidTime, {"when": "2026-11-20T10:10:01Z"}),
    "a datetime more than ten minutes ahead": (InvalidTime, {"when": NOW + timedelta(minutes=10, seconds=1)}),
    "the end of the calendar": (InvalidTime, {"when": datetime.max}),
    "a time before 1970": (InvalidTime, {"when": "1969-12-31T23:59:59Z"}),
    "an unknown meter": (UnknownMeter, {"meter": "G404"}),
    "a meter that is no text": (UnknownMeter, {"meter": 7}),
    "a meter that is nothing": (UnknownMeter, {"meter": None}),
    "a meter that is bytes": (UnknownMeter, {"meter": b"M00003"}),
    "a meter with a lone surrogate": (UnknownMeter, {"meter": "\ud800"}),
    "a meter with a null": (UnknownMeter, {"meter": "M00003\0"}),
    "a cycle that is not there": (UnknownCycle, {"cycle": "2026-13"}),
    "a cycle that is no text": (UnknownCycle, {"cycle": HUGE}),
    "an empty cycle": (UnknownCycle, {"cycle": ""}),
    "a cycle with a lone surrogate": (UnknownCycle, {"cycle": "\ud800"}),
    "a meter leased to somebody else": (MeterLeased, {"meter": "M00000"}),
    "a meter read by somebody else": (AlreadyRead, {"meter": "M00001"}),
    "a key that is no text": (InvalidKey, {"key": 7}),
    "an empty key": (InvalidKey, {"key": ""}),
    "a long key": (InvalidKey, {"key": "x" * 65}),
    "a key with a lone surrogate": (InvalidKey, {"key": "\ud800"}),
    "a key of another reading": (InvalidKey, {"key": "used"}),
}


@pytest.fixture
def busy(desk, carol, adam):
    """Adam has M00000 in hand and has read M00001; Carol has read M00002 with the key `used`."""
    adam.meter()
    adam.submit("M00001")
    carol.submit("M00002", key="used")
    return desk


def refusal(carol, call, fields):
    """Return the error that Carol gets for an answer with these fields."""
    answer = Answer(**({"meter": "M00003", "value": 5, "when": WHEN} | fields))
    if call == "submit_readings":
        (outcome,) = carol.submit_many([answer])
        return outcome
    with pytest.raises(Error) as caught:
        carol.ask(getattr(readings, call), answer)
    return caught.value


@pytest.mark.parametrize("store", ["memory"], indirect=True)  # all of them: below
@pytest.mark.parametrize("refused", REFUSED)
@pytest.mark.parametrize("call", ["submit_reading", "submit_and_next", "submit_readings"])
def test_a_reading_is_refused_with_an_error_that_says_why_and_nothing_changes(busy, carol, adam, call, refused):
    error, fields = REFUSED[refused]
    before = dump(busy.store)
    outcome = refusal(carol, call, fields)
    assert type(outcome) is error
    assert 10 < len(str(outcome)) < 250
    assert str(outcome).encode(), "the text can be sent and shown"
    assert dump(busy.store) == before
    assert adam.meters(5) == ["M00000", "M00003", "M00004"], "somebody got a lease, or lost one"


@pytest.mark.parametrize("call", ["submit_reading", "submit_and_next", "submit_readings"])
def test_no_reading_that_is_refused_changes_anything_in_any_store(busy, carol, adam, call):
    before = dump(busy.store)
    outcomes = {refused: type(refusal(carol, call, fields)) for refused, (_, fields) in REFUSED.items()}
    assert outcomes == {refused: error for refused, (error, _) in REFUSED.items()}
    assert dump(busy.store) == before
    assert adam.meters(5) == ["M00000", "M00003", "M00004"], "somebody got a lease, or lost one"


def test_a_long_name_of_an_unknown_meter_is_not_repeated_in_full(carol):
    with pytest.raises(UnknownMeter) as caught:
        carol.submit("G" * 10**6)
    assert len(str(caught.value)) < 250


# --- values, reasons, times


def test_zero_is_a_reading(desk, carol):
    carol.submit("M00000", 0)
    (reading,) = readings_in(desk.store)
    assert (reading.answer.value, reading.answer.reason) == (0, "")
    assert carol.status() == Status(1, 1)


@pytest.mark.parametrize("value", [None, -1, -7, -HUGE], ids=["none", "-1", "-7", "huge"])
def test_without_a_value_or_below_zero_there_is_only_the_reason(desk, carol, value):
    carol.submit("M00000", value, "  dog in the yard ")
    (reading,) = readings_in(desk.store)
    assert (reading.answer.value, reading.answer.reason) == (None, "dog in the yard")
    assert carol.status() == Status(1, 1)


def test_a_reading_may_have_a_reason_beside_it(desk, carol):
    carol.submit("M00000", 99_999, "ü" * MAX_REASON)
    (reading,) = readings_in(desk.store)
    assert (reading.answer.value, reading.answer.reason) == (99_999, "ü" * MAX_REASON)


@pytest.mark.parametrize(
    "when",
    [
        "2026-11-20T09:55:00Z",
        "2026-11-20T10:55:00+01:00",
        "2026-11-20 04:55:00-05:00",
        datetime(2026, 11, 20, 9, 55, tzinfo=UTC),
        datetime(2026, 11, 20, 10, 55, tzinfo=timezone(timedelta(hours=1))),
        "2026-11-20T04:55:00",
        datetime(2026, 11, 20, 4, 55),
    ],
)
def test_a_time_is_kept_in_utc_and_is_local_time_without_an_offset(desk, carol, monkeypatch, when):
    with monkeypatch.context() as new_york:
        new_york.setenv("TZ", "America/New_York")
        time.tzset()
        try:
            carol.submit("M00000", when=when)
        finally:
            new_york.undo()
            time.tzset()
    (reading,) = readings_in(desk.store)
    assert reading.answer.when == datetime(2026, 11, 20, 9, 55, tzinfo=UTC)
    assert reading.recorded_at == NOW


def test_without_a_time_the_meter_is_read_now(desk, carol):
    carol.submit("M00000", when=None)
    (reading,) = readings_in(desk.store)
    assert reading.answer.when == reading.recorded_at == NOW


def test_a_readers_clock_may_be_ten_minutes_ahead(carol):
    carol.submit("M00000", when=NOW + timedelta(minutes=10))
    assert carol.status() == Status(1, 1)


# --- which job, whose job


def test_a_meter_may_be_read_without_being_handed_out(carol):
    carol.submit("M00004")
    assert carol.status() == Status(1, 1)


def test_a_reading_may_come_after_the_lease_ended_and_in_another_session(desk, carol, clock):
    meter = carol.meter()
    clock.move(hours=3)
    Reader(desk).submit(meter)
    assert carol.status() == Status(1, 1)


# --- keys and corrections


def test_the_same_key_counts_once(desk, carol):
    for when in (WHEN, "2026-11-20T09:56:00Z"):
        assert carol.submit("M00000", when=when, key="key-1") is None
    assert len(readings_in(desk.store)) == 1
    with pytest.raises(InvalidKey):
        carol.submit("M00000", 6, key="key-1")


def test_a_key_is_known_when_the_cycle_is_closed(desk, carol):
    carol.submit("M00000", key="key-1")
    as_office(desk, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    assert carol.submit("M00000", key="key-1") is None


def test_two_readers_may_use_the_same_key(desk, carol, adam):
    carol.submit("M00000", key="key-1")
    adam.submit("M00001", key="key-1")
    assert [reading.username for reading in readings_in(desk.store)] == ["carol", "adam"]


def test_readers_may_correct_themselves(desk, carol, adam):
    carol.submit("M00000", 5)
    carol.submit("M00000", 6)
    assert [(one.answer.value, one.counts) for one in readings_in(desk.store)] == [(5, False), (6, True)]
    assert adam.status() == Status(0, 1)


# --- several calls in one


def test_a_reading_is_answered_with_the_status_and_the_next_job(carol, adam):
    carol.meter()
    assert carol.submit_and_next("M00000") == readings.Next(Status(1, 1), make_jobs(2)[1])
    assert adam.meter() == "M00004"
    assert carol.meter() == "M00001"


def test_the_last_reading_is_answered_without_a_job(carol, adam):
    adam.meters(4)
    assert carol.submit_and_next("M00004", -1, "dog") == readings.Next(Status(1, 1), None)


def test_many_readings_are_judged_one_by_one(busy, carol):
    bad = [Answer(**({"meter": "M00003", "value": 5, "when": WHEN} | fields)) for _, fields in REFUSED.values()]
    good = [
        Answer("M00003", 5, "", WHEN, "k1"),
        Answer("M00004", -1, "dog", WHEN, "k2"),
        Answer("M00003", 5, "", WHEN, "k1"),
    ]
    outcomes = carol.submit_many([good[0], *bad, *good[1:]])
    assert outcomes[0] is outcomes[-1] is outcomes[-2] is None
    assert [type(outcome) for outcome in outcomes[1:-2]] == [error for error, _ in REFUSED.values()]
    assert carol.status() == Status(3, 4)


def test_one_of_many_readings_may_correct_another(desk, carol):
    assert carol.submit_many([Answer("M00000", 5), Answer("M00000", 6), Answer("M00000", 7)]) == [None] * 3
    assert [(one.answer.value, one.counts) for one in readings_in(desk.store)] == [(5, False), (6, False), (7, True)]
    assert carol.status() == Status(1, 1)


def test_no_more_than_a_thousand_readings_come_at_once(desk, carol):
    before = dump(desk.store)
    with pytest.raises(CallError, match="at most 1000 readings"):
        carol.submit_many([Answer("M00000", 5)] * (MAX_ITEMS + 1))
    assert dump(desk.store) == before
    assert carol.submit_many([]) == []


def test_the_status_is_over_the_open_cycles(desk, carol, adam):
    carol.submit("M00000")
    adam.submit("M00001")
    assert [carol.status(), adam.status()] == [Status(1, 2), Status(1, 2)]
    as_office(desk, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    assert carol.status() == Status(0, 0)


# --- several readers at once


def test_of_two_readers_at_once_the_first_has_read_the_meter(desk, carol, adam):
    asks = [
        Ask(readings.submit_reading, reader.caller, reader.session_id, Answer("M00000", value))
        for reader, value in ((carol, 5), (adam, 6), (carol, 7))
    ]
    accepted, refused, corrected = desk.answer(asks)
    assert accepted is corrected is None
    assert type(refused) is AlreadyRead
    assert [(one.username, one.answer.value, one.counts) for one in readings_in(desk.store)] == [
        ("carol", 5, False),
        ("carol", 7, True),
    ]
    assert adam.status() == Status(0, 1)


def test_readers_who_submit_at_once_are_each_handed_another_meter(desk, carol, adam):
    asks = [
        Ask(readings.submit_and_next, reader.caller, reader.session_id, Answer(meter, value))
        for reader, meter, value in ((carol, "M00000", 1), (adam, "M00001", -1), (adam, "M00002", 3))
    ]
    first, refused, last = desk.answer(asks)
    assert type(refused) is InvalidReading
    assert (first.status, last.status) == (Status(1, 2), Status(1, 2))
    assert [first.job.meter.number, last.job.meter.number] == ["M00001", "M00004"]


def test_the_last_jobs_of_a_walk_are_read_at_once_a_skipped_one_among_them_and_nobody_holds_them(desk, clock):
    """What was found before the answers were kept is handed out no more."""
    carol, adam = Reader(desk, "carol"), Reader(desk, "adam")
    carol.submit_many([Answer(f"M0000{number}", 5, when=WHEN) for number in range(3)])
    assert (carol.meter(), adam.meter()) == ("M00003", "M00004")
    adam.ask(rounds.skip_job, rounds.Skipped("M00004"))
    clock.move(minutes=31)
    asks = [
        Ask(readings.submit_and_next, reader.caller, reader.session_id, Answer(meter, 5, when=WHEN))
        for reader, meter in ((carol, "M00003"), (adam, "M00004"))
    ]
    nexts = desk.answer(asks)
    assert [(one.status.total, one.job) for one in nexts] == [(5, None)] * 2
