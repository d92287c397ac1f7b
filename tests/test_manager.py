"""Who may log in, who is handed which meter, and whose reading is accepted."""

import itertools
import os
import re
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from argon2 import PasswordHasher
from conftest import CYCLE, NOW, dump, make_account, make_job, make_jobs, make_submission, run_together

from metermt import passwords
from metermt.config import Rules
from metermt.demo import USERS, add_demo_users, make_up_job
from metermt.errors import (
    AlreadyRead,
    CallError,
    Error,
    InvalidKey,
    InvalidReading,
    InvalidReason,
    InvalidTime,
    LoginError,
    MeterLeased,
    SessionError,
    SettingError,
    TooManyFailures,
    UnknownMeter,
    UserError,
)
from metermt.manager import Manager
from metermt.model import MAX_REASON, RouteProgress, Status
from metermt.passwords import hash_password, verify_password
from metermt.store.memory import MemoryStore
from metermt.wire import MAX_ROWS, Row

HUGE = 10**5000  # more digits than Python turns into a text
WHEN = "2026-11-20T09:55:00Z"
BAD_LOGIN = "^Invalid username or password$"
BAD_SESSION = "^Invalid session ID$"


@pytest.fixture(autouse=True)
def hasher(monkeypatch):
    """Argon2 at next to no cost, which the tests in this file do not ask for; it counts its calls."""
    cheap = CountingHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", cheap)
    return cheap


class CountingHasher(PasswordHasher):
    """Counts the calls that are costly at full cost."""

    calls = 0

    def hash(self, *args, **kwargs):
        self.calls += 1
        return super().hash(*args, **kwargs)

    def verify(self, *args, **kwargs):
        self.calls += 1
        return super().verify(*args, **kwargs)


FULL_COST = passwords._hasher


@pytest.fixture
def crew_store(store, demo_accounts):
    """A store with the demo's users, and a route of five meters M00000 to M00004."""
    for account in demo_accounts:
        store.add_user(account)
    store.import_jobs(CYCLE, make_jobs(5))
    return store


@pytest.fixture
def manager(crew_store, clock):
    return Manager(crew_store, clock=clock)


@pytest.fixture
def demo_store(demo_accounts):
    """A store in memory with the demo's users and no route."""
    store = MemoryStore()
    for account in demo_accounts:
        store.add_user(account)
    return store


def enter(manager, username="carol", address=""):
    """Log in; return the session id."""
    return manager.login(username, username, address)[0]


@pytest.fixture
def carol(manager):
    return enter(manager, "carol")


@pytest.fixture
def adam(manager):
    return enter(manager, "adam")


def meters(jobs):
    return [job.meter for job in jobs]


def fail_to_log_in(manager, times, username="carol", address="10.0.0.1"):
    for _ in range(times):
        with pytest.raises(LoginError, match=BAD_LOGIN) as caught:
            manager.login(username, "wrong", address)
        assert type(caught.value) is LoginError


def is_shut_out(manager, username="carol", address="10.0.0.1"):
    """Tell whether even the right password is refused."""
    try:
        manager.login(username, username, address)
    except TooManyFailures:
        return True
    return False


# --- the manager alone


def test_a_manager_alone_is_the_demo_and_has_nothing_in_common_with_another():
    manager, other = Manager(), Manager()
    for username, full_name in USERS.items():
        session_id, name = manager.login(username, username)
        assert name == full_name
        meter = manager.get_job(session_id)
        assert manager.submit_reading(session_id, meter, datetime.now(), 7) is None
        assert manager.get_status(session_id).count == 1
    assert manager.get_status(session_id) == Status(1, 4)
    with pytest.raises(SessionError):
        other.get_job(session_id)


def test_the_demos_users_are_added_once():
    store = MemoryStore()
    store.add_user(make_account("carol", "Carol Other", "hash"))
    add_demo_users(store)
    add_demo_users(store)
    assert [user.full_name for user in store.users()] == ["Adam Ong", "Carol Other", "Eric Lund", "Gwenda Pryce"]
    assert verify_password(store.find_account("adam").password_hash, "adam")


# --- logging in


def test_a_login_gives_an_unguessable_session_and_the_full_name(manager):
    ids = {manager.login("carol", "carol")[0] for _ in range(20)}
    assert len(ids) == 20
    assert all(re.fullmatch(r"[\w-]{43}", session_id) for session_id in ids), "32 random bytes"
    assert manager.login("carol", "carol")[1] == "Carol Dent"


