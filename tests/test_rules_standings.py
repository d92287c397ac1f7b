"""Whether an answer fits the job it is meant for."""

import re

import pytest
from conftest import CYCLE, HUGE, NOW, make_reading, refusal_of
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from metermt.errors import AlreadyRead, CycleClosed, InvalidKey, InvalidReading, MeterLeased, UnknownCycle, UnknownMeter
from metermt.model import MAX_DIALS, Answer, JobState, Standing
from metermt.rules.standings import check_fits, check_same_answer, job_meant

SOMEBODY = st.sampled_from([None, "adam", "carol"])
SOON, PAST = NOW.timestamp() + 60, NOW.timestamp() - 60
ANSWER = Answer("G1", 5)


def make_standing(
    job=1, dials=5, state=JobState.OPEN, read_by=None, leased_to=None, leased_until=SOON, cycle=CYCLE, handed_to=None
):
    until = leased_until if leased_to else 0.0
    return Standing(job, "G1", cycle, dials, state, read_by, leased_to, until, handed_to or leased_to)


def check(answer=ANSWER, **fields):
    check_fits(make_standing(**fields), answer, "carol", NOW.timestamp())


# --- which job


def meant(*standings, cycle=None, closed=None, cycles=("2026-10", CYCLE)):
    return job_meant(standings, replace(ANSWER, cycle=cycle), "carol", NOW.timestamp(), closed, cycles).job


def test_a_meter_without_a_job_is_unknown():
    with pytest.raises(UnknownMeter, match="Unknown meter 'G1': check the number on the meter"):
        meant()


def test_of_two_cycles_the_one_that_the_reader_was_handed_is_meant():
    old, new = make_standing(1, cycle="2026-10"), make_standing(2, leased_to="carol")
    assert meant(old, new) == 2
    assert meant(make_standing(1, leased_to="carol"), make_standing(2)) == 1


def test_what_others_were_handed_does_not_matter():
    assert meant(make_standing(1), make_standing(2, leased_to="adam")) == 1


@pytest.mark.parametrize(
    "had",
    [
        {"leased_to": "carol", "leased_until": PAST},
        {"handed_to": "carol"},
        {"handed_to": "carol", "state": JobState.DONE, "read_by": "carol"},
        {"handed_to": "carol", "state": JobState.DONE, "read_by": "adam"},
        {"state": JobState.DONE, "read_by": "carol"},
    ],
    ids=["a lease that is over", "handed out", "read", "read by another", "read without being handed out"],
)
def test_without_a_lease_the_job_that_the_reader_had_last_is_meant(had):
    assert meant(make_standing(1, **had), make_standing(2)) == 1
    assert meant(make_standing(1), make_standing(2, **had)) == 2
    assert meant(make_standing(1, handed_to="carol"), make_standing(2, **had)) == 2
    assert meant(make_standing(1, leased_to="carol"), make_standing(2, **had)) == 1


def test_the_cycle_that_the_answer_names_is_meant_whoever_has_what():
    old, new = make_standing(1, cycle="2026-10"), make_standing(2, leased_to="carol")
    assert meant(old, new, cycle="2026-10") == 1
    assert meant(old, new, cycle=CYCLE) == 2


def test_a_meter_without_a_job_in_the_cycle_that_is_named_is_unknown():
    with pytest.raises(UnknownMeter, match="Unknown meter 'G1' in cycle '2026-10': check the number") as caught:
        meant(make_standing(1), cycle="2026-10")
    assert type(caught.value) is UnknownMeter


def test_a_cycle_that_there_is_not_is_refused_by_its_name():
    with pytest.raises(UnknownCycle, match=r"^There is no cycle '2026-13': there are 2026-10, 2026-11$"):
        meant(make_standing(1), cycle="2026-13")


@pytest.mark.parametrize("cycle", ["2026-10", None], ids=["named", "handed out"])
def test_an_answer_for_a_closed_cycle_is_refused_by_its_name(cycle):
    for standings in ([], [make_standing(1)], [make_standing(1, leased_to="adam")]):
        with pytest.raises(
            CycleClosed, match="Cycle 2026-10 is closed: meter G1 is not read for it any more"
        ) as caught:
            meant(*standings, cycle=cycle, closed="2026-10")
        assert caught.value.details == {"cycle": "2026-10"}


def test_whoever_was_handed_the_meter_again_since_does_not_mean_the_closed_cycle():
    assert meant(make_standing(1, handed_to="carol"), closed="2026-10") == 1
    with pytest.raises(CycleClosed):
        meant(make_standing(1, handed_to="carol"), closed="2026-12")
    assert meant(make_standing(1, leased_to="carol"), closed="2026-12") == 1


@pytest.mark.parametrize("unread", [JobState.OPEN, JobState.SKIPPED])
def test_else_the_oldest_unread_one_is_meant(unread):
    done = make_standing(1, state=JobState.DONE, read_by="adam")
    assert meant(done, make_standing(2, state=unread), make_standing(3)) == 2


def test_when_all_are_read_the_latest_is_meant():
    assert meant(*(make_standing(job, state=JobState.DONE, read_by="adam") for job in (1, 2))) == 2


# --- the register


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
    refusal = refusal_of(check, Answer("G1", value), dials=dials)
    assert (refusal is None) == fits
    assert refusal is None or type(refusal) is InvalidReading
    assert len(str(refusal)) < 200


def test_more_digits_than_python_turns_into_a_text_are_too_long():
    with pytest.raises(InvalidReading, match="a number of more than 20 digits is too long"):
        check(Answer("G1", HUGE), dials=None)


# --- whose meter it is


@given(SOMEBODY, SOMEBODY)
def test_a_meter_is_free_for_who_has_it_or_read_it(read_by, leased_to):
    refusal = refusal_of(check, read_by=read_by, leased_to=leased_to)
    if read_by == "adam":
        assert type(refusal) is AlreadyRead
    elif leased_to == "adam":
        assert type(refusal) is MeterLeased
    else:
        assert refusal is None
    if refusal:
        assert {"G1", "adam"} <= set(re.findall(r"\w+", str(refusal)))
        assert refusal.details == {"username": "adam"}


@given(SOMEBODY)
def test_a_lease_that_has_ended_hinders_nobody(leased_to):
    assert refusal_of(check, leased_to=leased_to, leased_until=PAST) is None


# --- keys


@given(st.sampled_from(["G1", "G2"]), st.sampled_from([None, 5, 6]), st.sampled_from(["", "dog"]))
def test_a_key_stands_for_what_was_said_under_it_first(meter, value, reason):
    first, again = make_reading("G1", value=5, key="k"), Answer(meter, value, reason, None, "k")
    refusal = refusal_of(check_same_answer, first, again)
    assert (refusal is None) == ((meter, value, reason) == ("G1", 5, ""))
    if refusal:
        assert type(refusal) is InvalidKey
        assert str(refusal) == "This key was used before, for a reading of G1"


def test_a_key_stands_for_the_cycle_too_as_far_as_it_is_named():
    first = make_reading("G1", value=5, key="k")
    for cycle, is_the_same in ((None, True), (CYCLE, True), ("2026-10", False)):
        refusal = refusal_of(check_same_answer, first, Answer("G1", 5, key="k", cycle=cycle))
        assert (refusal is None) == is_the_same
