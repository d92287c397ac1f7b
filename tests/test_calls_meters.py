"""Single meters are added, moved, taken out of use, and accepted or dismissed when they were found."""

from datetime import timedelta
from decimal import Decimal

import pytest
from billing_town import export
from conftest import CYCLE, NOW, make_place
from readers import Reader, as_office

from metermt.calls import exchanges, found, meters, opening, places, review, rounds
from metermt.calls.exchanges import MeterExchange
from metermt.calls.found import Accepting, Dismissing, FoundMeter, FoundMeters
from metermt.calls.meters import Moving, Named, Switching, Unread
from metermt.calls.review import Correction, Decisions, Reviewed, Said
from metermt.decisions import Verdict
from metermt.errors import DecisionError, MeterExchanged, RoleError, RouteError, UnknownMeter
from metermt.model import JobState, Meter, Place, Role
from metermt.rules.history import Read

TODAY = NOW.date()


@pytest.fixture
def town(billing_town):
    return billing_town


def supervise(desk, call, request):
    return as_office(desk, call, request, Role.SUPERVISOR)


def place_of(desk, meter):
    return desk.store.read(lambda tx: tx.places.find([meter]))[meter]


def test_a_meter_that_is_added_is_read_when_the_cycle_is_opened_anew(town):
    put = make_place("Q1", route="South", sequence=9)
    supervise(town, meters.add_meter, put)
    supervise(town, meters.add_meter, put)
    with pytest.raises(RouteError, match="Meter Q1 is known already, on route 'South' at 9"):
        supervise(town, meters.add_meter, make_place("Q1", route="North"))
    assert as_office(town, opening.open_cycle, opening.Opening(CYCLE)).added == 1
    with pytest.raises(RoleError):
        Reader(town).ask(meters.add_meter, make_place("Q2"))


def test_a_meter_out_of_use_loses_its_unread_job_and_keeps_what_was_read(town):
    carol = Reader(town)
    assert carol.meters(1) == ["M0"]
    assert supervise(town, meters.switch_meter, Switching("M0", active=False)) == Unread([CYCLE], [])
    assert supervise(town, meters.switch_meter, Switching("M0", active=False)) == Unread()
    with pytest.raises(UnknownMeter):
        carol.submit("M0", 1_140)
    assert carol.meters(1) == ["M1"]
    carol.submit("M1", 1_140)
    assert supervise(town, meters.switch_meter, Switching("M1", active=False)) == Unread()
    supervise(town, meters.switch_meter, Switching("M0", active=True))
    assert as_office(town, opening.open_cycle, opening.Opening(CYCLE)).added == 1


def test_a_job_that_was_sent_to_be_read_again_stays_though_its_meter_is_out_of_use(town):
    Reader(town).submit("M0", None, "dog")
    (one,) = as_office(town, review.list_waiting, Reviewed()).waiting
    as_office(town, review.decide, Decisions([Said(one.reading, Verdict.REREAD)]))
    assert supervise(town, meters.switch_meter, Switching("M0", active=False)) == Unread([], [CYCLE])


def test_a_meter_is_moved_along_with_its_unread_job_whoever_holds_it(town):
    carol = Reader(town)
    assert carol.meters(1) == ["M0"]
    assert supervise(town, meters.move_meter, Moving("M0", "South", 44)) == Unread([CYCLE])
    (job,) = carol.ask(rounds.get_jobs, rounds.JobsWanted(1))
    assert (job.meter.number, job.route, job.sequence) == ("M0", "South", 44)
    carol.submit("M0", 1_150)
    assert supervise(town, meters.move_meter, Moving("M0", "North", 3)) == Unread()
    assert (place_of(town, "M0").route, place_of(town, "M0").sequence) == ("North", 3)
    with pytest.raises(RouteError, match="Invalid sequence -1"):
        supervise(town, meters.move_meter, Moving("M1", "North", -1))