@pytest.mark.parametrize("username", ["Carol", " carol ", "CAROL"])
def test_a_user_name_may_be_written_as_telephones_do(manager, username):
    assert manager.login(username, "carol")[1] == "Carol Dent"


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("carol", "wrong"),
        ("carol", "Carol"),
        ("carol", ""),
        ("carol", "carol "),
        ("nobody", "nobody"),
        ("", ""),
        ("carol'--", "carol"),
        ("x" * 10**5, "x" * 10**5),
        ("\ud800", "carol"),
        ("carol", "\ud800"),
        ("carol\0", "carol"),
        (None, "carol"),
        ("carol", None),
        (b"carol", b"carol"),
        (7, 7),
        (HUGE, HUGE),
    ],
    ids=lambda value: "huge" if value == HUGE else repr(value[:12] if isinstance(value, str) else value),
)
def test_a_wrong_name_or_password_is_refused_without_saying_which(manager, username, password):
    with pytest.raises(LoginError, match=BAD_LOGIN):
        manager.login(username, password)


def test_a_disabled_user_is_refused_like_a_wrong_password(manager, crew_store):
    crew_store.disable_user("carol")
    for _ in range(10):
        with pytest.raises(LoginError, match=BAD_LOGIN):
            manager.login("carol", "carol", "10.0.0.1")
    assert is_shut_out(manager), "each of them was a failure"


def test_several_sessions_of_one_user_work_side_by_side(manager):
    first, second = enter(manager), enter(manager)
    manager.logout(first)
    assert manager.get_status(second) == Status(0, 0)


@pytest.mark.parametrize("username", ["carol", "nobody", "eric", "No Such Name!"])
def test_a_wrong_login_costs_one_hash_whether_the_user_is_known_unknown_or_disabled(manager, hasher, username):
    manager.store.disable_user("eric")
    with pytest.raises(LoginError):
        manager.login(username, "wrong")
    assert hasher.calls == 1


def test_who_is_shut_out_costs_no_hash(manager, hasher):
    fail_to_log_in(manager, 10)
    assert hasher.calls == 10
    assert is_shut_out(manager)
    assert hasher.calls == 10


# --- passwords


def test_a_password_is_kept_as_an_argon2id_hash_that_is_never_the_same(monkeypatch):
    monkeypatch.setattr(passwords, "_hasher", FULL_COST)
    first, second = hash_password("secret"), hash_password("secret")
    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=4$"), "the second choice of RFC 9106"
    assert first != second
    assert verify_password(first, "secret")
    assert not verify_password(first, "Secret")


def test_a_password_may_be_typed_on_any_keyboard():
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert verify_password(hash_password(composed), decomposed)


def test_a_hash_that_is_none_lets_nobody_in():
    for password_hash in ("", "secret", "$argon2id$", None):
        assert not verify_password(password_hash, "secret")


def test_a_password_is_neither_empty_nor_endless():
    with pytest.raises(UserError, match="empty"):
        hash_password("")
    with pytest.raises(UserError, match="1025 characters: 1024 are allowed"):
        hash_password("x" * 1025)
    assert verify_password(hash_password("x" * 1024), "x" * 1024)


def test_a_longer_password_is_not_the_one_it_begins_with():
    assert not verify_password(hash_password("x" * 1024), "x" * 1024 + "y")


def test_neither_session_ids_nor_passwords_stand_in_the_database(sqlite_store, clock):
    sqlite_store.add_user(make_account("carol", password_hash=hash_password("hunter2-horse")))
    manager = Manager(sqlite_store, clock=clock)
    session_id, _ = manager.login("carol", "hunter2-horse")
    with pytest.raises(LoginError):
        manager.login("carol", "battery-staple")
    manager.get_job(session_id)
    files = [path.read_bytes() for path in sqlite_store.path.parent.glob("metermt.db*")]
    assert len(files) == 3, "the database, its write-ahead log and the index of that"
    kept = b"".join(files)
    for secret in (session_id, "hunter2-horse", "battery-staple"):
        assert secret.encode() not in kept
    assert b"$argon2id$" in kept, "otherwise this looks in the wrong place"


# --- sessions that end


@pytest.mark.parametrize("session_id", ["", "x" * 43, "\ud800", "x" * 10**6, None, 7, HUGE, b"x" * 43, 1.5], ids=type)
def test_an_unknown_session_is_refused_by_every_call(manager, session_id):
    before = dump(manager.store)
    for call in (
        manager.logout,
        manager.get_job,
        manager.next_job,
        manager.get_status,
        lambda session: manager.get_jobs(session, 5),
        lambda session: manager.submit_reading(session, "M00000", WHEN, 5),
        lambda session: manager.submit_readings(session, [Row("M00000", WHEN, 5)]),
        lambda session: manager.submit_and_next(session, "M00000", WHEN, 5),
    ):
        with pytest.raises(SessionError, match=BAD_SESSION):
            call(session_id)
    assert dump(manager.store) == before


