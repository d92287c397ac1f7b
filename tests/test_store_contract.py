"""What every store promises: each verb of `Store`, over each kind of store."""

import itertools
import shutil
import tempfile
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest
from conftest import (
    CYCLE,
    NOW,
    Clock,
    add_readers,
    dump,
    make_account,
    make_job,
    make_jobs,
    make_lease,
    make_submission,
    run_together,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from metermt.errors import (
    AlreadyRead,
    Error,
    InvalidKey,
    InvalidReading,
    LoginError,
    MeterLeased,
    RouteError,
    StoreError,
    SubmissionError,
    UnknownMeter,
    UserError,
)
from metermt.model import Reading, RouteProgress, Session, Status
from metermt.store.memory import MemoryStore
from metermt.store.sqlite import SqliteStore

T0 = NOW.timestamp()
OTHER_CYCLE = "2026-12"


@pytest.fixture
def crew(store):
    """A store with two readers, each with two sessions, and a route of five meters M00000 to M00004."""
    add_readers(store, "adam", "carol")
    store.import_jobs(CYCLE, make_jobs(5))
    return store


def leased(store, username="carol", most=100, now=T0, **lease):
    """Return the numbers of the meters that this reader is handed."""
    return [job.meter for job in store.lease_jobs(make_lease(username, **lease), most, now)]


def recorded(store, *args, now=NOW, **kwargs):
    return store.record_reading(make_submission(*args, **kwargs), now)


def assert_refused(store, error, call, match=None):
    """Assert that the call raises exactly this error and changes nothing."""
    before = dump(store)
    with pytest.raises(error, match=match) as caught:
        call()
    assert type(caught.value) is error
    assert dump(store) == before


# --- users


def test_a_user_who_was_added_is_found(store):
    account = make_account("carol", "Carol Dent", "hash")
    store.add_user(account)
    assert store.find_account("carol") == account
    assert store.find_account("adam") is None


def test_users_are_listed_by_name(store):
    for username in ("carol", "adam", "c.b", "c-a"):
        store.add_user(make_account(username))
    assert [user.username for user in store.users()] == ["adam", "c-a", "c.b", "carol"]


def test_a_name_is_given_once(store):
    store.add_user(make_account("carol", "Carol Dent", "hash"))
    assert_refused(store, UserError, lambda: store.add_user(make_account("carol", "Carol Other", "other")), "carol")


def test_the_same_account_is_not_added_twice(store):
    account = make_account()
    store.add_user(account)
    assert_refused(store, UserError, lambda: store.add_user(account), "carol")


def test_a_new_password_ends_all_sessions_of_its_user_and_no_other(crew):
    crew.set_password("carol", "new hash")
    assert crew.find_account("carol") == make_account("carol", password_hash="new hash")
    assert [crew.find_session(key) for key in ("carol-1", "carol-2")] == [None, None]
    assert crew.find_session("adam-1") is not None


def test_jobs_of_sessions_that_a_new_password_ended_stay_with_their_reader(crew):
    leased(crew, "carol", 2)
    crew.set_password("carol", "new hash")
    assert leased(crew, "adam", 1) == ["M00002"]
    assert leased(crew, "carol", 2, session="carol-3") == ["M00000", "M00001"]


def test_nobody_elses_password_can_be_set(crew):
    assert_refused(crew, UserError, lambda: crew.set_password("eric", "hash"), "There is no user 'eric'")


def test_a_disabled_user_loses_sessions_and_jobs_and_keeps_readings(crew):
    leased(crew, "carol", 3)
    recorded(crew, "M00001", key="k")
    crew.disable_user("carol")
    assert crew.find_account("carol").user.disabled
    assert [user.disabled for user in crew.users()] == [False, True]
    assert crew.find_session("carol-1") is None
    assert crew.find_session("adam-1") is not None
    assert leased(crew, "adam") == ["M00000", "M00002", "M00003", "M00004"]
    assert [reading.username for _, reading in crew.readings()] == ["carol"]
    assert crew.tally("carol") == Status(1, 1)


def test_jobs_of_others_stay_theirs_when_a_user_is_disabled(crew):
    leased(crew, "adam", 2)
    crew.disable_user("carol")
    assert leased(crew, "adam", 2) == ["M00000", "M00001"]


def test_a_user_may_be_disabled_twice(crew):
    crew.disable_user("carol")
    crew.disable_user("carol")
    assert crew.find_account("carol").user.disabled


def test_nobody_unknown_is_disabled(crew):
    assert_refused(crew, UserError, lambda: crew.disable_user("eric"), "There is no user 'eric'")


# --- sessions


def test_a_session_is_found_until_it_is_closed(crew):
    session = Session("key", "carol", T0 + 0.25)
    crew.open_session(session, idle_since=0)
    assert crew.find_session("key") == session
    crew.close_session("key")
    assert crew.find_session("key") is None
    assert crew.find_session("carol-1") is not None


def test_closing_a_session_that_is_not_there_is_harmless(crew):
    before = dump(crew)
    crew.close_session("never opened")
    assert dump(crew) == before


def test_a_session_remembers_its_last_use(crew):
    crew.touch_session("carol-1", T0 + 7)
    assert crew.find_session("carol-1") == Session("carol-1", "carol", T0 + 7)
    assert crew.find_session("carol-2") == Session("carol-2", "carol", T0)


def test_touching_a_session_that_is_not_there_does_not_bring_it_back(crew):
    crew.close_session("carol-1")
    crew.touch_session("carol-1", T0 + 7)
    assert crew.find_session("carol-1") is None


def test_a_new_session_sweeps_out_those_that_were_idle_too_long(crew):
    crew.touch_session("carol-2", T0 + 100)
    crew.open_session(Session("key", "adam", T0 + 200), idle_since=T0 + 100)
    found = [key for key in ("carol-1", "carol-2", "adam-1", "adam-2", "key") if crew.find_session(key)]
    assert found == ["carol-2", "key"]


@pytest.mark.parametrize("username", ["eric", "carol"])
def test_nobody_who_is_unknown_or_disabled_gets_a_session(crew, username):
    crew.disable_user("carol")
    refused = Session("key", username, T0)
    assert_refused(crew, LoginError, lambda: crew.open_session(refused, idle_since=T0 + 1), "^Invalid username or pass")
    assert crew.find_session("key") is None
    assert crew.find_session("adam-1") is not None


def test_jobs_of_a_closed_session_stay_with_the_reader(crew):
    leased(crew, "carol", 2)
    crew.close_session("carol-1")
    assert leased(crew, "adam", 1) == ["M00002"]
    assert leased(crew, "carol", 2, session="carol-2") == ["M00000", "M00001"]


# --- failed logins


def test_failed_logins_are_remembered_by_name_and_address_oldest_first(store):
    for at in (5.0, 7.5, 9.0):
        store.add_login_failure("carol", "10.0.0.1", at, forget_before=0)
    store.add_login_failure("carol", "10.0.0.2", 6, forget_before=0)
    store.add_login_failure("nobody", "10.0.0.1", 6, forget_before=0)
    assert store.login_failures("carol", "10.0.0.1", since=0) == [5.0, 7.5, 9.0]
    assert store.login_failures("carol", "10.0.0.1", since=5.0) == [7.5, 9.0]
    assert store.login_failures("adam", "10.0.0.1", since=0) == []


def test_failed_logins_of_two_servers_are_told_oldest_first(store):
    """Two servers share a store, and their clocks differ a little."""
    for at in (9.0, 5.0, 7.5):
        store.add_login_failure("carol", "", at, forget_before=0)
    assert store.login_failures("carol", "", since=0) == [5.0, 7.5, 9.0]


def test_old_failures_of_anybody_are_forgotten(store):
    for username, at in (("carol", 5), ("adam", 6), ("carol", 8)):
        store.add_login_failure(username, "", at, forget_before=0)
    store.add_login_failure("eric", "", 9, forget_before=7)
    assert store.login_failures("adam", "", since=0) == []
    assert store.login_failures("carol", "", since=0) == [8]
    assert store.login_failures("eric", "", since=0) == [9]


# --- importing routes


def test_import_counts_what_was_added_changed_and_unchanged(store):
    assert store.import_jobs(CYCLE, make_jobs(3)) == (3, 0, 0)
    assert store.import_jobs(CYCLE, make_jobs(3)) == (0, 0, 3)
    again = [make_jobs(1)[0], make_job("M00001", sequence=1, address="New Road 1"), make_job("M9")]
    assert store.import_jobs(CYCLE, again) == (1, 1, 1)


def test_nothing_imported_still_opens_the_cycle(store):
    assert store.import_jobs(CYCLE, []) == (0, 0, 0)
    assert store.close_cycle(CYCLE) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "W"},
        {"dials": 7},
        {"dials": None},
        {"address": "Hill Road 7"},
        {"instructions": "dog"},
        {"route": "South"},
        {"sequence": 9},
        {"previous": 77},
        {"previous_date": date(2026, 10, 20)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_of_a_job_is_brought_up_to_date(crew, change):
    changed = make_job("M00000", **change)
    assert crew.import_jobs(CYCLE, [changed]) == (0, 1, 0)
    assert changed in crew.lease_jobs(make_lease(), 100, T0)


def test_a_job_that_moved_is_handed_out_at_its_new_place(crew):
    crew.import_jobs(CYCLE, [make_job("M00000", sequence=99), make_job("M00003", route="A")])
    assert leased(crew) == ["M00003", "M00001", "M00002", "M00004", "M00000"]


def test_a_held_job_that_changed_is_still_held(crew):
    leased(crew, "carol", 1)
    crew.import_jobs(CYCLE, [make_job("M00000", sequence=99)])
    assert leased(crew, "adam") == ["M00001", "M00002", "M00003", "M00004"]
    assert leased(crew, "carol") == ["M00000"]


def test_a_done_job_that_changed_keeps_its_reading(crew):
    reading = recorded(crew, "M00000")
    changed = make_job("M00000", route="South", address="New Road 1")
    assert crew.import_jobs(CYCLE, [changed]) == (0, 1, 0)
    assert list(crew.readings()) == [(changed, reading)]
    assert crew.tally("carol") == Status(1, 1)
    assert crew.routes() == [RouteProgress(CYCLE, "North", 0, 4), RouteProgress(CYCLE, "South", 1, 1)]
    assert "M00000" not in leased(crew)


def test_a_meter_that_stands_twice_in_an_import_is_brought_up_to_date_by_the_second(crew):
    twice = [make_job("M7", address="Old Road"), make_job("M7", address="New Road")]
    assert crew.import_jobs(CYCLE, twice) == (1, 1, 0)
    assert twice[1] in crew.lease_jobs(make_lease(), 100, T0)


def test_one_meter_has_a_job_in_each_cycle(crew):
    assert crew.import_jobs(OTHER_CYCLE, make_jobs(5, OTHER_CYCLE)) == (5, 0, 0)
    assert len(leased(crew)) == 10


def test_nothing_is_imported_into_a_closed_cycle(crew):
    crew.close_cycle(CYCLE)
    assert_refused(crew, RouteError, lambda: crew.import_jobs(CYCLE, [make_job("M9")]), "Cycle 2026-11 is closed")
    assert leased(crew) == []


# --- closing a cycle


def test_closing_a_cycle_tells_how_many_jobs_were_left_unread(crew):
    recorded(crew, "M00000")
    leased(crew)
    assert crew.close_cycle(CYCLE) == 4


def test_jobs_of_a_closed_cycle_are_handed_out_no_more_even_to_who_holds_them(crew):
    crew.import_jobs(OTHER_CYCLE, [make_job("X1", OTHER_CYCLE)])
    assert leased(crew, "carol", 2) == ["M00000", "M00001"]
    crew.close_cycle(CYCLE)
    assert leased(crew, "carol") == ["X1"]


def test_readings_of_a_closed_cycle_stay_on_record_and_count_no_longer(crew):
    reading = recorded(crew, "M00000")
    crew.import_jobs(OTHER_CYCLE, [make_job("X1", OTHER_CYCLE)])
    recorded(crew, "X1", "adam")
    crew.close_cycle(CYCLE)
    assert crew.tally("carol") == Status(0, 1)
    assert crew.tally("adam") == Status(1, 1)
    assert [found for _, found in crew.readings(CYCLE)] == [reading]
    assert crew.routes() == [RouteProgress(OTHER_CYCLE, "North", 1, 1)]


def test_a_meter_of_a_closed_cycle_is_unknown(crew):
    recorded(crew, "M00000")
    crew.close_cycle(CYCLE)
    for meter in ("M00000", "M00001"):
        assert_refused(crew, UnknownMeter, lambda meter=meter: recorded(crew, meter), meter)


def test_a_key_from_a_closed_cycle_still_returns_its_reading(crew):
    reading = recorded(crew, "M00000", key="k")
    crew.close_cycle(CYCLE)
    assert recorded(crew, "M00000", key="k") == reading


def test_only_an_open_cycle_can_be_closed(crew):
    assert_refused(crew, RouteError, lambda: crew.close_cycle("2025-01"), "There is no open cycle '2025-01'")
    crew.close_cycle(CYCLE)
    assert_refused(crew, RouteError, lambda: crew.close_cycle(CYCLE), "There is no open cycle '2026-11'")


def test_routes_are_told_in_order_with_what_is_done(crew):
    crew.import_jobs(CYCLE, [make_job("A1", route="Überlingen"), make_job("A2", route="East")])
    crew.import_jobs("2026-10", [make_job("A1", "2026-10", "North")])
    recorded(crew, "M00001")
    recorded(crew, "M00001", value=101)
    recorded(crew, "M00003", "adam")
    assert crew.routes() == [
        RouteProgress("2026-10", "North", 0, 1),
        RouteProgress(CYCLE, "East", 0, 1),
        RouteProgress(CYCLE, "North", 2, 5),
        RouteProgress(CYCLE, "Überlingen", 0, 1),
    ]


# --- handing out jobs


def test_jobs_are_handed_out_by_cycle_route_sequence_and_number(store):
    add_readers(store, "carol")
    walk = [
        make_job("Z9", "2026-10", "South", 7),
        make_job("Z1", CYCLE, "", 9),
        make_job("B2", CYCLE, "North", 3),
        make_job("A9", CYCLE, "North", 20),
        make_job("C1", CYCLE, "North", 20),
        make_job("B1", CYCLE, "South", 0),
        make_job("B3", CYCLE, "\U0001f40b", 0),
    ]
    for cycle in (CYCLE, "2026-10"):
        store.import_jobs(cycle, [job for job in reversed(walk) if job.cycle == cycle])
    assert store.lease_jobs(make_lease(), 100, T0) == walk


def test_no_more_jobs_are_handed_out_than_asked_for(crew):
    assert leased(crew, most=2) == ["M00000", "M00001"]
    assert leased(crew, most=1) == ["M00000"]


def test_whole_jobs_are_handed_out(crew):
    job = make_job("A1", route="A", address="Hill Road 7", instructions="dog", previous=7, previous_date=date.today())
    crew.import_jobs(CYCLE, [job])
    assert crew.lease_jobs(make_lease(), 1, T0) == [job]


def test_a_job_in_one_readers_hands_is_not_handed_to_another(crew):
    assert leased(crew, "carol", 2) == ["M00000", "M00001"]
    assert leased(crew, "adam", 2) == ["M00002", "M00003"]
    assert leased(crew, "carol", 2, session="carol-2") == ["M00004"]
    assert leased(crew, "adam", session="adam-2") == []


def test_who_asks_twice_gets_the_same(crew):
    assert leased(crew, "carol", 2) == leased(crew, "carol", 2)


def test_who_asks_again_keeps_the_job_for_longer(crew):
    leased(crew, "carol", 1, until=T0 + 60)
    leased(crew, "carol", 1, until=T0 + 120, now=T0 + 30)
    assert leased(crew, "adam", 1, now=T0 + 119, until=T0 + 500) == ["M00001"]
    assert leased(crew, "adam", 2, now=T0 + 120, until=T0 + 500) == ["M00001", "M00000"]


def test_an_expired_lease_returns_to_the_pool(crew):
    leased(crew, "carol", 5, until=T0 + 60)
    assert leased(crew, "adam", now=T0 + 59.5) == []
    assert leased(crew, "adam", 1, now=T0 + 60) == ["M00000"]


def test_who_comes_late_does_not_get_back_what_went_to_another(crew):
    leased(crew, "carol", 1, until=T0 + 60)
    leased(crew, "adam", 1, now=T0 + 61)
    assert leased(crew, "carol", 1, now=T0 + 62) == ["M00001"]


def test_done_jobs_are_not_handed_out(crew):
    recorded(crew, "M00000")
    recorded(crew, "M00002", value=None, reason="dog")
    assert leased(crew) == ["M00001", "M00003", "M00004"]


def test_held_jobs_come_first_then_those_left_by_an_ended_connection_then_open_ones(crew):
    assert leased(crew, "carol", 1) == ["M00000"]
    assert leased(crew, "carol", 3, session="carol-2", until=T0 + 60) == ["M00001", "M00002", "M00003"]
    crew.release_session("carol-1")
    recorded(crew, "M00001")
    assert leased(crew, "carol", 2, session="carol-2") == ["M00002", "M00003"]
    assert leased(crew, "carol", 3, session="carol-2") == ["M00002", "M00003", "M00000"]
    crew.release_session("carol-2")
    recorded(crew, "M00002")
    assert leased(crew, "adam", 1) == ["M00004"]
    crew.import_jobs(CYCLE, [make_job("A1", route="A")])
    assert leased(crew, "carol", 100) == ["M00000", "M00003", "A1"]


def test_jobs_left_by_an_ended_connection_are_not_handed_to_others_before_the_lease_ends(crew):
    leased(crew, "carol", until=T0 + 60)
    crew.release_session("carol-1")
    assert leased(crew, "adam", now=T0 + 59) == []
    assert leased(crew, "adam", now=T0 + 60) == [f"M0000{i}" for i in range(5)]


def test_releasing_one_session_leaves_the_others_what_they_hold(crew):
    leased(crew, "carol", 1)
    leased(crew, "carol", 1, session="carol-2")
    leased(crew, "adam", 1)
    crew.release_session("carol-2")
    assert leased(crew, "adam", 2) == ["M00002", "M00003"]
    assert leased(crew, "carol", 2) == ["M00000", "M00001"]
    assert leased(crew, "carol", 3, session="carol-2") == ["M00004"]


def test_jobs_of_a_session_that_was_forgotten_can_still_be_released(crew):
    leased(crew, "carol", 2)
    crew.open_session(Session("adam-3", "adam", T0 + 100), idle_since=T0 + 50)
    assert crew.find_session("carol-1") is None
    crew.release_session("carol-1")
    assert leased(crew, "carol", 2, session="carol-2") == ["M00000", "M00001"]


def test_releasing_what_holds_nothing_is_harmless(crew):
    before = dump(crew)
    crew.release_session("never opened")
    crew.release_all_sessions()
    assert dump(crew) == before
    assert len(leased(crew)) == 5


def test_a_server_that_starts_releases_all_sessions(crew):
    leased(crew, "carol", 2)
    leased(crew, "adam", 2)
    crew.release_all_sessions()
    assert leased(crew, "carol", session="carol-2") == ["M00000", "M00001", "M00004"]
    assert leased(crew, "adam", session="adam-2") == ["M00002", "M00003"]
    assert crew.find_session("carol-1") is not None


def test_a_made_up_meter_is_added_and_in_hand(store):
    add_readers(store, "adam", "carol")
    job = make_job("G40000", route="")
    assert store.lease_made_up_job(make_lease(), job) is True
    assert leased(store, "adam") == []
    assert store.lease_jobs(make_lease(), 5, T0) == [job]
    assert store.routes() == []
    assert recorded(store, "G40000").cycle == CYCLE
    assert store.tally("carol") == Status(1, 1)


def test_a_number_that_is_taken_is_not_made_up(crew):
    for cycle, meter in ((CYCLE, "M00000"), (OTHER_CYCLE, "M00000"), (OTHER_CYCLE, "M00004")):
        before = dump(crew)
        assert crew.lease_made_up_job(make_lease(), make_job(meter, cycle, "")) is False
        assert dump(crew) == before
    assert leased(crew, "adam") == [f"M0000{i}" for i in range(5)]


def test_a_number_of_a_closed_cycle_is_not_made_up_again(crew):
    crew.close_cycle(CYCLE)
    assert crew.lease_made_up_job(make_lease(), make_job("M00000", OTHER_CYCLE, "")) is False
    assert leased(crew) == []


def test_no_meter_is_made_up_in_a_closed_cycle(crew):
    """Its reading would be refused."""
    crew.close_cycle(CYCLE)
    try:
        handed_out = crew.lease_made_up_job(make_lease(), make_job("G40000", route=""))
    except RouteError:
        handed_out = False
    assert not handed_out


# --- accepting readings


@pytest.mark.parametrize(("value", "reason"), [(100, ""), (0, ""), (99_999, "meter is new"), (None, "dog 🐕")])
def test_an_accepted_reading_is_on_record_as_it_was_sent(crew, value, reason):
    read_at = NOW - timedelta(hours=3, microseconds=7)
    sent = make_submission("M00000", "carol", value, reason, "key-1", read_at)
    reading = crew.record_reading(sent, NOW)
    assert reading == Reading(sent, CYCLE, NOW)
    assert list(crew.readings()) == [(make_jobs(1)[0], reading)]


def test_a_reading_is_tallied_for_its_reader_and_for_all(crew):
    recorded(crew, "M00000")
    recorded(crew, "M00001", value=None, reason="dog")
    recorded(crew, "M00002", "adam")
    assert crew.tally("carol") == Status(2, 3)
    assert crew.tally("adam") == Status(1, 3)
    assert crew.tally("nobody") == Status(0, 3)


def test_a_meter_may_be_read_without_being_handed_out(crew):
    assert recorded(crew, "M00004").username == "carol"


def test_a_meter_in_the_readers_other_session_may_be_read(crew):
    leased(crew, "carol", 1, session="carol-2")
    assert recorded(crew, "M00000").counts


def test_a_meter_whose_lease_has_ended_may_be_read_by_another(crew):
    leased(crew, "carol", 1, until=T0 - 0.001)
    assert recorded(crew, "M00000", "adam").counts
    assert_refused(crew, AlreadyRead, lambda: recorded(crew, "M00000"), "already read this cycle by adam")


def test_a_lease_ends_with_the_reading(crew):
    leased(crew, "carol", 1)
    recorded(crew, "M00000")
    assert leased(crew, "carol", 1) == ["M00001"]
    assert_refused(crew, AlreadyRead, lambda: recorded(crew, "M00000", "adam"))


REFUSALS = {
    "an unknown meter": (UnknownMeter, {"meter": "G404"}, "Unknown meter 'G404': check the number"),
    "a meter in small letters": (UnknownMeter, {"meter": "m00003"}, "Unknown meter"),
    "no meter at all": (UnknownMeter, {"meter": ""}, "Unknown meter"),
    "one digit too many": (InvalidReading, {"value": 100_000}, "the register of M00003 has 5 digits"),
    "a number beyond any database": (InvalidReading, {"value": 10**5000}, "too long"),
    "a meter in other hands": (MeterLeased, {"meter": "M00000"}, "Meter M00000 is being read by adam"),
    "a meter that another read": (AlreadyRead, {"meter": "M00001"}, "M00001 was already read this cycle by adam"),
    "a key of another meter": (InvalidKey, {"key": "used"}, "used before, for a reading of M00002"),
    "a key of another value": (InvalidKey, {"meter": "M00002", "value": 101, "key": "used"}, "M00002"),
    "a key of another reason": (InvalidKey, {"meter": "M00002", "reason": "dog", "key": "used"}, "M00002"),
    "a key of a value instead of a reason": (
        InvalidKey,
        {"meter": "M00002", "value": None, "reason": "dog", "key": "used"},
        "M00002",
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("verb", ["record_reading", "record_and_lease", "record_readings"])
def test_a_refused_reading_changes_nothing(crew, refusal, verb):
    error, fields, words = REFUSALS[refusal]
    recorded(crew, "M00001", "adam")
    recorded(crew, "M00002", "carol", key="used")
    leased(crew, "adam", 1)
    submission = make_submission(**{"meter": "M00003", "username": "carol"} | fields)

    def call():
        match verb:
            case "record_reading":
                crew.record_reading(submission, NOW)
            case "record_and_lease":
                crew.record_and_lease(submission, make_lease(), NOW)
            case "record_readings":
                (outcome,) = crew.record_readings([submission], NOW)
                raise outcome

    assert_refused(crew, error, call, words)
    assert leased(crew, "adam", session="adam-2") == ["M00003", "M00004"], "somebody got a lease, or lost one"


def test_a_register_of_unknown_dials_takes_twelve_digits(crew):
    crew.import_jobs(CYCLE, [make_job("W1", dials=None)])
    assert_refused(crew, InvalidReading, lambda: recorded(crew, "W1", value=10**12), "no more than 12 digits")
    assert recorded(crew, "W1", value=10**12 - 1).submission.value == 10**12 - 1


# --- corrections


def test_of_a_correction_both_are_on_record_and_the_newer_counts(crew):
    recorded(crew, "M00000", value=100, key="a")
    corrected = recorded(crew, "M00000", value=200, key="b", now=NOW + timedelta(minutes=5))
    assert corrected.counts
    assert [(reading.submission.value, reading.counts) for _, reading in crew.readings()] == [(100, False), (200, True)]
    assert crew.tally("carol") == Status(1, 1)
    assert crew.routes() == [RouteProgress(CYCLE, "North", 1, 5)]


def test_a_value_may_be_corrected_to_a_reason_and_back(crew):
    for value, reason in ((5, ""), (None, "wrong meter"), (7, "")):
        recorded(crew, "M00000", value=value, reason=reason)
    assert [reading.counts for _, reading in crew.readings()] == [False, False, True]
    assert crew.tally("carol") == Status(1, 1)


def test_a_correction_without_a_key_may_say_the_same_again(crew):
    recorded(crew, "M00000")
    recorded(crew, "M00000")
    assert [reading.counts for _, reading in crew.readings()] == [False, True]
    assert crew.tally("carol") == Status(1, 1)


def test_only_the_reader_may_correct_a_reading(crew):
    recorded(crew, "M00000")
    assert_refused(crew, AlreadyRead, lambda: recorded(crew, "M00000", "adam", value=7), "by carol")


# --- keys


def test_a_key_that_was_used_returns_the_reading_of_then_and_changes_nothing(crew):
    first = recorded(crew, "M00000", key="k")
    before = dump(crew)
    again = recorded(crew, "M00000", key="k", read_at=NOW - timedelta(days=1), now=NOW + timedelta(hours=1))
    assert again == first
    assert dump(crew) == before


def test_a_repeated_key_does_not_undo_a_correction(crew):
    first = recorded(crew, "M00000", value=100, key="a")
    recorded(crew, "M00000", value=200, key="b")
    before = dump(crew)
    assert recorded(crew, "M00000", value=100, key="a").submission == first.submission
    assert dump(crew) == before


def test_a_repeated_key_does_not_end_a_lease(crew):
    recorded(crew, "M00000", key="k")
    crew.import_jobs(OTHER_CYCLE, make_jobs(1, OTHER_CYCLE))
    crew.close_cycle(CYCLE)
    leased(crew, "carol", 1)
    recorded(crew, "M00000", key="k")
    assert leased(crew, "adam") == []


def test_a_key_of_one_reader_means_nothing_for_another(crew):
    recorded(crew, "M00000", "carol", key="k")
    assert recorded(crew, "M00001", "adam", value=7, key="k").username == "adam"
    assert_refused(crew, AlreadyRead, lambda: recorded(crew, "M00000", "adam", key="new"))
    assert crew.tally("adam") == Status(1, 2)


def test_readings_without_a_key_are_never_taken_for_one_another(crew):
    recorded(crew, "M00000")
    assert recorded(crew, "M00001").meter == "M00001"


def test_a_key_of_a_refused_reading_is_not_used_up(crew):
    assert_refused(crew, UnknownMeter, lambda: recorded(crew, "G404", key="k"))
    assert recorded(crew, "M00000", key="k").meter == "M00000"


# --- one meter in several open cycles


@pytest.fixture
def two_cycles(crew):
    crew.import_jobs(OTHER_CYCLE, make_jobs(5, OTHER_CYCLE))
    return crew


def test_a_reading_is_for_the_oldest_unread_job_then_corrects_the_latest(two_cycles):
    cycles = [recorded(two_cycles, "M00000", value=value).cycle for value in (1, 2, 3)]
    assert cycles == [CYCLE, OTHER_CYCLE, OTHER_CYCLE]
    assert two_cycles.tally("carol") == Status(2, 2)


def test_a_reading_is_for_the_job_that_the_reader_holds(two_cycles):
    held = leased(two_cycles, "adam", 5, until=T0 + 10)
    assert leased(two_cycles, "carol", 1, until=T0 + 60) == held[:1]
    assert recorded(two_cycles, "M00000", now=NOW + timedelta(seconds=20)).cycle == OTHER_CYCLE


def test_a_lease_that_has_ended_does_not_say_which_job_is_meant(two_cycles):
    leased(two_cycles, "adam", 5, until=T0 + 10)
    leased(two_cycles, "carol", 1, until=T0 + 20)
    assert recorded(two_cycles, "M00000", now=NOW + timedelta(seconds=20)).cycle == CYCLE


def test_readings_of_another_cycle_do_not_hinder(two_cycles):
    recorded(two_cycles, "M00000", "adam")
    assert recorded(two_cycles, "M00000", "carol").cycle == OTHER_CYCLE
    assert_refused(two_cycles, AlreadyRead, lambda: recorded(two_cycles, "M00000", "adam", value=7), "by carol")


def test_the_tally_is_over_all_open_cycles(two_cycles):
    for username in ("adam", "carol"):
        recorded(two_cycles, "M00000", username)
    recorded(two_cycles, "M00001", "adam")
    assert two_cycles.tally("adam") == Status(2, 3)
    two_cycles.close_cycle(CYCLE)
    assert two_cycles.tally("adam") == Status(0, 1)
    assert two_cycles.tally("carol") == Status(1, 1)


# --- many readings in one step, and the next job with one


def test_of_many_readings_a_refused_one_hinders_no_other(crew):
    leased(crew, "adam", 1)
    sent = [
        make_submission("M00000"),
        make_submission("M00001", key="k"),
        make_submission("G404"),
        make_submission("M00001", key="k"),
        make_submission("M00002", key="k"),
        make_submission("M00002", value=10**6),
        make_submission("M00002", value=7),
        make_submission("M00002", value=8),
    ]
    outcomes = crew.record_readings(sent, NOW)
    assert [type(outcome) for outcome in outcomes] == [
        MeterLeased,
        Reading,
        UnknownMeter,
        Reading,
        InvalidKey,
        InvalidReading,
        Reading,
        Reading,
    ]
    assert outcomes[1] == outcomes[3] == Reading(sent[1], CYCLE, NOW)
    assert [(reading.submission.value, reading.counts) for _, reading in crew.readings()] == [
        (100, True),
        (7, False),
        (8, True),
    ]
    assert crew.tally("carol") == Status(2, 2)


def test_no_readings_at_all_are_accepted_in_one_step_too(crew):
    assert crew.record_readings([], NOW) == []


def test_a_reading_is_answered_with_the_status_and_the_next_job(crew):
    leased(crew, "carol", 1)
    sent = make_submission("M00000")
    answer = crew.record_and_lease(sent, make_lease(), NOW)
    assert answer == (Reading(sent, CYCLE, NOW), Status(1, 1), make_jobs(2)[1])
    assert leased(crew, "adam", 1) == ["M00002"]


def test_the_last_reading_is_answered_with_no_job(crew):
    for number in range(4):
        recorded(crew, f"M0000{number}")
    assert crew.record_and_lease(make_submission("M00004"), make_lease(), NOW)[1:] == (Status(5, 5), None)


def test_a_repeated_key_is_answered_with_the_job_that_is_in_hand(crew):
    first = crew.record_and_lease(make_submission("M00000", key="k"), make_lease(), NOW)
    assert crew.record_and_lease(make_submission("M00000", key="k"), make_lease(), NOW) == first


# --- reading out


def test_readings_come_by_cycle_meter_and_time_of_arrival(two_cycles):
    for value, meter in enumerate(("M00002", "M00000", "M00000", "M00000", "M00002", "M00001")):
        recorded(two_cycles, meter, value=value)
    told = [(reading.cycle, reading.meter, reading.submission.value) for _, reading in two_cycles.readings()]
    assert told == [
        (CYCLE, "M00000", 1),
        (CYCLE, "M00001", 5),
        (CYCLE, "M00002", 0),
        (OTHER_CYCLE, "M00000", 2),
        (OTHER_CYCLE, "M00000", 3),
        (OTHER_CYCLE, "M00002", 4),
    ]
    assert list(two_cycles.readings(CYCLE)) == list(two_cycles.readings())[:3]
    assert list(two_cycles.readings("2020-01")) == []


def test_readings_can_be_told_while_others_are_taken(crew):
    recorded(crew, "M00000")
    recorded(crew, "M00001")
    telling = crew.readings()
    told = [next(telling)]
    recorded(crew, "M00002")
    told += telling
    assert [reading.meter for _, reading in told] == ["M00000", "M00001"]
    assert len(list(crew.readings())) == 3


def test_who_stops_listening_to_readings_hinders_nobody(crew):
    recorded(crew, "M00000")
    recorded(crew, "M00001")
    next(crew.readings())
    recorded(crew, "M00002")
    assert crew.tally("carol") == Status(3, 3)


def test_a_backup_never_replaces_a_file(crew, tmp_path):
    there = tmp_path / "backup.db"
    there.write_bytes(b"last month's")
    assert_refused(crew, StoreError, lambda: crew.backup(there), "backup.db")
    assert there.read_bytes() == b"last month's"


def test_closing_a_store_twice_is_harmless(store):
    with store as same:
        assert same is store
    store.close()
    store.close()


# --- many threads


def crew_of(store, size, meters):
    """Add that many readers and meters; return the readers' names."""
    usernames = [f"reader{number}" for number in range(size)]
    add_readers(store, *usernames)
    store.import_jobs(CYCLE, make_jobs(meters))
    return usernames


def assert_tallies_are_counts(store, usernames):
    counting = Counter(reading.username for _, reading in store.readings() if reading.counts)
    assert [store.tally(name) for name in usernames] == [Status(counting[name], counting.total()) for name in usernames]


def test_a_job_is_never_leased_to_two_readers(store):
    usernames = crew_of(store, 8, meters=160)

    def walk(username):
        handed = []
        while meters := leased(store, username, 1 + len(handed) % 3):
            handed += meters
            for meter in meters:
                recorded(store, meter, username, key=meter)
        return handed

    handed = run_together(*(lambda name=name: walk(name) for name in usernames))
    assert sorted(itertools.chain(*handed)) == [f"M{number:05}" for number in range(160)]
    assert_tallies_are_counts(store, usernames)
    assert store.routes() == [RouteProgress(CYCLE, "North", 160, 160)]


def test_a_job_is_never_handed_to_two_readers_with_an_answer(store):
    usernames = crew_of(store, 8, meters=160)
    first = {username: leased(store, username, 1) for username in usernames}

    def walk(username):
        handed = first[username][:]
        while True:
            submission = make_submission(handed[-1], username, key=handed[-1])
            _, status, job = store.record_and_lease(submission, make_lease(username), NOW)
            assert status.count == len(handed)
            if job is None:
                return handed
            handed.append(job.meter)

    handed = run_together(*(lambda name=name: walk(name) for name in usernames))
    assert sorted(itertools.chain(*handed)) == [f"M{number:05}" for number in range(160)]
    assert_tallies_are_counts(store, usernames)


def test_of_many_who_read_one_meter_at_once_one_has_read_it(store):
    usernames = crew_of(store, 8, meters=10)

    def rush(username):
        outcomes = store.record_readings([make_submission(f"M{n:05}", username) for n in range(10)], NOW)
        return [isinstance(outcome, Reading) for outcome in outcomes]

    accepted = run_together(*(lambda name=name: rush(name) for name in usernames))
    assert [sum(of_meter) for of_meter in zip(*accepted, strict=True)] == [1] * 10
    assert_tallies_are_counts(store, usernames)


def test_a_key_sent_by_many_threads_counts_once(store):
    crew_of(store, 1, meters=1)
    send = [lambda: recorded(store, "M00000", "reader0", key="k")] * 8
    assert len(set(run_together(*send))) == 1
    assert len(list(store.readings())) == 1


def test_a_number_is_made_up_once(store):
    usernames = crew_of(store, 8, meters=0)
    jobs = [make_job(f"G{40_000 + number}", route="") for number in range(20)]

    def think(username):
        return [store.lease_made_up_job(make_lease(username), job) for job in jobs]

    taken = run_together(*(lambda name=name: think(name) for name in usernames))
    assert [sum(of_job) for of_job in zip(*taken, strict=True)] == [1] * 20


# --- every store does as the reference store does

READERS = ("adam", "carol", "eric")
SESSIONS = [f"{username}-{number}" for username in READERS for number in (1, 2)]
METER_NUMBERS = ("G1", "G2", "E3", "W4")
METERS = st.sampled_from(METER_NUMBERS)
CYCLES = st.sampled_from(["2026-10", "2026-11", "2026-12"])
NEVER_CLOSED = "2026-11"
VALUES = st.sampled_from([(0, ""), (7, ""), (999, "glass broken"), (1000, ""), (None, "dog")])
SENT = st.builds(
    lambda meter, answer, key: {"meter": meter, "value": answer[0], "reason": answer[1], "key": key},
    st.one_of(METERS, METERS, METERS, st.just("X9")),
    VALUES,
    st.sampled_from([None, None, "k1", "k2", "k3"]),
)
JOBS = st.builds(
    lambda meter, route, sequence, dials: (meter, route, sequence, dials),
    METERS,
    st.sampled_from(["North", "South"]),
    st.integers(0, 2),
    st.sampled_from([3, None]),
)


class EveryStoreDoesAsTheReference(RuleBasedStateMachine):
    """Two stores that are told the same say the same, and both have tallies equal to a count."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = Clock()
        self.stores = (MemoryStore(), SqliteStore(self.folder / "metermt.db"))
        for store in self.stores:
            add_readers(store, *READERS)
        self.sessions = set(SESSIONS)  # only who has a session asks for jobs

    def teardown(self):
        for store in self.stores:
            store.close()
        shutil.rmtree(self.folder)

    def both(self, verb, *args):
        answers = []
        for store in self.stores:
            try:
                answers.append(getattr(store, verb)(*args))
            except Error as error:
                answers.append(error)
        reference, other = map(self.comparable, answers)
        assert reference == other, (verb, args)
        return answers[0]

    @classmethod
    def comparable(cls, answer):
        if isinstance(answer, Error):
            return type(answer), str(answer)
        return [cls.comparable(part) for part in answer] if isinstance(answer, list) else answer

    def lease(self, data, minutes):
        session = data.draw(st.sampled_from(sorted(self.sessions)), "session")
        return make_lease(session.split("-")[0], session, self.clock() + 60 * minutes)

    @initialize()
    def import_two_cycles(self):
        for cycle in ("2026-10", NEVER_CLOSED):
            self.import_jobs(cycle, [(meter, "North", place, 3) for place, meter in enumerate(METER_NUMBERS)])

    @rule(cycle=CYCLES, rows=st.lists(JOBS, max_size=4, unique_by=lambda row: row[0]))
    def import_jobs(self, cycle, rows):
        jobs = [make_job(meter, cycle, route, place, dials=dials) for meter, route, place, dials in rows]
        self.both("import_jobs", cycle, jobs)

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), minutes=st.integers(1, 40), most=st.integers(1, 5))
    def lease_jobs(self, data, minutes, most):
        self.both("lease_jobs", self.lease(data, minutes), most, self.clock())

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), minutes=st.integers(1, 40), meter=METERS)
    def make_up(self, data, minutes, meter):
        self.both("lease_made_up_job", self.lease(data, minutes), make_job(meter, NEVER_CLOSED, ""))

    @rule(username=st.sampled_from(READERS), sent=SENT)
    def submit(self, username, sent):
        self.both("record_reading", make_submission(username=username, read_at=self.clock.now, **sent), self.clock.now)

    @rule(username=st.sampled_from(READERS), many=st.lists(SENT, max_size=4))
    def submit_many(self, username, many):
        submissions = [make_submission(username=username, **sent) for sent in many]
        self.both("record_readings", submissions, self.clock.now)

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), minutes=st.integers(1, 40), sent=SENT)
    def submit_and_lease(self, data, minutes, sent):
        lease = self.lease(data, minutes)
        self.both("record_and_lease", make_submission(username=lease.username, **sent), lease, self.clock.now)

    @rule(minutes=st.integers(1, 40))
    def let_time_pass(self, minutes):
        self.clock.move(minutes=minutes)

    @rule(session=st.sampled_from(SESSIONS))
    def release(self, session):
        if session in self.sessions:
            self.both("release_session", session)

    @rule()
    def start_a_server(self):
        for store in self.stores:
            store.release_all_sessions()

    @rule(session=st.sampled_from(SESSIONS))
    def log_out(self, session):
        for store in self.stores:
            store.close_session(session)
        self.sessions.discard(session)

    @rule(session=st.sampled_from(SESSIONS))
    def log_in(self, session):
        if session in self.sessions:
            return
        opened = self.both("open_session", Session(session, session.split("-")[0], self.clock()), 0)
        if opened is None:
            self.sessions.add(session)

    @rule(cycle=st.sampled_from(["2026-10", "2026-12", "2026-13"]))
    def close_cycle(self, cycle):
        self.both("close_cycle", cycle)

    @rule(username=st.sampled_from((*READERS, "nobody")))
    def set_password(self, username):
        self.both("set_password", username, f"hash of {self.clock()}")
        self.sessions = {session for session in self.sessions if not session.startswith(username)}

    @rule(username=st.sampled_from(("eric", "nobody")))
    def disable(self, username):
        self.both("disable_user", username)
        self.sessions = {session for session in self.sessions if not session.startswith(username)}

    @invariant()
    def both_know_the_same_sessions(self):
        for session in SESSIONS:
            assert (self.both("find_session", session) is not None) == (session in self.sessions)

    @invariant()
    def both_say_the_same_and_the_tallies_are_counts(self):
        told, other = map(dump, self.stores)
        assert told == other
        open_cycles = {place.cycle for place in told["routes"]} | {NEVER_CLOSED}
        counting = Counter(
            reading.username for _, reading in told["readings"] if reading.counts and reading.cycle in open_cycles
        )
        for username, status in told["tallies"].items():
            assert status == Status(counting[username], counting.total())


TestEveryStoreDoesAsTheReference = EveryStoreDoesAsTheReference.TestCase
TestEveryStoreDoesAsTheReference.settings = settings(max_examples=80, stateful_step_count=40)


def test_every_error_of_a_submission_was_tried_here():
    """What `record_reading` may raise, each with nothing changed; the rest is refused before a store hears of it."""
    before_a_store = {"invalid-reason", "invalid-time"}
    tried = {error.code for error, _, _ in REFUSALS.values()}
    assert {cls.code for cls in SubmissionError.__subclasses__()} == tried | before_a_store


# --- several verbs in one step


def test_what_is_done_together_has_happened_when_that_returns(crew):
    found = []

    def step():
        found.append(crew.lease_jobs(make_lease("carol"), 1, NOW.timestamp())[0])
        found.append(crew.record_reading(make_submission(found[0].meter), NOW))
        with pytest.raises(UnknownMeter):
            crew.record_reading(make_submission("X404"), NOW)
        found.append(crew.record_reading(make_submission(found[0].meter, value=101), NOW))

    assert crew.together(step)
    assert [reading.submission.value for _, reading in crew.readings()] == [100, 101]
    assert crew.tally("carol") == Status(1, 1)
