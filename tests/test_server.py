"""The server as a program: how it starts, what it says, and how it ends."""

import re
import signal
from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from conftest import start
from demometers import shows
from servers import METERMT_SERVE, SERVER_PY, run_to_end

from metermt.client.client import MeterClient
from metermt.errors import InvalidTime

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
WHEN = f"{datetime.now() - timedelta(days=1):%Y-%m-%d}T10:00"  # in the server's local time


@pytest.mark.parametrize(
    ("command", "number"), [(SERVER_PY, signal.SIGINT), (METERMT_SERVE, signal.SIGTERM)], ids=["SIGINT", "SIGTERM"]
)
def test_it_says_when_and_where_it_starts_and_that_it_ends(command, number, servers, database):
    server = servers.start("--database", database, command=command)
    with MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        assert re.fullmatch(f"Meter server startup at {TIME} on localhost:{server.port}\n", server.output)
        said = datetime.fromisoformat(server.output.split()[4])
        assert abs((datetime.now() - said).total_seconds()) < 20

        assert server.stop(number) == 0

    assert re.fullmatch(
        f"Meter server startup at {TIME} on localhost:{server.port}\nMeter server shutdown at {TIME}\n", server.output
    )
    assert server.complaints == ""


def test_the_file_of_notify_has_the_address_and_is_never_seen_half_written(servers, tmp_path):
    notify = tmp_path / "address"
    notify.write_text("localhost:1\n")  # of an earlier run
    seen = set()
    starts = start(lambda: servers.start("--database", ":memory:", notify=notify))
    with notify.open() as earlier:
        while not starts.is_there():
            seen.add(notify.read_text())
        server = starts()
        assert earlier.read() == "localhost:1\n"  # a new file took its place: it was not written over

    assert notify.read_text() == f"localhost:{server.port}\n"
    assert seen <= {"localhost:1\n", f"localhost:{server.port}\n"}
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"address"}


def test_once_notify_is_there_clients_can_connect(servers):
    for _ in range(3):
        server = servers.start("--database", ":memory:")
        MeterClient("localhost", server.port).close()


def test_the_demo_prints_its_readings_at_the_end_sorted_by_meter(servers):
    server = servers.start("--demo")
    expected = []
    with MeterClient("localhost", server.port) as carol, MeterClient("localhost", server.port) as adam:
        carol.login("carol", "carol")
        adam.login("adam", "adam")
        for is_read, reason in ((True, ""), (True, "new lock"), (False, "Dog [large]"), (True, "")):
            for client, name in ((carol, "carol"), (adam, "adam")):
                meter = client.get_job().meter.number
                value = shows(meter) if is_read else -1
                client.submit_reading(meter, value, reason, WHEN)
                expected.append(f"{meter}={value}@{WHEN}[{reason}]{name}")
        corrected = expected[0].partition("=")[0]
        carol.submit_reading(corrected, shows(corrected) + 1, "", WHEN)
        expected[0] = f"{corrected}={shows(corrected) + 1}@{WHEN}[]carol"
        unread_meter = adam.get_job().meter.number

    assert server.stop(signal.SIGINT) == 0

    _, last, *lines = server.output.splitlines()
    assert re.fullmatch(f"Meter server shutdown at {TIME}", last)
    assert lines == sorted(expected, key=lambda line: line.split("=")[0])
    assert unread_meter not in server.output
    assert server.complaints == ""


def test_the_demo_prints_no_readings_if_told_so(servers):
    server = servers.start("--demo", "--no-dump")
    with MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        client.submit_reading(client.get_job().meter.number, -1, "locked", WHEN)
    assert server.stop() == 0
    assert len(server.output.splitlines()) == 2


def test_a_demo_is_served_from_a_database_of_its_own_and_that_is_served_as_a_demo_only(servers, database, tmp_path):
    refused = run_to_end("--port", 0, "--demo", "--database", database)
    assert refused.returncode == 1
    assert f"--demo would let anybody into {database}, which has users, meters or cycles of its own" in refused.stderr

    for _ in range(2):
        assert servers.start("--demo", "--database", tmp_path / "demo.db").stop() == 0
    refused = run_to_end("--port", 0, "--database", tmp_path / "demo.db")
    assert refused.returncode == 1
    assert f"{tmp_path / 'demo.db'} was made by --demo, and lets anybody in as adam, carol, eric" in refused.stderr


@pytest.mark.parametrize(("options", "dumps"), [((), False), (("--dump",), True), (("--no-dump",), False)])
def test_readings_are_printed_when_asked_for(options, dumps, servers, database):
    server = servers.start("--database", database, *options)
    with MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        client.submit_reading("M00000", 12, "", WHEN)
        client.submit_reading("M00001", -1, "locked", WHEN)
    assert server.stop() == 0

    dump = [f"M00000=12@{WHEN}[]carol", f"M00001=-1@{WHEN}[locked]carol"]
    assert server.output.splitlines()[2:] == (dump if dumps else [])


@pytest.mark.parametrize("zone", ["EST5", "EET-2"], ids=["west", "east"])
def test_a_time_from_long_ago_does_not_spoil_the_dump(zone, servers, database, monkeypatch):
    monkeypatch.setenv("TZ", zone)
    server = servers.start("--database", database, "--dump")
    with MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        with suppress(InvalidTime):
            client.submit_reading("M00000", 1, "", "0001-01-01T00:00:00+00:00")
        client.submit_reading("M00001", 2, "", WHEN)

    assert server.stop() == 0
    assert server.output.splitlines()[-1] == f"M00001=2@{WHEN}[]carol"


def test_signals_that_come_twice_end_it_once(servers, database):
    server = servers.start("--database", database)
    server.send(signal.SIGTERM)
    server.send(signal.SIGINT)

    assert server.stop() == 0
    assert server.complaints == ""
