"""What every store promises: who is logged in, and who has failed to."""

from dataclasses import replace

import pytest
from conftest import LEASED_UNTIL, SERVER, T0, dump, make_account, make_session

from metermt.model import Account, Role

ALL = ["adam-1", "adam-2", "carol-1", "carol-2"]


def found(steps):
    """Return the keys of the sessions that have not ended."""
    return sorted(steps.sessions.find(ALL))


def server_of(steps, key):
    return steps.sessions.find([key])[key].server


# --- from the login to the end


@pytest.mark.parametrize("server", [SERVER, "another 🐋", None])
def test_sessions_that_were_added_are_found_by_key(crew, server):
    new = [make_session("carol-3", used_at=T0 + 0.25, server=server), make_session("adam-3", server=server)]
    crew.sessions.add(new)
    assert crew.sessions.find(["adam-3", "carol-3", "carol-4"]) == {session.key: session for session in new}


def test_a_session_is_told_with_its_user_as_they_are_now(crew):
    user = replace(make_account().user, disabled=True, role=Role.ADMIN, full_name="Carol Other")
    crew.accounts.put([Account(user, "a hash")])
    assert crew.sessions.find(["carol-1"])["carol-1"].user == user
    assert crew.sessions.find(["adam-1"]) == {"adam-1": make_session("adam-1")}


def test_a_session_that_has_ended_is_not_found(crew):
    crew.sessions.end(["carol-1", "adam-2"])
    assert found(crew) == ["adam-1", "carol-2"]


def test_a_session_that_holds_jobs_is_not_found_either_once_it_has_ended(crew):
    crew.lease("carol-1", "M00000", until=LEASED_UNTIL)
    crew.sessions.end(["carol-1"])
    assert found(crew) == ["adam-1", "adam-2", "carol-2"]


def test_to_end_what_is_not_there_or_has_ended_is_harmless(crew):
    crew.sessions.end(["carol-1"])
    before = dump(crew.store)
    crew.sessions.end(["never added", "carol-1"])
    assert dump(crew.store) == before


def test_a_session_that_ends_leaves_its_jobs_to_its_reader(crew):
    crew.lease("carol-1", "M00000", "M00003", until=LEASED_UNTIL)
    crew.lease("carol-2", "M00001", until=LEASED_UNTIL)
    crew.sessions.end(["carol-1"])
    assert crew.left("carol", "adam") == {"carol": ["M00000", "M00003"]}
    assert crew.held("carol-2") == {"carol-2": ["M00001"]}
    assert crew.free() == ["M00002", "M00004"]


# --- who is connected


def test_a_session_remembers_its_last_use_and_its_server(crew):
    crew.sessions.note({"carol-1": T0 + 7, "adam-1": T0 + 8.5}, "there")
    assert crew.sessions.find(ALL) == {
        "carol-1": make_session("carol-1", used_at=T0 + 7, server="there"),
        "adam-1": make_session("adam-1", used_at=T0 + 8.5, server="there"),
        "carol-2": make_session("carol-2"),
        "adam-2": make_session("adam-2"),
    }


def test_to_note_what_is_not_there_or_has_ended_does_not_bring_it_back(crew):
    crew.lease("carol-1", "M00000", until=LEASED_UNTIL)
    crew.sessions.end(["carol-1"])
    crew.sessions.note({"carol-1": T0 + 7, "never added": T0}, SERVER)
    assert crew.sessions.find(["carol-1", "never added"]) == {}
    assert crew.left("carol") == {"carol": ["M00000"]}


def test_who_leaves_leaves_jobs_to_the_reader_and_stays_logged_in(crew):
    crew.lease("carol-1", "M00000", until=LEASED_UNTIL)
    crew.sessions.leave(["carol-1"], SERVER)
    assert crew.left("carol") == {"carol": ["M00000"]}
    assert crew.sessions.find(["carol-1"]) == {"carol-1": make_session("carol-1", server=None)}
    assert server_of(crew, "carol-2") == SERVER


def test_who_has_left_and_comes_back_holds_the_jobs_again(crew):
    crew.lease("carol-1", "M00000", until=LEASED_UNTIL)
    crew.sessions.leave(["carol-1"], SERVER)
    crew.sessions.note({"carol-1": T0 + 9}, "there")
    assert crew.left("carol") == {}
    assert crew.held("carol-1") == {"carol-1": ["M00000"]}


def test_a_server_ends_only_connections_of_its_own(crew):
    """The reader has gone on to another server, before the first one saw the connection end."""
    crew.sessions.note({"carol-1": T0 + 7}, "there")
    crew.sessions.leave(["carol-1", "carol-2", "never added"], SERVER)
    assert server_of(crew, "carol-1") == "there"
    assert server_of(crew, "carol-2") is None


