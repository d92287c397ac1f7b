"""Adding a call is adding one function: here `echo_job`, which is made up for these tests."""

import json
from dataclasses import dataclass

import pytest
from conftest import make_account
from peers import code_of, made_up_calls, wait_until_taken_over

from metermt import MeterClient
from metermt.calls.asking import Ask, Weight
from metermt.calls.table import CALLS, call, call_of_many
from metermt.calls.turn import Turn
from metermt.errors import CallError, RoleError, RouteError, SessionError
from metermt.model import Job, Role


@dataclass(frozen=True, slots=True)
class Echo:
    """Which job to tell, and how often."""

    meter: str
    times: int = 1


@pytest.fixture
def echo_job():
    with made_up_calls():

        @call(Role.SUPERVISOR, Weight.READ)
        def echo_job(turn: Turn, ask: Ask[Echo]) -> list[Job]:
            """Return the open job of a meter, as often as is asked for."""
            (cycle,) = turn.tx.cycles.all()
            return list(turn.tx.jobs.find(cycle, [ask.request.meter]).values()) * ask.request.times

        yield echo_job


@pytest.fixture
def store(sqlite_store):
    return sqlite_store


@pytest.fixture
def desk(desk, hasher):
    """The desk, and a user of each role."""
    roles = [make_account(role, password_hash=hasher.hash(role), role=role) for role in Role]
    desk.store.write(lambda tx: tx.accounts.put(roles))
    return desk


@pytest.fixture
def client(server):
    with MeterClient("localhost", server.port) as client:
        yield client


@pytest.mark.parametrize("role", ["supervisor", "admin"])
def test_it_can_be_called_by_plain_rpyc(role, echo_job, root):
    session, _ = root.login(role, role)

    (job, same) = json.loads(root.echo_job(session, '{"meter": "M00001", "times": 2}'))
    assert job == same
    assert (job["meter"]["number"], job["cycle"], job["sequence"]) == ("M00001", "2026-11", 1)


@pytest.mark.parametrize("role", ["supervisor", "admin"])
def test_it_can_be_called_by_a_meter_client(role, echo_job, client):
    client.login(role, role)

    (job,) = client.call(echo_job, Echo("M00001"))
    assert isinstance(job, Job)
    assert (job.meter.number, job.sequence) == ("M00001", 1)
    assert client.call(echo_job, Echo("X1")) == []


@pytest.mark.parametrize("taken_over", [False, True], ids=["at once", "later"])
def test_who_may_not_is_told_which_role_may(taken_over, echo_job, root, client):
    session, _ = root.login("reader", "reader")
    client.login("reader", "reader")
    if taken_over:
        wait_until_taken_over()

    with pytest.raises(RoleError, match="echo_job is for a supervisor or more, and you are a reader") as caught:
        client.call(echo_job, Echo("M00001"))
    assert caught.value.details == {"role": "supervisor"}

    with pytest.raises(Exception, match="echo_job is for a supervisor or more, and you are a reader") as caught:
        root.echo_job(session, '{"meter": "M00001"}')
    assert (caught.value.code, caught.value.details) == ("role", (("role", "supervisor"),))
    assert root.get_status(session) == (0, 0)


def test_who_has_not_logged_in_is_told_so(echo_job, root, client):
    assert code_of(root.echo_job, "no session", '{"meter": "M00001"}') == "session"
    with pytest.raises(SessionError):
        client.call(echo_job, Echo("M00001"))


def test_what_it_is_told_is_checked_before_it_is_called(echo_job, root, client):
    session, _ = root.login("admin", "admin")
    for text in ("{}", '{"meter": 5}', '{"meter": "M00001", "times": "twice"}', "[]", "no JSON"):
        assert code_of(root.echo_job, session, text) == "call"

    client.login("admin", "admin")
    with pytest.raises(CallError, match=r"a Echo that makes no sense: .*meter"):
        client.call(echo_job, Echo(None))


def test_it_is_gone_when_the_test_that_made_it_up_has_ended():
    assert "echo_job" not in CALLS


def test_two_calls_of_one_name_cannot_be(echo_job):
    with pytest.raises(AssertionError, match="two calls echo_job"):

        @call(Role.READER, Weight.READ)
        def echo_job(turn: Turn, ask: Ask[None]) -> None:
            pass


# --- other kinds of calls


def test_a_call_may_be_told_plain_values_one_by_one(server, plain, client):
    with made_up_calls():

        @call(None, Weight.READ, parameters={"meter": "meter", "times": "times"})
        def repeat(turn: Turn, ask: Ask[Echo]) -> str:
            return ask.request.meter * ask.request.times

        root = plain(server).root
        with MeterClient(client.host, client.port) as newer:
            assert root.repeat("ab", 2) == root.repeat(times=2, meter="ab") == "abab"
            assert root.repeat("ab") == "ab"
            assert newer.call(repeat, Echo("ab", 3)) == "ababab"


def test_a_call_may_answer_many_at_once_and_refuse_some(server):
    with made_up_calls():
        together = []

        @call_of_many(Role.READER, Weight.WRITE)
        def count(turn: Turn, asks: list[Ask[Echo]]) -> list[int | RouteError]:
            together.append(len(asks))
            return [ask.request.times or RouteError("Nothing to count") for ask in asks]

        with MeterClient("localhost", server.port) as client:
            client.login("reader", "reader")
            assert client.call(count, Echo("M1", 5)) == 5
            with pytest.raises(RouteError, match="Nothing to count"):
                client.call(count, Echo("M1", 0))
    assert together == [1, 1]


def test_a_refusal_by_the_request_itself_is_told_and_no_fault_of_the_server(server, plain):
    @dataclass(frozen=True)
    class Even:
        number: int

        def __post_init__(self):
            if self.number % 2:
                raise RouteError(f"{self.number} is odd")

    with made_up_calls():

        @call(None, Weight.READ, parameters={"number": "number"})
        def halve(turn: Turn, ask: Ask[Even]) -> int:
            return ask.request.number // 2

        root = plain(server).root
        assert root.halve(4) == 2
        assert code_of(root.halve, 5) == "route"
        assert root.halve(6) == 3