def test_the_session_is_checked_before_anything_else(manager):
    with pytest.raises(SessionError):
        manager.submit_reading("x", None, None, None, None, 7)
    with pytest.raises(SessionError):
        manager.get_jobs("x", "many")


def test_a_session_works_on_every_manager_of_the_store(manager, carol, clock):
    other = Manager(manager.store, clock=clock)
    meter = other.get_job(carol)
    manager.submit_reading(carol, meter, WHEN, 5)
    assert other.get_status(carol) == Status(1, 1)


def test_a_session_ends_when_it_was_idle_for_twelve_hours(manager, carol, clock):
    clock.move(hours=12, seconds=1)
    with pytest.raises(SessionError, match=BAD_SESSION):
        manager.get_job(carol)


def test_a_session_lives_as_long_as_it_is_used(manager, carol, clock):
    for _ in range(5):
        clock.move(hours=11, minutes=50)
        assert manager.get_job(carol) == "M00000"
    clock.move(hours=12, seconds=1)
    with pytest.raises(SessionError):
        manager.get_job(carol)


def test_a_session_that_is_used_all_the_time_lives_too(manager, carol, clock):
    for _ in range(13 * 12):
        clock.move(minutes=5)
        manager.get_status(carol)


def test_a_session_is_idle_for_as_long_as_the_rules_say(crew_store, clock):
    manager = Manager(crew_store, rules=Rules(session_idle=timedelta(minutes=5)), clock=clock)
    session_id = enter(manager)
    clock.move(minutes=4, seconds=59)
    manager.get_status(session_id)
    clock.move(minutes=5, seconds=1)
    with pytest.raises(SessionError):
        manager.get_status(session_id)


def test_a_clock_that_was_set_back_ends_no_session(manager, carol, clock):
    clock.move(days=-2)
    assert manager.get_job(carol) == "M00000"


def test_a_session_that_was_logged_out_is_over_at_once(manager, carol, adam):
    manager.logout(carol)
    for call in (manager.get_job, manager.logout):
        with pytest.raises(SessionError, match=BAD_SESSION):
            call(carol)
    assert manager.get_job(adam) == "M00000"


def test_a_session_that_another_manager_ended_is_over_after_a_second(manager, carol, clock):
    manager.get_status(carol)
    Manager(manager.store, clock=clock).logout(carol)
    clock.move(seconds=1)
    with pytest.raises(SessionError):
        manager.get_status(carol)


def test_a_disabled_users_sessions_are_over_after_a_second(manager, carol, adam, clock):
    manager.get_status(carol)
    manager.store.disable_user("carol")
    clock.move(seconds=1)
    with pytest.raises(SessionError, match=BAD_SESSION):
        manager.submit_reading(carol, "M00000", WHEN, 5)
    assert manager.get_status(adam) == Status(0, 0)


def test_a_new_password_ends_the_sessions_of_the_old_one(manager, carol, adam, clock):
    manager.store.set_password("carol", hash_password("new secret"))
    clock.move(seconds=1)
    with pytest.raises(SessionError):
        manager.get_job(carol)
    with pytest.raises(LoginError, match=BAD_LOGIN):
        manager.login("carol", "carol")
    assert manager.login("carol", "new secret")[1] == "Carol Dent"
    assert manager.get_job(adam) == "M00000"


# --- too many failures


def test_ten_failures_shut_out_even_the_right_password(manager):
    fail_to_log_in(manager, 9)
    assert not is_shut_out(manager)
    fail_to_log_in(manager, 1)
    assert is_shut_out(manager)
    with pytest.raises(TooManyFailures, match="for 'carol' from your address: try again in 15 minutes"):
        manager.login("carol", "wrong", "10.0.0.1")


def test_failures_are_counted_over_all_managers_of_the_store(manager, clock):
    other = Manager(manager.store, clock=clock)
    fail_to_log_in(manager, 5)
    fail_to_log_in(other, 5)
    assert is_shut_out(manager)
    assert is_shut_out(other)


def test_other_names_and_other_addresses_are_not_shut_out(manager):
    fail_to_log_in(manager, 10)
    assert is_shut_out(manager)
    assert not is_shut_out(manager, address="10.0.0.2")
    assert not is_shut_out(manager, username="adam")


def test_a_name_is_one_name_however_it_is_written(manager):
    for username in ("carol", "Carol", "CAROL", " carol", "carol "):
        fail_to_log_in(manager, 2, username)
    assert is_shut_out(manager)


