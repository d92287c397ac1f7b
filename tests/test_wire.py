"""Model to text and back, and texts that make no sense."""

import json
from datetime import datetime

import pytest
from conftest import make_job, refusal_of
from hypothesis import given
from hypothesis import strategies as st

from metermt.errors import BY_CODE, CallError, Error, SettingError
from metermt.model import MAX_DIALS, MAX_TEXT, Job, Meter, has_control_characters
from metermt.wire import (
    MAX_ROWS,
    Row,
    error_of,
    jobs_from_text,
    jobs_to_text,
    outcomes_from_text,
    outcomes_to_text,
    rows_from_text,
    rows_to_text,
)


def two_outcomes_from_text(text):
    return outcomes_from_text(text, 2)


READERS = (jobs_from_text, rows_from_text, two_outcomes_from_text)

TEXTS = st.text(max_size=MAX_TEXT).filter(lambda text: not has_control_characters(text))
METERS = st.builds(
    Meter,
    st.from_regex(r"[A-Z0-9][A-Z0-9./-]{0,31}", fullmatch=True),
    st.sampled_from(["E", "G", "W", ""]),
    st.one_of(st.none(), st.integers(1, MAX_DIALS)),
    TEXTS,
    TEXTS,
)


@st.composite
def jobs(draw):
    meter = draw(METERS)
    return Job(
        meter,
        draw(st.from_regex(r"[0-9A-Za-z][0-9A-Za-z-]{0,15}", fullmatch=True)),
        draw(TEXTS),
        draw(st.integers(0, 10**9 - 1)),
        draw(st.one_of(st.none(), st.integers(0, meter.highest))),
        draw(st.one_of(st.none(), st.dates())),
    )


PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text())
JSON = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=10) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)


@given(st.lists(jobs(), max_size=5))
def test_jobs_come_back_as_they_were_sent(sent):
    assert jobs_from_text(jobs_to_text(sent)) == sent


@given(st.lists(st.builds(Row, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN), max_size=5))
def test_readings_come_back_as_they_were_sent_right_or_wrong(sent):
    assert rows_from_text(rows_to_text(sent)) == sent


@given(st.lists(st.one_of(st.none(), st.builds(error_of, st.sampled_from(sorted(BY_CODE)), st.text())), max_size=5))
def test_outcomes_come_back_with_the_class_and_words_of_each(sent):
    received = outcomes_from_text(outcomes_to_text(sent), len(sent))
    assert [(type(error), str(error)) for error in received] == [(type(error), str(error)) for error in sent]


def test_the_texts_are_ascii_json():
    job = make_job(address="Straße 7 \u202e 陳")
    for text in (jobs_to_text([job]), rows_to_text([Row("G1", "now", 1, "Hündin")]), outcomes_to_text([Error("ü")])):
        assert text.isascii()
        assert isinstance(json.loads(text), list)


def test_an_error_of_a_newer_version_is_still_an_error():
    error = error_of("not-invented-yet", "Sorry")
    assert (type(error), str(error)) == (Error, "Sorry")


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_every_error_can_cross(code):
    (received,) = outcomes_from_text(outcomes_to_text([error_of(code, "words")]), 1)
    assert (type(received), str(received)) == (BY_CODE[code], "words")


@pytest.mark.parametrize("read", READERS)
@given(text=st.one_of(st.text(), JSON.map(json.dumps), st.lists(JSON).map(json.dumps)))
def test_any_text_is_understood_or_refused_with_a_call_error(read, text):
    refusal = refusal_of(read, text)
    assert refusal is None or type(refusal) is CallError
    assert refusal or isinstance(read(text), list)
    assert str(refusal).encode()


