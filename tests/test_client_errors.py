"""`MeterClient` against real servers: what is refused arrives as an error of ours, and the client goes on."""

from contextlib import suppress
from dataclasses import replace

import pytest
from client_fixtures import *  # noqa: F403 - the fixtures
from clients import read_in
from conftest import WHEN, make_answer
from servers import BrokenStore, fill, listening

from metermt import Answer, MeterClient
from metermt.calls import sessions
from metermt.calls.desk import Desk
from metermt.calls.routes import list_routes
from metermt.errors import (
    AlreadyRead,
    CallError,
    Error,
    InternalError,
    InvalidKey,
    InvalidReading,
    InvalidReason,
    InvalidTime,
    LoginError,
    MeterLeased,
    RoleError,
    SessionError,
    TooManyFailures,
    UnknownMeter,
)
from metermt.model import Status


def made_up(name):
    """A call of this name that is told nothing."""
    return replace(sessions.ping, name=name)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda c: c.login("carol", "wrong"), LoginError, "Invalid username or password"),
        (lambda c: c.login("nobody", "nobody"), LoginError, "Invalid username or password"),
        (lambda c: c.submit_reading("X1", 1, when=WHEN), UnknownMeter, "Unknown meter 'X1': check the number"),
        (lambda c: c.submit_reading("M00000", -1, when=WHEN), InvalidReading, "Invalid reading: -1 is below zero"),
        (lambda c: c.submit_reading("M00000", 10**5, when=WHEN), InvalidReading, "Invalid reading: 100000 is too long"),
        (lambda c: c.submit_reading("M00000", 1.5, when=WHEN), InvalidReading, "Invalid reading: 1.5 is not a whole"),
        (lambda c: c.submit_reading("M00000", 1, "a\nb", WHEN), InvalidReason, "Invalid reason: it has control"),
        (lambda c: c.submit_reading("M00000", 1, when="soon"), InvalidTime, "Invalid time: 'soon' is not a date"),
        (lambda c: c.submit_reading("M00000", 1, when="2027-01-01"), InvalidTime, "Invalid time: 2027-01-01T"),
        (lambda c: c.submit_reading("M00000", 1, when=WHEN, key="a b"), InvalidKey, "Invalid key: use 1 to 64"),
        (lambda c: c.submit_and_next(make_answer("X1")), UnknownMeter, "Unknown meter 'X1': check the number"),
        (lambda c: c.submit_and_next(make_answer(value=1.5)), InvalidReading, "Invalid reading: 1.5 is not a whole"),
        (lambda c: c.get_jobs(0), CallError, "Ask for 1 to 1000 jobs at once"),
        (lambda c: c.get_jobs(1001), CallError, "Ask for 1 to 1000 jobs at once"),
        (lambda c: c.get_jobs([1]), CallError, "The other side sent a JobsWanted that makes no sense"),
        (lambda c: c.get_jobs(object()), CallError, "Only numbers, texts and None can be sent"),
        (lambda c: c.call(list_routes, None), RoleError, "list_routes is for a supervisor or more, and you are a "),
        (lambda c: c.call(made_up("no_such_call"), None), CallError, "This server does not know that call"),
        (lambda c: c.call(made_up("login"), None), CallError, "login wants username, password"),
    ],
)
def test_an_error_arrives_as_its_own_class_with_its_text(call, error, text, client):
    with pytest.raises(error) as caught:
        call(client)

    assert type(caught.value) is error
    assert str(caught.value).startswith(text)
    assert client.get_status() == Status(0, 0)


def test_a_meter_in_other_hands_or_read_by_others_is_told_so(client, other_client):
    meter = other_client.get_job().meter.number
    for submit in (
        lambda: client.submit_reading(meter, 1, when=WHEN),
        lambda: client.submit_and_next(make_answer(meter)),
    ):
        with pytest.raises(MeterLeased, match=f"Meter {meter} is being read by adam") as caught:
            submit()
        assert caught.value.details == {"username": "adam"}
    other_client.submit_reading(meter, 1, when=WHEN)
    with pytest.raises(AlreadyRead, match=f"Meter {meter} was already read this cycle by adam") as caught:
        client.submit_reading(meter, 1, when=WHEN)
    assert caught.value.details == {"username": "adam"}
    (outcome,) = client.submit_readings([make_answer(meter)])
    assert type(outcome) is AlreadyRead
    assert outcome.details == {"username": "adam"}


def test_a_key_for_two_readings_is_told_so(client):
    client.submit_reading("M00000", 1, when=WHEN, key="k")
    with pytest.raises(InvalidKey, match="This key was used before, for a reading of M00000"):
        client.submit_reading("M00001", 1, when=WHEN, key="k")


