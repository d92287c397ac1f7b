"""Sessions and the connections that use them: what a reader holds is left to them when the last of these has ended."""

import pytest
from conftest import make_session, wait_until
from peers import wait_until_taken_over
from readers import left_to
from servers import listening

from metermt.calls.asking import Caller
from metermt.policy import Policy


def hang_up(connection):
    """Hang up without a word."""
    connection._channel.close()


def log_in(connection, username="carol"):
    session, _ = connection.root.login(username, username)
    return session


# --- connections that end late


def test_a_dead_connection_noticed_late_takes_nothing_from_the_session_that_went_on(server, proxy, plain, desk):
    dead = plain(proxy)
    session = log_in(dead)
    with proxy.deaf():
        hang_up(dead)  # and the server does not hear of it
        living = plain(server)
        assert living.root.get_job(session) == "M00000"
        assert server.connections == 2
    wait_until(lambda: server.connections == 1, "the server has noticed")

    other = plain(server).root
    others_session, _ = other.login("carol", "carol")
    assert other.get_job(others_session) == "M00001"
    assert living.root.get_job(session) == "M00000"
    assert left_to(desk.store) == []

    hang_up(living)
    wait_until(lambda: len(left_to(desk.store)) == 1, "it is left to its reader")
    third = plain(server).root
    third_session, _ = third.login("carol", "carol")
    assert third.get_job(third_session) == "M00000"
    assert other.get_job(others_session) == "M00001"


def test_whichever_of_two_connections_ends_first_the_other_keeps_the_job(server, plain, desk):
    first, second = plain(server), plain(server)
    session = log_in(first)
    assert first.root.get_job(session) == second.root.get_job(session) == "M00000"
    wait_until_taken_over()

    hang_up(second)
    wait_until(lambda: server.connections == 1, "the server has noticed")
    assert left_to(desk.store) == []

    hang_up(first)
    wait_until(lambda: len(left_to(desk.store)) == 1, "it is left to its reader")


def test_who_comes_back_after_the_last_connection_has_ended_has_the_job_for_themselves_again(server, plain, desk):
    first = plain(server)
    session = log_in(first)
    assert first.root.get_job(session) == "M00000"
    hang_up(first)
    wait_until(lambda: len(left_to(desk.store)) == 1, "it is left to its reader")

    back = plain(server).root
    assert back.get_job(session) == "M00000"
    assert left_to(desk.store) == []
    other = plain(server).root
    assert other.get_job(other.login("carol", "carol")[0]) == "M00001"


def test_one_connection_may_use_many_sessions_and_all_of_them_are_left_when_it_ends(server, plain, desk):
    connection = plain(server)
    sessions = [log_in(connection) for _ in range(3)]
    assert [connection.root.get_job(session) for session in sessions] == ["M00000", "M00001", "M00002"]

    hang_up(connection)

    wait_until(lambda: len(left_to(desk.store)) == 3, "all are left to their reader")


def test_when_one_of_two_connections_logs_out_what_was_held_is_free_for_everybody(server, plain, desk):
    first, second, adams = plain(server), plain(server), plain(server)
    session, adams_session = log_in(first), log_in(adams, "adam")
    assert first.root.get_job(session) == second.root.get_job(session) == "M00000"

    second.root.logout(session)

    assert adams.root.get_job(adams_session) == "M00000"
    hang_up(first)
    wait_until(lambda: server.connections == 2, "the server has noticed")
    assert adams.root.get_job(adams_session) == "M00000"


def test_a_session_that_somebody_tried_in_vain_belongs_to_no_connection(server, plain, desk):
    first, stranger = plain(server), plain(server)
    session = log_in(first)
    assert first.root.get_job(session) == "M00000"
    with pytest.raises(Exception, match="Invalid session ID"):
        stranger.root.get_status(session[:-1])
    hang_up(stranger)
    wait_until(lambda: server.connections == 1, "the server has noticed")

    assert left_to(desk.store) == []


# --- what is remembered of them


def test_sessions_that_ended_are_forgotten(server, plain, desk):
    root = plain(server).root
    for _ in range(30):
        session, _ = root.login("carol", "carol")
        root.get_status(session)
        root.logout(session)

    assert len(desk.sessions) == 0


def test_sessions_that_are_not_used_any_more_are_forgotten(server, plain, desk, clock):
    for _ in range(30):
        connection = plain(server)
        connection.root.get_status(log_in(connection))
        hang_up(connection)
    wait_until(lambda: server.connections == 0, "all are gone")
    clock.move(minutes=2)
    last = plain(server)
    last.root.get_status(log_in(last))

    assert len(desk.sessions) == 1


@pytest.mark.parametrize("store", ["memory"], indirect=True)  # it is the desk that counts
def test_sessions_that_were_only_used_for_a_moment_do_not_add_up(server, plain, desk, clock):
    connection = plain(server)
    for _ in range(150):
        connection.root.get_status(log_in(connection))
        clock.move(seconds=10)

    assert len(desk.sessions) < 20


def test_a_session_that_has_idled_out_is_good_for_nothing_and_forgotten(desk, clock, plain):
    desk.policy = Policy()
    with listening(desk) as server:
        connection = plain(server)
        session = log_in(connection)
        clock.move(hours=13)
        with pytest.raises(Exception, match="Invalid session ID"):
            connection.root.get_status(session)
        log_in(connection)

    assert desk.store.read(lambda tx: len(tx.sessions.of(["carol"]))) == 1


@pytest.mark.parametrize("store", ["memory"], indirect=True)  # it is the desk that counts
def test_a_connection_is_remembered_with_a_hundred_sessions_at_most(desk):
    caller = Caller()
    for number in range(1000):
        desk.sessions.shown(caller, make_session(f"session {number}", "carol"))

    assert len(caller.sessions) == 100
    assert len(desk.sessions.hung_up([caller])) == 100
    assert desk.sessions.still_gone(["session 5"]) == ["session 5"]


def test_when_all_have_hung_up_nothing_is_remembered_of_who_was_connected(server, plain, desk):
    for _ in range(10):
        connection = plain(server)
        connection.root.get_job(log_in(connection))
        hang_up(connection)

    wait_until(lambda: server.connections == 0, "all are gone")
    wait_until(lambda: not desk.sessions._connected, "nobody is connected")