def test_long_and_odd_names_are_counted_too(crew_store, clock):
    manager = Manager(crew_store, rules=Rules(login_failures=2), clock=clock)
    for name in ("\ud800", "Ω" * 10**5, "\0", ""):
        fail_to_log_in(manager, 2, name)
        with pytest.raises(TooManyFailures) as caught:
            manager.login(name, "wrong", "10.0.0.1")
        assert len(str(caught.value).encode()) < 250


def test_unknown_names_are_shut_out_too(crew_store, clock):
    manager = Manager(crew_store, rules=Rules(login_failures=2), clock=clock)
    fail_to_log_in(manager, 2, "nobody")
    with pytest.raises(TooManyFailures):
        manager.login("nobody", "wrong", "10.0.0.1")


def test_after_fifteen_minutes_the_password_works_again(manager, clock):
    fail_to_log_in(manager, 10)
    clock.move(minutes=14, seconds=59)
    assert is_shut_out(manager)
    clock.move(seconds=1)
    assert not is_shut_out(manager)


def test_only_failures_of_the_last_fifteen_minutes_count(manager, clock):
    fail_to_log_in(manager, 5)
    clock.move(minutes=14)
    fail_to_log_in(manager, 4)
    clock.move(minutes=1)
    fail_to_log_in(manager, 5)
    assert not is_shut_out(manager)
    fail_to_log_in(manager, 1)
    assert is_shut_out(manager)
    clock.move(minutes=14)
    assert not is_shut_out(manager)


def test_trying_while_shut_out_does_not_make_it_longer(manager, clock):
    fail_to_log_in(manager, 10)
    for _ in range(14):
        clock.move(minutes=1)
        assert is_shut_out(manager)
    clock.move(minutes=1)
    assert not is_shut_out(manager)


def test_rules_that_make_no_sense_are_refused():
    for rules in ({"lease": timedelta(0)}, {"session_idle": timedelta(days=400)}, {"lease": timedelta(seconds=-5)}):
        with pytest.raises(SettingError):
            Rules(**rules)


# --- handing out jobs


def test_readers_are_handed_different_meters_in_the_order_of_the_walk(manager, carol, adam):
    assert manager.get_job(carol) == "M00000"
    assert manager.get_job(adam) == "M00001"


def test_who_asks_twice_gets_the_same_meter(manager, carol):
    assert [manager.get_job(carol) for _ in range(3)] == ["M00000"] * 3


def test_a_meter_is_done_when_it_is_read(manager, carol):
    walk = []
    while meter := manager.get_job(carol):
        walk.append(meter)
        manager.submit_reading(carol, meter, WHEN, len(walk))
    assert walk == [f"M0000{number}" for number in range(5)]
    assert manager.get_status(carol) == Status(5, 5)


def test_there_is_no_job_when_all_are_in_other_hands(manager, carol, adam):
    manager.get_jobs(carol, 5)
    assert manager.get_job(adam) is None


def test_a_meter_stays_with_the_reader_for_thirty_minutes_from_the_last_question(manager, carol, adam, clock):
    manager.get_job(carol)
    clock.move(minutes=29)
    assert manager.get_job(carol) == "M00000"
    clock.move(minutes=29)
    assert manager.get_job(adam) == "M00001"
    clock.move(minutes=1)
    manager.submit_reading(adam, "M00001", clock.now, 5)
    assert manager.get_job(adam) == "M00000"
    assert manager.get_job(carol) == "M00002"


def test_a_lease_is_as_long_as_the_rules_say(crew_store, clock):
    manager = Manager(crew_store, rules=Rules(lease=timedelta(minutes=1)), clock=clock)
    carol, adam = enter(manager), enter(manager, "adam")
    manager.get_job(carol)
    clock.move(seconds=59)
    assert manager.get_jobs(adam, 1)[0].meter == "M00001"
    clock.move(seconds=1)
    assert meters(manager.get_jobs(adam, 2)) == ["M00001", "M00000"]


def test_two_sessions_of_one_reader_are_handed_different_meters(manager, carol):
    assert [manager.get_job(carol), manager.get_job(enter(manager))] == ["M00000", "M00001"]


def test_after_a_lost_connection_the_reader_goes_on_with_the_same_meter(manager, carol, adam):
    manager.get_job(carol)
    manager.connection_ended([carol])
    assert manager.get_job(adam) == "M00001"
    assert manager.get_job(enter(manager)) == "M00000"
    assert manager.get_job(carol) == "M00002", "the old session still works, and the new one has its meter now"


