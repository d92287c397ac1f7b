"""Who is handed which meter, and for how long."""

import itertools
from datetime import timedelta

import pytest
from conftest import CYCLE, HUGE, import_jobs, make_job, make_jobs, run_together, wait_until
from readers import Reader, as_office, left_to

from metermt.calls import accounts, rounds
from metermt.calls.asking import MAX_ITEMS
from metermt.calls.desk import Desk
from metermt.demo import USERS
from metermt.errors import CallError
from metermt.model import Status
from metermt.policy import Policy
from metermt.progress import RouteProgress


def test_two_readers_of_one_route_begin_at_its_two_ends(carol, adam):
    assert carol.meter() == "M00000"
    assert adam.meter() == "M00004"


def test_who_asks_twice_gets_the_same_meter(carol):
    assert [carol.meter() for _ in range(3)] == ["M00000"] * 3


def test_a_meter_is_done_when_it_is_read(carol):
    walk = []
    while meter := carol.meter():
        walk.append(meter)
        carol.submit(meter, len(walk))
    assert walk == [f"M0000{number}" for number in range(5)]
    assert carol.status() == Status(5, 5)


def test_there_is_no_job_when_all_are_in_other_hands(carol, adam):
    carol.meters(5)
    assert adam.meter() is None
    assert adam.ask(rounds.next_job) is None


def test_the_next_job_tells_all_that_is_known(desk, carol):
    job = make_job("A1", route="A", address="Hill Road 7", instructions="dog", previous=7)
    import_jobs(desk.store, CYCLE, [job])
    assert carol.ask(rounds.next_job) == job


def test_jobs_are_handed_out_cycle_by_cycle_and_route_by_route(desk, carol):
    import_jobs(desk.store, "2026-10", [make_job("Z9", "2026-10", "South", 7)])
    import_jobs(desk.store, CYCLE, [make_job("B2", route="B", sequence=1), make_job("B1", route="B", sequence=1)])
    assert carol.meters(4) == ["Z9", "B1", "B2", "M00000"]


def test_many_jobs_are_handed_out_at_once(carol, adam):
    assert carol.meters(3) == ["M00000", "M00001", "M00002"]
    assert adam.meters(MAX_ITEMS) == ["M00004", "M00003"]
    assert carol.meter() == "M00000"
    carol.submit("M00001")
    assert carol.meters(3) == ["M00000", "M00002"]


@pytest.mark.parametrize("n", [0, -1, MAX_ITEMS + 1, HUGE, True, 2.0, "2", None], ids=type)
def test_nobody_asks_for_no_job_or_too_many(carol, adam, n):
    with pytest.raises(CallError, match="Ask for 1 to 1000 jobs"):
        carol.ask(rounds.get_jobs, rounds.JobsWanted(n))
    assert adam.meter() == "M00000"


# --- leases end


def test_a_meter_stays_with_the_reader_for_thirty_minutes_from_the_last_question(carol, adam, clock):
    carol.meter()
    clock.move(minutes=29)
    assert carol.meter() == "M00000"
    clock.move(minutes=29)
    assert adam.meters(4) == ["M00004", "M00003", "M00002", "M00001"]
    clock.move(minutes=1)
    adam.submit("M00001", when=clock.now)
    assert adam.meters(4)[-1] == "M00000"
    assert carol.meter() is None


def test_a_lease_is_as_long_as_the_policy_says(desk, clock):
    quick = Desk(desk.store, Policy(lease=timedelta(minutes=1)), clock=clock)
    carol, adam = Reader(quick), Reader(quick, "adam")
    carol.meter()
    clock.move(seconds=59)
    assert adam.meters(5) == ["M00004", "M00003", "M00002", "M00001"]
    clock.move(seconds=1)
    assert adam.meters(5)[-1] == "M00000"


def test_after_a_logout_the_meters_are_free_for_everybody(desk, carol, adam):
    carol.meters(2)
    carol.log_out()
    assert adam.meters(1) == ["M00000"]
    assert Reader(desk).meters(2) == ["M00004", "M00003"]


def test_logging_out_of_one_session_frees_nothing_of_another(desk, carol, adam):
    second = Reader(desk)
    assert [carol.meter(), second.meter()] == ["M00000", "M00001"]
    second.log_out()
    assert adam.meters(9) == ["M00004", "M00003", "M00002", "M00001"]
    assert carol.meter() == "M00000"


