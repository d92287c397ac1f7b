"""The second door and other people's programs: xmlrpc-c's `xmlrpc`, curl; and our own client and server, whole."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import WHEN
from memory_fixtures import *  # noqa: F403 - the fixtures
from readers import readings_in
from web_fixtures import *  # noqa: F403 - the fixtures
from web_fixtures import web_door

from metermt import connect
from metermt.calls.table import CALLS
from metermt.certificates import Authority
from metermt.errors import (
    CallError,
    Error,
    ListenError,
    LoginError,
    RoleError,
    ServerLost,
    ServerUnreachable,
    SessionError,
    SettingError,
    UnknownMeter,
)
from metermt.model import Answer
from metermt.serving import RunningServer, ServerSettings
from metermt.transport.tls import ServerTls
from metermt.web.openapi import openapi_text


def program(name, package):
    """Find a program that `scripts/test` sees to; skip the test where it is not."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    return found or pytest.skip(f"there is no {name} here (Debian: {package})")


# --- other people's programs


def test_the_client_of_xmlrpc_c_reads_a_meter(web, store):
    xmlrpc = program("xmlrpc", "libxmlrpc-core-c3-dev")

    def call(*words):
        url = f"http://localhost:{web.port}/meter"
        done = subprocess.run([xmlrpc, url, *words], capture_output=True, text=True, timeout=30)
        return done.stdout + done.stderr

    session = call("login", "carol", "carol").split("'")[1]
    assert "'M00000'" in call("get_job", f"s/{session}")
    assert "TRUE" in call("submit_reading", f"s/{session}", "M00000", "s/", "i/5983", "s/").upper()
    assert "Integer: 1" in call("get_status", f"s/{session}")
    assert "XML-RPC fault code 104" in call("get_job", "s/x")
    assert [reading.answer.value for reading in readings_in(store)] == [5983]


def test_curl_reads_a_meter(web, store):
    curl = program("curl", "curl")

    def call(name, body, *more):
        command = [curl, "-sS", "-H", "Content-Type: application/json", *more, "-d", body]
        done = subprocess.run([*command, f"http://localhost:{web.port}/api/{name}"], capture_output=True, timeout=30)
        return json.loads(done.stdout)

    session = call("login", '{"username": "carol", "password": "carol"}')["session_id"]
    more = ("-H", f"Authorization: Bearer {session}", "-H", "Idempotency-Key: 4711")
    for _ in range(2):
        assert call("submit_reading", '{"meter": "M00000", "reading": 5983}', *more) is None
    assert call("submit_readings", '{"answers": []}', *more)["code"] == "call"
    assert [reading.answer.key for reading in readings_in(store)] == ["4711"]


# --- our own client


def test_our_own_client_goes_by_http(web):
    with connect(f"http://localhost:{web.port}/") as client:
        with pytest.raises(LoginError):
            client.login("carol", "x")
        assert client.login("carol", "carol") == "Carol Dent"
        job = client.get_job()
        assert client.submit_and_next(Answer(job.meter.number, 5, when=WHEN)).job.meter.number != job.meter.number
        assert [type(error) for error in client.submit_readings([Answer("X1", 5, when=WHEN)])] == [UnknownMeter]
        assert client.get_status().count == 1
        with pytest.raises(RoleError) as caught:
            client.list_batches()
        assert caught.value.details == {"role": "supervisor"}
        client.logout()
        with pytest.raises(SessionError, match="Invalid session ID"):
            client.get_status()


def test_a_client_connects_again_when_the_connection_has_ended(web):
    with connect(f"http://localhost:{web.port}") as client:
        client.login("carol", "carol")
        for visitor in list(web._visitors):
            visitor.leave()
        assert client.get_status().count == 0


