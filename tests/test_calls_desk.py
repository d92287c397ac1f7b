"""The desk: many requests in one transaction, and what becomes of each when something breaks."""

import logging
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest
from conftest import CYCLE, import_jobs, make_jobs, start, wait_until
from readers import Reader, as_office, left_to, readings_in
from servers import fill

from metermt import heartbeat as sign_of_life
from metermt.calls import accounts, left, readings, rounds, routes, sessions
from metermt.calls.asking import Ask, Caller, Weight
from metermt.calls.desk import Desk
from metermt.calls.table import CALLS
from metermt.errors import InternalError, RoleError, SessionError, StoreAway, StoreError, StoreRefused, UnknownMeter
from metermt.model import Answer, Role, Status
from metermt.store.begun import Begun
from metermt.store.memory.store import MemoryStore


def make_call(function, weight=Weight.WRITE, least=None, answers_many=False):
    """Make a call that is not in the table."""
    changes = {"weight": weight, "least": least, "function": function, "answers_many": answers_many}
    return replace(routes.list_routes, name="test", **changes)


def ask_for(reader, call, request=None):
    return Ask(call, reader.caller, reader.session_id, request)


def begun(desk, asks):
    """Begin to answer requests, and wait for what comes of them."""
    answers = desk.begin(asks, lambda: None)
    assert answers.begun.wait(10)
    try:
        return answers.outcomes()
    except (ZeroDivisionError, StoreRefused, UnknownMeter):  # one of them has spoilt it for all
        return desk.answer(asks)


WAYS = {"answer": lambda desk, asks: desk.answer(asks), "begin": begun}


@pytest.fixture(params=WAYS)
def answered(request, desk):
    """Answer requests by one way and by the other."""
    return lambda asks: WAYS[request.param](desk, asks)


# --- many at once


