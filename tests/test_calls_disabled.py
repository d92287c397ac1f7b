"""Users who were disabled by a command or at another server: from then on nothing is kept for them."""

import time
from contextlib import suppress

import pytest
from conftest import dump, start, wait_until
from readers import BAD_SESSION, as_office, fail_to_log_in, is_shut_out, left_to, log_in, readings_in
from steps import free_jobs

from metermt.calls import accounts, readings, rounds
from metermt.calls.accounts import Username
from metermt.calls.asking import Ask
from metermt.calls.desk import Desk
from metermt.errors import AccountDisabled, SessionError
from metermt.model import Answer, Role

ASKS = {
    "get_job": (rounds.get_job, None),
    "next_job": (rounds.next_job, None),
    "get_jobs": (rounds.get_jobs, rounds.JobsWanted(3)),
    "submit_reading": (readings.submit_reading, Answer("M00000", 5)),
    "submit_readings": (readings.submit_readings, readings.Answers([Answer("M00000", 5)])),
    "submit_and_next": (readings.submit_and_next, Answer("M00000", 5)),
}


@pytest.fixture
def elsewhere(desk, clock):
    """A desk of another server, or of a command, on the same store."""
    return Desk(desk.store, server="elsewhere", clock=clock)


@pytest.mark.parametrize("name", ASKS)
def test_nothing_is_leased_to_and_accepted_from_a_disabled_user(desk, carol, elsewhere, name):
    carol.status()  # from now on the session is trusted for a second
    as_office(elsewhere, accounts.disable_user, Username("carol"))
    before = dump(desk.store)
    with pytest.raises(AccountDisabled, match=r"^Your account has been disabled: ask the office$"):
        carol.ask(*ASKS[name])
    assert dump(desk.store) == before


def answers_of(desk, asks):
    """Answer as the switchboard does: together, or one by one if that is spoilt."""
    answers = desk.begin(asks, lambda: None)
    wait_until(lambda: answers.begun.wait(0), "they are answered")
    try:
        return answers.outcomes()
    except SessionError:
        return [outcome for ask in asks for outcome in desk.answer([ask])]


@pytest.mark.parametrize("answers", [Desk.answer, answers_of], ids=["answer", "begin"])
def test_those_who_ask_along_with_a_disabled_user_are_answered(desk, carol, adam, elsewhere, answers):
    carol.status()
    adam.status()
    as_office(elsewhere, accounts.disable_user, Username("carol"))
    asks = [
        Ask(readings.submit_reading, carol.caller, carol.session_id, Answer("M00000", 5)),
        Ask(rounds.get_job, carol.caller, carol.session_id, None),
        Ask(rounds.get_job, adam.caller, adam.session_id, None),
    ]
    outcomes = answers(desk, asks)
    assert [type(outcome) for outcome in outcomes] == [AccountDisabled, AccountDisabled, str]
    assert outcomes[2] == "M00000"
    assert readings_in(desk.store) == []


def test_a_user_who_is_disabled_in_the_middle_of_a_turn_keeps_nothing(desk, carol, elsewhere, monkeypatch):
    """Either the turn is over before, and what it has leased is free again, or it is refused."""
    carol.status()
    disabling = []
    keep = rounds.handed_out

    def slow(*args):
        if not disabling:
            disabling.append(start(lambda: as_office(elsewhere, accounts.disable_user, Username("carol"))))
            until = time.monotonic() + 0.3  # seconds that it has for coming in between
            while time.monotonic() < until and not disabling[0].is_there():
                time.sleep(0.01)
        return keep(*args)

    monkeypatch.setattr(rounds, "handed_out", slow)
    with suppress(SessionError):
        carol.meter()
    monkeypatch.undo()
    disabling[0]()
    assert len(desk.store.read(free_jobs)) == 5
    assert left_to(desk.store) == []


def test_who_is_disabled_and_knows_the_password_is_told_so_and_nobody_else(desk):
    as_office(desk, accounts.disable_user, Username("carol"))
    for _ in range(2):
        assert type(log_in(desk)) is AccountDisabled
    fail_to_log_in(desk, 10)
    fail_to_log_in(desk, 10, "nobody")
    assert is_shut_out(desk), "only wrong passwords were failures"


def test_a_login_from_before_is_over_when_its_user_is_enabled_again(desk, carol, adam):
    as_office(desk, accounts.disable_user, Username("carol"))
    as_office(desk, accounts.enable_user, Username("carol"))
    as_office(desk, accounts.enable_user, Username("adam"))
    with pytest.raises(SessionError, match=BAD_SESSION):
        carol.meter()
    assert adam.meter() == "M00000", "he was enabled all the time"


def test_nobody_who_is_disabled_changes_their_password(desk, carol):
    as_office(desk, accounts.disable_user, Username("carol"))
    with pytest.raises(AccountDisabled):
        carol.ask(accounts.change_password, accounts.ChangedPassword("carol", "a new horse"))


def test_a_disabled_admin_does_not_even_begin_what_takes_long(desk, carol, elsewhere):
    as_office(desk, accounts.set_role, accounts.NewRole("carol", Role.ADMIN))
    carol.status()
    as_office(elsewhere, accounts.disable_user, Username("carol"))
    before = dump(desk.store)
    with pytest.raises(SessionError):
        carol.ask(accounts.set_password, accounts.NewPassword("adam", "a new horse"))
    assert dump(desk.store) == before
