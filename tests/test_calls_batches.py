"""Billing is given each result once, and what has changed since as a correction."""

from contextlib import contextmanager
from datetime import date
from decimal import Decimal

import pytest
from billing_town import DECEMBER, NEXT_CYCLE, export, nothing_new, open_next
from conftest import CYCLE
from readers import Reader, as_office

from metermt.billing import LineKind
from metermt.calls import batches, cycles, estimating, opening, report, review
from metermt.calls.batches import Batching, HeldBack, Lines, Scope
from metermt.calls.cycles import Cycle
from metermt.calls.officecalls import OfficeCalls
from metermt.calls.review import Correction, Decisions, Reviewed, Said
from metermt.decisions import Verdict
from metermt.errors import ConfirmReading, DecisionError, InvalidKey, RouteError
from metermt.model import Answer
from metermt.quality import Quality
from metermt.rules import spans

ODD, GOOD = 1_444, 1_150  # of meters that showed 1,132 last, in September, and use 12 a month


@pytest.fixture
def town(billing_town):
    return billing_town


def verified(reader, meter, value):
    with pytest.raises(ConfirmReading):
        reader.submit(meter, value)
    reader.submit(meter, value)


def decide(desk, verdict, value=None, why=""):
    """Decide on all that waits."""
    waiting = as_office(desk, review.list_waiting, Reviewed()).waiting
    outcomes = as_office(desk, review.decide, Decisions([Said(one.reading, verdict, value, why) for one in waiting]))
    assert not any(outcomes)


def correct(desk, meter, value, cycle=None):
    as_office(desk, review.correct_reading, Correction(meter, value, "photograph", cycle))


def read_in_december(desk, meter, value):
    Reader(desk).submit(meter, value, when=DECEMBER)


def test_a_result_is_in_one_batch_with_its_use_and_what_waits_is_held_back(town):
    carol = Reader(town)
    carol.submit("M0", GOOD)
    verified(carol, "M1", ODD)
    carol.submit("M3", GOOD)
    assert as_office(town, batches.held_back, Scope()) == [HeldBack(CYCLE, 1, 0, 1)]
    assert export(town) == [
        ("M0", CYCLE, "reading", 1_132, GOOD, 18, Decimal(18)),
        ("M3", CYCLE, "reading", 1_132, GOOD, 18, Decimal(720)),
    ]
    assert nothing_new(town)
    decide(town, Verdict.APPROVE)
    carol.submit("M2", None, "dog")
    decide(town, Verdict.APPROVE)
    assert export(town) == [
        ("M1", CYCLE, "reading", 1_132, ODD, 312, Decimal(312)),
        ("M2", CYCLE, "reading", 1_132, None, None, None),
    ]
    assert as_office(town, batches.held_back, Scope(CYCLE)) == []
    assert [batch.head.number for batch in as_office(town, batches.list_batches)] == [1, 2]


def test_a_batch_may_be_of_a_cycle_or_a_route(town):
    carol = Reader(town)
    for meter in ("M0", "M1", "M2"):
        carol.submit(meter, GOOD)
    assert [meter for meter, *_ in export(town, route="South")] == ["M2"]
    assert [meter for meter, *_ in export(town, CYCLE, "North")] == ["M0", "M1"]
    with pytest.raises(RouteError, match="There is no cycle '2020-01'"):
        export(town, "2020-01")


def test_what_is_corrected_after_it_was_billed_is_told_in_the_next_batch(town):
    carol = Reader(town)
    carol.submit("M0", GOOD)
    export(town)
    carol.submit("M0", GOOD + 1)  # her own correction
    assert export(town) == [("M0", CYCLE, "correction", 1_132, GOOD + 1, 19, Decimal(19))]
    correct(town, "M0", GOOD + 2)
    assert export(town) == [("M0", CYCLE, "correction", 1_132, GOOD + 2, 20, Decimal(20))]
    (line,) = as_office(town, batches.batch_lines, Lines(3))
    assert (line.corrects, line.corrected_value, line.corrected_use) == (2, GOOD + 1, Decimal(19))
    assert (line.quality, line.kind, line.reader) == (Quality.EDITED, LineKind.CORRECTION, "")