def test_a_server_that_starts_has_left_all_its_sessions_and_no_others(crew):
    crew.sessions.note({"carol-1": T0 + 7}, "there")
    crew.lease("carol-1", "M00000", until=LEASED_UNTIL)
    crew.lease("adam-1", "M00001", until=LEASED_UNTIL)
    crew.sessions.leave_all(SERVER)
    assert [server_of(crew, key) for key in ALL] == [None, None, "there", None]
    assert crew.left("adam", "carol") == {"adam": ["M00001"]}


def test_a_server_without_sessions_may_start(crew):
    before = dump(crew.store)
    crew.sessions.leave_all("there")
    assert dump(crew.store) == before


# --- all sessions of a user


def test_all_sessions_of_a_user_are_told_whatever_they_do(crew):
    crew.lease("carol-1", "M00000", until=LEASED_UNTIL)
    crew.sessions.end(["carol-1"])
    crew.sessions.leave(["carol-2"], SERVER)
    crew.sessions.add([make_session("carol-3")])
    assert sorted(crew.sessions.of(["carol"])) == ["carol-1", "carol-2", "carol-3"]
    assert sorted(crew.sessions.of(["carol", "adam", "eric", "adam"])) == [
        "adam-1",
        "adam-2",
        "carol-1",
        "carol-2",
        "carol-3",
    ]
    assert crew.sessions.of(["eric"]) == []


# --- the last use


def test_uses_after_a_time_are_set_back(crew):
    crew.sessions.note({"carol-1": T0 + 100, "adam-1": T0 + 100.5}, SERVER)
    crew.sessions.set_back(T0 + 100, T0 + 7)
    assert [crew.sessions.find(ALL)[key].used_at for key in ALL] == [T0 + 7, T0, T0 + 100, T0]


def test_the_last_use_of_a_user_is_that_of_the_session_used_last(crew):
    crew.sessions.note({"carol-1": T0 + 7.5, "carol-2": T0 + 3}, SERVER)
    assert crew.accounts.last_used(["carol", "adam", "eric", "adam"]) == {"carol": T0 + 7.5, "adam": T0}
    assert crew.accounts.last_used([]) == {}


def test_the_last_use_is_known_until_the_session_is_forgotten(crew):
    crew.sessions.end(["carol-1", "carol-2"])
    assert crew.accounts.last_used(["carol"]) == {"carol": T0}
    crew.sessions.forget(idle_since=T0 - 1)
    assert crew.accounts.last_used(["carol"]) == {}


def test_the_sessions_of_a_user_that_were_used_longest_ago_are_told(crew):
    crew.sessions.add([make_session(f"carol-{number}", used_at=T0 + number) for number in (4, 3, 5)])
    crew.sessions.end(["carol-1", "carol-5"])
    assert crew.sessions.but_latest("carol", 0) == ["carol-4", "carol-3", "carol-2"]
    assert crew.sessions.but_latest("carol", 2) == ["carol-2"]
    assert crew.sessions.but_latest("carol", 3) == crew.sessions.but_latest("nobody", 0) == []


# --- what is forgotten


def test_sessions_that_were_idle_too_long_are_forgotten(crew):
    crew.sessions.note({"carol-2": T0 + 100, "adam-1": T0 + 99.5, "adam-2": T0 + 101}, SERVER)
    crew.sessions.forget(idle_since=T0 + 100)
    assert found(crew) == ["adam-2", "carol-2"]
    assert sorted(crew.sessions.of(["adam", "carol"])) == ["adam-2", "carol-2"]


def test_sessions_that_have_ended_are_forgotten(crew):
    crew.sessions.end(["carol-1"])
    crew.sessions.forget(idle_since=0)
    assert sorted(crew.sessions.of(["adam", "carol"])) == ["adam-1", "adam-2", "carol-2"]


def test_sessions_that_hold_jobs_are_remembered(crew):
    crew.lease("carol-1", "M00000", until=LEASED_UNTIL)
    crew.lease("adam-1", "M00001", until=LEASED_UNTIL)
    crew.sessions.end(["carol-1"])
    crew.sessions.forget(idle_since=T0 + 100)
    assert sorted(crew.sessions.of(["adam", "carol"])) == ["adam-1", "carol-1"]
    assert found(crew) == ["adam-1"]
    assert crew.left("carol") == {"carol": ["M00000"]}
    assert crew.held("adam-1") == {"adam-1": ["M00001"]}


