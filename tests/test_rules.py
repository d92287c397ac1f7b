"""Judging a reading."""

import re
import time
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from conftest import NOW, refusal_of
from hypothesis import assume, example, given
from hypothesis import strategies as st

from metermt.errors import AlreadyRead, InvalidReading, InvalidReason, InvalidTime, MeterLeased, UnknownMeter
from metermt.model import MAX_DIALS, Meter
from metermt.rules import MAX_AHEAD, check_dials, check_free, meter_of, reason_of, time_of, value_of

HUGE = 10**5000  # more digits than Python turns into a text
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.datetimes(),
    st.just("\ud800"),
    st.builds(object),
    st.lists(st.integers(), max_size=3),
)


def assert_is_none_or_can_be_shown(refusal, expected):
    """Assert that nothing but the expected error was raised, and that its text is fit for a screen."""
    assert refusal is None or type(refusal) is expected
    assert len(str(refusal)) < 200
    assert str(refusal).encode()


@pytest.fixture
def in_new_york(monkeypatch):
    """The server stands where it is UTC-5 in November."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


# --- readings


@given(st.integers(min_value=0), st.text())
def test_a_whole_number_from_zero_is_a_reading_with_a_reason_or_without(reading, reason):
    assert value_of(reading, reason) == reading


@given(st.integers(max_value=-1), st.text(min_size=1))
def test_below_zero_there_is_only_a_reason(reading, reason):
    assert value_of(reading, reason) is None


@given(st.integers(max_value=-1))
def test_below_zero_without_a_reason_is_refused(reading):
    with pytest.raises(InvalidReading, match="below zero; give a reason"):
        value_of(reading, "")


@given(ANYTHING.filter(lambda reading: type(reading) is not int), st.text())
def test_what_is_not_a_whole_number_is_no_reading(reading, reason):
    with pytest.raises(InvalidReading, match="is not a whole number"):
        value_of(reading, reason)


@given(ANYTHING, st.text())
def test_no_reading_can_break_the_judge(reading, reason):
    assert_is_none_or_can_be_shown(refusal_of(value_of, reading, reason), InvalidReading)


def test_more_digits_than_python_turns_into_a_text_are_refused_like_any_other_nonsense():
    with pytest.raises(InvalidReading, match="a number of more than 20 digits is below zero"):
        value_of(-HUGE, "")
    with pytest.raises(InvalidReason, match="a number of more than 20 digits is not a text"):
        reason_of(HUGE)
    with pytest.raises(InvalidTime, match="a number of more than 20 digits is not a date"):
        time_of(HUGE, NOW)
    with pytest.raises(InvalidReading, match="a number of more than 20 digits is too long"):
        check_dials(HUGE, "G1", None)
    assert value_of(-HUGE, "dog") is None


@given(
    st.one_of(
        st.none(), st.integers(0, 10**13), st.builds(lambda n, d: 10**n - d, st.integers(1, 13), st.integers(0, 1))
    ),
    st.one_of(st.none(), st.integers(1, MAX_DIALS)),
)
@example(999, 3)
@example(1000, 3)
def test_a_value_is_no_longer_than_the_register(value, dials):
    fits = value is None or len(str(value)) <= (dials or MAX_DIALS)
    refusal = refusal_of(check_dials, value, "G1", dials)
    assert (refusal is None) == fits
    assert_is_none_or_can_be_shown(refusal, InvalidReading)


# --- meters


@pytest.mark.parametrize("meter", ["G72168", "E445691", "1", "A.B/C-D"])
def test_a_meter_is_named_as_it_stands_on_the_meter(meter):
    assert meter_of(meter) == meter


@given(ANYTHING)
def test_what_is_no_number_of_a_meter_is_an_unknown_meter(meter):
    refusal = refusal_of(meter_of, meter)
    assert_is_none_or_can_be_shown(refusal, UnknownMeter)
    if refusal is None:
        assert Meter(meter).number == meter


# --- reasons


@given(st.text())
def test_a_reason_loses_the_blanks_around_it_and_nothing_else(text):
    assert reason_of(f"  {text} ") == text.strip(" ")


@given(ANYTHING.filter(lambda reason: not isinstance(reason, str)))
def test_a_reason_is_a_text(reason):
    with pytest.raises(InvalidReason, match="is not a text"):
        reason_of(reason)


# --- times

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
PAST = st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2026, 11, 19))


@given(PAST, OFFSETS)
def test_a_time_with_an_offset_is_the_same_moment_in_utc(naive, offset):
    moment = naive.replace(tzinfo=offset)
    for when in (moment, moment.isoformat(), moment.isoformat(" ")):
        assert time_of(when, NOW) == moment
        assert time_of(when, NOW).tzinfo is UTC


@pytest.mark.parametrize(
    "when",
    [
        "2026-11-20T09:30:00Z",
        "2026-11-20T09:30:00+00:00",
        "2026-11-20T10:30+01:00",
        "20261120T093000Z",
        "2026-11-20 04:30:00-05:00",
        datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
        datetime(2026, 11, 20, 4, 30, tzinfo=timezone(timedelta(hours=-5))),
    ],
)
def test_one_moment_can_be_written_in_many_ways(when):
    assert time_of(when, NOW) == datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


@pytest.mark.usefixtures("in_new_york")
@pytest.mark.parametrize("when", [datetime(2026, 11, 20, 4, 30), "2026-11-20T04:30:00", "2026-11-20 04:30"])
def test_a_time_without_an_offset_is_in_the_servers_local_time(when):
    assert time_of(when, NOW) == datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def test_a_clock_that_has_lost_the_time_begins_in_1970_and_no_reading_is_older():
    assert time_of("1970-01-01T00:00:00Z", NOW) == datetime(1970, 1, 1, tzinfo=UTC)
    for when in ("1969-12-31T23:59:59Z", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), "0001-01-01T00:00:00Z"):
        with pytest.raises(InvalidTime, match="lies before 1970"):
            time_of(when, NOW)


@given(st.timedeltas(timedelta(0), MAX_AHEAD))
def test_a_clock_may_be_ten_minutes_ahead(ahead):
    assert time_of(NOW + ahead, NOW) == NOW + ahead


@given(st.timedeltas(timedelta(microseconds=1), timedelta(days=10**5)))
def test_a_clock_that_is_further_ahead_is_refused(beyond):
    with pytest.raises(InvalidTime, match="lies in the future"):
        time_of(NOW + MAX_AHEAD + beyond, NOW)


@given(ANYTHING)
def test_what_is_no_time_is_refused_and_nothing_else_happens(when):
    assume(not isinstance(when, datetime))
    refusal = refusal_of(time_of, when, NOW)
    assert_is_none_or_can_be_shown(refusal, InvalidTime)
    if refusal is None:
        assert time_of(when, NOW) == datetime.fromisoformat(when).astimezone(UTC)


@pytest.mark.parametrize(
    "when",
    ["", "now", "20.11.2026 10:00", "2026-11-31", "25:00", date(2026, 11, 20), 1763632800, None, b"2026-11-20"],
)
def test_these_are_no_times(when):
    with pytest.raises(InvalidTime, match="is not a date and time like 2026-11-20T10:00:00"):
        time_of(when, NOW)


@pytest.mark.parametrize("when", [datetime.min, datetime.max, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_the_ends_of_the_calendar_are_times_or_refused(when):
    assert_is_none_or_can_be_shown(refusal_of(time_of, when, NOW), InvalidTime)


# --- whose meter it is


@given(st.sampled_from([None, "adam", "carol"]), st.sampled_from([None, "adam", "carol"]))
def test_a_meter_is_free_for_who_has_it_or_read_it(read_by, leased_to):
    refusal = refusal_of(check_free, "G1", "carol", read_by=read_by, leased_to=leased_to)
    if read_by == "adam":
        assert type(refusal) is AlreadyRead
    elif leased_to == "adam":
        assert type(refusal) is MeterLeased
    else:
        assert refusal is None
    assert refusal is None or {"G1", "adam"} <= set(re.findall(r"\w+", str(refusal)))
