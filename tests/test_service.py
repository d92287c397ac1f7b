"""The calls as a plain RPyC client meets them: `rpyc.connect(host, port).root`, and nothing of MeterMT's."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from conftest import WHEN, make_place, wait_until
from memory_fixtures import *  # noqa: F403 - the fixtures
from memory_fixtures import on_all_stores
from peers import answers, code_of
from readers import left_to, readings_in
from rpyc.core import brine, consts

from metermt.calls.table import CALLS

# --- the four calls


@on_all_stores
def test_a_plain_client_reads_a_meter_with_the_four_calls(root, store):
    session, full_name = root.login("carol", "carol")

    assert full_name == "Carol Dent"
    assert root.get_job(session) == "M00000"
    assert root.submit_reading(session, "M00000", datetime(2026, 11, 20, 9, 30), 5983) is None
    assert root.get_status(session) == (1, 1)
    assert root.get_job(session) == "M00001"
    assert [(reading.answer.meter, reading.answer.value) for reading in readings_in(store)] == [("M00000", 5983)]


def test_when_all_is_read_there_is_no_job(root, session):
    for number in range(5):
        root.submit_reading(session, f"M0000{number}", WHEN, number)

    assert root.get_job(session) is None


def test_the_original_calls_take_their_arguments_in_the_original_order(root, store):
    session, _ = root.login("carol", "carol")
    root.submit_reading(session, "M00001", WHEN, -1, "A dog, a large one", "a-key")

    (reading,) = readings_in(store)
    said = reading.answer
    assert (said.meter, said.value, said.reason, said.key) == ("M00001", None, "A dog, a large one", "a-key")
    assert said.when == datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def test_a_reason_may_be_given_by_keyword(root, session, store):
    root.submit_reading(session, "M00000", WHEN, -1, reason="A dog, a large one")

    (reading,) = readings_in(store)
    assert (reading.answer.value, reading.answer.reason) == (None, "A dog, a large one")


def test_all_arguments_may_be_given_by_the_names_they_always_had(root, store):
    session, _ = root.login(username="carol", password="carol")
    assert root.get_job(session_id=session) == "M00000"
    root.submit_reading(session_id=session, meter="M00000", when=WHEN, reading=1, reason="", key="one")
    root.submit_reading(session_id=session, meter="M00000", when=WHEN, reading=1, reason="", key="one")
    assert root.get_status(session_id=session) == (1, 1)

    assert len(readings_in(store)) == 1


def test_names_written_as_rpyc_exposes_them_are_the_same_calls(root):
    session, _ = root.exposed_login("carol", "carol")

    assert root.exposed_get_job(session) == "M00000"


# --- what crosses the wire


FOUND = {"number": "E1", "kind": "E", "dials": None, "reading": 7, "where": "shed"}


def is_plain(value):
    if type(value) is tuple:
        return all(map(is_plain, value))
    return type(value) in (type(None), bool, int, float, str, bytes)


def test_every_result_is_plain(root, desk):
    desk.store.write(lambda tx: tx.places.put([make_place("M00000")]))
    session, full_name = root.login("carol", "carol")
    one = json.dumps({"meter": "M00001", "value": 1, "when": WHEN})
    results = {
        "hello": root.hello("{}"),
        "login": (session, full_name),
        "get_job": root.get_job(session),
        "next_job": root.next_job(session),
        "get_jobs": root.get_jobs(session, '{"n": 2}'),
        "submit_reading": root.submit_reading(session, "M00000", WHEN, 1),
        "submit_and_next": root.submit_and_next(session, one),
        "submit_readings": root.submit_readings(session, answers(("M00002", 1), ("M00003", 1))),
        "skip_job": root.skip_job(session, '{"meter": "M00004"}'),
        "list_reasons": root.list_reasons(session),
        "leave_note": root.leave_note(session, '{"meter": "M00000", "text": "two dogs"}'),
        "report_found": root.report_found(session, json.dumps(FOUND)),
        "count_route": root.count_route(session, '{"cycle": "2026-11", "route": "North"}'),
        "list_ahead": root.list_ahead(session),
        "find_meters": root.find_meters(session, '{"text": "m0"}'),
        "my_readings": root.my_readings(session),
        "why_no_job": root.why_no_job(session),
        "get_status": root.get_status(session),
        "change_password": root.change_password(session, '{"old": "carol", "new": "a new horse"}'),
        "ping": root.ping(),
        "logout": root.logout(session),
    }

    office = {"exchange_meter"}  # which a reader has part in, and which wants a database
    assert set(results) == {name for name, call in CALLS.items() if call.least in (None, "reader")} - office
    assert {name: value for name, value in results.items() if not is_plain(value)} == {}


def test_what_is_more_than_a_plain_value_crosses_as_json_with_names(root, session):
    job = json.loads(root.next_job(session))
    after = json.loads(root.submit_and_next(session, json.dumps({"meter": "M00000", "value": 1})))

    assert job["meter"]["number"] == "M00000"
    assert (job["cycle"], job["route"], job["sequence"]) == ("2026-11", "North", 0)
    assert after["status"] == {"count": 1, "total": 1}
    assert after["job"]["meter"]["number"] == "M00001"


def test_hello_tells_the_versions_and_the_time_of_the_server(root):
    welcome = json.loads(root.hello())

    assert welcome["now"] == "2026-11-20T10:00:00.000+00:00"
    assert isinstance(welcome["version"], str)
    assert isinstance(welcome["protocol"], int)


def test_a_plain_client_may_send_more_than_rpyc_sends_uncompressed(root, session):
    rows = [(f"M0000{number % 5}", number, "The meter is behind the boiler") for number in range(100)]

    assert json.loads(root.submit_readings(session, answers(*rows))) == [None] * 100
    assert code_of(root.submit_reading, session, "M00000", WHEN, 1, "long " * 1000) == "invalid-reason"


class Thing:
    """An object of the client's."""


