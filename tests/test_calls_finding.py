"""A reader asks what is left on the route, where a meter is, and what they have read themselves."""

import pytest
from conftest import CYCLE, NOW, import_jobs, make_job
from readers import Reader

from metermt.calls import finding, rounds
from metermt.calls.finding import Most, RouteOf, Sought
from metermt.errors import CallError, RouteError
from metermt.model import JobState
from metermt.progress import RouteCounts
from metermt.stops import OwnReading

HILL = [make_job(f"H{n}", route="Hill", sequence=n, address=f"{n} Hill Road") for n in (1, 2, 3, 4)]


@pytest.fixture
def town(desk_of_readers):
    """A desk with two routes; carol walks the first one, of four meters."""
    import_jobs(desk_of_readers.store, CYCLE, [*HILL, make_job("V1", route="Vale", address="31 Vale Road")])
    return desk_of_readers


@pytest.fixture
def carol(town):
    carol = Reader(town)
    assert carol.meter() == "H1"
    return carol


def ahead(reader, most=20):
    return [(stop.job.meter.number, stop.state) for stop in reader.ask(finding.list_ahead, Most(most))]


def test_what_is_ahead_is_what_the_reader_holds_then_what_is_free_then_what_was_skipped(carol):
    carol.submit("H1")
    assert carol.meters(2) == ["H2", "H3"]
    carol.ask(rounds.skip_job, rounds.Skipped("H2"))
    assert ahead(carol) == [("H3", JobState.OPEN), ("H4", JobState.OPEN), ("H2", JobState.SKIPPED)]
    assert ahead(carol, 2) == [("H3", JobState.OPEN), ("H4", JobState.OPEN)]


def test_who_walks_a_route_from_its_end_sees_it_in_that_order(town, carol):
    adam, eric = Reader(town, "adam"), Reader(town, "eric")
    assert (adam.meter(), eric.meters(2)) == ("V1", ["H4", "H3"])
    assert [meter for meter, _ in ahead(eric)] == ["H4", "H3", "H2"]


def test_who_logs_in_anew_sees_the_route_of_what_was_left_to_them(carol, town):
    carol.hang_up()
    again = Reader(town)
    assert again.meter() == "H1"
    assert [meter for meter, _ in ahead(again)] == ["H1", "H2", "H3", "H4"]


def test_who_walks_nowhere_yet_has_nothing_ahead(town):
    assert ahead(Reader(town)) == []


def test_a_route_is_counted_for_those_who_walk_it(carol):
    carol.submit("H1")
    carol.submit("H2", None, "dog")
    carol.ask(rounds.skip_job, rounds.Skipped("H3"))
    counts = carol.ask(finding.count_route, RouteOf(CYCLE, "Hill"))
    assert (counts, counts.done, counts.total) == (RouteCounts("Hill", 1, 1, 1, 1), 2, 4)
    assert carol.ask(finding.count_route, RouteOf(CYCLE, "West")).total == 0
    with pytest.raises(RouteError, match="2020-01"):
        carol.ask(finding.count_route, RouteOf("2020-01", "Hill"))


def test_meters_on_the_readers_route_are_found_first_and_it_is_said_who_has_read_or_holds_them(town):
    adam, carol = Reader(town, "adam"), Reader(town)
    adam.submit("H3")
    assert adam.meter() == "H1"
    assert carol.meter() == "V1"
    found = carol.ask(finding.find_meters, Sought(" 1 "))
    assert [(stop.job.meter.number, stop.held_by) for stop in found.stops] == [("V1", "carol"), ("H1", "adam")]
    (three,) = carol.ask(finding.find_meters, Sought("3 hill")).stops
    assert (three.job, three.state, three.read_by, three.held_by) == (HILL[2], JobState.DONE, "adam", None)
    assert not found.more


def test_twenty_meters_are_found_at_most(town, carol):
    import_jobs(town.store, CYCLE, [make_job(f"X{n}", route="Far", sequence=n) for n in range(21)])
    assert [carol.ask(finding.find_meters, Sought(text)).more for text in ("x", "x1")] == [True, False]
    assert len(carol.ask(finding.find_meters, Sought("x")).stops) == finding.MAX_FOUND


@pytest.mark.parametrize("text", ["", "  ", "x" * 101])
def test_a_search_wants_a_text(carol, text):
    with pytest.raises(CallError, match="Say what to look for"):
        carol.ask(finding.find_meters, Sought(text))


def test_a_reader_sees_what_they_have_read_and_may_correct_it(town, carol):
    carol.submit("H1", 5, when=NOW)
    carol.submit("H2", None, "dog", when=NOW)
    Reader(town, "adam").submit("H3", 7)
    assert carol.ask(finding.my_readings, Most()) == [
        OwnReading(HILL[1], None, "dog", NOW),
        OwnReading(HILL[0], 5, "", NOW),
    ]
    carol.submit("H1", 6, when=NOW, cycle=CYCLE)
    assert [one.value for one in carol.ask(finding.my_readings, Most())] == [6, None]
    assert [one.value for one in carol.ask(finding.my_readings, Most(1))] == [6]


@pytest.mark.parametrize("call", [finding.list_ahead, finding.my_readings])
@pytest.mark.parametrize("most", [0, 1001])
def test_no_fewer_than_one_and_no_more_than_a_thousand_can_be_asked_for(carol, call, most):
    with pytest.raises(CallError, match="1 to 1000"):
        carol.ask(call, Most(most))
