"""What a reader may say of a meter, whichever it is."""

import time
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from conftest import HUGE, LINE_BREAKERS, NOW, refusal_of
from hypothesis import assume, given
from hypothesis import strategies as st

from metermt.errors import InvalidKey, InvalidReading, InvalidReason, InvalidTime, UnknownMeter
from metermt.model import Answer, Meter
from metermt.printable import has_control_characters
from metermt.rules.answers import MAX_AHEAD, MAX_REASON, in_short, judged

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
REASONS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=MAX_REASON)


def judge(**fields):
    """Judge an answer that is good but for these fields, ten o'clock being now."""
    return judged(Answer(**({"meter": "G1", "value": 5, "when": NOW} | fields)), NOW)


def time_of(when):
    return judge(when=when).when


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


@given(st.integers(min_value=0), REASONS)
def test_a_whole_number_from_zero_is_a_reading_with_a_reason_or_without(reading, reason):
    assert judge(value=reading, reason=reason).value == reading


@given(st.one_of(st.none(), st.integers(max_value=-1)), REASONS.filter(lambda reason: reason.strip(" ")))
def test_without_a_value_or_below_zero_there_is_only_a_reason(reading, reason):
    judged_answer = judge(value=reading, reason=reason)
    assert (judged_answer.value, judged_answer.reason) == (None, reason.strip(" "))


@given(st.integers(max_value=-1), st.sampled_from(["", " ", "   "]))
def test_below_zero_without_a_reason_is_refused(reading, blank):
    with pytest.raises(InvalidReading, match="below zero; give a reason"):
        judge(value=reading, reason=blank)


@pytest.mark.parametrize("blank", ["", "   "])
def test_neither_a_value_nor_a_reason_is_refused(blank):
    with pytest.raises(InvalidReading, match="give a reading of 0 or more, or a reason"):
        judge(value=None, reason=blank)


@given(ANYTHING.filter(lambda reading: reading is not None and type(reading) is not int), REASONS)
def test_what_is_not_a_whole_number_is_no_reading(reading, reason):
    with pytest.raises(InvalidReading, match="is not a whole number"):
        judge(value=reading, reason=reason)


@given(ANYTHING, REASONS)
def test_no_reading_can_break_the_judge(reading, reason):
    assert_is_none_or_can_be_shown(refusal_of(judge, value=reading, reason=reason), InvalidReading)


def test_more_digits_than_python_turns_into_a_text_are_refused_like_any_other_nonsense():
    with pytest.raises(InvalidReading, match="a number of more than 20 digits is below zero"):
        judge(value=-HUGE)
    with pytest.raises(InvalidReason, match="a number of more than 20 digits is not a text"):
        judge(reason=HUGE)
    with pytest.raises(InvalidTime, match="a number of more than 20 digits is not a date"):
        judge(when=HUGE)
    with pytest.raises(UnknownMeter, match="a number of more than 20 digits"):
        judge(meter=HUGE)
    assert judge(value=-HUGE, reason="dog").value is None


# --- meters


@pytest.mark.parametrize("meter", ["G72168", "E445691", "E445691/2", "1", "A.B/C-D"])
def test_a_meter_is_named_as_it_stands_on_the_meter(meter):
    assert judge(meter=meter).meter == meter


@given(ANYTHING)
def test_what_is_no_number_of_a_meter_is_an_unknown_meter(meter):
    refusal = refusal_of(judge, meter=meter)
    assert_is_none_or_can_be_shown(refusal, UnknownMeter)
    if refusal is None:
        assert Meter(meter).number == meter


# --- reasons


@given(REASONS.filter(lambda text: len(text) < MAX_REASON - 3))
def test_a_reason_loses_the_blanks_around_it_and_nothing_else(text):
    assert judge(reason=f"  {text} ").reason == text.strip(" ")


@given(ANYTHING.filter(lambda reason: not isinstance(reason, str)))
def test_a_reason_is_a_text(reason):
    with pytest.raises(InvalidReason, match="is not a text"):
        judge(reason=reason)


def test_a_reason_has_up_to_500_characters():
    assert judge(reason="ü" * MAX_REASON).reason == "ü" * MAX_REASON
    with pytest.raises(InvalidReason, match="501 characters, 500 are allowed"):
        judge(reason="x" * (MAX_REASON + 1))


