"""Sessions: what they are good for, and how they end."""

import threading
from datetime import timedelta
from itertools import islice

import pytest
from conftest import CYCLE, HUGE, dump, import_jobs, make_account, make_job, run_together
from readers import BAD_SESSION, Reader, as_office, log_in

from metermt.calls import accounts, readings, rounds, sessions
from metermt.calls.desk import Desk
from metermt.calls.known import KnownSessions
from metermt.demo import USERS
from metermt.errors import AccountDisabled, LoginError, SessionError
from metermt.model import Answer, Session, Status
from metermt.policy import Policy

ANSWER = Answer("M00000", 5)


@pytest.mark.parametrize("session_id", ["", "x" * 43, "\ud800", "x" * 10**6, None, 7, HUGE, b"x" * 43, 1.5], ids=type)
def test_an_unknown_session_is_refused_by_every_call(desk, session_id):
    before = dump(desk.store)
    for call, request in (
        (sessions.logout, None),
        (rounds.get_job, None),
        (rounds.next_job, None),
        (rounds.get_jobs, rounds.JobsWanted(5)),
        (readings.get_status, None),
        (readings.submit_reading, ANSWER),
        (readings.submit_readings, readings.Answers([ANSWER])),
        (readings.submit_and_next, ANSWER),
        (accounts.list_users, None),
    ):
        with pytest.raises(SessionError, match=BAD_SESSION):
            desk.ask(call, request, session_id)
    assert dump(desk.store) == before


def test_the_session_is_checked_before_anything_else(desk):
    with pytest.raises(SessionError):
        desk.ask(readings.submit_reading, Answer(None, None, None, None, 7), "x")
    with pytest.raises(SessionError):
        desk.ask(rounds.get_jobs, rounds.JobsWanted("many"), "x")


def test_a_session_works_at_every_desk_of_the_store(desk, carol, clock):
    elsewhere = carol.at(Desk(desk.store, server="elsewhere", clock=clock))
    carol.submit(elsewhere.meter())
    assert elsewhere.status() == Status(1, 1)


def test_a_session_ends_when_it_was_idle_for_twelve_hours(carol, clock):
    clock.move(hours=12, seconds=1)
    with pytest.raises(SessionError, match=BAD_SESSION):
        carol.meter()


def test_a_session_lives_as_long_as_it_is_used(carol, clock):
    for _ in range(5):
        clock.move(hours=11, minutes=50)
        assert carol.meter() == "M00000"
    clock.move(hours=12, seconds=1)
    with pytest.raises(SessionError):
        carol.meter()


def test_a_session_that_is_used_all_the_time_lives_too(carol, clock):
    for _ in range(13 * 12):
        clock.move(minutes=5)
        carol.status()


def test_a_session_is_idle_for_as_long_as_the_policy_says(desk, clock):
    carol = Reader(Desk(desk.store, Policy(session_idle=timedelta(minutes=5)), clock=clock))
    clock.move(minutes=4, seconds=59)
    carol.status()
    clock.move(minutes=5, seconds=1)
    with pytest.raises(SessionError):
        carol.status()


def test_a_clock_that_was_set_back_ends_no_session(carol, clock):
    clock.move(days=-2)
    assert carol.meter() == "M00000"


def test_a_session_that_was_logged_out_is_over_at_once(carol, adam):
    carol.log_out()
    for ask in (carol.meter, carol.log_out):
        with pytest.raises(SessionError, match=BAD_SESSION):
            ask()
    assert adam.meter() == "M00000"


def test_a_session_that_was_logged_out_elsewhere_is_over_after_a_second(desk, carol, clock):
    carol.status()
    carol.at(Desk(desk.store, clock=clock)).log_out()
    clock.move(seconds=1)
    with pytest.raises(SessionError):
        carol.status()


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_disabled_users_sessions_are_over_after_a_second(desk, carol, adam, clock, elsewhere):
    carol.status()
    office_desk = Desk(desk.store, clock=clock) if elsewhere else desk
    as_office(office_desk, accounts.disable_user, accounts.Username("carol"))
    clock.move(seconds=1 if elsewhere else 0)
    with pytest.raises(AccountDisabled):
        carol.submit("M00000")
    assert adam.status() == Status(0, 0)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_new_password_ends_the_sessions_of_the_old_one(desk, carol, adam, clock, elsewhere):
    carol.status()
    office_desk = Desk(desk.store, clock=clock) if elsewhere else desk
    as_office(office_desk, accounts.set_password, accounts.NewPassword("carol", "new secret"))
    clock.move(seconds=1 if elsewhere else 0)
    with pytest.raises(SessionError):
        carol.meter()
    assert type(log_in(desk)) is LoginError
    assert log_in(desk, password="new secret").full_name == "Carol Dent"
    assert adam.meter() == "M00000"


def test_a_session_id_is_never_taken_for_another(desk):
    """Sessions of all users at once, each asked for its own tally."""
    import_jobs(desk.store, CYCLE, [make_job("M00005")])
    crew = [Reader(desk, username) for username in USERS]
    unread = iter(range(6))
    for number, reader in enumerate(crew):
        for meter in islice(unread, number):
            reader.submit(f"M{meter:05}")

    def ask(reader):
        return {reader.status().count for _ in range(50)}

    told = run_together(*(lambda reader=reader: ask(reader) for reader in crew))
    assert told == [{0}, {1}, {2}, {3}]


def test_sessions_that_are_forgotten_while_others_are_swept_out_change_no_list_of_them():
    class LetsOthersIn(dict):
        """Another thread has its turn while this is listed, as when the collector runs within."""

        def items(self):
            for item in super().items():
                if not forgetting:
                    forgetting.append(threading.Thread(target=known.forget, args=["b"]))
                    forgetting[0].start()
                    forgetting[0].join(0.05)
                yield item

    known, forgetting, user = KnownSessions(), [], make_account("carol").user
    known.learn([Session(key, user, 0.0, "here") for key in "abc"], 0.0)
    known._known = LetsOthersIn(known._known)
    known.learn([], 100.0)
    forgetting[0].join()
    assert len(known) == 0