def test_too_many_wrong_passwords_are_told_so(client):
    for _ in range(3):
        with pytest.raises(LoginError):
            client.login("carol", "guess")
    with pytest.raises(TooManyFailures, match="Too many failed logins for 'carol' from your address: tr") as caught:
        client.login("carol", "carol")
    assert caught.value.details == {"seconds": 15 * 60}


def test_without_a_login_all_but_login_ping_and_hello_say_so(server):
    with MeterClient("localhost", server.port) as client:
        client.ping()
        client.hello()
        for call in (
            client.get_job,
            client.get_status,
            lambda: client.get_jobs(1),
            lambda: client.submit_reading("M00000", 1, when=WHEN),
            lambda: client.submit_and_next(make_answer("M00000")),
            lambda: client.submit_readings([make_answer("M00000")]),
            lambda: client.call(list_routes, None),
        ):
            with pytest.raises(SessionError, match="Invalid session ID"):
                call()


def test_a_logout_twice_or_without_a_login_is_harmless(server):
    with MeterClient("localhost", server.port) as client:
        client.logout()
        client.login("carol", "carol")
        client.logout()
        client.logout()
        with pytest.raises(SessionError):
            client.get_job()
        assert client.login("carol", "carol") == "Carol Dent"
        assert client.get_job().meter.number == "M00000"


def test_who_logs_out_leaves_their_jobs_to_everybody(client, other_client):
    def others():
        return [job.meter.number for job in other_client.get_jobs(20)]

    assert [job.meter.number for job in client.get_jobs(2)] == ["M00000", "M00001"]
    assert others() == [f"M{number:05}" for number in range(19, 1, -1)]
    client.logout()

    assert others()[-2:] == ["M00001", "M00000"]


def test_a_session_that_has_expired_is_told_so_and_logged_out_of(client, clock):
    clock.move(hours=13)

    with pytest.raises(SessionError):
        client.get_job()
    client.logout()


def test_a_fault_of_the_server_arrives_as_an_internal_error_with_its_id(demo_accounts, expected_errors):
    with (
        listening(Desk(fill(BrokenStore(), demo_accounts))) as server,
        MeterClient("localhost", server.port) as client,
    ):
        client.login("carol", "carol")
        with pytest.raises(InternalError, match=r"^Internal error [0-9a-f]{8}: tell whoever runs the") as caught:
            client.get_status()
        assert client.get_job() is None

    (record,) = expected_errors
    assert record.getMessage().split()[2] in str(caught.value)


# --- odd values


@pytest.mark.parametrize(
    "odd",
    ["\ud800", 10**5000, float("nan"), b"\xff", ["list"], {}, object()],
    ids=["surrogate", "10**5000", "nan", "bytes", "list", "dict", "object"],
)
def test_an_odd_value_is_an_error_like_any_other_and_the_client_goes_on(odd, client, town):
    for call in (
        lambda: client.login(odd, "carol"),
        lambda: client.login("carol", odd),
        lambda: client.get_jobs(odd),
        lambda: client.submit_reading(odd, 1, "", WHEN),
        lambda: client.submit_reading("M00000", odd, "", WHEN),
        lambda: client.submit_reading("M00000", 1, odd, WHEN),
        lambda: client.submit_reading("M00000", 1, "", odd),
        lambda: client.submit_and_next(Answer(odd, 1, "", WHEN)),
        lambda: client.submit_and_next(Answer("M00000", odd, "", WHEN)),
        lambda: client.submit_and_next(Answer("M00000", 1, odd, WHEN)),
        lambda: client.submit_and_next(Answer("M00000", 1, "", odd)),
        lambda: client.submit_and_next(Answer("M00000", 1, "", WHEN, odd or "a b")),
    ):
        with pytest.raises(Error):
            call()
        assert client.get_status() == Status(0, 0)

    assert read_in(town) == []


@pytest.mark.parametrize(
    "odd",
    ["\ud800", 10**5000, float("nan"), {}, object(), b"\xff"],
    ids=["surrogate", "10**5000", "nan", "dict", "object", "bytes"],
)
def test_an_odd_value_among_many_readings_is_an_error_like_any_other(odd, client):
    outcomes = []
    with suppress(Error):
        outcomes = client.submit_readings([make_answer("M00000", odd), make_answer("M00001")])

    assert [type(outcome) for outcome in outcomes] in ([], [InvalidReading, type(None)])
    assert client.get_status().count in (0, 1)
