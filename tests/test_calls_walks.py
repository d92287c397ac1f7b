"""Readers walk routes: those that are given to them, or one each; what is skipped comes last."""

from datetime import timedelta

import pytest
from conftest import NOW, make_place
from readers import Reader, as_office

from metermt.calls import left, opening, places, rounds, walks
from metermt.calls.desk import Desk
from metermt.calls.places import Places
from metermt.calls.rounds import Skipped
from metermt.calls.servers import say_alive
from metermt.calls.walks import Assigning
from metermt.errors import AlreadyRead, MeterLeased, RouteError, UnknownMeter, UserError
from metermt.model import Assignment, Role
from metermt.policy import Policy
from metermt.rules.times import end_of_day


@pytest.fixture
def town(desk_of_readers):
    """A desk with three routes of three meters."""
    known = [make_place(f"{route[0]}{n}", route, n) for route in ("North", "South", "West") for n in (1, 2, 3)]
    as_office(desk_of_readers, places.import_places, Places(known))
    as_office(desk_of_readers, opening.open_cycle, opening.Opening("2026-11"))
    return desk_of_readers


def give(desk, route, *usernames, reverse=False):
    as_office(desk, walks.assign_route, Assigning(route, list(usernames), reverse), Role.SUPERVISOR)


def read_all(*readers):
    """Let readers read in turn until nothing is left; return what each was handed."""
    walked = {reader: [] for reader in readers}
    while jobs := {reader: meter for reader in readers if (meter := reader.meter())}:
        for reader, meter in jobs.items():
            reader.submit(meter)
            walked[reader].append(meter)
    return list(walked.values())


def test_three_readers_walk_three_routes(town):
    assert read_all(Reader(town), Reader(town, "adam"), Reader(town, "eric")) == [
        ["N1", "N2", "N3"],
        ["S1", "S2", "S3"],
        ["W1", "W2", "W3"],
    ]


def test_who_is_done_helps_the_others_from_the_other_end(town):
    carol, adam = Reader(town), Reader(town, "adam")
    assert carol.meters(2) == ["N1", "N2"]
    assert adam.meters(9) == ["S1", "S2", "S3", "W1", "W2", "W3", "N3"]


def test_whose_session_has_expired_walks_no_more(town, clock):
    Reader(town).meter()
    clock.move(hours=11)
    adam = Reader(town, "adam")
    clock.move(hours=2)
    assert adam.meter() == "N1"


def test_readers_walk_the_routes_that_are_given_to_them_and_nobody_else_does(town):
    give(town, "West", "carol")
    give(town, "West", "adam", reverse=True)
    carol, adam, eric = Reader(town), Reader(town, "adam"), Reader(town, "eric")
    assert [carol.meter(), adam.meter(), eric.meter()] == ["W1", "W3", "N1"]
    assert eric.meters(9) == ["N1", "N2", "N3", "S1", "S2", "S3"]
    assert carol.meters(9) == ["W1", "W2"]


def test_a_route_is_given_in_the_middle_of_a_walk_and_taken_again(town):
    carol = Reader(town)
    assert carol.meter() == "N1"
    give(town, "South", "carol")
    carol.desk.sessions.forget(list(carol.desk.sessions._known))
    carol.submit("N1")
    assert carol.meter() == "S1"
    as_office(town, walks.unassign_route, Assigning("South", ["carol"]))
    assert as_office(town, walks.list_assignments) == []
    carol.desk.sessions.forget(list(carol.desk.sessions._known))
    carol.submit("S1")
    assert carol.meter() == "N2"


def test_a_route_of_ones_own_is_held_till_the_end_of_the_day(town, clock):
    desk = Desk(town.store, Policy(day_ends=(NOW + timedelta(hours=3)).astimezone().time()), clock=clock)
    give(desk, "West", "carol")
    carol = Reader(desk)
    carol.meters(9)
    adam = Reader(desk, "adam")  # at each login, and sign of life, the leases of a clock that was ahead are shortened
    desk.store.write(lambda tx: say_alive(desk.turn(tx), 2))
    clock.move(hours=2, minutes=59)
    as_office(desk, walks.unassign_route, Assigning("West", ["carol"]))
    assert adam.meters(9)[-1] == "S3"
    clock.move(minutes=1)
    assert adam.meters(9)[-1] == "W3"


def test_a_day_ends_today_or_tomorrow():
    noon = NOW.replace(hour=12).astimezone()
    assert end_of_day(noon, noon.time()) == noon + timedelta(days=1)
    assert end_of_day(noon, (noon + timedelta(seconds=1)).time()) == noon + timedelta(seconds=1)


def test_what_was_skipped_comes_at_the_end_of_the_route(town):
    carol = Reader(town)
    for meter in ("N1", "N2"):
        assert carol.meter() == meter
        carol.ask(rounds.skip_job, Skipped(meter))
    assert carol.meters(9) == ["N3", "N1", "N2", "S1", "S2", "S3", "W1", "W2", "W3"]


@pytest.mark.parametrize(
    ("meter", "error"), [("N1", MeterLeased), ("S1", AlreadyRead), ("S2", AlreadyRead), ("X", UnknownMeter)]
)
def test_what_is_not_ones_own_is_not_skipped(town, meter, error):
    carol, adam = Reader(town), Reader(town, "adam")
    adam.submit("S1")
    carol.submit("S2")
    adam.meter()
    with pytest.raises(error):
        carol.ask(rounds.skip_job, Skipped(meter))


@pytest.mark.parametrize(
    ("call", "asked", "error", "words"),
    [
        (
            walks.assign_route,
            Assigning("Est", ["carol"]),
            RouteError,
            "There is no route 'Est' with an active meter; there are .*West",
        ),
        (walks.assign_route, Assigning("West", ["nobody"]), UserError, "There is no user 'nobody'"),
        (walks.assign_route, Assigning("West", []), UserError, "Name a reader"),
        (walks.unassign_route, Assigning("West", ["carol"]), RouteError, "Route 'West' is not given to carol"),
    ],
)
def test_what_cannot_be_given_or_taken_is_told(town, call, asked, error, words):
    give(town, "South", "adam")
    with pytest.raises(error, match=f"^{words}$"):
        as_office(town, call, asked)
    assert as_office(town, walks.list_assignments) == [Assignment("South", "adam")]


def test_who_has_read_all_their_own_routes_is_told_so(town):
    carol, adam = Reader(town), Reader(town, "adam")
    give(town, "North", "carol")
    adam.meter()
    for _ in range(3):
        carol.submit(carol.meter())
    assert carol.meter() is None
    assert carol.ask(left.why_no_job).in_words() == (
        "No job is left for you: 5 on routes that are not yours, 1 with adam."
    )
    assert carol.ask(left.why_no_job).tally_in_words() == "Jobs done: 3 by you, 3 by all readers, of 9."


def test_who_is_given_nothing_is_told_that_the_rest_is_given_to_others(town):
    for route in ("North", "South", "West"):
        give(town, route, "carol")
    eric = Reader(town, "eric")
    assert eric.meter() is None
    assert eric.ask(left.why_no_job).in_words() == "No job is left for you: 9 on routes that are not yours."