def test_what_is_changed_and_changed_back_before_the_next_batch_is_not_told(town):
    Reader(town).submit("M0", GOOD)
    correct(town, "M0", GOOD + 1)
    export(town)
    correct(town, "M0", GOOD + 2)
    correct(town, "M0", GOOD + 1)
    assert nothing_new(town)
    assert nothing_new(town)


def test_a_correction_changes_the_use_of_the_next_month_too(town, clock):
    Reader(town).submit("M0", GOOD)
    export(town)
    open_next(town, clock)
    read_in_december(town, "M0", 1_162)
    assert export(town) == [("M0", NEXT_CYCLE, "reading", GOOD, 1_162, 12, Decimal(12))]
    correct(town, "M0", GOOD + 2, CYCLE)
    assert export(town) == [
        ("M0", CYCLE, "correction", 1_132, GOOD + 2, 20, Decimal(20)),
        ("M0", NEXT_CYCLE, "correction", GOOD + 2, 1_162, 10, Decimal(10)),
    ]
    assert nothing_new(town)


def test_a_use_begins_at_the_last_value_over_a_month_without_one(town, clock):
    carol = Reader(town)
    carol.submit("M0", None, "dog")
    decide(town, Verdict.APPROVE)
    open_next(town, clock)
    read_in_december(town, "M0", 1_162)
    assert [line[3:6] for line in export(town)] == [(1_132, None, None), (1_132, 1_162, 30)]


def test_what_follows_something_undecided_waits_for_it(town, clock):
    verified(Reader(town), "M0", ODD)
    open_next(town, clock)
    read_in_december(town, "M0", 1_456)
    assert nothing_new(town)
    decide(town, Verdict.EDIT, 1_444, "seen")
    assert [line[1] for line in export(town)] == [CYCLE, NEXT_CYCLE]


def test_what_waits_for_an_old_month_is_counted_as_held_back_and_that_month_with_it(town, clock):
    verified(Reader(town), "M0", ODD)
    decide(town, Verdict.REREAD)  # and nobody goes
    open_next(town, clock)
    read_in_december(town, "M0", 1_162)
    read_in_december(town, "M2", 1_162)
    as_office(town, cycles.close_cycle, cycles.Closing(NEXT_CYCLE, force=True))
    as_office(town, opening.open_cycle, opening.Opening("2027-01"))
    assert [line[:2] for line in export(town)] == [("M2", NEXT_CYCLE)]
    behind = HeldBack(NEXT_CYCLE, 0, 0, 2, 1, [CYCLE])
    assert as_office(town, batches.held_back, Scope()) == [
        HeldBack(CYCLE, 0, 1, 3),
        behind,
        HeldBack("2027-01", 0, 0, 4),
    ]
    assert as_office(town, batches.held_back, Scope(NEXT_CYCLE)) == [behind]
    assert as_office(town, batches.held_back, Scope(NEXT_CYCLE, "South")) == [HeldBack(NEXT_CYCLE, 0, 0, 1)]
    as_office(town, review.correct_reading, Correction("M0", GOOD, "photograph", CYCLE, date(2026, 11, 30)))
    assert [line[:2] for line in export(town)] == [("M0", CYCLE), ("M0", NEXT_CYCLE)]
    assert [held.cycle for held in as_office(town, batches.held_back, Scope())] == [NEXT_CYCLE, "2027-01"]