@pytest.mark.parametrize("read", READERS)
@given(sent=st.one_of(st.none(), st.integers(), st.binary(), st.lists(st.none()), st.builds(object)))
def test_what_is_not_a_text_is_refused(read, sent):
    with pytest.raises(CallError, match="JSON text"):
        read(sent)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "nothing",
        "{}",
        '"[]"',
        "7",
        "null",
        "[" * 100_000,
        "[" + "1" * 5000 + "]",
        "\ud800",
        "[[]]",
        "[7]",
        "[{}]",
        '[["a"]]',
        json.dumps([None] * (MAX_ROWS + 1)),
        json.dumps([[0] * 11]),
    ],
    ids=lambda text: repr(text[:12]),
)
def test_texts_that_make_no_sense_are_refused(read, text):
    with pytest.raises(CallError):
        read(text)


@given(st.integers(0, 9), JSON)
def test_a_job_with_a_wrong_field_is_refused_or_still_a_job(place, value):
    (fields,) = json.loads(jobs_to_text([make_job(previous=7, address="Hill Road 7")]))
    fields[place] = value
    text = json.dumps([fields])
    refusal = refusal_of(jobs_from_text, text)
    assert refusal is None or type(refusal) is CallError
    if refusal is None:
        jobs = jobs_from_text(text)
        assert jobs_from_text(jobs_to_text(jobs)) == jobs


@pytest.mark.parametrize(
    ("place", "value"),
    [
        *((0, value) for value in (None, 7, "", "g1", ["G1"])),
        *((1, value) for value in (None, 7, "X", [], {})),
        *((2, value) for value in ("5", 0, 13, 5.5, 5.0, True, [])),
        *((3, value) for value in (None, 7, "a\nb", "\ud800", [], {})),
        *((4, value) for value in (None, 7, "x" * 201, [])),
        *((5, value) for value in (None, 7, "", "2026 11")),
        *((6, value) for value in (None, 7, "a\x1b", [])),
        *((7, value) for value in (None, "1", -1, 0.5, True, float("nan"), [])),
        *((8, value) for value in ("7", -1, 10**5, 0.5, True, float("inf"))),
        *((9, value) for value in (7, "yesterday", "2026-11-31", True, [1])),
    ],
)
def test_a_job_with_a_field_of_the_wrong_kind_is_refused(place, value):
    (fields,) = json.loads(jobs_to_text([make_job()]))
    fields[place] = value
    with pytest.raises(CallError, match="makes no sense"):
        jobs_from_text(json.dumps([fields]))


@pytest.mark.parametrize("outcome", ["login", [], ["login"], ["login", 7], [7, "words"], ["a", "b", "c"], {}, 0, True])
def test_an_outcome_that_makes_no_sense_is_refused(outcome):
    with pytest.raises(CallError, match="makes no sense"):
        outcomes_from_text(json.dumps([None, outcome]), 2)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_there_is_one_outcome_for_each_reading(count):
    with pytest.raises(CallError, match=f"sent 2 outcomes of {count} readings"):
        outcomes_from_text(outcomes_to_text([None, Error("no")]), count)


@pytest.mark.parametrize("value", [datetime(2026, 11, 20), b"5", {1}, object(), [[]] * 3 + [b""]], ids=type)
def test_what_has_no_place_in_a_text_is_not_sent(value):
    with pytest.raises(CallError, match="Only numbers, texts and None"):
        rows_to_text([Row("G1", "now", value)])


def test_a_thousand_rows_are_one_call():
    rows = [Row("G1", "now", number) for number in range(MAX_ROWS)]
    assert rows_from_text(rows_to_text(rows)) == rows
    with pytest.raises(CallError, match="at most 1000"):
        rows_from_text(rows_to_text([*rows, rows[0]]))


def test_a_refused_job_tells_no_more_than_that():
    """The text comes from the other side: it is not shown."""
    (fields,) = json.loads(jobs_to_text([make_job()]))
    fields[0] = "<script>"
    with pytest.raises(CallError) as caught:
        jobs_from_text(json.dumps([fields]))
    assert "script" not in str(caught.value)


def test_a_row_without_reason_and_key_has_none():
    assert Row("G1", "now", 5) == ("G1", "now", 5, "", None)
    assert isinstance(error_of("setting", "x"), SettingError)
