"""Values to text and back by their names, and texts that make no sense."""

import json
import sys
import types
import typing
from contextlib import suppress
from dataclasses import dataclass, field, make_dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

import pytest
import warm
from conftest import make_job, refusal_of
from hypothesis import given
from hypothesis import strategies as st

from metermt.calls.accounts import NewUser
from metermt.calls.asking import MAX_ITEMS, Caller
from metermt.calls.readings import Answers, Next
from metermt.calls.rounds import JobsWanted
from metermt.calls.sessions import Hello, Welcome
from metermt.calls.table import CALLS
from metermt.errors import BY_CODE, AlreadyRead, CallError, Error, SettingError
from metermt.model import MAX_DIALS, Answer, Job, Meter, Role, Status, User
from metermt.names import MAX_TEXT
from metermt.printable import has_control_characters
from metermt.wire import check_kind, check_storable, error_of, fields_of, from_text, to_text

JOBS, OUTCOMES = list[Job], list[Error | None]
KINDS = (JOBS, Answers, OUTCOMES)

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


PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text())
JSON = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=10) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
ERRORS = st.builds(error_of, st.sampled_from(sorted(BY_CODE)), st.text(), st.dictionaries(st.text(), PLAIN, max_size=3))
NAMES = st.sampled_from(["meter", "number", "cycle", "route", "value", "when", "answers", "code", "text", "details"])
NAMED = st.dictionaries(NAMES, JSON, max_size=5)


def through(kind, value):
    return from_text(kind, to_text(value))


# --- there and back


@given(st.lists(jobs(), max_size=5))
def test_jobs_come_back_as_they_were_sent(sent):
    assert through(JOBS, sent) == sent


@given(st.lists(st.builds(Answer, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN), max_size=5))
def test_answers_come_back_as_they_were_sent_right_or_wrong(sent):
    assert through(Answers, Answers(sent)) == Answers(sent)


@given(st.lists(st.one_of(st.none(), ERRORS), max_size=5))
def test_outcomes_come_back_with_the_class_the_words_and_the_details_of_each(sent):
    def parts(outcomes):
        return [error and (type(error), str(error), error.details) for error in outcomes]

    assert parts(through(OUTCOMES, sent)) == parts(sent)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Next, Next(Status(1, 2), make_job(previous=7, previous_date=date(2026, 10, 1)))),
        (Next, Next(Status(1, 2))),
        (Welcome, Welcome("1.0", 2, "2026-11-20T10:00:00+00:00")),
        (NewUser, NewUser(User("carol", "Carol Dent", role=Role.SUPERVISOR), "secret")),
        (list[User], [User("carol", "Carol Dent", disabled=True)]),
        (datetime, datetime(2026, 11, 20, tzinfo=UTC)),
        (date | None, date(2026, 11, 20)),
        (date | None, None),
        (Job | None, None),
        (int | str, 5),
        (int | str, "5"),
        (float, 5.0),
        (float, 0.5),
        (Role, Role.ADMIN),
        (list[list[int]], [[1], [], [2, 3]]),
        (type(None), None),
        (None, None),
    ],
    ids=repr,
)
def test_a_value_of_each_kind_comes_back(kind, value):
    back = through(kind, value)

    assert back == value
    assert type(back) is type(value)


def test_the_texts_are_json_with_names():
    (written,) = json.loads(to_text([make_job(address="Straße 7 \u202e 陳")]))
    assert set(written) == set(fields_of(Job))
    assert set(written["meter"]) == set(fields_of(Meter))


def test_what_every_call_takes_and_returns_can_cross():
    for call in CALLS.values():
        if call.parameters is None:
            refusal_of(from_text, call.request, "{}")
        refusal_of(from_text, call.result, "{}")
        # What cannot cross raises a TypeError or NotImplementedError, which are no errors of ours.