def test_a_batch_and_a_report_let_others_go_on_after_each_part(town, monkeypatch):
    carol, parts = Reader(town), []

    @contextmanager
    def resting():
        yield
        parts.append(len(town.store.read(lambda tx: tx.batches.lines(1, 9))))  # what others see of it

    for meter in ("M0", "M1", "M2"):
        carol.submit(meter, GOOD)
    monkeypatch.setattr(batches, "_A_PART", 1)
    town.resting = resting
    export(town)
    assert parts == [1, 2, 3]
    as_office(town, report.make_report, Cycle(CYCLE))
    assert len(parts) > 3


def test_a_batch_whose_answer_was_lost_is_made_once_and_told_of_when_it_is_asked_for_again(town):
    class Client(OfficeCalls):
        def call(self, call, request):
            return as_office(town, call, request), as_office(town, call, request)  # it asks again with the same

    carol = Reader(town)
    carol.submit("M0", GOOD)
    first, again = Client().make_batch("csv", "")
    assert first == again == as_office(town, batches.list_batches)[0].head
    carol.submit("M2", GOOD)
    (of_a_route, _) = Client().make_batch("csv", "", route="South")
    assert (of_a_route.number, of_a_route.lines) == (2, 1)
    with pytest.raises(DecisionError, match=r"nothing new .* since batch 2 of \S+ \S+ \S+ \(1 line\); to write"):
        export(town)
    carol.submit("M1", GOOD)
    as_office(town, batches.make_batch, Batching("csv", "", key="mine"))
    with pytest.raises(InvalidKey, match="This key was used before, for batch 3"):
        as_office(town, batches.make_batch, Batching("csv", "", route="South", key="mine"))


def test_there_is_no_other_batch_than_those_that_there_are(town):
    with pytest.raises(DecisionError, match="There is no batch 1: there is none yet"):
        as_office(town, batches.batch_lines, Lines(1))
    Reader(town).submit("M0", GOOD)
    export(town)
    with pytest.raises(DecisionError, match="There is no batch 2: there are 1 to 1"):
        as_office(town, batches.batch_layout, Lines(2))
    assert as_office(town, batches.batch_layout, Lines(1)) == ""


def test_a_correction_tells_nothing_of_a_later_result_that_is_not_decided(town, clock):
    carol = Reader(town)
    carol.submit("M0", GOOD)
    open_next(town, clock)
    carol = Reader(town)
    carol.submit("M0", 1_162, when=DECEMBER)
    clock.move(days=30)
    as_office(town, opening.open_cycle, opening.Opening("2027-01"))
    carol = Reader(town)
    carol.submit("M0", 1_174, cycle="2027-01", when=clock.now)
    assert len(export(town)) == 3
    with pytest.raises(ConfirmReading):
        carol.submit("M0", ODD, cycle=NEXT_CYCLE, when=DECEMBER)
    carol.submit("M0", ODD, cycle=NEXT_CYCLE, when=DECEMBER)
    correct(town, "M0", GOOD + 2, CYCLE)
    assert export(town) == [("M0", CYCLE, "correction", 1_132, GOOD + 2, 20, Decimal(20))]
    decide(town, Verdict.EDIT, 1_160, "photograph")
    assert export(town) == [
        ("M0", NEXT_CYCLE, "correction", GOOD + 2, 1_160, 8, Decimal(8)),
        ("M0", "2027-01", "correction", 1_160, 1_174, 14, Decimal(14)),
    ]


def test_a_late_reading_that_comes_after_the_next_month_was_billed_leaves_no_use_out(town, clock):
    as_office(town, estimating.estimate_readings, estimating.Estimating([], CYCLE, ["M0"]))
    as_office(town, opening.open_cycle, opening.Opening(NEXT_CYCLE))
    clock.now = DECEMBER
    carol = Reader(town)
    carol.submit("M0", 1_170, cycle=NEXT_CYCLE, when=clock.now)
    before = export(town)
    assert [line[1] for line in before] == [CYCLE, NEXT_CYCLE]
    clock.move(days=1)
    carol = Reader(town)
    carol.submit("M0", 1_171, cycle=CYCLE, when=clock.now)
    decide(town, Verdict.APPROVE)
    assert export(town) == [
        ("M0", CYCLE, "correction", 1_170, 1_171, 1, Decimal(1)),
        ("M0", NEXT_CYCLE, "correction", 1_132, 1_170, 38, Decimal(38)),
    ]


