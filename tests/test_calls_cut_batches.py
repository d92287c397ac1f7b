"""A batch that was cut off, or whose maker stood still, loses nothing and settles nothing."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from threading import Thread

import pytest
from billing_town import cut_off, export, nothing_new
from conftest import CYCLE
from readers import Reader, as_office

from metermt.calls import batches, review
from metermt.calls.batches import Batching, HeldBack, Scope
from metermt.calls.review import Correction, Decisions, Reviewed, Said
from metermt.decisions import Verdict
from metermt.errors import ConfirmReading, DecisionError, InvalidKey, ServerBusy

GOOD, ODD = 1_150, 1_444  # of meters that showed 1,132 last, in September, and use 12 a month


@pytest.fixture
def town(billing_town):
    """Three meters are read, one is left."""
    carol = Reader(billing_town)
    for meter in ("M0", "M1", "M2"):
        carol.submit(meter, GOOD)
    return billing_town


def exported(town):
    return [meter for meter, *_ in export(town)]


def decide(town, verdict):
    (waiting,) = as_office(town, review.list_waiting, Reviewed()).waiting
    assert as_office(town, review.decide, Decisions([Said(waiting.reading, verdict)])) == [None]


def read_oddly(town, meter):
    """Send another reading for a meter, which is odd, and verify it."""
    carol = Reader(town)
    with pytest.raises(ConfirmReading):
        carol.submit(meter, ODD)
    carol.submit(meter, ODD)


def test_an_export_that_was_cut_off_is_taken_back_by_the_next_one(town, clock):
    cut_off(town, 2)
    assert as_office(town, batches.list_batches) == []
    with pytest.raises(DecisionError, match="Somebody is making a batch at this moment: try again in a minute"):
        export(town)
    clock.move(seconds=16)
    assert exported(town) == ["M0", "M1", "M2"]
    assert [batch.head.number for batch in as_office(town, batches.list_batches)] == [1]


def test_what_has_become_odd_since_an_export_was_cut_off_waits_for_a_decision(town, clock):
    cut_off(town, 2)
    read_oddly(town, "M0")
    clock.move(seconds=16)
    assert exported(town) == ["M1", "M2"]
    assert as_office(town, batches.held_back, Scope()) == [HeldBack(CYCLE, 1, 0, 1)]
    decide(town, Verdict.APPROVE)
    assert export(town) == [("M0", CYCLE, "reading", 1_132, ODD, 312, Decimal(312))]


def test_what_was_sent_to_be_read_again_since_an_export_was_cut_off_is_still_to_be_read(town, clock):
    cut_off(town, 2)
    read_oddly(town, "M0")
    decide(town, Verdict.REREAD)
    clock.move(seconds=16)
    assert exported(town) == ["M1", "M2"]
    assert as_office(town, batches.held_back, Scope()) == [HeldBack(CYCLE, 0, 1, 1)]
    Reader(town).submit("M0", GOOD + 1)
    assert export(town) == [("M0", CYCLE, "reading", 1_132, GOOD + 1, 19, Decimal(19))]


def test_a_correction_whose_batch_was_cut_off_is_told_from_what_billing_has(town, clock):
    export(town)
    as_office(town, review.correct_reading, Correction("M0", GOOD + 1, "photograph"))
    cut_off(town, 1)
    as_office(town, review.correct_reading, Correction("M0", GOOD + 2, "photograph"))
    clock.move(seconds=16)
    assert export(town) == [("M0", CYCLE, "correction", 1_132, GOOD + 2, 20, Decimal(20))]
    assert nothing_new(town)


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_whoever_goes_on_with_a_batch_that_is_being_taken_back_gives_up(town, clock, monkeypatch, parts):
    done = []

    @contextmanager
    def resting():
        yield
        done.append(None)
        if len(done) == parts:  # it stands still, and another export has taken back one line so far
            clock.move(seconds=16)
            town.store.write(lambda tx: tx.batches.take_back(1, 1))

    monkeypatch.setattr(batches, "_A_PART", 1)
    town.resting = resting
    with pytest.raises(DecisionError, match="somebody else has taken it back: nothing was exported"):
        export(town)
    clock.move(seconds=16)
    assert exported(town) == ["M0", "M1", "M2"]
    assert [batch.head.number for batch in as_office(town, batches.list_batches)] == [1]


def test_a_batch_is_not_taken_back_in_the_midst_of_a_part(town):
    cut_off(town, 2)
    head = town.store.read(lambda tx: tx.batches.unfinished()).head
    (_, _, third) = town.store.read(lambda tx: [*tx.jobs.ids(CYCLE, ["M0", "M1", "M2"]).values()])

    def take_back(tx):
        return tx.batches.unfinished() and tx.batches.take_back(1, 1)

    def add(turn):
        added = batches._add_part(turn, head, 2, [third])
        other.start()
        other.join(0.1)  # it waits, or there would be a gap
        return added

    other = Thread(target=lambda: town.store.write(take_back))
    town.write(add)
    other.join()
    assert [line.number for line in town.store.read(lambda tx: tx.batches.lines(1, 9))] == [1, 2]


def test_whoever_was_taken_for_dead_gives_up_though_somebody_else_makes_a_batch_of_that_number(town, clock):
    cut_off(town, 1)
    slow = town.store.read(lambda tx: tx.batches.unfinished()).head
    town.store.write(lambda tx: tx.batches.take_back(slow.number, 9))
    other = replace(slow, made_at=clock.now + timedelta(seconds=16))
    town.store.write(lambda tx: tx.batches.begin(other, "csv", ""))
    with pytest.raises(DecisionError, match="somebody else has taken it back: nothing was exported"):
        town.store.write(lambda tx: batches._add_part(town.turn(tx), slow, 0, []))


def test_an_export_that_is_asked_for_again_while_it_is_being_made_is_told_of_once_it_is_whole(town):
    asked, told = Batching("csv", "", key="mine"), []

    @contextmanager
    def resting():
        yield
        with pytest.raises(ServerBusy, match="still being made"):  # which clients wait for
            as_office(town, batches.make_batch, asked)
        with pytest.raises(InvalidKey, match="for batch 1"):
            as_office(town, batches.make_batch, replace(asked, route="North"))
        with pytest.raises(DecisionError, match="Somebody is making a batch"):
            as_office(town, batches.make_batch, replace(asked, key="another"))
        told.append(None)

    town.resting = resting
    made = as_office(town, batches.make_batch, asked)
    assert (len(told), made.lines) == (1, 3)
    assert as_office(town, batches.make_batch, asked) == made


def test_an_export_that_was_cut_off_is_made_anew_when_it_is_asked_for_again(town, clock):
    cut_off(town, 2, key="mine")
    clock.move(seconds=16)
    assert as_office(town, batches.make_batch, Batching("csv", "", key="mine")).lines == 3