def test_a_session_outlives_its_connection(manager, carol):
    manager.get_job(carol)
    manager.connection_ended([carol])
    assert manager.get_job(carol) == "M00000"


def test_connections_that_ended_may_have_had_any_sessions_or_none(manager, carol):
    manager.connection_ended([])
    manager.connection_ended(["never heard of", "\ud800", carol])
    assert manager.get_job(carol) == "M00000"


def test_after_a_logout_the_reader_finds_the_same_meters(manager, carol):
    manager.get_jobs(carol, 2)
    manager.logout(carol)
    assert meters(manager.get_jobs(enter(manager), 3)) == ["M00000", "M00001", "M00002"]


def test_the_next_job_tells_all_that_is_known(manager, carol):
    job = make_job("A1", route="A", address="Hill Road 7", instructions="dog", previous=7)
    manager.store.import_jobs(CYCLE, [job])
    assert manager.next_job(carol) == job


def test_many_jobs_are_handed_out_at_once(manager, carol, adam):
    assert meters(manager.get_jobs(carol, 3)) == ["M00000", "M00001", "M00002"]
    assert meters(manager.get_jobs(adam, MAX_ROWS)) == ["M00003", "M00004"]
    assert manager.get_job(carol) == "M00000"
    manager.submit_reading(carol, "M00001", WHEN, 5)
    assert meters(manager.get_jobs(carol, 3)) == ["M00000", "M00002"]


@pytest.mark.parametrize("n", [0, -1, MAX_ROWS + 1, HUGE, True, 2.0, "2", None], ids=type)
def test_nobody_asks_for_no_job_or_too_many(manager, carol, adam, n):
    with pytest.raises(CallError, match="Ask for 1 to 1000 jobs"):
        manager.get_jobs(carol, n)
    assert manager.get_job(adam) == "M00000"


# --- made-up meters

MADE_UP = re.compile(r"G[4-9]\d{4}|E[4-9]\d{4}|E[1-9]\d{5}")


def test_made_up_meters_are_gas_or_electricity_meters_of_these_numbers():
    jobs = [make_up_job(CYCLE) for _ in range(5000)]
    assert all(MADE_UP.fullmatch(job.meter) and job.kind == job.meter[0] for job in jobs)
    assert {job.kind for job in jobs} == {"G", "E"}
    assert {(job.cycle, job.route) for job in jobs} == {(CYCLE, "")}


def test_no_meter_is_made_up_twice(demo_store):
    manager = Manager(demo_store, makes_up_meters=True)

    def draw(username):
        session_id, drawn = enter(manager, username), []
        for _ in range(15):
            drawn += (jobs := meters(manager.get_jobs(session_id, 40)))
            outcomes = manager.submit_readings(session_id, [Row(meter, datetime.now(UTC), 5) for meter in jobs])
            assert outcomes == [None] * 40
        return drawn

    drawn = list(itertools.chain(*run_together(*(lambda name=name: draw(name) for name in USERS))))
    assert len(drawn) == len(set(drawn)) == 4 * 15 * 40
    assert all(map(MADE_UP.fullmatch, drawn))
    assert demo_store.tally("carol") == Status(600, 2400)


def test_meters_are_made_up_for_the_cycle_of_the_month(demo_store, clock):
    manager = Manager(demo_store, makes_up_meters=True, clock=clock)
    carol = enter(manager)
    job = manager.next_job(carol)
    assert job.cycle == "2026-11"
    manager.submit_reading(carol, job.meter, WHEN, 5)
    clock.move(days=20)
    assert manager.next_job(enter(manager)).cycle == "2026-12"


def test_a_made_up_meter_is_handed_on_when_its_lease_ends(demo_store, clock):
    manager = Manager(demo_store, makes_up_meters=True, clock=clock)
    carol, adam = enter(manager, "carol"), enter(manager, "adam")
    meter = manager.get_job(carol)
    assert manager.get_job(carol) == meter
    assert manager.get_job(adam) != meter
    clock.move(minutes=31)
    assert meter in meters(manager.get_jobs(adam, 2))


def test_no_meters_are_made_up_beside_routes(crew_store, clock):
    manager = Manager(crew_store, makes_up_meters=True, clock=clock)
    carol = enter(manager)
    assert len(manager.get_jobs(carol, 10)) == 5
    rows = [Row(f"M0000{number}", WHEN, 5) for number in range(5)]
    assert manager.submit_readings(carol, rows) == [None] * 5
    assert manager.get_job(carol) is None
    assert manager.submit_and_next(carol, "M00000", WHEN, 6) == (Status(5, 5), None)