def test_a_session_is_forgotten_once_it_holds_jobs_no_more(crew):
    crew.lease("carol-1", "M00000", until=T0 + 60)
    crew.sessions.end(["carol-1"])
    crew.sessions.forget(idle_since=0)
    crew.leases.end_expired(T0 + 60)
    crew.sessions.forget(idle_since=0)
    assert sorted(crew.sessions.of(["carol"])) == ["carol-2"]


# --- failed logins


def test_failed_logins_are_remembered_by_name_and_address_oldest_first(steps):
    for at in (5.0, 7.5, 9.0):
        steps.failures.add("carol", "10.0.0.1", at, 0)
    steps.failures.add("carol", "10.0.0.2", 6.0, 0)
    steps.failures.add("nobody 🐋", "10.0.0.1", 6.0, 0)
    assert steps.failures.of("carol", "10.0.0.1", 0) == [5.0, 7.5, 9.0]
    assert steps.failures.of("carol", "10.0.0.1", 5.0) == [7.5, 9.0]
    assert steps.failures.of("nobody 🐋", "10.0.0.1", 0) == [6.0]
    assert steps.failures.of("adam", "10.0.0.1", 0) == []


def test_failed_logins_of_two_servers_are_told_oldest_first(steps):
    """Two servers share a store, and their clocks differ a little."""
    for at in (9.0, 5.0, 7.5):
        steps.failures.add("carol", "", at, 0)
    assert steps.failures.of("carol", "", 0) == [5.0, 7.5, 9.0]


def test_two_failed_logins_at_the_same_time_are_two(steps):
    for _ in range(2):
        steps.failures.add("carol", "", 5.0, 0)
    assert steps.failures.of("carol", "", 0) == [5.0, 5.0]


def test_old_failures_of_anybody_are_forgotten(steps):
    for username, at in (("carol", 5.0), ("adam", 6.0), ("gwenda", 7.0), ("carol", 8.0)):
        steps.failures.add(username, "", at, 0)
    steps.failures.add("eric", "", 9.0, 7.0)
    told = {name: steps.failures.of(name, "", 0) for name in ("adam", "carol", "eric", "gwenda")}
    assert told == {"adam": [], "carol": [8.0], "eric": [9.0], "gwenda": [7.0]}


def test_failed_logins_of_everybody_are_told_by_name_and_address(steps):
    for username, address, at in (
        *(("carol", "10.0.0.1", 7.5), ("carol", "10.0.0.1", 5.0), ("carol", "10.0.0.2", 6.0)),
        *(("nobody 🐋", "", 8.0), ("adam", "", 4.0)),
    ):
        steps.failures.add(username, address, at, 0)
    assert steps.failures.since(4.0) == {
        ("carol", "10.0.0.1"): [5.0, 7.5],
        ("carol", "10.0.0.2"): [6.0],
        ("nobody 🐋", ""): [8.0],
    }
    assert steps.failures.since(8.0) == {}


def test_failed_logins_after_a_time_are_forgotten(steps):
    for username, at in (("carol", 5.0), ("carol", 7.0), ("adam", 7.5), ("carol", 9.0)):
        steps.failures.add(username, "", at, 0)
    steps.failures.forget_after(7.0)
    assert steps.failures.since(0) == {("carol", ""): [5.0, 7.0]}
    assert steps.failures.of("carol", "", 0) == [5.0, 7.0]


def test_failed_logins_are_forgotten_by_name_from_wherever(steps):
    for username, address in (("carol", "10.0.0.1"), ("carol", "10.0.0.2"), ("adam", "10.0.0.1"), ("eric", "")):
        steps.failures.add(username, address, 5.0, 0)
    steps.failures.forget(["carol", "eric", "nobody"])
    steps.failures.forget([])
    assert steps.failures.since(0) == {("adam", "10.0.0.1"): [5.0]}
    assert steps.failures.of("carol", "10.0.0.1", 0) == []


# --- sets of none and of many


def test_steps_about_no_sessions_are_harmless(crew):
    before = dump(crew.store)
    crew.sessions.add([])
    crew.sessions.note({}, SERVER)
    crew.sessions.leave([], SERVER)
    crew.sessions.end([])
    assert crew.sessions.find([]) == {}
    assert crew.sessions.of([]) == []
    assert dump(crew.store) == before


def test_thousands_of_sessions_are_one_step(crew):
    keys = [f"carol-{number}" for number in range(10, 2010)]
    crew.sessions.add(map(make_session, keys))
    crew.sessions.note(dict.fromkeys(keys, T0 + 1), "there")
    assert {session.server for session in crew.sessions.find(keys).values()} == {"there"}
    crew.sessions.leave(keys, "there")
    crew.sessions.end(keys[1:])
    assert list(crew.sessions.find(keys)) == keys[:1]
