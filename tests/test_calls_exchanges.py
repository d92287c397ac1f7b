"""Devices are exchanged, and each unit that either of them has counted is billed once."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from billing_town import DECEMBER, NEXT_CYCLE, export, nothing_new, open_next
from conftest import CYCLE, make_place
from readers import WHEN, Reader, as_office

from metermt.calls import cycles, estimating, exchanges, limits, meters, notes, opening, places, review, rounds
from metermt.calls.estimating import Estimating
from metermt.calls.exchanges import Exchanged, MeterExchange
from metermt.calls.review import Correction, Decisions, Reviewed, Said
from metermt.decisions import Verdict
from metermt.errors import (
    ConfirmReading,
    DecisionError,
    InvalidReport,
    InvalidTime,
    MeterExchanged,
    RouteError,
    UnknownMeter,
)
from metermt.model import Role
from metermt.quality import Flag
from metermt.rules.history import history_of
from metermt.rules.looks import is_reported

SHOWN = 1_132  # in September, as 12 a month are used
BEFORE, TODAY = date(2026, 11, 10), date(2026, 11, 20)


@pytest.fixture
def town(billing_town):
    return billing_town


def exchange(desk, old, new, final, initial, on=BEFORE, dials=None, multiplier=None):
    told = MeterExchange(old, new, final, initial, on, dials, multiplier)
    return as_office(desk, exchanges.exchange_meter, told, Role.SUPERVISOR)


def uses(desk):
    """Make a batch; return meter, cycle, previous, value and use of its lines, and what the use is billed as."""
    return [(line[0], line[1], *line[3:]) for line in export(desk)]


def last_read(desk, *meters):
    return desk.store.read(lambda tx: tx.devices.last_read(meters))


def submit_twice(desk, value, when=WHEN):
    """Have an odd value accepted for the first meter."""
    carol = Reader(desk)
    with pytest.raises(ConfirmReading):
        carol.submit("M0", value, when=when)
    carol.submit("M0", value, when=when)


def approve_all(desk):
    waiting = as_office(desk, review.list_waiting, Reviewed()).waiting
    as_office(desk, review.decide, Decisions([Said(one.reading, Verdict.APPROVE) for one in waiting]))


def test_what_both_devices_have_counted_is_billed_once_each_by_its_own_multiplier(town):
    assert exchange(town, "M3", "N3", 1_140, 7, multiplier=Decimal(2), dials=6) == Exchanged([CYCLE], [])
    Reader(town).submit("N3", 87)
    assert uses(town) == [("N3", CYCLE, SHOWN, 87, 8 + 80, Decimal(8 * 40 + 80 * 2))]
    assert nothing_new(town)


def test_a_job_goes_on_with_its_holder_its_note_and_limits_of_the_new_device(town):
    carol = Reader(town)
    assert carol.meters(1) == ["M0"]
    carol.ask(notes.leave_note, notes.Noted("M0", "two dogs"))
    exchange(town, "M0", "N0", 1_150, 500)
    with pytest.raises(MeterExchanged, match="M0 was exchanged for N0 on 2026-11-10: read that one") as refused:
        carol.submit("M0", 1_150, cycle=CYCLE)
    assert refused.value.details == {"new": "N0", "on": "2026-11-10"}
    with pytest.raises(MeterExchanged, match="M0 was exchanged for N0"):
        carol.ask(rounds.skip_job, rounds.Skipped("M0", CYCLE))
    (job,) = carol.ask(rounds.get_jobs, rounds.JobsWanted(1))
    assert (job.meter.number, job.previous, job.previous_date, job.note) == ("N0", 500, BEFORE, "two dogs")
    with pytest.raises(ConfirmReading) as odd:
        carol.submit("N0", 1_150)
    assert odd.value.details["flags"] == "high neighbour"
    with pytest.raises(InvalidTime, match="before the last reading of N0"):
        carol.submit("N0", 504, when="2026-11-09T12:00:00Z")
    carol.submit("N0", 504)
    assert nothing_new(town) is False


def test_what_was_read_stays_and_its_reader_corrects_it_no_more(town, clock):
    carol = Reader(town)
    carol.submit("M0", 1_150)
    assert exchange(town, "M0", "N0", 1_155, 0, TODAY) == Exchanged([], [CYCLE])
    with pytest.raises(MeterExchanged):
        carol.submit("M0", 1_149)
    assert uses(town) == [("M0", CYCLE, SHOWN, 1_150, 18, Decimal(18))]
    opened = as_office(town, opening.open_cycle, opening.Opening(CYCLE))
    assert (opened.added, opened.there) == (0, 4), "the place is read in this cycle"
    open_next(town, clock)
    Reader(town).submit("N0", 9, when=DECEMBER)
    assert uses(town) == [("N0", NEXT_CYCLE, 1_150, 9, 5 + 9, Decimal(14))]
    as_office(town, review.correct_reading, Correction("M0", 1_152, "photograph", CYCLE))
    assert [line[-2] for line in uses(town)] == [20, 12]


def test_an_exchange_on_the_day_of_both_readings_takes_them_in_turn_whatever_their_clocks(town, clock):
    clock.move(hours=8)
    Reader(town).submit("M0", 1_150, when="2026-11-20T17:00:00Z")
    exchange(town, "M0", "N0", 1_150, 900, TODAY)
    as_office(town, opening.open_cycle, opening.Opening(NEXT_CYCLE))
    as_office(town, review.correct_reading, Correction("N0", 903, "at noon", NEXT_CYCLE, TODAY))
    assert [(line[0], line[4]) for line in uses(town)] == [("M0", 18), ("N0", 3)]


def test_a_place_is_exchanged_twice_in_a_cycle_and_back(town):
    exchange(town, "M0", "N0", 1_140, 0)
    exchange(town, "N0", "P0", 3, 50, BEFORE + timedelta(days=1))
    exchange(town, "P0", "M0", 52, 1_140, BEFORE + timedelta(days=2))
    with pytest.raises(MeterExchanged, match="N0 was exchanged for P0"):
        Reader(town).submit("N0", 3)
    Reader(town).submit("M0", 1_144)
    assert uses(town) == [("M0", CYCLE, SHOWN, 1_144, 8 + 3 + 2 + 4, Decimal(17))]


def test_a_place_without_a_history_loses_nothing_of_what_came_with_its_job(town):
    from conftest import make_job  # noqa: PLC0415

    from metermt.calls import routes  # noqa: PLC0415

    known = make_job("Z1", previous=100, previous_date=date(2026, 10, 20), sequence=9)
    dayless = make_job("Z2", previous=200, sequence=10)
    as_office(town, routes.import_jobs, routes.Import(CYCLE, [known, dayless]))
    exchange(town, "Z1", "Y1", 130, 0)
    exchange(town, "Z2", "Y2", 230, 0)
    carol = Reader(town)
    carol.submit("Y1", 4)
    carol.submit("Y2", 5)
    approve_all(town)
    assert [(line[0], line[2], line[4]) for line in uses(town)] == [("Y1", 100, 34), ("Y2", 200, 35)]


def test_a_reader_at_the_meter_tells_of_an_exchange_and_the_office_looks_at_the_next_reading(town):
    carol, adam = Reader(town), Reader(town, "adam")
    assert carol.meters(1) == ["M0"]
    told = MeterExchange("M0", "N0", 1_140, 0, TODAY)
    with pytest.raises(InvalidReport, match=r"^Meter M0 is being read by carol: leave a note for the office$"):
        adam.ask(exchanges.exchange_meter, told)
    assert carol.ask(exchanges.exchange_meter, told) == Exchanged([CYCLE], [])
    assert carol.ask(exchanges.exchange_meter, told) == Exchanged(), "the same again counts once"
    with pytest.raises(MeterExchanged):
        carol.ask(exchanges.exchange_meter, MeterExchange("M0", "N0", 1_141, 0, TODAY))
    as_office(town, limits.renew_limits, limits.Renewal(CYCLE))
    carol.submit("N0", 1)
    (waiting,) = as_office(town, review.list_waiting, Reviewed()).waiting
    assert Flag.EXCHANGED in waiting.flags
    assert nothing_new(town)
    (listed,) = as_office(town, exchanges.list_exchanges, exchanges.Exchanges(), Role.SUPERVISOR)
    assert (listed.old_meter, listed.new_meter, listed.username) == ("M0", "N0", "carol")
    approve_all(town)
    assert uses(town) == [("N0", CYCLE, SHOWN, 1, 9, Decimal(9))]


def test_a_device_was_read_when_somebody_has_seen_what_it_shows_where_it_hangs(town):
    carol = Reader(town)
    carol.submit("M0", 1_150)
    carol.submit("M2", -1, "dog")
    exchange(town, "M1", "N1", 1_140, 0)
    carol.submit("N1", 4)
    as_office(town, estimating.estimate_readings, Estimating(cycle=CYCLE, meters=["M3"]))
    there = last_read(town, "M0", "M1", "M2", "M3", "N1", "none")
    assert there == dict.fromkeys(("M0", "N1"), datetime.fromisoformat(WHEN))
    exchange(town, "M0", "N0", 1_151, 0, TODAY)
    assert last_read(town, "M0", "N0") == {}


@pytest.mark.parametrize("reopened", [False, True])
def test_the_office_looks_at_the_first_reading_of_what_a_reader_has_exchanged_also_in_another_cycle(
    town, clock, reopened
):
    if reopened:
        open_next(town, clock)
    told = MeterExchange("M0", "N0", 1_140, 0, clock.now.date())
    Reader(town).ask(exchanges.exchange_meter, told)
    if reopened:
        as_office(town, cycles.reopen_cycle, cycles.Cycle(CYCLE))
    else:
        open_next(town, clock)
    value, cycle = (1, CYCLE) if reopened else (10, NEXT_CYCLE)
    Reader(town).submit("N0", value, when=clock.now, cycle=cycle)
    (waiting,) = as_office(town, review.list_waiting, Reviewed()).waiting
    assert Flag.EXCHANGED in waiting.flags
    assert nothing_new(town)
    approve_all(town)
    as_office(town, limits.renew_limits, limits.Renewal(NEXT_CYCLE))
    (standing,) = town.store.read(lambda tx: [one for one in tx.rounds.standings(["N0"]) if one.cycle == NEXT_CYCLE])
    assert is_reported(standing.limits) is not reopened, "what is read already stays; what is not is looked at no more"


def test_no_device_is_taken_down_below_what_was_accepted_because_a_lower_value_waits(town):
    submit_twice(town, 1_102)
    with pytest.raises(
        InvalidReport, match=f"1102: 1102 of M0 in {CYCLE} waits for a decision, and what it had before"
    ):
        exchange(town, "M0", "N0", 1_102, 0, on=TODAY)
    exchange(town, "M0", "N0", 1_140, 0, on=TODAY)


def test_nor_because_several_lower_values_wait_all_of_which_may_be_discarded(town, clock):
    submit_twice(town, 1_102)
    open_next(town, clock)
    submit_twice(town, 1_129, when=DECEMBER)
    with pytest.raises(InvalidReport, match=f"1130: 1102 of M0 in {CYCLE} waits for a decision, and what it had"):
        exchange(town, "M0", "N0", 1_130, 0, on=DECEMBER.date())
    exchange(town, "M0", "N0", 1_140, 0, on=DECEMBER.date())


def test_a_reader_tells_of_an_exchange_at_a_meter_that_was_handed_out_to_nobody_while_it_is_to_be_read(town):
    adam = Reader(town, "adam")
    assert adam.ask(exchanges.exchange_meter, MeterExchange("M1", "N1", 1_140, 0, TODAY)) == Exchanged([CYCLE], [])
    adam.submit("M2", 1_140)
    with pytest.raises(InvalidReport, match=r"^M2 is not to be read now: leave a note for the office$"):
        adam.ask(exchanges.exchange_meter, MeterExchange("M2", "N2", 1_141, 0, TODAY))


def test_a_last_value_that_a_reader_would_be_asked_about_is_refused_unless_it_is_sure(town):
    odd = MeterExchange("M0", "N0", 99_140, 0, TODAY, sure=False)
    with pytest.raises(ConfirmReading, match=r"^99140 is high for M0.*, a use of 98008$"):
        as_office(town, exchanges.exchange_meter, odd)
    assert as_office(town, exchanges.list_exchanges, exchanges.Exchanges()) == []
    as_office(town, exchanges.exchange_meter, replace(odd, final=1_140))
    as_office(town, exchanges.exchange_meter, replace(odd, old="M1", new="N1", sure=True))


@pytest.mark.parametrize(
    ("old", "new", "final", "initial", "on", "error", "words"),
    [
        ("X9", "N0", 1_140, 0, BEFORE, UnknownMeter, "Unknown meter 'X9'"),
        ("M0", "n 0", 1_140, 0, BEFORE, RouteError, "Invalid meter number 'n 0'"),
        ("M0", "M0", 1_140, 0, BEFORE, InvalidReport, "cannot be exchanged for itself"),
        ("M0", "M1", 1_140, 0, BEFORE, InvalidReport, "Meter M1 hangs on route 'North'"),
        ("M0", "N0", 1_131, 0, BEFORE, InvalidReport, "M0 had 1132 on 2026-09-27 already; if that reading is wrong"),
        ("M0", "N0", 100_000, 0, BEFORE, InvalidReport, "Invalid final reading 100000: the register of M0 goes from"),
        ("M0", "N0", 1_140, -1, BEFORE, InvalidReport, "Invalid initial reading -1: the register of N0 goes from 0"),
        ("M0", "N0", 1_140, 0, date(2026, 11, 21), InvalidReport, "2026-11-21: it lies in the future"),
        ("M0", "N0", 1_140, 0, date(2026, 9, 26), InvalidReport, "the last reading of M0 is of 2026-09-27"),
        ("M0", "N0", 1_140, 0, date(2025, 11, 18), InvalidReport, "it is more than a year ago"),
    ],
)
def test_what_cannot_be_an_exchange_changes_nothing(town, old, new, final, initial, on, error, words):
    with pytest.raises(error, match=words):
        exchange(town, old, new, final, initial, on)
    assert as_office(town, exchanges.list_exchanges, exchanges.Exchanges()) == []
    assert list(town.store.read(lambda tx: tx.jobs.find(CYCLE, ["M0", "N0"]))) == ["M0"]


def test_there_is_one_exchange_a_day_and_what_was_shown_on_it_is_known(town):
    exchange(town, "M0", "N0", 1_140, 0)
    with pytest.raises(InvalidReport, match="M0 was exchanged for N0 there on 2026-11-10"):
        exchange(town, "N0", "P0", 1, 0)
    (refused,) = as_office(town, places.import_history, places.Past([places.Shown("N0", BEFORE, 3)]))
    assert "On 2026-11-10 the device of N0 was exchanged" in str(refused)


def test_the_office_makes_no_use_negative_by_what_it_corrects_around_an_exchange(town):
    Reader(town).submit("M0", 1_150)
    exchange(town, "M0", "N0", 1_155, 700, TODAY)
    as_office(town, opening.open_cycle, opening.Opening(NEXT_CYCLE))
    for meter, value, cycle, on, words in (
        ("M0", 1_156, CYCLE, None, "showed 1155 when it was taken down on 2026-11-20"),
        ("N0", 699, NEXT_CYCLE, TODAY, "showed 700 when it was put up"),
    ):
        with pytest.raises(DecisionError, match=words):
            as_office(town, review.correct_reading, Correction(meter, value, "why", cycle, on))
    as_office(town, review.correct_reading, Correction("N0", 701, "why", NEXT_CYCLE, TODAY))
    assert [line[4] for line in uses(town)] == [18, 5 + 1]


def test_a_device_cannot_have_fewer_digits_than_what_it_showed_when_it_was_put_up(town):
    exchange(town, "M0", "N0", 1_155, 10_000, TODAY, dials=5)
    with pytest.raises(RouteError, match="Invalid dials 4: N0 showed 10000 on 2026-11-20"):
        as_office(town, places.import_places, places.Places([make_place("N0", dials=4)]))


def test_a_device_that_was_taken_down_is_put_up_elsewhere_once_its_cycle_is_closed(town, clock):
    carol = Reader(town)
    carol.submit("M0", 1_150)
    exchange(town, "M0", "N0", 1_155, 0, TODAY)
    with pytest.raises(InvalidReport, match="M0 has a job of another place in 2026-11"):
        exchange(town, "M1", "M0", 1_140, 1_155, TODAY)
    carol.submit("M1", 1_149)
    open_next(town, clock)
    exchange(town, "M1", "M0", 1_160, 1_155, TODAY + timedelta(days=1))
    carol = Reader(town)
    carol.submit("M0", 1_165, when=DECEMBER)
    carol.submit("N0", 10, when=DECEMBER)
    assert {line[0]: line[4] for line in uses(town) if line[1] == NEXT_CYCLE} == {"M0": 11 + 10, "N0": 5 + 10}


def test_a_cycle_is_opened_anew_though_a_device_hangs_elsewhere_that_was_read_in_it_already(town):
    Reader(town).submit("M0", 1_150)
    exchange(town, "M0", "N0", 1_155, 0, TODAY)
    for meter in ("M0", "P0"):
        as_office(town, meters.add_meter, make_place(meter, sequence=9))
    opened = as_office(town, opening.open_cycle, opening.Opening(CYCLE))
    assert (opened.added, opened.there, opened.elsewhere) == (1, 4, ["M0"])


def test_the_history_of_a_place_goes_on_over_an_exchange_in_units_of_what_hangs_there(town):
    exchange(town, "M3", "N3", 1_140, 7, multiplier=Decimal(4))
    history = history_of(town.store.read(lambda tx: tx.places.history(["N3"]))["N3"])
    assert [(period.days, period.use) for period in history.periods[-2:]] == [(30, 120), (44, 80)]
    assert (history.last.value, history.last.on, history.last.exchanged) == (7, BEFORE, True)


def test_a_cycle_that_is_reopened_has_the_devices_of_now_read(town):
    as_office(town, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    exchange(town, "M0", "N0", 1_140, 0)
    as_office(town, cycles.reopen_cycle, cycles.Cycle(CYCLE))
    with pytest.raises(MeterExchanged):
        Reader(town).submit("M0", 1_150)
    Reader(town).submit("N0", 3)
    assert uses(town) == [("N0", CYCLE, SHOWN, 3, 11, Decimal(11))]


def test_a_cycle_that_cannot_be_reopened_stays_closed(town):
    as_office(town, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    exchange(town, "M0", "N0", 1_140, 12_345)
    town.store.write(lambda tx: tx.places.put([make_place("N0", dials=4)]))  # which it cannot have
    with pytest.raises(RouteError, match="Invalid previous 12345: the register of N0 goes from 0 to 9999"):
        as_office(town, cycles.reopen_cycle, cycles.Cycle(CYCLE))
    assert town.store.read(lambda tx: tx.cycles.all())[CYCLE] is False
    assert Reader(town).meter() is None


def test_what_is_to_be_read_again_after_an_exchange_is_the_device_that_hangs_there(town):
    carol = Reader(town)
    carol.submit("M0", None, "dog")
    exchange(town, "M0", "N0", 1_140, 7)
    (one,) = as_office(town, review.list_waiting, Reviewed()).waiting
    (made,) = as_office(town, estimating.estimate_readings, estimating.Estimating([one.reading]))
    assert "Meter M0 is not estimated: N0 hangs there since 2026-11-10; have that one read again" in str(made.error)
    (refused,) = as_office(town, review.decide, Decisions([Said(one.reading, Verdict.EDIT, 9, "why")]))
    assert "On 2026-11-20 another device hung there than M0: name another day, or have it read again" in str(refused)
    assert as_office(town, review.decide, Decisions([Said(one.reading, Verdict.REREAD, why="ring")])) == [None]
    job = carol.ask(rounds.next_job)
    assert (job.meter.number, job.previous, job.previous_date, job.note) == ("N0", 7, BEFORE, "ring")
    carol.submit("N0", 11)
    assert uses(town) == [("N0", CYCLE, SHOWN, 11, 8 + 4, Decimal(12))]


def test_a_route_file_with_the_number_of_a_device_that_was_taken_down_is_refused(town):
    exchange(town, "M0", "N0", 1_140, 0)
    old = places.Places([make_place("M1", route="South"), make_place("M0", route="North")])
    with pytest.raises(RouteError, match="M0 was exchanged for N0 on 2026-11-10: bring the file up to date"):
        as_office(town, places.import_places, old)
    assert sorted(town.store.read(lambda tx: tx.places.find(["M0", "N0"]))) == ["N0"]


def test_a_place_without_a_job_is_exchanged_as_well(town):
    as_office(town, places.import_places, places.Places([make_place("Q1", route="North", sequence=7)]))
    assert exchange(town, "Q1", "Q2", 5, 0) == Exchanged([], [])
