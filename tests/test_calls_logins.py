"""Who may log in, and who has to wait."""

import os
import re
from datetime import timedelta

import pytest
from conftest import HUGE, make_account, run_together
from readers import BAD_LOGIN, Reader, as_office, fail_to_log_in, is_shut_out, log_in

from metermt.calls import accounts, rounds, sessions
from metermt.calls.asking import Caller
from metermt.calls.desk import Desk
from metermt.errors import LoginError, SessionError, TooManyFailures
from metermt.model import Status
from metermt.passwords import hash_password
from metermt.policy import Policy
from metermt.version import PROTOCOL, VERSION

# --- logging in


def test_a_login_gives_an_unguessable_session_and_the_full_name(desk):
    logins = [log_in(desk) for _ in range(20)]
    assert len({login.session_id for login in logins}) == 20
    assert all(re.fullmatch(r"[\w-]{43}", login.session_id) for login in logins), "32 random bytes"
    assert {login.full_name for login in logins} == {"Carol Dent"}


@pytest.mark.parametrize("username", ["Carol", " carol ", "CAROL"])
def test_a_user_name_may_be_written_as_telephones_do(desk, username):
    assert log_in(desk, username, "carol").full_name == "Carol Dent"


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
def test_a_wrong_name_or_password_is_refused_without_saying_which(desk, username, password):
    with pytest.raises(LoginError, match=BAD_LOGIN):
        desk.ask(sessions.login, sessions.Login(username, password))


def test_several_sessions_of_one_user_work_side_by_side(desk):
    first, second = Reader(desk), Reader(desk)
    first.log_out()
    assert second.status() == Status(0, 0)


def test_of_very_many_sessions_of_one_user_the_one_used_longest_ago_ends(desk, clock, monkeypatch):
    monkeypatch.setattr(sessions, "_MOST_SESSIONS", 2)
    first, adam = Reader(desk), Reader(desk, "adam")
    assert first.meter() == "M00000"
    later = []
    for _ in range(2):
        clock.move(seconds=2)
        later.append(Reader(desk))
    clock.move(seconds=2)
    with pytest.raises(SessionError):
        first.status()
    assert [reader.status().count for reader in (*later, adam)] == [0, 0, 0]
    assert later[0].meter() == "M00000", "it was left to its reader"


@pytest.mark.parametrize("username", ["carol", "nobody", "eric", "No Such Name!"])
def test_a_wrong_login_costs_one_hash_whether_the_user_is_known_unknown_or_disabled(desk, hasher, username):
    as_office(desk, accounts.disable_user, accounts.Username("eric"))
    fail_to_log_in(desk, 1, username)
    assert hasher.calls == 1


def test_who_is_shut_out_costs_no_hash(desk, hasher):
    fail_to_log_in(desk, 10)
    assert hasher.calls == 10
    assert is_shut_out(desk)
    assert hasher.calls == 10


def test_a_certificate_is_good_for_one_name(desk):
    carols = Caller(certified_name="carol")
    assert desk.ask(sessions.login, sessions.Login("Carol", "carol"), caller=carols).full_name == "Carol Dent"
    with pytest.raises(LoginError, match="Your certificate is for carol: log in by that name"):
        desk.ask(sessions.login, sessions.Login("adam", "adam"), caller=carols)


def test_neither_session_ids_nor_passwords_stand_in_the_database(sqlite_store, clock, hasher):
    account = make_account("carol", password_hash=hash_password("hunter2-horse"))
    sqlite_store.write(lambda tx: tx.accounts.put([account]))
    desk = Desk(sqlite_store, clock=clock)
    carol = Reader(desk, password="hunter2-horse")
    with pytest.raises(LoginError):
        Reader(desk, password="battery-staple")
    carol.ask(rounds.get_job)
    files = [path.read_bytes() for path in sqlite_store.path.parent.glob("metermt.db*")]
    assert len(files) == 3, "the database, its write-ahead log and the index of that"
    kept = b"".join(files)
    for secret in (carol.session_id, "hunter2-horse", "battery-staple"):
        assert secret.encode() not in kept
    assert b"$argon2id$" in kept, "otherwise this looks in the wrong place"


@pytest.mark.parametrize(("typed", "logs_in"), [("carol", False), ("a new horse", True)])
def test_a_password_that_was_changed_while_it_was_verified_lets_nobody_in(desk, hasher, monkeypatch, typed, logs_in):
    """Whatever was verified, what counts is the password of the account when the session begins."""
    desk.store.write(lambda tx: tx.accounts.put([make_account("carol", "Carol Dent", hasher.hash(typed))]))
    new_hash, verify = hasher.hash("a new horse"), hasher.verify

    def verify_and_lose_time(*args):
        monkeypatch.setattr(hasher, "verify", verify)
        is_right = verify(*args)
        desk.store.write(lambda tx: tx.accounts.put([make_account("carol", "Carol Dent", new_hash)]))
        return is_right

    monkeypatch.setattr(hasher, "verify", verify_and_lose_time)
    outcome = log_in(desk, password=typed)
    assert outcome.full_name == "Carol Dent" if logs_in else type(outcome) is LoginError
    assert bool(desk.store.read(lambda tx: tx.sessions.of(["carol"]))) == logs_in


