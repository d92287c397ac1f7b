"""The second door, as programs meet it that know nothing of MeterMT: `xmlrpc.client`, and JSON over HTTP."""

import xmlrpc.client
from datetime import UTC, datetime

from memory_fixtures import *  # noqa: F403 - the fixtures
from readers import readings_in
from web_fixtures import *  # noqa: F403 - the fixtures
from web_fixtures import post


def test_a_plain_xml_rpc_client_reads_a_meter_with_the_four_calls(web, store):
    with xmlrpc.client.ServerProxy(f"http://localhost:{web.port}/meter") as server:
        session, full_name = server.login("carol", "carol")
        assert full_name == "Carol Dent"
        assert server.get_job(session) == "M00000"
        assert server.submit_reading(session, "M00000", datetime(2026, 11, 20, 9, 30), 5983, "") is True
        assert server.get_status(session) == [1, 1]
    (reading,) = readings_in(store)
    assert (reading.answer.meter, reading.answer.value) == ("M00000", 5983)


def test_what_is_no_json_is_called_so(web):
    for body in (b'{"username": ', b"username=carol"):
        status, told = post(web, "login", body)
        assert (status, told["code"]) == (400, "call")
        assert told["text"].startswith("The other side sent no JSON: ")


def test_json_reads_a_meter(web, store):
    _, welcome = post(web, "login", {"username": "carol", "password": "carol"})
    session = welcome["session_id"]
    assert post(web, "get_job", session=session) == (200, "M00000")
    when = datetime(2026, 11, 20, 9, 30, tzinfo=UTC).isoformat()
    for _ in range(2):
        told = {"meter": "M00000", "when": when, "reading": 5983}
        assert post(web, "submit_reading", told, session, **{"Idempotency-Key": '"k1"'}) == (200, None)
    assert post(web, "get_status", session=session) == (200, {"count": 1, "total": 1})
    (reading,) = readings_in(store)
    assert reading.answer.key == "k1"
