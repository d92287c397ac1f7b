"""Words and facts: what a meter, a job, an answer and a user may be, and the tree of errors."""

import inspect
import re
from datetime import UTC, datetime, timedelta

import pytest
from conftest import LINE_BREAKERS, NOW, make_answer, make_job
from hypothesis import given
from hypothesis import strategies as st

from metermt import errors
from metermt.calls.routes import ImportCount
from metermt.errors import BY_CODE, Error, RouteError, SettingError, UserError
from metermt.model import MAX_DIALS, Answer, Meter, Reading, Role, User
from metermt.names import MAX_TEXT
from metermt.policy import Policy

# --- errors


def every_error():
    return [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, Error)]


def test_no_two_errors_share_a_code():
    codes = [cls.code for cls in every_error()]
    assert len(set(codes)) == len(codes)


def test_every_error_says_its_own_code():
    assert [cls for cls in every_error() if "code" not in vars(cls)] == []


def test_every_error_is_found_by_its_code():
    assert {cls.code: cls for cls in every_error()} == BY_CODE


def test_every_error_can_be_made_from_a_text_alone_and_shows_it():
    assert [str(cls("what was wrong")) for cls in every_error()] == ["what was wrong"] * len(every_error())


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes():
    """Each class stands under its base, indented by four columns more, and no other name stands there."""
    drawn, path = {}, []
    for line in errors.__doc__.splitlines():
        if found := re.match(r"    ([ │├└─]*)([A-Z]\w+) ", line):
            depth = len(found[1]) // 4
            path[depth:] = [found[2]]
            drawn[found[2]] = path[depth - 1] if depth else "Exception"
    assert drawn == {cls.__name__: cls.__bases__[0].__name__ for cls in every_error()}


def test_an_error_tells_programs_more_by_names():
    error = errors.TooManyFailures("try again in 3 minutes", seconds=180)
    assert (str(error), error.details) == ("try again in 3 minutes", {"seconds": 180})
    assert errors.LoginError().details == {}


def test_failed_logins_and_bad_sessions_have_the_words_of_the_original_service():
    assert str(errors.LoginError()) == "Invalid username or password"
    assert str(errors.SessionError()) == "Invalid session ID"


# --- meters and jobs


@pytest.mark.parametrize("number", ["G72168", "E445691", "1", "A.B/C-D", "W" * 32])
def test_a_meter_number_is_what_is_printed_on_meters(number):
    assert Meter(number).number == number


@pytest.mark.parametrize("number", ["", "g72168", "G72168\n", " G1", "G 1", "-1", "W" * 33, "Ä1", "G1\u0661", "\ud800"])
def test_other_meter_numbers_are_refused(number):
    with pytest.raises(RouteError, match="Invalid meter number"):
        Meter(number)


def test_a_meter_is_of_a_known_kind():
    assert [Meter("G1", kind).kind for kind in ("E", "G", "W", "")] == ["E", "G", "W", ""]
    for kind in ("X", "e", "EG"):
        with pytest.raises(RouteError, match="Invalid kind"):
            Meter("G1", kind)


@pytest.mark.parametrize("dials", [0, -1, MAX_DIALS + 1])
def test_a_register_has_one_to_twelve_digits(dials):
    with pytest.raises(RouteError, match="Invalid dials"):
        Meter("G1", dials=dials)


@given(st.integers(1, MAX_DIALS))
def test_the_highest_value_is_a_nine_on_every_dial(dials):
    assert str(Meter("G1", dials=dials).highest) == "9" * dials


def test_a_register_of_unknown_dials_may_be_as_long_as_any():
    assert Meter("G1").highest == Meter("G1", dials=MAX_DIALS).highest


@pytest.mark.parametrize("field", ["address", "instructions"])
def test_texts_of_a_meter_are_short_and_printable(field):
    assert getattr(Meter("G1", **{field: "ü" * MAX_TEXT}), field) == "ü" * MAX_TEXT
    with pytest.raises(RouteError, match="201 characters"):
        Meter("G1", **{field: "x" * (MAX_TEXT + 1)})
    for character in LINE_BREAKERS:
        with pytest.raises(RouteError, match="control characters"):
            Meter("G1", **{field: f"Hill Road {character} 7"})


@pytest.mark.parametrize("cycle", ["2026-11", "2026", "Q1", "2026-W47"])
def test_a_cycle_is_a_short_word(cycle):
    assert make_job(cycle=cycle).cycle == cycle


