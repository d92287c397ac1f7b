"""The office's list of reasons in the window: by number, by first letters, or in the reader's own words."""

import pytest
from presenter_fixtures import *  # noqa: F403 - the fixtures
from presenter_fixtures import log_in, submit
from readers import as_office, readings_in

from metermt.calls import reasons
from metermt.errors import CallError
from metermt.fieldnotes import Reason

BEES = Reason("bees", "Wasps or bees", wants_reread=True, allows_reading=False)


@pytest.fixture
def reading(presenter, desk):
    """Somebody who has logged in after the office has added a reason, which is number 14."""
    as_office(desk, reasons.add_reason, BEES)
    log_in(presenter)
    return presenter


def kept(desk):
    return [(one.answer.value, one.answer.reason, one.code) for one in readings_in(desk.store)]


@pytest.mark.parametrize(
    ("typed", "reason", "code"),
    [
        ("14", "Wasps or bees", "bees"),
        ("wAs", "Wasps or bees", "bees"),
        ("003", "Dog", "dog"),
        ("dog", "Dog", "dog"),
        ("Dog loose", "Dog loose", None),
        ("wasp nest", "wasp nest", None),
    ],
)
def test_a_reason_is_chosen_by_its_number_or_first_letters_or_said_freely(reading, desk, typed, reason, code):
    submit(reading, reason=typed)
    assert kept(desk) == [(None, reason, code)]
    assert reading.state.notice == f"Accepted “{reason}” for G5248"


@pytest.mark.parametrize(
    ("typed", "fault"),
    [
        ("d", "“d” may be “Dog” or “Damaged” or “Display faulty”: type more of it, or its number"),
        ("15", "There is no reason “15”: use 1 to 14"),
        ("9" * 5000, f"There is no reason “{'9' * 39}…”: use 1 to 14"),
    ],
)
def test_what_may_be_several_reasons_or_none_is_asked_for_again_and_stays(reading, desk, typed, fault):
    submit(reading, "17", typed)
    assert reading.state.faults == {"reason": fault}
    assert (reading.state.typed.reading, reading.state.typed.reason, reading.state.focus) == ("17", typed, "reason")
    assert kept(desk) == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Read", "Number, first letters, or your own words"),
        ("2", "Locked gate, without a reading"),
        ("tam", "Tampered"),
        ("d", "Dog, Damaged, Display faulty?"),
        ("15", "The numbers are 1 to 14"),
        ("lid broken", "In your own words"),
    ],
)
def test_what_a_reason_means_is_shown_while_it_is_typed(reading, typed, meant):
    reading.edit("reason", typed)
    assert reading.state.reason_meant == meant


def test_a_reading_goes_with_a_reason_that_allows_one_and_is_asked_about_with_one_that_does_not(reading, desk):
    submit(reading, "17", "12")
    assert kept(desk) == [(17, "Tampered", "tampered")]
    submit(reading, "18", "14")
    assert reading.state.question.text == (
        "You typed a reading, 18, and “Wasps or bees”, which says that there is none."
    )
    reading.choose(2)
    assert kept(desk)[1] == (None, "Wasps or bees", "bees")


def test_a_server_that_tells_no_reasons_leaves_the_usual_ones(presenter, desk, monkeypatch):
    def unknown():
        raise CallError("There is no call list_reasons")

    monkeypatch.setattr(presenter._connected, "list_reasons", unknown)
    log_in(presenter)
    submit(presenter, reason="2")
    assert kept(desk) == [(None, "Locked gate", "locked-gate")]