def test_requests_of_many_readers_are_each_answered(answered, carol, adam):
    nobody = Ask(rounds.get_job, Caller(), "never heard of", None)
    outcomes = answered(
        [
            ask_for(carol, rounds.get_job),
            nobody,
            ask_for(adam, rounds.get_job),
            ask_for(carol, readings.submit_reading, Answer("G404", 5)),
            ask_for(adam, readings.submit_reading, Answer("M00003", 5)),
            ask_for(adam, routes.import_jobs, routes.Import(CYCLE, [])),
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [str, SessionError, str, UnknownMeter, type(None), RoleError]
    assert (outcomes[0], outcomes[2]) == ("M00000", "M00004")
    assert adam.status() == Status(1, 1)


@pytest.mark.parametrize("store", ["memory"], indirect=True)
@pytest.mark.parametrize("wrong", [None, 2])
def test_a_bulk_is_answered_in_parts_and_others_have_the_processor_after_each(wrong, desk, carol):
    done = []
    answer = desk.answer
    desk.answer = lambda asks: [StoreError("full")] if len(done) + 1 == wrong else answer(asks)
    desk.resting = lambda: closing(SimpleNamespace(close=lambda: done.append("part")))
    bulk = readings.Answers([Answer(f"NO{n}", 5) for n in range(250)])
    outcome = desk.answer_in_parts(ask_for(carol, readings.submit_readings, bulk))

    if wrong:
        assert (str(outcome), len(done)) == ("full", wrong)
    else:
        assert ([type(one) for one in outcome], len(done)) == ([UnknownMeter] * 250, 3)


def test_a_request_that_spoils_the_transaction_spoils_its_own_answer_only(answered, desk, carol, adam):
    def spoil(turn, _asks):
        turn.tx.cycles.open("2026-12")
        raise ZeroDivisionError

    fault = Ask(make_call(spoil, answers_many=True), Caller(), "", 1)
    outcomes = answered([ask_for(carol, rounds.get_job), fault, ask_for(adam, rounds.get_job)])
    assert [str(outcomes[0]), type(outcomes[1]), str(outcomes[2])] == ["M00000", ZeroDivisionError, "M00004"]
    assert desk.store.read(lambda tx: tx.cycles.all()) == {CYCLE: True}


def test_a_request_whose_data_the_database_refuses_spoils_its_own_answer_only(answered, desk, carol, adam):
    refused = make_call(lambda turn, _ask: turn.tx.readings.count({("1999-01", "nobody"): 1}))
    outcomes = answered([ask_for(carol, rounds.get_job), Ask(refused, Caller(), "", 1), ask_for(adam, rounds.get_job)])
    assert [str(outcomes[0]), str(outcomes[2])] == ["M00000", "M00004"]
    assert isinstance(outcomes[1], StoreRefused) != isinstance(desk.store, MemoryStore)
    assert adam.meter() == "M00004"


def test_a_call_that_raises_after_it_kept_something_keeps_nothing(answered, desk, carol, adam):
    def open_and_refuse(turn, _ask):
        turn.tx.cycles.open("2026-12")
        raise UnknownMeter("on second thoughts, no")

    refused = Ask(make_call(open_and_refuse), Caller(), "", 1)
    outcomes = answered([ask_for(carol, rounds.get_job), refused, ask_for(adam, rounds.get_job)])
    assert [str(outcome) for outcome in outcomes] == ["M00000", "on second thoughts, no", "M00004"]
    with pytest.raises(UnknownMeter, match="on second thoughts"):
        desk.ask(refused.call, 1)
    assert desk.store.read(lambda tx: tx.cycles.all()) == {CYCLE: True}


def test_a_call_that_is_refused_does_not_have_others_answered_anew(desk, carol, adam):
    turns = []
    watched = make_call(lambda turn, _ask: turns.append(turn))
    asks = [ask_for(carol, rounds.skip_job, rounds.Skipped("G404")), Ask(watched, Caller(), "", 1)]
    outcomes = desk.answer([ask_for(adam, rounds.get_job), *asks])
    assert [type(outcome) for outcome in outcomes] == [str, UnknownMeter, type(None)]
    assert len(turns) == 1


@pytest.mark.parametrize("answers_many", [False, True])
def test_a_fault_of_the_store_is_told_to_all_and_nothing_is_kept(answered, desk, carol, adam, answers_many):
    runs = []

    def lose_the_store(turn, _asks):
        runs.append(turn)
        turn.tx.cycles.open("2026-12")
        raise StoreError("The database is away")

    fault = Ask(make_call(lose_the_store, answers_many=answers_many), Caller(), "", 1)
    outcomes = answered([ask_for(carol, rounds.get_job), fault])
    assert [str(outcome) for outcome in outcomes] == ["The database is away"] * 2
    assert len(runs) == 1, "it was not tried again for each"
    assert adam.meter() == "M00000"
    assert desk.store.read(lambda tx: tx.cycles.all()) == {CYCLE: True}


def test_a_long_call_is_answered_for_those_only_who_may(desk, carol):
    call = make_call(lambda desk, ask: 7, Weight.LONG, Role.ADMIN)
    outcomes = desk.answer(
        [
            Ask(call, Caller(role=Role.ADMIN), "", 1),
            ask_for(carol, call, 1),
            Ask(call, Caller(), "never heard of", 1),
        ]
    )
    assert outcomes[0] == 7
    assert [type(outcome) for outcome in outcomes[1:]] == [RoleError, SessionError]


def test_whoever_needs_no_login_is_not_looked_up(desk):
    assert as_office(desk, routes.list_routes, role=Role.SUPERVISOR)
    with pytest.raises(RoleError):
        as_office(desk, accounts.list_users, role=Role.SUPERVISOR)


def test_a_fault_in_a_call_is_raised_as_it_is(desk):
    def stumble(turn, ask):
        raise InternalError("a fault")

    with pytest.raises(InternalError, match="a fault"):
        desk.ask(make_call(stumble), 1)


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", ["counting.answered", "sessions.learn"])
def test_what_goes_wrong_once_readings_were_kept_neither_fails_them_nor_keeps_them_twice(
    demo_accounts, clock, hasher, monkeypatch, expected_errors, fault, way, size
):
    desk = Desk(fill(MemoryStore(), demo_accounts, make_jobs(2)), clock=clock)
    crew = [Reader(desk, name) for name in ("carol", "adam")[:size]]
    clock.move(minutes=10)  # so that their sessions are read again

    def fail(*_args):
        raise RuntimeError("out of order")

    with monkeypatch.context() as patched:
        part, _, name = fault.partition(".")
        patched.setattr(getattr(desk, part), name, fail)
        asks = [ask_for(reader, readings.submit_reading, Answer(f"M{n:05}", 5)) for n, reader in enumerate(crew)]
        assert WAYS[way](desk, asks) == [None] * size
    assert len(readings_in(desk.store)) == size
    assert [record.exc_info[1].args for record in expected_errors] == [("out of order",)]
    assert [reader.ask(sessions.logout) for reader in crew] == [None] * size


def test_a_note_is_looked_at_by_one_thread_at_a_time_and_once_more_for_who_came_meanwhile():
    looks = []

    class Slow(Begun):
        def wait(self, seconds):
            looks.append("begins")
            if looks == ["begins"]:
                start(wakes[0])()  # another thread finds it ready meanwhile
            looks.append("ends")
            return len(looks) > 2

        def result(self):
            looks.append("over")

    class Slowly(MemoryStore):
        def begin(self, work, wake):
            wakes.append(wake)
            return Slow()

    wakes = []
    Desk(Slowly()).note(lambda tx: None)
    assert looks == ["begins", "ends", "begins", "ends", "over"]


# --- what a desk knows of sessions


def test_when_a_session_was_last_used_is_noted_now_and_then(desk, carol, clock):
    def used_at():
        (session,) = desk.store.read(lambda tx: tx.sessions.find(tx.sessions.of(["carol"]))).values()
        return session.used_at

    began = clock()
    clock.move(minutes=7)
    carol.status()
    assert used_at() == began, "it is too early to be worth a write"
    for ask in (carol.status, carol.meter):
        clock.move(minutes=8)
        ask()
        wait_until(lambda: used_at() == clock(), "it was noted")


def test_a_desk_remembers_sessions_for_a_while_only(desk, carol, adam, clock):
    assert len(desk.sessions) == 2
    clock.move(minutes=2)
    carol.status()
    assert len(desk.sessions) == 1
    adam.status()
    assert len(desk.sessions) == 2


def test_a_session_is_looked_up_once_more_when_it_begins_a_route(desk, carol, monkeypatch):
    looked_up = []
    read_within = desk.sessions.identify

    def identify(turn, asks):
        read, due = read_within(turn, asks)
        looked_up.append(len(read))
        return read, due

    monkeypatch.setattr(desk.sessions, "identify", identify)
    for _ in range(4):
        carol.submit_and_next(carol.meter())
    assert looked_up == [0, 1, 0, 0, 0, 0, 0, 0]


def test_a_desk_that_cannot_note_a_use_answers_all_the_same(demo_accounts, clock, caplog, hasher):
    class ReadOnly(MemoryStore):
        is_full = False

        def begin(self, work, wake):
            if self.is_full:
                work = self._fail
            return super().begin(work, wake)

        def _fail(self, tx):
            raise StoreError("The disk is full")

    store = ReadOnly()
    store.write(lambda tx: tx.accounts.put(demo_accounts))
    carol = Reader(Desk(store, clock=clock))
    store.is_full = True
    clock.move(hours=1)
    with caplog.at_level(logging.WARNING):
        assert carol.status() == Status(0, 0)
        carol.hang_up()
    assert [record.levelname for record in caplog.records] == ["WARNING"]  # the other one is counted
    assert "The disk is full" in caplog.text


class OutOfOrder(MemoryStore):
    """Raises this, and keeps nothing, as soon as it is asked to keep something."""

    fault = None

    def write(self, work):
        if self.fault:
            raise self.fault
        return super().write(work)

    def begin(self, work, wake, *, keeps=True):
        if self.fault and keeps:
            raise self.fault
        return super().begin(work, wake, keeps=keeps)


@pytest.mark.parametrize(
    "fault", [StoreError("The disk fails"), StoreAway("It is away"), RuntimeError("It was closed")]
)
def test_a_store_that_keeps_nothing_fails_nobody_who_only_asks(demo_accounts, clock, expected_errors, hasher, fault):
    store = OutOfOrder()
    store.write(lambda tx: tx.accounts.put(demo_accounts))
    desk = Desk(store, clock=clock)
    carol = Reader(desk)
    store.fault = fault
    for _ in range(2):
        clock.move(hours=1)
        assert carol.status() == Status(0, 0)
        for way in WAYS.values():
            clock.move(hours=1)
            assert way(desk, [ask_for(carol, readings.get_status), ask_for(carol, left.why_no_job)])[0] == Status(0, 0)
        assert carol.ask(sessions.ping) is None
        assert carol.at(Desk(store, server="elsewhere", clock=clock)).status() == Status(0, 0)
        with pytest.raises(type(fault)):
            carol.meter()
    carol.hang_up()
    store.fault = None
    assert (carol.meter(), carol.status()) == (None, Status(0, 0))


@pytest.mark.parametrize("fault", [StoreError("The disk fails"), StoreAway("It is away")])
def test_what_is_held_by_who_hung_up_while_the_store_was_out_of_order_is_left_to_them_later(
    demo_accounts, clock, hasher, monkeypatch, fault
):
    monkeypatch.setattr(sign_of_life, "BEAT_SECONDS", 0.01)
    store = OutOfOrder()
    store.write(lambda tx: tx.accounts.put(demo_accounts))
    import_jobs(store, CYCLE, make_jobs(2))
    desk = Desk(store, clock=clock)
    with sign_of_life.heartbeat(desk):
        carol = Reader(desk)
        assert carol.meter() == "M00000"
        store.fault = fault
        desk.hang_up([carol.caller])
        assert not left_to(store)
        store.fault = None
        wait_until(lambda: left_to(store), "it is left to Carol")
        assert Reader(desk).meter() == "M00000"
        wait_until(lambda: not desk.sessions.not_noted(), "that is over")


def test_what_is_answered_for_who_has_hung_up_connects_nobody(desk, carol):
    caller = Caller()
    desk.hang_up([caller])
    assert desk.ask(readings.get_status, None, carol.session_id, caller)
    desk.hang_up([carol.caller])
    assert not desk.sessions.connected


@pytest.mark.parametrize("call", [readings.get_status, rounds.get_job])
def test_what_is_held_by_who_has_hung_up_before_an_answer_is_left_to_them_again(desk, carol, call):
    late = carol.caller
    assert carol.meter() == "M00000"
    carol.hang_up()
    assert left_to(desk.store) == ["M00000"]
    desk.ask(call, None, carol.session_id, late)
    wait_until(lambda: not left_to(desk.store), "the late answer is noted")
    desk.leave_again()
    wait_until(lambda: left_to(desk.store), "it is left to Carol again")
    wait_until(lambda: not desk.sessions.not_noted(), "that is over")


def test_leaving_all_sessions_of_a_server_leaves_those_of_others(desk, carol, clock):
    elsewhere = Reader(Desk(desk.store, server="elsewhere", clock=clock))
    assert [carol.meter(), elsewhere.meter()] == ["M00000", "M00001"]
    desk.store.write(lambda tx: tx.sessions.leave_all("elsewhere"))
    third = Reader(desk)
    assert third.meters(2) == ["M00001", "M00002"]


def test_one_connection_may_use_many_sessions(desk):
    import_jobs(desk.store, CYCLE, make_jobs(120)[5:])
    caller = Caller()
    for _ in range(110):
        login = desk.ask(sessions.login, sessions.Login("carol", "carol"), caller=caller)
        assert desk.ask(rounds.get_job, None, login.session_id, caller)
    desk.hang_up([caller])
    assert not caller.sessions
    wait_until(lambda: len(left_to(desk.store)) == 100, "what most of them held is left to Carol")
    assert len(Reader(desk).meters(100)) == 100


# --- the table


def test_the_four_original_calls_have_their_names_and_order():
    parameters = {name: list(call.parameters) for name, call in CALLS.items() if call.parameters is not None}
    assert parameters["login"] == ["username", "password"]
    assert parameters["get_job"] == []
    assert parameters["submit_reading"][:4] == ["meter", "when", "reading", "reason"]
    assert parameters["get_status"] == []


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_every_call_says_what_it_does(call):
    assert call.function.__doc__
    assert call.function.__name__ == call.name