def test_no_call_is_told_a_text_with_a_nul_but_those_that_judge_each():
    taken = set()
    for call in CALLS.values():
        if call.parameters is None and fields_of(call.request):
            fields = typing.get_type_hints(call.request)
            texts = {name: "\0" for name, kind in fields.items() if kind is str or str in typing.get_args(kind)}
            with suppress(CallError):
                call.understood(
                    Caller(), ["a session"] if call.least else [], {"text": json.dumps(texts | {"x": "\0"})}
                )
                taken.add(call.name)
    assert taken == {"submit_and_next"}  # submit_readings wants a list


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [(r'"\u0000"', True), (r'"\\u0000"', False), (r'"\\\u0000"', True), (r'{"\u0000": 1}', True), ('"0000"', False)],
)
def test_a_nul_is_told_from_what_looks_like_one(text, is_refused):
    assert ("\0" in str(from_text(str | dict[str, int], text)) or "\\x00" in repr(json.loads(text))) is is_refused
    assert (refusal_of(check_storable, text) is not None) is is_refused


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        ('{"id": 9223372036854775807}', False),
        ('{"id": 9223372036854775808}', True),
        ('{"id": -9223372036854775808}', False),
        ('[{"id": -9223372036854775809}]', True),
        ('{"id": ' + "9" * 5000 + "}", True),
        ('{"key": "9223372036854775808"}', False),
        ("9223372036854775808 is no JSON", True),
        ("is no JSON either: 9223372036854775808", False),
    ],
)
def test_a_number_that_no_database_has_is_refused(text, is_refused):
    refusal = refusal_of(check_storable, text)
    assert (refusal is not None) is is_refused
    assert not refusal or str(refusal).endswith("is beyond 64 bits")


@pytest.mark.parametrize("kind", [types.FunctionType, list[Meter | Job]])
def test_a_kind_that_cannot_cross_is_a_fault_of_who_declares_it(kind):
    with pytest.raises((TypeError, NotImplementedError)):
        from_text(kind, "[{}]")


# --- older and newer


@dataclass(frozen=True, slots=True)
class Old:
    """What an older program knows of something."""

    name: str
    many: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class New:
    """What a newer program knows of it."""

    name: str
    many: list[int] = field(default_factory=list)
    kind: str = "usual"
    inner: Old | None = None


def test_names_that_are_not_known_are_ignored():
    assert through(Old, New("a", [1], "odd", Old("b"))) == Old("a", [1])


def test_names_that_are_missing_have_their_defaults():
    assert through(New, Old("a", [1])) == New("a", [1])


def test_a_name_without_a_default_is_missed():
    with pytest.raises(CallError, match=r"a New that makes no sense: .*name"):
        from_text(New, "{}")


def test_an_unknown_name_may_have_any_value():
    assert from_text(Old, '{"name": "a", "odd": [{"deep": [[]]}], "": null, "__class__": 5}') == Old("a")


def test_what_is_known_is_looked_for_inside_too():
    assert through(New, New("a", inner=New("b", kind="odd"))) == New("a", inner=Old("b"))


def test_an_error_of_a_newer_version_is_still_an_error():
    error = error_of("not-invented-yet", "Sorry", {"seconds": 5})
    assert (type(error), str(error), error.details) == (Error, "Sorry", {"seconds": 5})


def test_an_error_of_an_older_version_has_no_details():
    assert from_text(Error, '{"code": "already-read", "text": "no"}').details == {}


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_every_error_can_cross(code):
    received = through(Error, error_of(code, "words"))
    assert (type(received), str(received)) == (BY_CODE[code], "words")


def test_details_are_plain_or_not_there():
    details = {"a": 1, "b": None, "c": "x", "d": True, "e": 0.5, "f": [1], "g": {}, "h": (1,)}
    assert error_of("login", "no", details).details == {"a": 1, "b": None, "c": "x", "d": True, "e": 0.5}
    assert through(Error, AlreadyRead("no", username="adam")).details == {"username": "adam"}
    assert isinstance(error_of("setting", "x"), SettingError)