@pytest.mark.parametrize("cycle", ["", "-11", "2026 11", "2026-11\n", "x" * 17, "2026/11"])
def test_other_cycles_are_refused(cycle):
    with pytest.raises(RouteError, match="Invalid cycle"):
        make_job(cycle=cycle)


@pytest.mark.parametrize("fields", [{"sequence": -1}, {"sequence": 10**9}, {"route": "x" * 201}, {"route": "a\nb"}])
def test_a_job_has_a_printable_route_and_a_place_in_it(fields):
    with pytest.raises(RouteError):
        make_job(**fields)


def test_a_previous_reading_fits_its_register():
    assert make_job(dials=4, previous=9999).previous == 9999
    for previous in (-1, 10_000):
        with pytest.raises(RouteError, match="from 0 to 9999"):
            make_job(dials=4, previous=previous)


def test_a_job_knows_its_meter():
    job = make_job("W7", kind="W", dials=6, address="7 Hill Road", instructions="dog")
    assert job.meter == Meter("W7", "W", 6, "7 Hill Road", "dog")


def test_jobs_come_in_the_order_of_cycle_route_sequence_and_number():
    first = make_job("Z9", "2026-10", "South", 5)
    jobs = [first, make_job("Z8", route="A", sequence=9), make_job("B1", route="B"), make_job("B2", route="B")]
    for mixed in (jobs[::-1], jobs[2:] + jobs[:2]):
        assert sorted(mixed, key=lambda job: job.place) == jobs


def test_what_is_known_cannot_be_changed():
    with pytest.raises(AttributeError, match="immutable"):
        make_job().sequence = 7


# --- answers and readings


def test_an_answer_is_whatever_was_typed():
    """The rules say what is wrong with it; see `metermt.rules.answers`."""
    answer = Answer("no meter", "many", None, "soon", 7)
    assert (answer.meter, answer.value, answer.reason, answer.when, answer.key) == ("no meter", "many", None, "soon", 7)


def test_the_same_answer_may_come_at_another_time():
    first = make_answer(key="k")
    assert first.says_the_same_as(make_answer(key="k", when=datetime(2026, 1, 1, tzinfo=UTC)))
    for other in (make_answer(value=7), make_answer(reason="dog"), make_answer("G1")):
        assert not first.says_the_same_as(other)


def test_a_reading_counts_until_it_is_corrected():
    reading = Reading(make_answer(), "carol", "2026-11", NOW)
    assert (reading.answer.meter, reading.username, reading.counts) == ("G72168", "carol", True)


# --- roles


def test_each_role_may_do_what_those_before_it_may():
    assert [[one.may_act_as(least) for least in Role] for one in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_a_user_is_a_reader_unless_told_otherwise():
    assert User("carol", "Carol Dent").role is Role.READER


# --- settings


@pytest.mark.parametrize(
    "policy", [{"lease": timedelta(0)}, {"session_idle": timedelta(days=400)}, {"lease": timedelta(seconds=-5)}]
)
def test_a_policy_that_makes_no_sense_is_refused(policy):
    with pytest.raises(SettingError):
        Policy(**policy)


# --- counts


def test_counts_of_imported_jobs_can_be_added():
    assert ImportCount(1, 2, 3) + ImportCount(10, 20, 30) == ImportCount(11, 22, 33)


# --- users


@pytest.mark.parametrize("username", ["carol", "c", "carol.dent", "c-3_x", "a" * 32])
def test_a_user_name_is_small_letters_digits_and_a_few_signs(username):
    assert User(username, "Carol").username == username


@pytest.mark.parametrize("username", ["", "Carol", "3c", "-c", "a" * 33, "ca rol", "carol\n", "käthe", "\ud800"])
def test_other_user_names_are_refused(username):
    with pytest.raises(UserError, match="Invalid user name"):
        User(username, "Carol Dent")


@pytest.mark.parametrize("full_name", ["", " ", "x" * (MAX_TEXT + 1), "Carol\nDent", "Carol\x1b[2J", "\ud800"])
def test_a_full_name_is_printable(full_name):
    with pytest.raises(UserError):
        User("carol", full_name)


def test_a_full_name_may_be_in_any_script():
    assert User("olga", "Ольга Ö'Neill-陳").full_name == "Ольга Ö'Neill-陳"