def test_all_that_is_known_of_a_place_is_shown_over_an_exchange(town):
    carol = Reader(town)
    carol.submit("M0", 1_150)
    as_office(town, exchanges.exchange_meter, MeterExchange("M0", "N0", 1_152, 10, TODAY))
    shown = supervise(town, meters.show_meter, Named("N0"))
    assert (shown.place.meter.number, shown.exchanges[0].old_meter) == ("N0", "M0")
    assert shown.jobs == {CYCLE: JobState.DONE}
    assert [(one.value, one.use, one.exchanged, one.quality, one.reader) for one in shown.seen[-4:]] == [
        (1_132, 12, False, "", ""),
        (1_150, 18, False, "A", "carol"),
        (1_152, 2, False, "", ""),
        (10, None, True, "", ""),
    ]
    assert shown.periods[-1].use == 20
    with pytest.raises(MeterExchanged, match="M0 was exchanged for N0"):
        supervise(town, meters.show_meter, Named("M0"))
    with pytest.raises(UnknownMeter):
        supervise(town, meters.show_meter, Named("X9"))


def test_what_is_shown_of_a_register_that_fell_is_what_is_billed(town):
    """45 in 60 days is less than twice what is usual, and not likely of a meter that has ever used 12 in 30 days."""
    as_office(town, places.import_places, places.Places([make_place("R", dials=2)]))
    past = [places.Shown("R", TODAY - timedelta(days=60 + 30 * month), (88 - 12 * month) % 100) for month in range(12)]
    as_office(town, places.import_history, places.Past(past))
    as_office(town, opening.open_cycle, opening.Opening(CYCLE))
    as_office(town, review.correct_reading, Correction("R", 33, "photograph", CYCLE, TODAY))
    *_, last = supervise(town, meters.show_meter, Named("R")).seen
    assert (last.value, last.use) == (33, None)
    assert [line[-2] for line in export(town)] == [33 - 88]


def test_a_device_that_was_taken_down_at_its_last_reading_was_read_once(town):
    Reader(town).submit("M0", 1_150)
    as_office(town, exchanges.exchange_meter, MeterExchange("M0", "N0", 1_150, 10, TODAY))
    shown = supervise(town, meters.show_meter, Named("N0"))
    assert [(one.value, one.reader) for one in shown.seen[-3:]] == [(1_150, "carol"), (1_150, ""), (10, "")]


def test_a_found_meter_is_accepted_once_with_what_it_showed_and_leaves_the_list(town):
    for username in ("carol", "adam"):
        Reader(town, username).ask(found.report_found, FoundMeter("F1", "W", 5, 120, "in the shed"))
    first, second = as_office(town, found.list_found, FoundMeters())
    accepted = supervise(town, found.accept_found, Accepting(first.id, "South", 8, dials=6, multiplier=Decimal("0.1")))
    assert accepted == Place(Meter("F1", "W", 6, "in the shed", "", Decimal("0.1")), "South", 8)
    assert place_of(town, "F1") == accepted
    assert town.store.read(lambda tx: tx.places.history(["F1"])) == {"F1": [Read(TODAY, 120)]}
    assert as_office(town, found.list_found, FoundMeters()) == [], "all reports of it are decided"
    with pytest.raises(DecisionError, match=f"Report {second.id}, of F1, was accepted already"):
        supervise(town, found.dismiss_found, Dismissing(second.id, "no"))


def test_a_found_meter_is_dismissed_and_stays_on_record(town):
    carol = Reader(town)
    carol.ask(found.report_found, FoundMeter("F1", "", None, 99_999, "at no. 7"))
    (one,) = as_office(town, found.list_found, FoundMeters())
    for request, words in (
        (Dismissing(one.id, " "), "Say why"),
        (Dismissing(one.id + 99, "no"), "There is no report"),
    ):
        with pytest.raises(DecisionError, match=words):
            supervise(town, found.dismiss_found, request)
    with pytest.raises(RouteError, match="Invalid dials 4: F1 showed 99999"):
        supervise(town, found.accept_found, Accepting(one.id, dials=4))
    supervise(town, found.dismiss_found, Dismissing(one.id, "the neighbour's own"))
    carol.ask(found.report_found, FoundMeter("F1", "", None, 99_999, "at no. 7"))
    assert as_office(town, found.list_found, FoundMeters()) == [], "the same again counts once"
    assert town.store.read(lambda tx: tx.finds.by_id(one.id))[1] == "dismissed"


def test_a_found_meter_that_is_known_by_now_is_not_accepted(town):
    Reader(town).ask(found.report_found, FoundMeter("F1", "", None, None, "at no. 7"))
    supervise(town, meters.add_meter, make_place("F1", route="North", sequence=9))
    (one,) = as_office(town, found.list_found, FoundMeters())
    with pytest.raises(RouteError, match="Meter F1 is known already"):
        supervise(town, found.accept_found, Accepting(one.id, "South"))