def test_no_meters_are_made_up_unless_asked_for(demo_store, clock):
    manager = Manager(demo_store, clock=clock)
    assert manager.get_job(enter(manager)) is None


def test_a_meter_that_is_handed_out_can_be_read_even_when_this_months_cycle_was_closed(demo_store, clock):
    manager = Manager(demo_store, makes_up_meters=True, clock=clock)
    carol = enter(manager)
    manager.submit_reading(carol, manager.get_job(carol), WHEN, 5)
    demo_store.close_cycle("2026-11")
    meter = manager.get_job(carol)
    if meter is not None:
        manager.submit_reading(carol, meter, WHEN, 5)


# --- taking readings

REFUSED = {
    "a text": (InvalidReading, {"reading": "5"}),
    "a float": (InvalidReading, {"reading": 5.0}),
    "not a number": (InvalidReading, {"reading": float("nan")}),
    "nothing": (InvalidReading, {"reading": None}),
    "a bool": (InvalidReading, {"reading": True}),
    "bytes with a reason": (InvalidReading, {"reading": b"5", "reason": "dog"}),
    "below zero without a reason": (InvalidReading, {"reading": -1}),
    "far below zero without a reason": (InvalidReading, {"reading": -HUGE}),
    "below zero with a blank reason": (InvalidReading, {"reading": -1, "reason": "   "}),
    "one digit more than the dials": (InvalidReading, {"reading": 100_000}),
    "many digits more than the dials": (InvalidReading, {"reading": HUGE}),
    "a long reason": (InvalidReason, {"reason": "x" * (MAX_REASON + 1)}),
    "a reason in two lines": (InvalidReason, {"reason": "dog\ncat"}),
    "a reason with a terminal's code": (InvalidReason, {"reason": "\x1b[2J"}),
    "a reason with a lone surrogate": (InvalidReason, {"reason": "dog \ud800"}),
    "a reason that is none": (InvalidReason, {"reason": None}),
    "a reason that is a number": (InvalidReason, {"reason": HUGE}),
    "no time": (InvalidTime, {"when": None}),
    "a time that is a number": (InvalidTime, {"when": HUGE}),
    "a time nobody can read": (InvalidTime, {"when": "soon"}),
    "a time with a lone surrogate": (InvalidTime, {"when": "\ud800"}),
    "a time that is not in the calendar": (InvalidTime, {"when": "2026-11-31T10:00:00Z"}),
    "a time more than ten minutes ahead": (InvalidTime, {"when": "2026-11-20T10:10:01Z"}),
    "a datetime more than ten minutes ahead": (InvalidTime, {"when": NOW + timedelta(minutes=10, seconds=1)}),
    "the end of the calendar": (InvalidTime, {"when": datetime.max}),
    "a time before 1970": (InvalidTime, {"when": "1969-12-31T23:59:59Z"}),
    "an unknown meter": (UnknownMeter, {"meter": "G404"}),
    "a meter that is no text": (UnknownMeter, {"meter": 7}),
    "a meter that is nothing": (UnknownMeter, {"meter": None}),
    "a meter that is bytes": (UnknownMeter, {"meter": b"M00003"}),
    "a meter with a lone surrogate": (UnknownMeter, {"meter": "\ud800"}),
    "a meter with a null": (UnknownMeter, {"meter": "M00003\0"}),
    "a meter leased to somebody else": (MeterLeased, {"meter": "M00000"}),
    "a meter read by somebody else": (AlreadyRead, {"meter": "M00001"}),
    "a key that is no text": (InvalidKey, {"key": 7}),
    "an empty key": (InvalidKey, {"key": ""}),
    "a long key": (InvalidKey, {"key": "x" * 65}),
    "a key with a lone surrogate": (InvalidKey, {"key": "\ud800"}),
    "a key of another reading": (InvalidKey, {"key": "used"}),
}


@pytest.fixture
def busy(manager, carol, adam):
    """Adam has M00000 in hand and has read M00001; Carol has read M00002 with the key `used`."""
    manager.get_job(adam)
    manager.submit_reading(adam, "M00001", WHEN, 5)
    manager.submit_reading(carol, "M00002", WHEN, 5, key="used")
    return manager


