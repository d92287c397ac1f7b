"""No use below zero is billed that nobody was asked about: the office decides of it first."""

from datetime import timedelta
from decimal import Decimal

import pytest
from billing_town import DECEMBER, NEXT_CYCLE, export, nothing_new, open_next
from conftest import CYCLE
from readers import Reader, as_office

from metermt.calls import batches, cycles, estimating, review
from metermt.calls.batches import HeldBack, Scope
from metermt.calls.cycles import Cycle
from metermt.calls.estimating import Estimating
from metermt.calls.review import Correction, Decisions, GivingUp, Reviewed, Said
from metermt.decisions import Verdict
from metermt.errors import ConfirmReading
from metermt.quality import Flag

LOW, NEXT = 1_102, 1_110  # of a meter that showed 1,132 in September, and uses 12 a month


@pytest.fixture
def town(billing_town):
    """A town with a meter of which a low value waits, and a value that fits that one was accepted since."""
    return billing_town


def read_low(desk, clock):
    """Have a low value wait, and another one, that fits it, accepted in the next cycle."""
    carol = Reader(desk)
    with pytest.raises(ConfirmReading):
        carol.submit("M0", LOW)
    carol.submit("M0", LOW)
    open_next(desk, clock)
    Reader(desk).submit("M0", NEXT, when=DECEMBER)


def waiting(desk):
    return as_office(desk, review.list_waiting, Reviewed()).waiting


def decide(desk, verdict, value=None):
    said = [Said(one.reading, verdict, value, "why") for one in waiting(desk)]
    assert as_office(desk, review.decide, Decisions(said)) == [None] * len(said)


def test_what_fits_a_low_value_is_asked_about_when_that_is_discarded(town, clock):
    read_low(town, clock)
    as_office(town, cycles.reopen_cycle, Cycle(CYCLE))
    decide(town, Verdict.REREAD)
    as_office(town, review.give_up_reread, GivingUp("M0", "the house was pulled down", CYCLE))
    Reader(town).submit("M1", 1_160, when=DECEMBER, cycle=NEXT_CYCLE)
    assert [line[:2] for line in export(town)] == [("M0", CYCLE), ("M1", NEXT_CYCLE)]
    (one,) = waiting(town)
    assert (one.job.cycle, one.value, one.flags, one.use) == (NEXT_CYCLE, NEXT, (Flag.NEGATIVE,), NEXT - 1_132)
    assert HeldBack(NEXT_CYCLE, 1, 0, 2) in as_office(town, batches.held_back, Scope())
    assert nothing_new(town)
    decide(town, Verdict.APPROVE)
    assert export(town) == [("M0", NEXT_CYCLE, "reading", 1_132, NEXT, NEXT - 1_132, Decimal(NEXT - 1_132))]
    assert nothing_new(town)


def test_nothing_is_asked_about_what_fits_a_low_value_that_is_approved(town, clock):
    read_low(town, clock)
    decide(town, Verdict.APPROVE)
    assert [line[:2] + line[-2:-1] for line in export(town)] == [("M0", CYCLE, -30), ("M0", NEXT_CYCLE, 8)]


def test_what_a_correction_of_an_earlier_value_makes_negative_is_asked_about(town, clock):
    Reader(town).submit("M0", 1_150)
    open_next(town, clock)
    Reader(town).submit("M0", 1_160, when=DECEMBER)
    as_office(town, review.correct_reading, Correction("M0", 1_170, "photograph", CYCLE))
    assert [line[:2] for line in export(town)] == [("M0", CYCLE)]
    decide(town, Verdict.EDIT, 1_180)
    assert [line[-2] for line in export(town)] == [10]


def test_an_estimate_that_was_too_high_is_made_up_for_without_a_question(town, clock):
    open_next(town, clock)
    (made,) = as_office(
        town, estimating.estimate_readings, Estimating([], CYCLE, ["M0"], DECEMBER.date() - timedelta(days=1))
    )
    Reader(town).submit("M0", made.made.value - 1, when=DECEMBER)
    assert [line[-2] for line in export(town)] == [made.made.use, -1]