def things():
    yield Thing()


@pytest.mark.parametrize(
    "thing",
    [
        pytest.param(Thing(), id="instance"),
        pytest.param(Thing, id="class"),
        pytest.param(things, id="function"),
        pytest.param(things(), id="generator"),
        pytest.param(["carol"], id="list"),
        pytest.param({"carol": 1}, id="dict"),
        pytest.param({"carol"}, id="set"),
        pytest.param(json, id="module"),
        pytest.param(("carol", ["carol"]), id="list in a tuple"),
        pytest.param(timedelta(1), id="timedelta"),
    ],
)
def test_an_object_of_the_client_is_refused_and_never_touched(thing, proxy, plain):
    root = plain(proxy).root
    session, _ = root.login("carol", "carol")

    assert code_of(root.login, thing, "carol") == "call"
    assert code_of(root.get_job, thing) == "call"
    assert code_of(root.get_status, session_id=thing) == "call"
    for place in range(4):
        arguments = ["M00000", WHEN, 1, ""]
        arguments[place] = thing
        assert code_of(root.submit_reading, session, *arguments) == "call"

    assert root.get_status(session) == (0, 0)
    assert proxy.asked_of_clients == []


def test_a_live_object_of_the_servers_own_is_refused_as_an_argument(root, session):
    assert code_of(root.get_job, root) == "call"
    assert code_of(root.submit_reading, session, "M00000", WHEN, 1, root.login) == "call"
    assert root.get_status(session) == (0, 0)


# --- connections that end


@on_all_stores
@pytest.mark.parametrize("goodbye", [True, False], ids=["in order", "without a word"])
def test_the_jobs_of_an_ended_connection_stay_with_their_reader(goodbye, server, store, plain):
    first, second, adams = plain(server), plain(server).root, plain(server).root
    session, _ = first.root.login("carol", "carol")
    second_session, _ = second.login("carol", "carol")
    adams_session, _ = adams.login("adam", "adam")
    assert first.root.get_job(session) == "M00000"
    assert second.get_job(second_session) == "M00001"

    if goodbye:
        first.close()
    else:
        first._channel.close()
    wait_until(lambda: server.connections == 2, "the server has noticed that a client is gone")
    wait_until(lambda: left_to(store) == ["M00000"], "and has noted it")

    assert adams.get_job(adams_session) == "M00004"
    third = plain(server).root
    assert third.get_job(third.login("carol", "carol")[0]) == "M00000"
    assert second.get_job(second_session) == "M00001"


def test_a_session_outlives_its_connection(server, plain):
    connection = plain(server)
    session, _ = connection.root.login("carol", "carol")
    connection.root.get_job(session)
    connection.close()

    root = plain(server).root
    assert root.get_status(session) == (0, 0)
    root.submit_reading(session, "M00000", WHEN, 1)
    assert root.get_status(session) == (1, 1)


def test_a_session_of_one_connection_may_be_used_on_another_at_the_same_time(root, session, server, plain):
    other = plain(server).root

    assert other.get_job(session) == root.get_job(session) == "M00000"


@on_all_stores
def test_an_expired_lease_goes_to_the_next_reader(root, session, server, plain, clock):
    adams = plain(server).root
    adams_session, _ = adams.login("adam", "adam")
    assert root.get_job(session) == "M00000"
    assert meters(adams, adams_session) == ["M00004", "M00003", "M00002", "M00001"]

    clock.move(minutes=31)

    assert meters(adams, adams_session)[-1] == "M00000"


def meters(root, session):
    """Ask for all jobs that there are; return the numbers of their meters."""
    return [job["meter"]["number"] for job in json.loads(root.get_jobs(session, '{"n": 5}'))]


@on_all_stores
def test_what_a_reader_held_is_free_for_everybody_once_they_have_logged_out(root, session, server, plain):
    adams = plain(server).root
    adams_session, _ = adams.login("adam", "adam")
    assert root.get_job(session) == "M00000"
    root.logout(session)

    assert code_of(root.get_job, session) == "session"
    assert adams.get_job(adams_session) == "M00000"


def test_of_a_datetime_the_server_asks_the_text_and_nothing_more(proxy, plain):
    root = plain(proxy).root
    session, _ = root.login("carol", "carol")

    root.submit_reading(session, "M00000", datetime(2026, 11, 20, 9, 30), 1)
    root.ping()

    handlers = [brine.load(frame[1:])[1][0] for frame in proxy.asked_of_clients]
    assert handlers == [consts.HANDLE_STR, consts.HANDLE_DEL]