def test_a_later_result_that_waits_is_told_anew_though_what_it_waited_for_was_read_after_it(town, clock):
    Reader(town).submit("M0", GOOD)
    open_next(town, clock)
    clock.move(days=30)
    as_office(town, opening.open_cycle, opening.Opening("2027-01"))
    Reader(town).submit("M0", 1_174, cycle="2027-01", when=clock.now)
    assert [line[3:6] for line in export(town)] == [(1_132, GOOD, 18), (GOOD, 1_174, 24)]
    Reader(town).submit("M0", None, "dog", cycle=NEXT_CYCLE, when=DECEMBER)  # a late upload
    correct(town, "M0", GOOD + 2, CYCLE)
    assert export(town) == [("M0", CYCLE, "correction", 1_132, GOOD + 2, 20, Decimal(20))]
    assert nothing_new(town)
    decide(town, Verdict.REREAD, why="go there")
    clock.move(days=1)
    Reader(town).submit("M0", 1_175, cycle=NEXT_CYCLE, when=clock.now)
    decide(town, Verdict.APPROVE)
    assert export(town) == [
        ("M0", NEXT_CYCLE, "reading", 1_174, 1_175, 1, Decimal(1)),
        ("M0", "2027-01", "correction", GOOD + 2, 1_174, 22, Decimal(22)),
    ]


def test_what_was_billed_from_a_reading_that_billing_never_saw_is_told_anew_when_that_is_read_later(town, clock):
    Reader(town).submit("M0", GOOD)
    as_office(town, opening.open_cycle, opening.Opening(NEXT_CYCLE))
    clock.now = DECEMBER
    Reader(town).submit("M0", 1_162, cycle=NEXT_CYCLE, when=clock.now)
    assert export(town, NEXT_CYCLE) == [("M0", NEXT_CYCLE, "reading", GOOD, 1_162, 12, Decimal(12))]
    clock.move(days=2)
    Reader(town).submit("M0", 1_163, cycle=CYCLE, when=clock.now)
    decide(town, Verdict.APPROVE)
    assert export(town) == [
        ("M0", CYCLE, "reading", 1_162, 1_163, 1, Decimal(1)),
        ("M0", NEXT_CYCLE, "correction", 1_132, 1_162, 30, Decimal(30)),
    ]


def test_all_later_months_are_told_anew_when_an_early_one_is_read_late_beside_many_of_today(town, clock, monkeypatch):
    monkeypatch.setattr(spans, "_FEW", 2)  # that many results are many
    Reader(town).submit("M0", GOOD)
    for month, value in ((NEXT_CYCLE, 1_162), ("2027-01", 1_174), ("2027-02", 1_186)):
        clock.move(days=30)
        as_office(town, opening.open_cycle, opening.Opening(month))
        carol = Reader(town)
        answers = [Answer(meter, value, "", clock.now, None, month) for meter in ("M0", "M1")]
        assert carol.submit_many(answers) == [None, None]
        assert len(export(town, month)) == 2
    clock.move(days=1)
    Reader(town).submit("M0", 1_187, cycle=CYCLE, when=clock.now)
    decide(town, Verdict.APPROVE)
    correct(town, "M1", 1_188, "2027-02")
    assert export(town) == [
        ("M0", CYCLE, "reading", 1_186, 1_187, 1, Decimal(1)),
        ("M1", "2027-02", "correction", 1_174, 1_188, 14, Decimal(14)),
        ("M0", NEXT_CYCLE, "correction", 1_132, 1_162, 30, Decimal(30)),
    ]