@pytest.mark.parametrize("refused", REFUSED)
@pytest.mark.parametrize("call", ["submit_reading", "submit_and_next", "submit_readings"])
def test_a_reading_is_refused_with_an_error_that_says_why_and_nothing_changes(busy, carol, adam, call, refused):
    error, fields = REFUSED[refused]
    sent = {"meter": "M00003", "when": WHEN, "reading": 5} | fields
    before = dump(busy.store)
    if call == "submit_readings":
        (outcome,) = busy.submit_readings(carol, [Row(**sent)])
    else:
        with pytest.raises(Error) as caught:
            getattr(busy, call)(carol, **sent)
        outcome = caught.value
    assert type(outcome) is error
    assert 10 < len(str(outcome)) < 250
    assert str(outcome).encode(), "the text can be sent and shown"
    assert dump(busy.store) == before
    assert meters(busy.get_jobs(adam, 5)) == ["M00000", "M00003", "M00004"], "somebody got a lease, or lost one"


def test_a_long_name_of_an_unknown_meter_is_not_repeated_in_full(manager, carol):
    with pytest.raises(UnknownMeter) as caught:
        manager.submit_reading(carol, "G" * 10**6, WHEN, 5)
    assert len(str(caught.value)) < 250


def test_zero_is_a_reading(manager, carol):
    manager.submit_reading(carol, "M00000", WHEN, 0)
    ((_, reading),) = manager.store.readings()
    assert (reading.submission.value, reading.submission.reason) == (0, "")
    assert manager.get_status(carol) == Status(1, 1)


@pytest.mark.parametrize("reading", [-1, -7, -HUGE], ids=["-1", "-7", "huge"])
def test_below_zero_with_a_reason_there_is_only_the_reason(manager, carol, reading):
    manager.submit_reading(carol, "M00000", WHEN, reading, "  dog in the yard ")
    ((_, kept),) = manager.store.readings()
    assert (kept.submission.value, kept.submission.reason) == (None, "dog in the yard")
    assert manager.get_status(carol) == Status(1, 1)


def test_a_reading_may_have_a_reason_beside_it(manager, carol):
    manager.submit_reading(carol, "M00000", WHEN, 99_999, "ü" * MAX_REASON)
    ((_, kept),) = manager.store.readings()
    assert (kept.submission.value, kept.submission.reason) == (99_999, "ü" * MAX_REASON)


@pytest.mark.parametrize(
    "when",
    [
        "2026-11-20T09:55:00Z",
        "2026-11-20T10:55:00+01:00",
        "2026-11-20 04:55:00-05:00",
        datetime(2026, 11, 20, 9, 55, tzinfo=UTC),
        datetime(2026, 11, 20, 10, 55, tzinfo=timezone(timedelta(hours=1))),
        "2026-11-20T04:55:00",
        datetime(2026, 11, 20, 4, 55),
    ],
)
def test_a_time_is_kept_in_utc_and_is_local_time_without_an_offset(manager, carol, monkeypatch, when):
    with monkeypatch.context() as new_york:
        new_york.setenv("TZ", "America/New_York")
        time.tzset()
        try:
            manager.submit_reading(carol, "M00000", when, 5)
        finally:
            new_york.undo()
            time.tzset()
    ((_, reading),) = manager.store.readings()
    assert reading.submission.read_at == datetime(2026, 11, 20, 9, 55, tzinfo=UTC)
    assert reading.recorded_at == NOW


def test_a_readers_clock_may_be_ten_minutes_ahead(manager, carol):
    manager.submit_reading(carol, "M00000", NOW + timedelta(minutes=10), 5)
    assert manager.get_status(carol) == Status(1, 1)


def test_a_meter_may_be_read_without_being_handed_out(manager, carol):
    manager.submit_reading(carol, "M00004", WHEN, 5)
    assert manager.get_status(carol) == Status(1, 1)


def test_a_reading_may_come_after_the_lease_ended_and_in_another_session(manager, carol, clock):
    meter = manager.get_job(carol)
    clock.move(hours=3)
    manager.submit_reading(enter(manager), meter, WHEN, 5)
    assert manager.get_status(carol) == Status(1, 1)


def test_the_same_key_counts_once(manager, carol):
    for when in (WHEN, "2026-11-20T09:56:00Z"):
        assert manager.submit_reading(carol, "M00000", when, 5, key="key-1") is None
    assert len(list(manager.store.readings())) == 1
    with pytest.raises(InvalidKey):
        manager.submit_reading(carol, "M00000", WHEN, 6, key="key-1")


def test_readers_may_correct_themselves(manager, carol, adam):
    manager.submit_reading(carol, "M00000", WHEN, 5)
    manager.submit_reading(carol, "M00000", WHEN, 6)
    assert [(kept.submission.value, kept.counts) for _, kept in manager.store.readings()] == [(5, False), (6, True)]
    assert manager.get_status(adam) == Status(0, 1)


# --- several calls in one


