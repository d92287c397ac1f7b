"""What is odd or without a value waits until the office has decided on it; what it has decided stays on record."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import accumulate

import pytest
from billing_town import DECEMBER, NEXT_CYCLE, export, open_next
from conftest import CYCLE, NOW, make_job, make_place
from readers import FIRST_READ, Reader, as_office, open_with_past, readings_in

from metermt.calls import cycles, estimating, finding, limits, opening, places, review, routes, towns
from metermt.calls.cycles import Cycle
from metermt.calls.desk import Desk
from metermt.calls.estimating import Estimating
from metermt.calls.review import Correction, Decisions, Reviewed, Said
from metermt.decisions import Verdict
from metermt.errors import AlreadyRead, ConfirmReading, DecisionError, RoleError, RouteError, StoreError, UnknownMeter
from metermt.model import Answer, JobState, Role, Status
from metermt.quality import Billing, Cause, Flag, Quality
from metermt.rules.history import Read
from metermt.rules.seasons import Season
from metermt.store.memory.store import MemoryStore
from metermt.wire import from_text, to_text

ODD, GOOD = 1_444, 1_144  # of meters that showed 1,132 last and use 12 a month
NOTHING = Status(0, 0)


@pytest.fixture(params=["sqlite_store", "shared_postgres_store"])
def town(request, clock, demo_accounts, hasher):
    """A desk with four meters that have a past, in an open cycle."""
    store = request.getfixturevalue(request.param)
    store.write(lambda tx: tx.accounts.put(demo_accounts))
    desk = Desk(store, clock=clock)
    open_with_past(desk, dict.fromkeys(("M0", "M1", "M2", "M3"), 1_000))
    return desk


def verified(reader, meter, value):
    """Send an odd value twice."""
    with pytest.raises(ConfirmReading):
        reader.submit(meter, value)
    reader.submit(meter, value)


def waiting(desk):
    return as_office(desk, review.list_waiting, Reviewed(), Role.SUPERVISOR).waiting


def decide(desk, *said):
    return as_office(desk, review.decide, Decisions(list(said)), Role.SUPERVISOR)


def decide_one(desk, verdict, value=None, why=""):
    """Decide on the only result that waits."""
    (one,) = waiting(desk)
    (outcome,) = decide(desk, Said(one.reading, verdict, value, why))
    if outcome:
        raise outcome


def result_of(desk, meter):
    (result,) = desk.store.read(lambda tx: tx.office.of_meters([meter]))
    return result


def test_what_is_odd_or_without_a_value_waits_and_nothing_else_does(town):
    carol = Reader(town)
    carol.submit("M0", GOOD)
    verified(carol, "M1", ODD)
    carol.submit("M2", None, "dog")
    carol.submit("M3", GOOD, "tampered")
    high, dog, tampered = waiting(town)
    assert (high.job.meter.number, high.value, high.flags, high.quality) == ("M1", ODD, (Flag.HIGH,), Quality.VERIFIED)
    assert (high.username, high.cause, high.when) == ("carol", Cause.MISREAD, NOW - timedelta(minutes=5))
    assert 1_150 <= high.expected <= 1_158
    assert len(high.past) == 12
    assert (high.past[0].value, high.past[-1].value) == (1_000, 1_132)
    assert (dog.value, dog.reason, dog.code) == (None, "dog", "dog")
    assert (tampered.value, tampered.code) == (GOOD, "tampered")
    assert result_of(town, "M0").billing is Billing.READY


def test_what_is_approved_stays_as_it_was_sent(town):
    verified(Reader(town), "M1", ODD)
    decide_one(town, Verdict.APPROVE)
    assert waiting(town) == []
    result = result_of(town, "M1")
    assert (result.billing, result.reading.answer.value, result.reading.username) == (Billing.READY, ODD, "carol")


def test_an_edit_counts_instead_and_the_value_of_the_reader_stays_on_record(town):
    verified(Reader(town), "M1", ODD)
    decide_one(town, Verdict.EDIT, GOOD, "seen on the photograph")
    result = result_of(town, "M1")
    assert (result.billing, result.reading.answer.value, result.reading.quality) == (
        Billing.READY,
        GOOD,
        Quality.EDITED,
    )
    assert [(one.answer.value, one.counts) for one in readings_in(town.store)] == [(ODD, False), (GOOD, True)]
    assert Reader(town).status() == Status(1, 1)
    (decision,) = town.store.read(lambda tx: tx.office.decisions([result.id]))
    assert (decision.verdict, decision.why, decision.username) == (Verdict.EDIT, "seen on the photograph", "")


def test_what_is_to_be_read_again_is_handed_out_with_the_note_and_counts_for_whoever_reads_it_then(town):
    carol, adam = Reader(town), Reader(town, "adam")
    verified(carol, "M1", ODD)
    decide_one(town, Verdict.REREAD, why="the meter is behind the left door")
    assert (carol.status(), waiting(town), result_of(town, "M1").state) == (NOTHING, [], JobState.OPEN)
    assert [one.counts for one in readings_in(town.store)] == [False]
    with pytest.raises(ConfirmReading):
        adam.submit("M1", ODD)  # which is judged as any other
    adam.submit("M1", GOOD)
    assert (carol.status(), adam.status()) == (Status(0, 1), Status(1, 1))
    result = result_of(town, "M1")
    assert (result.billing, result.job.note) == (Billing.READY, "the meter is behind the left door")
    with pytest.raises(AlreadyRead):
        carol.submit("M1", ODD)


@pytest.mark.parametrize("was_billed", [False, True])
def test_a_reread_that_nobody_makes_is_given_up_and_later_readings_are_billed(town, clock, was_billed):
    carol = Reader(town)
    carol.submit("M1", GOOD)
    if was_billed:
        assert export(town) == [("M1", CYCLE, "reading", 1_132, GOOD, 12, 12)]
    verified(carol, "M1", ODD)
    decide_one(town, Verdict.REREAD)
    open_next(town, clock)
    Reader(town).submit("M1", 1_152, when=DECEMBER, cycle=NEXT_CYCLE)
    with pytest.raises(DecisionError, match="nothing new"):
        export(town)
    giving_up = review.GivingUp("M1", "pulled down", CYCLE)
    assert as_office(town, review.give_up_reread, giving_up, Role.SUPERVISOR) == Cycle(CYCLE)
    with pytest.raises(DecisionError, match=rf"^Meter M1 is not to be read again in '{CYCLE}'$"):
        as_office(town, review.give_up_reread, giving_up)
    result = next(one for one in town.store.read(lambda tx: tx.office.of_meters(["M1"])) if one.job.cycle == CYCLE)
    assert (result.state, result.reading.quality, result.reading.answer.value) == (JobState.DONE, Quality.EDITED, None)
    assert (result.reading.answer.reason, result.reading.answer.when) == ("pulled down", NOW - timedelta(minutes=5))
    assert export(town) == [
        ("M1", CYCLE, "correction" if was_billed else "reading", 1_132, None, None, None),
        ("M1", NEXT_CYCLE, "reading", 1_132, 1_152, 20, 20),
    ]


def test_what_is_given_up_is_no_previous_reading_of_a_place_without_a_history_either(town, clock):
    new = make_job("X1", previous=100, previous_date=date(2026, 10, 20))
    as_office(town, routes.import_jobs, routes.Import(CYCLE, [new]))
    Reader(town).submit("X1", 5_000)  # of which nobody can say that it is odd
    open_next(town, clock)
    as_office(town, cycles.reopen_cycle, Cycle(CYCLE))
    decide_one(town, Verdict.REREAD)
    as_office(town, review.give_up_reread, review.GivingUp("X1", "pulled down"))
    Reader(town).submit_many([Answer("X1", 150, when=DECEMBER, cycle=NEXT_CYCLE, verified=True)])
    decide_one(town, Verdict.APPROVE)
    assert export(town) == [
        ("X1", CYCLE, "reading", 100, None, None, None),
        ("X1", NEXT_CYCLE, "reading", 100, 150, 50, 50),
    ]


def test_what_came_with_jobs_is_looked_up_only_where_nothing_was_read_before(town, clock):
    new = make_job("X1", previous=100, previous_date=date(2026, 10, 20))
    as_office(town, routes.import_jobs, routes.Import(CYCLE, [new]))
    Reader(town).submit("X1", 150)
    open_next(town, clock)
    Reader(town).submit_many([Answer("X1", 170, when=DECEMBER, cycle=NEXT_CYCLE, verified=True)])
    first, second = town.store.read(lambda tx: [one.id for one in tx.office.of_meters(["X1"])])
    chains = town.store.read(lambda tx: tx.billing.chains([first, second]))
    assert (chains[first].given, chains[second].given) == (Read(date(2026, 10, 20), 100), None)


def test_the_reason_that_was_sent_stays_where_a_reread_is_given_up_and_nobody_is_handed_it(town):
    carol = Reader(town)
    carol.submit("M1", None, "dog")
    decide_one(town, Verdict.REREAD)
    assert "M1" in carol.meters(4)
    as_office(town, review.give_up_reread, review.GivingUp("M1", "pulled down"))
    result = result_of(town, "M1")
    assert (result.reading.answer.reason, result.reading.code, result.billing) == ("dog", "dog", Billing.READY)
    assert ("M1" in carol.meters(4), carol.status(), waiting(town)) == (False, NOTHING, [])
    with pytest.raises(AlreadyRead, match="by the office"):
        carol.submit("M1", GOOD)
    with pytest.raises(DecisionError, match=r"^Meter M2 is not to be read again$"):
        as_office(town, review.give_up_reread, review.GivingUp("M2", "pulled down"))


def test_a_job_with_a_reading_on_record_stays_in_its_cycle(town):
    Reader(town).submit("M2", None, "dog")
    decide_one(town, Verdict.REREAD)
    with pytest.raises(RouteError, match="Meter M2 was read in 2026-11 before it was sent to be read again: it stays"):
        as_office(town, routes.remove_jobs, routes.Removal(CYCLE, ["M1", "M2"]))
    as_office(town, routes.remove_jobs, routes.Removal(CYCLE, ["M1"]))


def test_who_sends_a_reading_again_under_its_key_changes_nothing_after_it_was_sent_back(town):
    carol = Reader(town)
    carol.submit("M2", None, "dog", key="k")
    decide_one(town, Verdict.REREAD)
    carol.submit("M2", None, "dog", key="k")
    assert (carol.status(), result_of(town, "M2").state) == (NOTHING, JobState.OPEN)


def test_each_is_decided_once_and_the_others_of_a_bulk_all_the_same(town):
    carol = Reader(town)
    for meter in ("M1", "M2"):
        verified(carol, meter, ODD)
    first, second = waiting(town)
    approve = Said(first.reading, Verdict.APPROVE)
    assert decide(town, approve) == [None]
    again, fine, twice, unknown = decide(
        town,
        approve,
        Said(second.reading, Verdict.APPROVE),
        Said(second.reading, Verdict.APPROVE),
        Said(999, Verdict.APPROVE),
    )
    assert str(again) == f"Meter M1 in {CYCLE} was approved already: look at what waits now"
    assert fine is None
    assert str(twice) == f"Result {second.reading} is named twice: decide on it once"
    assert str(unknown) == "There is no result 999"


def test_what_its_reader_has_corrected_meanwhile_is_not_decided(town):
    carol = Reader(town)
    verified(carol, "M1", ODD)
    (seen,) = waiting(town)
    carol.submit("M1", GOOD)
    (refused,) = decide(town, Said(seen.reading, Verdict.APPROVE))
    assert str(refused) == f"Meter M1 in {CYCLE} has another result by now: look at that one first"
    assert result_of(town, "M1").reading.answer.value == GOOD


@pytest.mark.parametrize(
    ("verdict", "value", "why", "error"),
    [
        (Verdict.EDIT, None, "typo", "An edit wants the value that counts"),
        (Verdict.EDIT, 10**6, "typo", "Invalid value 1000000: the register of M1 goes from 0 to 99999"),
        (Verdict.EDIT, -1, "typo", "Invalid value -1: the register of M1 goes from 0 to 99999"),
        (Verdict.EDIT, GOOD, " ", "Say why: it stays on record beside the value"),
        (Verdict.APPROVE, None, "x" * 201, "What is said of it has 201 characters: 200 are allowed"),
        (Verdict.REREAD, None, "a\nb", r"What is said of it has control characters in it: “'a\nb'”"),
    ],
)
def test_what_cannot_be_decided_so_changes_nothing(town, verdict, value, why, error):
    verified(Reader(town), "M1", ODD)
    with pytest.raises(DecisionError) as refused:
        decide_one(town, verdict, value, why)
    assert str(refused.value) == error
    assert len(waiting(town)) == 1
    assert town.store.read(lambda tx: tx.office.decisions([result_of(town, "M1").id])) == []


def test_nothing_is_read_again_in_a_closed_cycle(town):
    verified(Reader(town), "M1", ODD)
    as_office(town, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    with pytest.raises(DecisionError, match=f"Cycle {CYCLE} is closed, so M1 is read no more in it"):
        decide_one(town, Verdict.REREAD)
    decide_one(town, Verdict.APPROVE)


def test_a_reading_is_corrected_by_the_office_whether_it_was_decided_or_not(town):
    carol = Reader(town)
    carol.submit("M0", GOOD)
    as_office(town, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    as_office(town, review.correct_reading, Correction("M0", GOOD + 1, "the customer's photograph"), Role.SUPERVISOR)
    result = result_of(town, "M0")
    assert (result.reading.answer.value, result.reading.quality) == (GOOD + 1, Quality.EDITED)
    with pytest.raises(DecisionError, match="Meter M1 has no job in cycle '2020-01'; it has one in 2026-11"):
        as_office(town, review.correct_reading, Correction("M1", 5, "a call", "2020-01"))
    with pytest.raises(UnknownMeter, match="Unknown meter 'M9'"):
        as_office(town, review.correct_reading, Correction("M9", 5, "a call"))


def test_a_reading_that_comes_after_its_job_was_missed_is_put_by_the_office_and_flagged(town):
    as_office(town, review.correct_reading, Correction("M0", GOOD, "told by telephone"))
    assert result_of(town, "M0").reading.flags == ()
    as_office(town, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    for on, error in (
        (None, "Meter M1 was missed in 2026-11: say with --on on which day it was read"),
        (NOW.date() + timedelta(days=1), "2026-11-21 lies in the future: say on which day it was read"),
        (date(2026, 9, 1), "2026-09-01 is before 2026-09-27, when the meter was read last"),
    ):
        with pytest.raises(DecisionError, match=error):
            as_office(town, review.correct_reading, Correction("M1", GOOD, "told by telephone", on=on))
    as_office(town, review.correct_reading, Correction("M1", GOOD, "told by telephone", on=date(2026, 11, 18)))
    result = result_of(town, "M1")
    assert result.reading.answer.when.date() == date(2026, 11, 18)
    assert (result.state, result.billing, result.reading.flags) == (JobState.DONE, Billing.READY, (Flag.LATE,))
    assert waiting(town) == []


def test_what_is_put_for_a_day_comes_after_what_was_read_in_the_cycle_before(town):
    as_office(town, opening.open_cycle, opening.Opening("2026-12"))
    Reader(town).submit("M1", GOOD, cycle=CYCLE)
    with pytest.raises(DecisionError, match=f"2026-11-19 is too early for 2026-12: {CYCLE} was read on 2026-11-20"):
        as_office(town, review.correct_reading, Correction("M1", GOOD, "why", "2026-12", date(2026, 11, 19)))
    as_office(town, review.correct_reading, Correction("M1", GOOD, "why", "2026-12", NOW.date()))


def test_a_reading_of_a_day_before_an_estimate_can_be_corrected_and_is_told_what_the_estimate_is(town, clock):
    as_office(town, opening.open_cycle, opening.Opening("2026-12"))
    clock.move(days=4)
    Reader(town).submit("M1", GOOD, when="2026-11-22T10:00:00Z", cycle="2026-12")
    estimate(town, "M1", on=date(2026, 11, 24))
    with pytest.raises(DecisionError, match=f"too early for 2026-12: {CYCLE} was estimated for 2026-11-24: correct"):
        as_office(town, review.correct_reading, Correction("M1", GOOD, "why", "2026-12", date(2026, 11, 21)))
    as_office(town, review.correct_reading, Correction("M1", GOOD, "why", "2026-12", date(2026, 11, 22)))
    as_office(town, review.correct_reading, Correction("M1", GOOD, "why", CYCLE, date(2026, 11, 20)))
    as_office(town, review.correct_reading, Correction("M1", GOOD, "why", "2026-12", date(2026, 11, 21)))


def test_the_office_is_for_supervisors_and_wants_a_database(town, clock):
    carol = Reader(town)
    for call, request in ((review.list_waiting, Reviewed()), (review.decide, Decisions())):
        with pytest.raises(RoleError):
            carol.ask(call, request)
    with pytest.raises(StoreError, match="The office needs a database"):
        as_office(Desk(MemoryStore(), clock=clock), review.list_waiting, Reviewed())


def estimate(desk, *meters, on=None):
    """Estimate all that waits, or these meters that nobody has read; return the values, and why there is none."""
    if meters:
        asked = Estimating(cycle=CYCLE, meters=list(meters), on=on)
    else:
        asked = Estimating([one.reading for one in waiting(desk)])
    outcomes = as_office(desk, estimating.estimate_readings, asked, Role.SUPERVISOR)
    return [outcome.made.value if outcome.made else str(outcome.error) for outcome in outcomes]


def test_what_could_not_be_read_is_estimated_and_says_so(town):
    carol = Reader(town)
    carol.submit("M0", None, "dog")
    verified(carol, "M1", ODD)
    assert estimate(town) == [1_154, 1_154]  # in 54 days of some 12 a month
    assert waiting(town) == []
    result = result_of(town, "M0")
    assert (result.billing, result.reading.answer.value, result.reading.quality) == (
        Billing.READY,
        1_154,
        Quality.ESTIMATED,
    )
    assert (result.reading.answer.code, result.reading.flags) == ("dog", ())
    (decision,) = town.store.read(lambda tx: tx.office.decisions([result.id]))
    assert decision.why.startswith("same-month: 0.4 a day for 54 days, by what was read up to 2026-09-27")
    assert carol.status() == Status(2, 2)


def test_one_meter_in_two_cycles_is_estimated_from_one_to_the_next_whichever_is_named_first(town, clock):
    Reader(town).submit("M1", None, "dog")
    open_next(town, clock)
    Reader(town).submit("M1", None, "dog", when=DECEMBER)
    november, december = waiting(town)
    asked = Estimating([december.reading, november.reading])
    late, early = (one.made for one in as_office(town, estimating.estimate_readings, asked))
    assert (early.cycle, early.value, early.use) == (CYCLE, 1_154, 22)
    assert (late.cycle, late.use) == (NEXT_CYCLE, late.value - early.value)


def test_nothing_is_estimated_from_a_value_that_waits_for_a_decision(town, clock):
    verified(Reader(town), "M1", 5_000)
    open_next(town, clock)
    Reader(town).submit("M1", None, "dog", when=DECEMBER)
    odd, dog = waiting(town)
    asked = Estimating([dog.reading])
    (refused,) = as_office(town, estimating.estimate_readings, asked)
    assert "M1 is not estimated in 2026-12: 5000 in 2026-11 waits for a decision" in str(refused.error)
    assert decide(town, Said(odd.reading, Verdict.EDIT, GOOD, "a slip")) == [None]
    (outcome,) = as_office(town, estimating.estimate_readings, asked)
    assert GOOD < outcome.made.value < GOOD + 20


def import_winters(desk):
    """Have known of two years that twice as much is used in winter."""
    days = [FIRST_READ + timedelta(days=30 * month) for month in range(-12, 12)]
    shown = list(accumulate((24 if day.month in (12, 1, 2, 3) else 12 for day in days[1:]), initial=500))
    past = [places.Shown(f"M{n}", day, value) for n in range(4) for day, value in zip(days, shown, strict=True)]
    assert not any(as_office(desk, places.import_history, places.Past(past)))


def kept_seasons(desk):
    return from_text(dict[str, Season], desk.store.read(lambda tx: tx.cycles.seasons())[CYCLE])


def test_the_season_by_which_is_estimated_is_learned_with_the_limits_of_the_cycle(town):
    import_winters(town)
    as_office(town, limits.renew_limits, limits.Renewal(CYCLE))
    kept = kept_seasons(town)
    assert list(kept) == ["G"]
    (before,) = estimate(town, "M1")
    winter = Season(tuple(1.0 if month in (9, 10) else -0.2 for month in range(12)))
    town.store.write(lambda tx: tx.cycles.set_seasons(CYCLE, to_text({"G": winter})))
    assert estimate(town, "M2") > [before]
    as_office(town, limits.renew_limits, limits.Renewal(CYCLE))
    assert kept_seasons(town) == kept


def test_a_season_that_nobody_knew_when_the_cycle_was_opened_is_learned_when_it_is_wanted(town):
    assert kept_seasons(town) == {}
    import_winters(town)
    as_office(town, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    months = towns.seasons_of(town, CYCLE, NOW.date(), {"G"})["G"].months
    assert months[0] > months[6]


def test_meters_that_nobody_has_read_are_estimated_too(town):
    Reader(town).submit("M0", GOOD)
    assert estimate(town, "M0", "M1", "M1", "M9") == [
        f"Meter M0 has a result in {CYCLE} (to change it say metermt readings correct)",
        1_154,
        "Meter M1 is named twice: estimate it once",
        f"There is no meter 'M9' in cycle {CYCLE}",
    ]
    assert estimate(town, "M2", on=date(2026, 11, 10)) == [1_150]
    assert estimate(town, "M3", on=NOW.date() + timedelta(days=1)) == [
        "2026-11-21 lies in the future: nothing is estimated for it yet"
    ]
    assert Reader(town).status() == Status(1, 1)
    as_office(town, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    assert estimate(town, "M3") == [1_154]


def test_a_meter_without_a_past_is_not_estimated(town):
    as_office(town, places.import_places, places.Places([make_place("M4")]))
    as_office(town, opening.open_cycle, opening.Opening(CYCLE))
    (error,) = estimate(town, "M4")
    assert error.startswith("Meter M4: It cannot be estimated: there is no reading of it to go on from")
    assert result_of(town, "M4").state is JobState.OPEN


def test_a_reading_that_comes_after_an_estimate_is_taken_and_flagged_as_late(town):
    carol, adam = Reader(town), Reader(town, "adam")
    estimate(town, "M1")
    adam.submit("M1", GOOD)
    (late,) = waiting(town)
    assert (late.value, late.flags, late.quality, late.username) == (GOOD, (Flag.LATE,), Quality.ACTUAL, "adam")
    assert adam.status() == Status(1, 1)
    with pytest.raises(AlreadyRead):
        carol.submit("M1", GOOD)
    decide_one(town, Verdict.APPROVE)
    assert [one.quality for one in readings_in(town.store)] == [Quality.ESTIMATED, Quality.ACTUAL]


def test_a_meter_that_is_read_after_an_estimate_counts_once_for_whoever_has_read_it_last(town):
    carol, adam = Reader(town), Reader(town, "adam")
    for meter in ("M0", "M1"):
        carol.submit(meter, None, "no-access")
    assert estimate(town) == [1_154, 1_154]
    carol.submit("M0", GOOD)
    assert carol.status() == Status(2, 2)
    assert adam.submit_and_next("M1", GOOD).status == Status(1, 2)
    assert (carol.status(), adam.status()) == (Status(1, 2), Status(1, 2))
    decide(town, *(Said(one.reading, Verdict.REREAD) for one in waiting(town)))
    assert (carol.status(), adam.status()) == (NOTHING, NOTHING)


def test_what_somebody_has_put_who_also_reads_is_read_by_them_no_more_and_never_counted(town):
    account = town.store.read(lambda tx: tx.accounts.find(["carol"])["carol"])
    supervisor = replace(account, user=replace(account.user, role=Role.SUPERVISOR))
    town.store.write(lambda tx: tx.accounts.put([supervisor]))
    carol = Reader(town)
    carol.ask(review.correct_reading, Correction("M0", GOOD, "told by telephone"))
    with pytest.raises(AlreadyRead, match="Meter M0 was already read this cycle by the office"):
        carol.submit("M0", None, "dog")
    assert (carol.status(), carol.ask(finding.my_readings, finding.Most(1))) == (NOTHING, [])
    (stop,) = carol.ask(finding.find_meters, finding.Sought("M0")).stops
    assert stop.refusal("carol") == "M0 is read by the office: choose another one"


def test_what_the_office_has_put_is_read_by_nobody_else(town):
    as_office(town, review.correct_reading, Correction("M0", GOOD, "told by telephone"))
    with pytest.raises(AlreadyRead, match="Meter M0 was already read this cycle by the office"):
        Reader(town).submit("M0", GOOD)
    with pytest.raises(RouteError, match="Meter M0 was read in 2026-11: it stays in the cycle"):
        as_office(town, routes.remove_jobs, routes.Removal(CYCLE, ["M0"]))
