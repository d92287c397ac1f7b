"""Which reason an answer gives, and which reasons there are."""

from dataclasses import replace

import pytest
from conftest import make_answer, refusal_of

from metermt.errors import InvalidReason
from metermt.fieldnotes import Reason
from metermt.rules.reasons import FIRST, by_name, coded, in_use

BEES = Reason("bees", "Wasps or bees", wants_reread=True)
NAMES = by_name(in_use([BEES, Reason("vacant", "Empty", retired=True)]))


def test_the_list_begins_with_that_of_the_program():
    assert in_use([]) == list(FIRST)
    assert {one.code for one in FIRST} == {
        *("no-access", "locked-gate", "dog", "refused-entry", "not-found", "damaged", "display-faulty"),
        *("overgrown", "unsafe", "vacant", "wrong-route", "tampered", "key-required"),
    }
    assert len(by_name(FIRST)) > len({one.text.casefold() for one in FIRST}) == len(FIRST)


def test_what_the_office_says_stands_in_place_of_it():
    hound = Reason("dog", "Hound")
    assert in_use([BEES, hound]) == [hound if one.code == "dog" else one for one in FIRST] + [BEES]
    assert in_use([replace(hound, retired=True)]) == [one for one in FIRST if one.code != "dog"]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"reason": "Wasps or bees"}, ("bees", "Wasps or bees")),
        ({"reason": "WASPS or bees"}, ("bees", "WASPS or bees")),
        ({"reason": "Bees"}, ("bees", "Bees")),
        ({"code": "bees"}, ("bees", "Wasps or bees")),
        ({"code": "bees", "reason": "No access"}, ("bees", "No access")),
        ({"reason": "a wasp"}, (None, "a wasp")),
        ({"reason": "Empty"}, (None, "Empty")),
    ],
)
def test_a_reason_is_known_by_its_text_or_its_code(said, kept):
    answer = coded(make_answer(value=None, **said), NAMES)
    assert (answer.code, answer.reason) == kept
    assert coded(answer, NAMES) == answer


@pytest.mark.parametrize("code", ["wasps", "vacant", "wasps or bees", "none\x1b"])
def test_a_code_that_is_not_in_use_is_refused_with_those_that_are(code):
    error = refusal_of(coded, make_answer(value=None, code=code), NAMES)
    assert type(error) is InvalidReason
    assert str(error).startswith(f"Unknown reason {code!r}: there are no-access, locked-gate, dog, ")
    assert str(error).endswith(", bees")


@pytest.mark.parametrize("said", [{"code": "no-access"}, {"reason": "no access"}])
def test_a_reading_with_a_reason_that_forbids_one_is_refused(said):
    error = refusal_of(coded, make_answer("G1", 168, **said), NAMES)
    assert type(error) is InvalidReason
    assert str(error) == (
        "The reason “No access” says that meter G1 was not read, and there is a reading, 168: send one of the two"
    )
    assert coded(make_answer(value=168, reason="tampered"), NAMES).code == "tampered"