# --- what makes no sense


@pytest.mark.parametrize("kind", KINDS, ids=str)
@given(text=st.one_of(st.text(), JSON.map(json.dumps), NAMED.map(json.dumps), st.lists(NAMED).map(json.dumps)))
def test_any_text_is_understood_or_refused_with_a_call_error(kind, text):
    refusal = refusal_of(from_text, kind, text)
    assert refusal is None or type(refusal) is CallError
    assert str(refusal).encode()
    if refusal is None:
        understood = from_text(kind, text)
        assert to_text(through(kind, understood)) == to_text(understood)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@given(sent=st.one_of(st.none(), st.integers(), st.binary(), st.lists(st.none()), st.builds(object)))
def test_what_is_not_a_text_is_refused(kind, sent):
    with pytest.raises(CallError, match="JSON text"):
        from_text(kind, sent)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize(
    "text",
    [
        *("", "[", "nothing", '"[]"', "7", "null", "\ud800", "[[]]", "[7]", '[["a"]]', '[{"meter": 5}]', "[{}]"),
        *('{"answers": 7}', '{"answers": {}}', '{"answers": [7]}', '{"answers": [null]}', '{"answers": [[]]}', "{}"),
        "[" * 100_000,
        '{"answers": [' * 50_000,
        "[" + "1" * 5000 + "]",
        "[" + "true, " * 10_000 + "true]",
        '{"answers": [' + "null, " * 10_000 + "null]}",
    ],
    ids=lambda text: repr(text[:12]),
)
def test_texts_that_make_no_sense_are_refused(kind, text):
    with pytest.raises(CallError):
        from_text(kind, text)


@given(st.sampled_from(list(fields_of(Job))), JSON)
def test_a_job_with_a_wrong_field_is_refused_or_still_a_job(name, value):
    (named,) = json.loads(to_text([make_job(previous=7, address="Hill Road 7")]))
    text = json.dumps([named | {name: value}])
    refusal = refusal_of(from_text, JOBS, text)
    assert refusal is None or type(refusal) is CallError
    if refusal is None:
        jobs = from_text(JOBS, text)
        assert through(JOBS, jobs) == jobs


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("number", value) for value in (None, 7, "", "g1", ["G1"])),
        *(("kind", value) for value in (None, 7, "X", [], {})),
        *(("dials", value) for value in ("5", 0, 13, 5.5, 5.0, True, [])),
        *(("address", value) for value in (None, 7, "a\nb", "\ud800", [], {})),
        *(("instructions", value) for value in (None, 7, "x" * 201, [])),
        *(("meter", value) for value in (None, "G1", [], {}, {"kind": "G"})),
        *(("cycle", value) for value in (None, 7, "", "2026 11")),
        *(("route", value) for value in (None, 7, "a\x1b", [])),
        *(("sequence", value) for value in (None, "1", -1, 0.5, True, float("nan"), [])),
        *(("previous", value) for value in ("7", -1, 10**5, 0.5, True, float("inf"))),
        *(("previous_date", value) for value in (7, "yesterday", "2026-11-31", True, [1])),
    ],
)
def test_a_job_with_a_field_of_the_wrong_kind_is_refused(name, value):
    (named,) = json.loads(to_text([make_job()]))
    inside = name in named["meter"]
    (named["meter"] if inside else named)[name] = value
    with pytest.raises(CallError, match="The other side sent") as caught:
        from_text(JOBS, json.dumps([named]))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "outcome",
    [
        *("login", [], {}, 0, True, {"code": "login"}, {"text": "words"}, {"code": 7, "text": "words"}),
        *({"code": "login", "text": 7}, {"code": None, "text": None}),
    ],
    ids=repr,
)
def test_an_outcome_that_makes_no_sense_is_refused(outcome):
    with pytest.raises(CallError, match="The other side sent"):
        from_text(OUTCOMES, json.dumps([None, outcome]))