@pytest.mark.parametrize("character", LINE_BREAKERS)
def test_a_reason_has_no_control_characters(character):
    with pytest.raises(InvalidReason, match="control characters"):
        judge(reason=f"dog{character}")


@given(st.text(max_size=600))
def test_any_text_is_a_reason_or_is_refused_as_one(text):
    refusal = refusal_of(judge, reason=text)
    assert_is_none_or_can_be_shown(refusal, InvalidReason)
    text = text.strip(" ")
    assert (refusal is None) == (len(text) <= MAX_REASON and not has_control_characters(text))


# --- keys


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64))
def test_a_key_is_up_to_64_printable_characters(key):
    assert judge(key=key).key == key


@pytest.mark.parametrize("key", ["", "x" * 65, "a b", "a\n", "ä", "\ud800", 7, b"key", True])
def test_other_keys_are_refused(key):
    with pytest.raises(InvalidKey, match="1 to 64 printable ASCII characters"):
        judge(key=key)


# --- times

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
PAST = st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2026, 11, 19))


@given(PAST, OFFSETS)
def test_a_time_with_an_offset_is_the_same_moment_in_utc(naive, offset):
    moment = naive.replace(tzinfo=offset)
    for when in (moment, moment.isoformat(), moment.isoformat(" ")):
        assert time_of(when) == moment
        assert time_of(when).tzinfo is UTC


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
    assert time_of(when) == datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


@pytest.mark.usefixtures("in_new_york")
@pytest.mark.parametrize("when", [datetime(2026, 11, 20, 4, 30), "2026-11-20T04:30:00", "2026-11-20 04:30"])
def test_a_time_without_an_offset_is_in_the_servers_local_time(when):
    assert time_of(when) == datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def test_without_a_time_the_meter_is_read_now():
    assert time_of(None) == NOW


def test_a_clock_that_has_lost_the_time_begins_in_1970_and_no_reading_is_older():
    assert time_of("1970-01-01T00:00:00Z") == datetime(1970, 1, 1, tzinfo=UTC)
    for when in ("1969-12-31T23:59:59Z", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), "0001-01-01T00:00:00Z"):
        with pytest.raises(InvalidTime, match="lies before 1970"):
            time_of(when)


@given(st.timedeltas(timedelta(0), MAX_AHEAD))
def test_a_clock_may_be_ten_minutes_ahead(ahead):
    assert time_of(NOW + ahead) == NOW + ahead


@given(st.timedeltas(timedelta(microseconds=1), timedelta(days=10**5)))
def test_a_clock_that_is_further_ahead_is_refused(beyond):
    with pytest.raises(InvalidTime, match="lies in the future"):
        time_of(NOW + MAX_AHEAD + beyond)


@given(ANYTHING)
def test_what_is_no_time_is_refused_and_nothing_else_happens(when):
    assume(when is not None and not isinstance(when, datetime))
    refusal = refusal_of(time_of, when)
    assert_is_none_or_can_be_shown(refusal, InvalidTime)
    if refusal is None:
        assert time_of(when) == datetime.fromisoformat(when).astimezone(UTC)


@pytest.mark.parametrize(
    "when", ["", "now", "20.11.2026 10:00", "2026-11-31", "25:00", date(2026, 11, 20), 1763632800, b"2026-11-20"]
)
def test_these_are_no_times(when):
    with pytest.raises(InvalidTime, match="is not a date and time like 2026-11-20T10:00:00"):
        time_of(when)


@pytest.mark.parametrize("when", [datetime.min, datetime.max, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_the_ends_of_the_calendar_are_times_or_refused(when):
    assert_is_none_or_can_be_shown(refusal_of(time_of, when), InvalidTime)


def test_an_answer_with_no_more_than_a_code_is_one_and_is_told_by_it():
    answer = judge(value=None, reason="", code=" Locked-GATE ")
    assert (answer.value, answer.code, in_short(answer)) == (None, "locked-gate", "“locked-gate”")
    assert judge(value=-1, reason="", code="dog").value is None
    assert judge(value=7, code=" ").code is None
    assert refusal_of(judge, value=7, code=7).code == "invalid-reason"
