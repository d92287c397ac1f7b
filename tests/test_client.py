"""`MeterClient` against real servers: whole conversations, and what each call costs."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from client_fixtures import *  # noqa: F403 - the fixtures
from clients import read_in
from conftest import NOW, WHEN, make_answer, make_jobs, run_together, wait_until
from proxy import Proxy
from readers import readings_in
from servers import fill, listening

from metermt import Answer, Job, MeterClient, connect, new_key
from metermt.calls.desk import Desk
from metermt.calls.readings import Next
from metermt.errors import InvalidReading, InvalidTime, LoginError, UnknownMeter
from metermt.model import Status
from metermt.store.memory.store import MemoryStore
from metermt.version import PROTOCOL, VERSION


def test_a_whole_conversation_with_a_server_in_a_process_of_its_own(servers, database):
    server = servers.start("--database", database)
    with connect("localhost", server.port) as client:
        welcome = client.hello()
        assert (welcome.version, welcome.protocol) == (VERSION, PROTOCOL)
        assert abs(datetime.fromisoformat(welcome.now) - datetime.now(UTC)) < timedelta(seconds=20)
        assert client.login("carol", "carol") == "Carol Dent"
        assert client.get_status() == Status(0, 0)
        job = client.get_job()
        assert isinstance(job, Job)
        assert (job.meter.number, job.meter.kind, job.meter.dials) == ("M00000", "G", 5)
        assert (job.cycle, job.route, job.sequence) == ("2026-11", "North", 0)
        assert client.get_job() == job
        assert client.submit_reading("M00000", 5983, when=datetime.now()) is None
        following = client.submit_and_next(Answer("M00001", -1, "A dog"))
        assert (following.status, following.job.meter.number) == (Status(2, 2), "M00002")
        assert [job.meter.number for job in client.get_jobs(3)] == ["M00002", "M00003", "M00004"]
        assert client.submit_readings([Answer(f"M{number:05}", number) for number in range(2, 499)]) == [None] * 497
        assert client.submit_and_next(Answer("M00499", 7)) == Next(Status(500, 500), None)
        assert client.get_job() is None
        assert client.get_jobs(1000) == []
        assert 0 < client.ping() < 10
        client.logout()


def test_a_reader_changes_the_password_and_goes_on(client):
    with pytest.raises(LoginError, match="The old password is wrong"):
        client.change_password("guess", "a new horse")
    client.change_password("carol", "a new horse")
    assert client.get_job().meter.number == "M00000"
    with MeterClient(client.host, client.port) as other:
        assert other.login("carol", "a new horse") == "Carol Dent"
        with pytest.raises(LoginError):
            other.login("carol", "carol")


def test_a_job_has_all_that_a_reader_needs(client):
    assert client.get_jobs(20) == make_jobs(20, previous=100, address="1 Mill Lane")


@pytest.mark.parametrize(
    "when",
    [
        datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
        datetime(2026, 11, 20, 11, 30),
        "2026-11-20T09:30Z",
        "2026-11-20T11:30",
        "2026-11-20T04:30-05:00",
    ],
    ids=str,
)
def test_times_without_an_offset_are_local(when, client, town, monkeypatch):
    monkeypatch.setenv("TZ", "EET-2")  # two hours ahead of UTC
    time.tzset()
    try:
        client.submit_reading("M00000", 1, when=when)
        client.submit_and_next(Answer("M00001", 1, when=when))
        client.submit_readings([Answer("M00002", 1, when=when)])
    finally:
        monkeypatch.undo()
        time.tzset()

    said = {reading.answer.when for reading in readings_in(town)}
    assert said == {datetime(2026, 11, 20, 9, 30, tzinfo=UTC)}


def test_a_reading_without_a_time_was_taken_now(town):
    with listening(Desk(town)) as server, MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        before = datetime.now(UTC).replace(microsecond=0)
        client.submit_reading("M00000", 1)
        client.submit_and_next(Answer("M00001", 1))
        client.submit_readings([Answer("M00002", 1)])
        after = datetime.now(UTC)

    said = [reading.answer.when for reading in readings_in(town)]
    assert len(said) == 3
    assert all(before <= when <= after for when in said)


def test_a_key_counts_once(client, town):
    key = new_key()
    for _ in range(3):
        client.submit_reading("M00000", 1, when=WHEN, key=key)
        client.submit_and_next(Answer("M00000", 1, when=WHEN, key=key))
        assert client.submit_readings([Answer("M00000", 1, when=WHEN, key=key)]) == [None]

    assert read_in(town) == [("M00000", 1)]


def test_what_is_sent_without_a_key_has_one_of_its_own(client, town):
    for _ in range(2):
        client.submit_reading("M00000", 1, when=WHEN)
        client.submit_and_next(Answer("M00000", 1, when=WHEN))
        client.submit_readings([Answer("M00000", 1, when=WHEN)] * 2)

    keys = [reading.answer.key for reading in readings_in(town)]
    assert len(keys) == len(set(keys) - {None}) == 8


def test_a_call_is_one_request_and_one_answer(client_behind, proxy):
    client = client_behind

    def calls(meters):
        yield "hello", client.hello
        yield "get_job", client.get_job
        yield "get_jobs", lambda: client.get_jobs(2)
        yield "submit_reading", lambda: client.submit_reading(next(meters), 1, "a reason", NOW)
        local = NOW.replace(day=19, tzinfo=None)
        yield "submit_and_next", lambda: client.submit_and_next(Answer(next(meters), 1, when=local))
        yield "submit_readings", lambda: client.submit_readings([make_answer(next(meters)), make_answer(next(meters))])
        yield "get_status", client.get_status
        yield "ping", client.ping
        yield "a refusal", refused
        yield "login", lambda: client.login("carol", "carol")
        yield "logout", client.logout

    def refused():
        with pytest.raises(UnknownMeter):
            client.submit_reading("X1", 1, when=WHEN)

    meters = (job.meter.number for job in make_jobs(20))
    for _, call in calls(meters):
        call()
    client.login("carol", "carol")

    for name, call in calls(meters):
        before = len(proxy.from_clients), len(proxy.from_server)
        call()
        asked, answered = len(proxy.from_clients) - before[0], len(proxy.from_server) - before[1]
        assert (name, asked, answered) == (name, 1, 1)

    assert proxy.connections == 1
    assert proxy.asked_of_clients == []


def test_2500_readings_are_three_requests_with_an_outcome_for_each(demo_accounts, clock):
    store = fill(MemoryStore(), demo_accounts, make_jobs(2500))
    answers = [make_answer(f"M{number:05}", number) for number in range(2500)]
    answers[0] = make_answer("X1", 0)
    answers[999] = make_answer("M00999", -1)
    answers[1000] = make_answer("M01000", 1000, when="soon")
    answers[1234] = make_answer("M01234", -1, "A dog")
    answers[2499] = make_answer("M02499", 10**5)
    with (
        listening(Desk(store, clock=clock)) as server,
        Proxy(server.port) as proxy,
        MeterClient("localhost", proxy.port) as client,
    ):
        client.login("carol", "carol")
        client.submit_readings([])
        client.submit_readings(answers[1:2])
        before = len(proxy.from_clients), len(proxy.from_server)

        outcomes = client.submit_readings(iter(answers))

        assert len(proxy.from_clients) - before[0] == len(proxy.from_server) - before[1] == 3
        assert client.get_status() == Status(2496, 2496)

    refused = {place: type(outcome) for place, outcome in enumerate(outcomes) if outcome is not None}
    assert len(outcomes) == 2500
    assert refused == {0: UnknownMeter, 999: InvalidReading, 1000: InvalidTime, 2499: InvalidReading}
    assert str(outcomes[0]) == "Unknown meter 'X1': check the number on the meter"


def test_eight_threads_share_a_client_whose_connection_breaks_now_and_then(client_behind, proxy, town):
    client = client_behind

    def reads(meter):
        def work():
            for value in range(10):
                client.submit_reading(meter, value, when=WHEN)
                following = client.submit_and_next(make_answer(meter, value + 100))
                assert type(following.status) is Status
                assert type(following.job) is Job
                assert client.submit_readings([make_answer(meter, value + 200)]) == [None]
                assert 1 <= client.get_status().count <= 8
                assert len(client.get_jobs(3)) == 3

        return work

    def cuts():
        for frames in (30, 100, 170):
            wait_until(lambda frames=frames: len(proxy.from_clients) > frames, "they have done some more")
            proxy.cut()

    run_together(cuts, *(reads(f"M{number:05}") for number in range(8)))

    assert proxy.connections == 4
    assert client.get_status() == Status(8, 8)
    assert read_in(town) == sorted(
        (f"M{number:05}", value + more) for number in range(8) for value in range(10) for more in (0, 100, 200)
    )