def test_where_no_meter_server_answers_by_http_that_is_told(web, server):
    with pytest.raises(ServerUnreachable):
        connect("http://localhost:1", timeout=1)
    for place, error in ((f"{web.port}/elsewhere", CallError), (server.port, Error)):
        with connect(f"http://localhost:{place}", timeout=1) as client, pytest.raises(error):
            client.ping()


@pytest.mark.parametrize("url", ["http://", "http://a:x", "http://a@b", "http://a?b", "https://localhost"])
def test_a_url_that_cannot_be_used_is_told(url):
    with pytest.raises(SettingError):
        connect(url)


def test_the_door_is_encrypted_with_the_same_files_and_wants_the_same_certificates(desk, server, tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.certify_server(["localhost"], "METER")
    carol = authority.certify_client("carol")
    with web_door(desk, server, tls=ServerTls(certificate, key, authority.path)) as door:
        url = f"https://localhost:{door.port}"
        with connect(url, tls_ca=authority.path, tls_cert=carol) as client:
            with pytest.raises(LoginError, match="certificate is for carol"):
                client.login("eric", "eric")
            assert client.login("carol", "carol") == "Carol Dent"
            assert client.get_job()
        with connect(url, tls_ca=authority.path, timeout=1) as client, pytest.raises(ServerLost, match="certificate"):
            client.ping()
        with pytest.raises(Error), connect(f"http://localhost:{door.port}", timeout=1) as client:
            client.ping()


# --- the whole


def test_a_whole_server_opens_both_doors_and_tells_of_a_port_that_is_taken():
    with RunningServer(ServerSettings(port=0, demo=True, http=("localhost", 0))) as server:
        with connect(f"http://localhost:{server.http_port}") as client:
            assert client.login("carol", "carol") == "Carol Dent"
        with pytest.raises(ListenError, match="choose another with --http"):
            RunningServer(ServerSettings(port=0, http=("localhost", server.http_port)))
    with pytest.raises(SettingError, match=r"Others could listen in on 0.0.0.0"):
        ServerSettings(port=0, http=("0.0.0.0", 0))


def test_without_the_extra_the_server_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    for name in [name for name in sys.modules if name.startswith("metermt.web.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(SettingError, match=r"pip install 'metermt\[http\]'"):
        RunningServer(ServerSettings(port=0, http=("localhost", 0)))


def test_a_server_and_a_client_without_http_import_nothing_of_it():
    program = """
import sys
import metermt.cli, metermt.console.dialogue
from metermt.serving import RunningServer, ServerSettings
with RunningServer(ServerSettings(port=0)) as server, metermt.connect("localhost", server.port) as client:
    client.ping()
print(*sorted(sys.modules))
"""
    imported = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    http = ("metermt.web", "uvicorn", "starlette", "h11", "defusedxml", "prometheus_client", "http", "xmlrpc")
    assert "metermt.serving" in imported
    assert not [name for name in imported if name.startswith(http)]


def test_what_can_be_called_by_json_is_described_as_openapi_has_it(request):
    """All of it with `--all-points`; else some calls, as the validator takes its time."""
    whole = json.loads(openapi_text())
    assert set(whole["paths"]) == {f"/api/{name}" for name in CALLS}
    if not request.config.getoption("--all-points"):
        names = ("login", "get_job", "submit_reading", "submit_readings", "list_users", "why_no_job")
        whole["paths"] = {f"/api/{name}": whole["paths"][f"/api/{name}"] for name in names}
        _leave_out_what_nothing_refers_to(whole)
    from openapi_spec_validator import validate  # noqa: PLC0415 - each process that runs tests would spend 0.4 s on it

    validate(whole)


def _leave_out_what_nothing_refers_to(whole):
    schemas = whole["components"]["schemas"]
    kept, new = set(), json.dumps([whole["paths"], whole["components"]["responses"]])
    while found := {name for name in schemas if f'schemas/{name}"' in new} - kept:
        kept |= found
        new = json.dumps([schemas[name] for name in found])
    whole["components"]["schemas"] = {name: schemas[name] for name in kept}
