"""A clock that was a year ahead for a while: once it is right, nothing of that year is left."""

import pytest
from readers import Reader, as_office, fail_to_log_in, is_shut_out, log_in

from metermt.calls import accounts
from metermt.calls.servers import list_servers, say_alive
from metermt.errors import SessionError, TooManyFailures
from metermt.model import Server


def say_alive_at(desk):
    desk.store.write(lambda tx: say_alive(desk.turn(tx), 0))


@pytest.fixture(params=["a login", "a sign of life"])
def set_right(request, desk):
    """What every server does now and then."""
    return {"a login": lambda: Reader(desk, "gwenda"), "a sign of life": lambda: say_alive_at(desk)}[request.param]


def test_nobody_waits_for_a_year(desk, clock):
    clock.move(days=365)
    fail_to_log_in(desk, 10)
    assert is_shut_out(desk)
    clock.move(days=-365)
    assert not is_shut_out(desk)
    assert not any(state.locked_until for state in as_office(desk, accounts.list_user_states))
    fail_to_log_in(desk, 10)
    outcome = log_in(desk)
    assert type(outcome) is TooManyFailures
    assert outcome.details == {"seconds": 900}


def test_failures_of_that_time_do_not_come_back_when_it_has_come(desk, clock, set_right):
    clock.move(days=365)
    fail_to_log_in(desk, 10)
    clock.move(days=-365)
    set_right()
    clock.move(days=365)
    assert not is_shut_out(desk)


def test_no_meter_stays_with_a_reader_for_a_year(desk, clock, set_right, carol, adam):
    clock.move(days=365)
    carol, adam = Reader(desk, "carol"), Reader(desk, "adam")
    assert carol.meter() == "M00000"
    clock.move(days=-365)
    set_right()
    assert adam.meters(5) == ["M00004", "M00003", "M00002", "M00001"]
    clock.move(minutes=29)
    assert "M00000" not in adam.meters(5)
    clock.move(minutes=2)
    assert "M00000" in adam.meters(5)


def test_no_session_lasts_for_a_year(desk, clock, set_right):
    clock.move(days=365)
    carol = Reader(desk, "carol")
    clock.move(days=-365)
    set_right()
    clock.move(hours=12, seconds=1)
    with pytest.raises(SessionError):
        carol.status()


def test_a_session_of_that_time_goes_on_when_it_is_used(desk, clock):
    clock.move(days=365)
    carol = Reader(desk, "carol")
    clock.move(days=-365)
    assert carol.meter() == "M00000"
    clock.move(hours=12, seconds=1)
    with pytest.raises(SessionError):
        carol.meter()


def test_a_use_that_lies_ahead_is_not_told(desk, clock):
    clock.move(days=365)
    Reader(desk, "carol")
    clock.move(days=-365)
    assert [state.used_at for state in as_office(desk, accounts.list_user_states)] == [None] * 4


def test_a_server_that_died_in_that_time_is_taken_for_dead(desk, clock):
    clock.move(days=365)
    desk.store.write(lambda tx: tx.servers.note(Server("there", "1.0", 1, clock())))
    clock.move(days=-365)
    say_alive_at(desk)
    assert [server.name for server in as_office(desk, list_servers)] == [desk.server, "there"]
    clock.move(seconds=11)
    say_alive_at(desk)
    assert [server.name for server in as_office(desk, list_servers)] == [desk.server]


def test_what_two_clocks_differ_by_changes_nothing(desk, clock, set_right, carol):
    clock.move(seconds=30)
    carol.meter()
    sessions = desk.store.read(lambda tx: tx.accounts.last_used(["carol"]))
    clock.move(seconds=-30)
    fail_to_log_in(desk, 10)
    set_right()
    assert desk.store.read(lambda tx: tx.accounts.last_used(["carol"])) == sessions
    assert is_shut_out(desk)