def test_a_reading_is_answered_with_the_status_and_the_next_job(manager, carol, adam):
    manager.get_job(carol)
    status, job = manager.submit_and_next(carol, "M00000", WHEN, 5)
    assert status == Status(1, 1)
    assert job == make_jobs(2)[1]
    assert manager.get_job(adam) == "M00002"
    assert manager.get_job(carol) == "M00001"


def test_the_last_reading_is_answered_without_a_job(manager, carol, adam):
    manager.get_jobs(adam, 4)
    assert manager.submit_and_next(carol, "M00004", WHEN, -1, "dog") == (Status(1, 1), None)


def test_in_the_demo_there_is_always_a_next_job(demo_store, clock):
    manager = Manager(demo_store, makes_up_meters=True, clock=clock)
    carol = enter(manager)
    seen = [manager.get_job(carol)]
    for number in range(1, 20):
        status, job = manager.submit_and_next(carol, seen[-1], WHEN, 5)
        assert status == Status(number, number)
        seen.append(job.meter)
    assert len(set(seen)) == 20


def test_many_readings_are_judged_one_by_one(busy, carol):
    rows = [Row(**({"meter": "M00003", "when": WHEN, "reading": 5} | fields)) for _, fields in REFUSED.values()]
    good = [Row("M00003", WHEN, 5, "", "k1"), Row("M00004", WHEN, -1, "dog", "k2"), Row("M00003", WHEN, 5, "", "k1")]
    outcomes = busy.submit_readings(carol, [good[0], *rows, *good[1:]])
    assert outcomes[0] is outcomes[-1] is outcomes[-2] is None
    assert [type(outcome) for outcome in outcomes[1:-2]] == [error for error, _ in REFUSED.values()]
    assert busy.get_status(carol) == Status(3, 4)


def test_no_more_than_a_thousand_readings_come_at_once(manager, carol):
    before = dump(manager.store)
    with pytest.raises(CallError, match="at most 1000 readings"):
        manager.submit_readings(carol, [Row("M00000", WHEN, 5)] * (MAX_ROWS + 1))
    assert dump(manager.store) == before
    assert manager.submit_readings(carol, []) == []


def test_the_status_is_over_the_open_cycles(manager, carol, adam):
    manager.submit_reading(carol, "M00000", WHEN, 5)
    manager.submit_reading(adam, "M00001", WHEN, 5)
    assert [manager.get_status(session_id) for session_id in (carol, adam)] == [Status(1, 2), Status(1, 2)]
    manager.store.close_cycle(CYCLE)
    assert manager.get_status(carol) == Status(0, 0)


# --- many threads


def test_a_crew_at_work_never_reads_a_meter_twice(crew_store, clock):
    crew_store.import_jobs(CYCLE, make_jobs(120))
    manager = Manager(crew_store, clock=clock)
    sessions = [enter(manager, username) for username in (*USERS, *USERS)]

    def walk(session_id):
        walked = []
        meter = manager.get_job(session_id)
        while meter:
            walked.append(meter)
            _, job = manager.submit_and_next(session_id, meter, WHEN, 5, key=meter)
            meter = job and job.meter
        return walked

    walked = itertools.chain(
        *run_together(*(lambda session_id=session_id: walk(session_id) for session_id in sessions))
    )
    assert sorted(walked) == [f"M{number:05}" for number in range(120)]
    assert crew_store.routes() == [RouteProgress(CYCLE, "North", 120, 120)]
    assert manager.get_status(sessions[0]).total == 120


def test_many_guesses_at_once_do_not_get_far_beyond_ten(manager):
    """Each core may be busy with one guess when the tenth fails."""

    def guess():
        refused = 0
        for _ in range(4):
            with pytest.raises(LoginError) as caught:
                manager.login("carol", "wrong", "10.0.0.1")
            refused += type(caught.value) is LoginError
        return refused

    assert 10 <= sum(run_together(*[guess] * 6)) <= 10 + (os.cpu_count() or 1)
    assert is_shut_out(manager)


def test_a_session_id_is_never_taken_for_another(manager, clock):
    """Sessions of all users at once, each asked for its own tally."""
    for number, username in enumerate(USERS):
        for meter in range(number):
            manager.store.import_jobs(CYCLE, [make_job(f"{username.upper()}{meter}")])
            manager.store.record_reading(make_submission(f"{username.upper()}{meter}", username), NOW)
    sessions = {username: enter(manager, username) for username in USERS}

    def ask(username):
        return {manager.get_status(sessions[username]).count for _ in range(50)}

    told = run_together(*(lambda name=name: ask(name) for name in USERS))
    assert told == [{0}, {1}, {2}, {3}]