def test_a_disabled_users_meters_are_free_for_everybody(desk, carol, adam):
    carol.meter()
    as_office(desk, accounts.disable_user, accounts.Username("carol"))
    assert adam.meter() == "M00000"


def test_a_new_password_leaves_the_meters_to_their_reader(desk, carol, adam):
    carol.meter()
    as_office(desk, accounts.set_password, accounts.NewPassword("carol", "new secret"))
    assert adam.meter() == "M00001"
    assert Reader(desk, password="new secret").meter() == "M00000"


# --- sessions and connections


def test_two_sessions_of_one_reader_are_handed_different_meters(desk, carol):
    assert [carol.meter(), Reader(desk).meter()] == ["M00000", "M00001"]


def test_after_a_lost_connection_the_reader_goes_on_with_the_same_meter(desk, carol, adam):
    carol.meter()
    carol.hang_up()
    assert adam.meter() == "M00004"
    assert Reader(desk).meter() == "M00000"
    assert carol.meter() == "M00001", "the old session still works, and the new one has its meter now"


def test_a_session_outlives_its_connection(desk, carol):
    carol.meter()
    carol.hang_up()
    assert carol.meter() == "M00000"
    assert Reader(desk).meter() == "M00001", "it is connected again, so it keeps what it holds"


def test_a_session_that_is_connected_twice_keeps_its_meters_until_both_connections_are_lost(desk, carol):
    carol.meter()
    twin = carol.at(desk)
    twin.status()
    carol.hang_up()
    assert left_to(desk.store) == []
    twin.hang_up()
    assert left_to(desk.store) == ["M00000"]


def test_what_a_lost_connection_leaves_is_free_for_everybody_when_the_lease_ends(carol, adam, clock):
    carol.meter()
    carol.hang_up()
    clock.move(minutes=29, seconds=59)
    assert adam.meters(5) == ["M00004", "M00003", "M00002", "M00001"]
    clock.move(seconds=1)
    assert adam.meters(5)[-1] == "M00000"


def test_connections_that_end_may_have_had_any_sessions_or_none(desk, carol):
    nobody = Reader(desk, session_id="never heard of")
    nobody.hang_up()
    desk.hang_up([])
    carol.hang_up()
    carol.hang_up()
    assert carol.meter() == "M00000"


def test_sessions_that_are_connected_elsewhere_keep_their_meters(desk, carol, clock):
    elsewhere = Desk(desk.store, server="elsewhere", clock=clock)
    carol.meter()
    assert Reader(elsewhere).meter() == "M00001"
    carol.hang_up()
    assert Reader(elsewhere).meter() == "M00000"


def test_a_session_that_has_gone_on_elsewhere_is_not_left_when_its_old_connection_ends(desk, carol, clock):
    elsewhere = carol.at(Desk(desk.store, server="elsewhere", clock=clock))
    carol.meter()
    assert elsewhere.meter() == "M00000"
    carol.hang_up()
    assert left_to(desk.store) == []
    elsewhere.hang_up()
    assert left_to(desk.store) == ["M00000"]


# --- many at once


def test_a_crew_at_work_never_reads_a_meter_twice(desk):
    import_jobs(desk.store, CYCLE, make_jobs(120)[5:])
    crew = [Reader(desk, username) for username in (*USERS, *USERS)]

    def walk(reader):
        walked = []
        meter = reader.meter()
        while meter:
            walked.append(meter)
            job = reader.submit_and_next(meter, key=meter).job
            meter = job and job.meter.number
        return walked

    walked = itertools.chain(*run_together(*(lambda reader=reader: walk(reader) for reader in crew)))
    assert sorted(walked) == [f"M{number:05}" for number in range(120)]
    assert desk.store.read(lambda tx: tx.progress.open_routes()) == [RouteProgress(CYCLE, "North", 120, 120)]
    assert crew[0].status().total == 120


def test_a_crew_that_comes_and_goes_holds_no_meter_twice(desk):
    import_jobs(desk.store, CYCLE, make_jobs(60)[5:])

    def come_and_go(username):
        held = set()
        for _ in range(10):
            reader = Reader(desk, username)
            held |= set(reader.meters(2))
            reader.hang_up()
        return held

    held = run_together(*(lambda username=username: come_and_go(username) for username in USERS))
    assert sum(map(len, held)) == len(set().union(*held))
    Reader(desk)  # logging in writes, and what is left to be noted is written with it, or just before
    all_held = [sorted(meters) for meters in held]
    wait_until(lambda: [left_to(desk.store, username) for username in USERS] == all_held, "all is left to its reader")