# --- the first words


def test_whoever_calls_is_told_version_and_time_without_a_login(desk):
    for words in (sessions.Hello(), sessions.Hello("99.0", 99)):
        welcome = desk.ask(sessions.hello, words)
        assert welcome == sessions.Welcome(VERSION, PROTOCOL, "2026-11-20T10:00:00.000+00:00")
    assert desk.ask(sessions.ping, None) is None


# --- too many failures


def test_ten_failures_shut_out_even_the_right_password(desk):
    fail_to_log_in(desk, 9)
    assert not is_shut_out(desk)
    fail_to_log_in(desk, 1)
    assert is_shut_out(desk)
    outcome = log_in(desk, password="wrong")
    assert str(outcome) == "Too many failed logins for 'carol' from your address: try again in 15 minutes"
    assert outcome.details == {"seconds": 900}


def test_failures_are_counted_over_all_desks_of_the_store(desk, clock):
    other = Desk(desk.store, clock=clock)
    fail_to_log_in(desk, 5)
    fail_to_log_in(other, 5)
    assert is_shut_out(desk)
    assert is_shut_out(other)


def test_other_names_and_other_addresses_are_not_shut_out(desk):
    fail_to_log_in(desk, 10)
    assert is_shut_out(desk)
    assert not is_shut_out(desk, address="10.0.0.2")
    assert not is_shut_out(desk, username="adam")


@pytest.mark.parametrize(
    "addresses",
    [[f"2001:db8:1:2::{number}" for number in range(11)], ["10.0.0.9"] * 5 + ["::ffff:10.0.0.9"] * 6],
    ids=["a whole network of IPv6", "one of IPv4, by a door for both"],
)
def test_a_line_that_has_many_addresses_is_one_address(desk, addresses):
    for address in addresses[:-1]:
        assert not is_shut_out(desk, address=address)
        fail_to_log_in(desk, 1, address=address)
    assert is_shut_out(desk, address=addresses[-1])
    assert not is_shut_out(desk, address="2001:db8:1:3::1")


def test_a_name_is_one_name_however_it_is_written(desk):
    for username in ("carol", "Carol", "CAROL", " carol", "carol "):
        fail_to_log_in(desk, 2, username)
    assert is_shut_out(desk)


def test_long_and_odd_names_are_counted_too(desk, clock):
    strict = Desk(desk.store, Policy(login_failures=2), clock=clock)
    for name in ("\ud800", "Ω" * 10**5, "\0", ""):
        fail_to_log_in(strict, 2, name)
        outcome = log_in(strict, name, "wrong")
        assert type(outcome) is TooManyFailures
        assert len(str(outcome).encode()) < 250


def test_unknown_names_are_shut_out_too(desk, clock):
    strict = Desk(desk.store, Policy(login_failures=2), clock=clock)
    fail_to_log_in(strict, 2, "nobody")
    assert is_shut_out(strict, "nobody")


def test_after_fifteen_minutes_the_password_works_again(desk, clock):
    fail_to_log_in(desk, 10)
    clock.move(minutes=14, seconds=59)
    assert is_shut_out(desk)
    clock.move(seconds=1)
    assert not is_shut_out(desk)


def test_the_window_is_as_long_as_the_policy_says(desk, clock):
    strict = Desk(desk.store, Policy(login_window=timedelta(minutes=1)), clock=clock)
    fail_to_log_in(strict, 10)
    clock.move(seconds=59)
    assert is_shut_out(strict)
    clock.move(seconds=1)
    assert not is_shut_out(strict)


def test_only_failures_of_the_last_fifteen_minutes_count(desk, clock):
    fail_to_log_in(desk, 5)
    clock.move(minutes=14)
    fail_to_log_in(desk, 4)
    clock.move(minutes=1)
    fail_to_log_in(desk, 5)
    assert not is_shut_out(desk)
    fail_to_log_in(desk, 1)
    assert is_shut_out(desk)
    clock.move(minutes=14)
    assert not is_shut_out(desk)


def test_trying_while_shut_out_does_not_make_it_longer(desk, clock):
    fail_to_log_in(desk, 10)
    for _ in range(14):
        clock.move(minutes=1)
        assert is_shut_out(desk)
    clock.move(minutes=1)
    assert not is_shut_out(desk)


def test_many_guesses_at_once_do_not_get_far_beyond_ten(desk):
    """Each core may be busy with one guess when the tenth fails."""

    def guess():
        outcomes = [log_in(desk, password="wrong") for _ in range(4)]
        return sum(type(outcome) is LoginError for outcome in outcomes)

    assert 10 <= sum(run_together(*[guess] * 6)) <= 10 + (os.cpu_count() or 1)
    assert is_shut_out(desk)