@pytest.mark.parametrize("details", [7, [], "text", None, [["a", 1]], {"a": {"b": 1}}])
def test_details_that_make_no_sense_are_let_go(details):
    error = from_text(Error, json.dumps({"code": "login", "text": "no", "details": details}))
    assert error.details == {}


@pytest.mark.parametrize(
    "value", [datetime, object(), 1j, [object()], "half a character: \ud800"], ids=lambda value: type(value).__name__
)
def test_what_has_no_place_in_a_text_is_not_sent(value):
    with pytest.raises(CallError, match="sent"):
        to_text(Answers([Answer("G1", value)]))


def test_what_contains_itself_is_not_sent():
    endless = []
    endless.append(endless)
    with pytest.raises(CallError, match="Only numbers, texts and None"):
        to_text(endless)


def test_a_thousand_answers_are_one_call():
    answers = [Answer("G1", number) for number in range(MAX_ITEMS)]
    assert through(Answers, Answers(answers)) == Answers(answers)


@pytest.mark.parametrize("wrong", ["x" * 10**6, "\0" * 10**6, "<script>" * 10**5])
def test_a_long_value_is_not_repeated_in_the_error(wrong):
    (named,) = json.loads(to_text([make_job()]))
    named["meter"]["number"] = wrong
    with pytest.raises(CallError) as caught:
        from_text(JOBS, json.dumps([named]))
    assert len(str(caught.value)) < 300


class Color(StrEnum):
    """A kind that is one of a few words."""

    RED = "red"


@pytest.mark.parametrize("kind", [date, datetime, Color, list[date], date | None, Color | int], ids=str)
@pytest.mark.parametrize("value", ["yesterday", "", "x" * 1000, True, {}, [""], 0.5])
def test_a_word_that_is_none_of_its_kind_is_refused_wherever_it_stands(kind, value):
    with pytest.raises(CallError, match="The other side sent"):
        check_kind(kind, value)
    with pytest.raises(CallError, match="The other side sent"):
        check_kind(make_dataclass("Thing", [("word", kind)]), {"word": value})


@pytest.mark.parametrize("n", [True, 1.0, "1", None, [1]])
def test_a_number_is_a_whole_number_and_nothing_like_it(n):
    with pytest.raises(CallError, match=r"JobsWanted that makes no sense: .*\$\.n"):
        from_text(JobsWanted, json.dumps({"n": n}))
    assert from_text(Hello, "{}") == Hello()


_TWO_THREADS = """
import sys, threading
from dataclasses import dataclass
from metermt import wire

begun, go_on = threading.Event(), threading.Event()

def slow():
    begun.set()
    go_on.wait(20)
    return int

@dataclass
class Inner:
    number: "slow()"

@dataclass
class Outer:
    inner: Inner
    last: int = 0

ways = {
    "from_text": lambda: wire.from_text(Outer, '{"last": 7, "inner": {"number": 1}}'),
    "check_kind": lambda: wire.check_kind(Outer, {"last": 7, "inner": {"number": 1}}),
}
read = []
threads = [threading.Thread(target=lambda way=way: read.append(ways[way]())) for way in sys.argv[1:]]
threads[0].start()
assert begun.wait(20)
threads[1].start()
threads[1].join(0.1)  # it must not go on, and would be done by then
go_on.set()
for thread in threads:
    thread.join()
assert read == [Outer(Inner(1), 7)] * 2, read
"""


@pytest.mark.parametrize("ways", [("from_text", "check_kind"), ("check_kind", "from_text")], ids=" then ".join)
def test_a_class_that_is_looked_at_for_the_first_time_may_be_read_by_another_thread(ways, tmp_path):
    program = tmp_path / "two_threads.py"  # of a process of its own, which might die
    program.write_text(_TWO_THREADS)
    done = warm.run([sys.executable, str(program), *ways], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
