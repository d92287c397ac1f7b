"""The manager: the calls of a reader's round in one object. What each does is tested with the calls."""

import inspect
from datetime import UTC, datetime

import pytest
from conftest import T0, make_jobs
from demometers import shows

from metermt.calls.known import key_of
from metermt.calls.table import CALLS
from metermt.demo import USERS
from metermt.errors import (
    AlreadyRead,
    CallError,
    ConfirmReading,
    InvalidReport,
    LoginError,
    MeterLeased,
    SessionError,
)
from metermt.manager import Manager
from metermt.model import Answer, Job, Status
from metermt.policy import Policy
from metermt.store.memory.store import MemoryStore

pytestmark = pytest.mark.usefixtures("hasher")


@pytest.fixture
def manager(desk, clock):
    """A manager of what the desk has: the demo's users, and five meters M00000 to M00004."""
    return Manager(desk.store, clock=clock)


@pytest.fixture
def carol(manager):
    return manager.login("carol", "carol")[0]


@pytest.fixture
def adam(manager):
    return manager.login("adam", "adam")[0]


def test_a_manager_alone_has_a_town_and_nothing_in_common_with_another():
    manager, other = Manager(), Manager()
    for username, full_name in USERS.items():
        session_id, name = manager.login(username, username)
        assert name == full_name
        meter = manager.get_job(session_id)
        assert manager.submit_reading(session_id, meter, datetime.now(), shows(meter)) is None
        assert manager.get_status(session_id).count == 1
    assert manager.get_status(session_id) == Status(1, 4)
    with pytest.raises(SessionError):
        other.get_job(session_id)


def test_a_wrong_reading_is_caught_in_its_town_too():
    manager = Manager()
    session_id, _ = manager.login("carol", "carol")
    job = manager.next_job(session_id)
    assert "Last time about 5,900, some " in job.meter.instructions
    with pytest.raises(ConfirmReading):
        manager.submit_reading(session_id, job.meter.number, None, 59_830)
    manager.submit_reading(session_id, job.meter.number, None, 5_983)


def test_the_four_original_calls_do_a_round(manager):
    session_id, full_name = manager.login("carol", "carol")
    assert full_name == "Carol Dent"
    walked = []
    while meter := manager.get_job(session_id):
        manager.submit_reading(session_id, meter, datetime(2026, 11, 20, 9, tzinfo=UTC), -1, "No access")
        walked.append(meter)
    assert walked == [f"M0000{number}" for number in range(5)]
    assert manager.get_status(session_id) == Status(5, 5)


def test_a_manager_alone_knows_reasons_and_keeps_notes_and_reports():
    manager = Manager()
    session_id, _ = manager.login("carol", "carol")
    meter = manager.get_job(session_id)
    manager.leave_note(session_id, meter, "two dogs")
    assert manager.next_job(session_id).note == "two dogs"
    assert "dog" in [reason.code for reason in manager.list_reasons(session_id)]
    manager.report_found(session_id, "E1", "E", 5, None, "in the shed")
    with pytest.raises(InvalidReport):
        manager.report_found(session_id, meter, "E", 5, None, "in the shed")


def test_jobs_come_with_all_that_is_known(manager, carol):
    assert manager.next_job(carol) == make_jobs(1)[0]
    assert manager.get_jobs(carol, 2) == make_jobs(2)
    assert all(isinstance(job, Job) for job in manager.get_jobs(carol, 1000))
    with pytest.raises(CallError):
        manager.get_jobs(carol, 1001)


def test_an_answer_may_bring_the_next_job(manager, carol):
    accepted = manager.submit_and_next(carol, Answer("M00000", 5, key="k1"))
    assert (accepted.status, accepted.job) == (Status(1, 1), make_jobs(2)[1])


def test_many_answers_may_come_in_one_step(manager, carol, adam):
    manager.get_job(adam)
    manager.submit_reading(adam, "M00001", None, 5)
    errors = manager.submit_readings(carol, (Answer(f"M0000{number}", 5) for number in range(3)))
    assert [type(error) for error in errors] == [MeterLeased, AlreadyRead, type(None)]


def test_the_same_key_counts_once(manager, carol):
    for _ in range(2):
        manager.submit_reading(carol, "M00000", "2026-11-20T09:00:00Z", 5, "", "key-1")
    assert manager.get_status(carol) == Status(1, 1)
    assert len(manager.desk.store.read(lambda tx: list(tx.readings.all(None)))) == 1


def test_a_logout_ends_the_session_and_frees_its_meters(manager, carol, adam):
    manager.get_job(carol)
    manager.logout(carol)
    with pytest.raises(SessionError):
        manager.get_job(carol)
    assert manager.get_job(adam) == "M00000"


def test_a_wrong_password_and_a_wrong_session_are_refused(manager):
    with pytest.raises(LoginError):
        manager.login("carol", "wrong")
    with pytest.raises(SessionError):
        manager.get_status("never heard of")


def test_a_manager_of_a_store_adds_no_town(store, demo_accounts, clock):
    store.write(lambda tx: tx.accounts.put(demo_accounts))
    manager = Manager(store, clock=clock)
    assert manager.get_job(manager.login("carol", "carol")[0]) is None


def test_its_time_is_that_of_the_store_unless_it_is_given_a_clock(demo_accounts):
    class Ahead(MemoryStore):
        def clock(self):
            return T0

    store = Ahead()
    store.write(lambda tx: tx.accounts.put(demo_accounts))
    session_id, _ = Manager(store).login("carol", "carol")
    (session,) = store.read(lambda tx: tx.sessions.find([key_of(session_id)])).values()
    assert session.used_at == T0


def test_a_policy_may_be_given(store, demo_accounts, clock):
    store.write(lambda tx: tx.accounts.put(demo_accounts))
    manager = Manager(store, policy=Policy(login_failures=1), clock=clock)
    with pytest.raises(LoginError):
        manager.login("carol", "wrong")
    with pytest.raises(LoginError, match="Too many failed logins"):
        manager.login("carol", "carol")


def test_its_calls_are_those_of_the_table_and_begin_with_the_session():
    methods = {
        name: list(inspect.signature(method).parameters)[1:] for name, method in vars(Manager).items() if name[0] != "_"
    }
    assert set(methods) <= set(CALLS)
    assert all(parameters[0] == "session_id" for name, parameters in methods.items() if name != "login")
    assert methods["login"] == ["username", "password"]
    assert methods["submit_reading"] == ["session_id", "meter", "when", "reading", "reason", "key", "cycle"]
