"""A whole server: the database that it opens, and what its readers hold when it starts and stops."""

import logging
import subprocess
import sys
from math import inf

import pytest
from clients import meter_of
from conftest import DEADLINE, dump, start
from databases import raw
from readers import left_to

from metermt.errors import ListenError, StoreError
from metermt.serving import RunningServer, ServerSettings
from metermt.store.sqlite.store import SqliteStore


def run(database, port=0):
    return RunningServer(ServerSettings(port=port, database=database))


def left_to_carol(database):
    with SqliteStore(database) as store:
        return left_to(store)


# --- the database


def test_without_a_database_it_has_one_that_is_gone_at_the_end(connect):
    with RunningServer(ServerSettings(port=0, demo=True)) as server:
        path = server.store.path
        assert meter_of(connect(server))
        assert path.exists()
    assert not path.parent.exists()


def test_a_database_is_there_afterwards(database, connect):
    with run(database) as server:
        connect(server).submit_reading("M00000", 5)
    with SqliteStore(database, create=False) as store:
        assert [reading.username for _, reading in store.read(lambda tx: list(tx.readings.all(None)))] == ["carol"]


# --- sessions


def test_what_readers_hold_when_a_server_stops_is_left_to_them_at_any_server(database, connect):
    with run(database) as server:
        assert meter_of(connect(server)) == "M00000"
    assert left_to_carol(database) == ["M00000"]
    with run(database) as other:
        assert meter_of(connect(other)) == "M00000"


def test_what_readers_held_when_a_server_was_killed_is_left_to_them_when_it_is_back(servers, database, connect):
    server = servers.start("--database", database)
    assert meter_of(connect(server)) == "M00000"
    server.kill()

    other = servers.start("--database", database)
    assert meter_of(connect(other)) == "M00001", "nobody but the killed one knows that the connection is lost"
    again = servers.start("--database", database, port=server.port)
    assert meter_of(connect(again)) == "M00000"


def test_a_server_that_starts_or_ends_leaves_the_readers_of_others_alone(database, connect):
    with run(database) as server:
        carol = connect(server)
        assert meter_of(carol) == "M00000"
        with run(database) as other:
            assert meter_of(connect(other)) == "M00001"
        assert left_to_carol(database) == ["M00001"]
        assert meter_of(carol) == "M00000"


def test_a_server_that_cannot_listen_changes_nothing(database, connect):
    with run(database) as server:
        connect(server).get_job()
        before = dump(server.store)
        with pytest.raises(ListenError):
            RunningServer(ServerSettings(port=server.port, database=database, demo=True))
        assert dump(server.store) == before


def test_a_session_goes_on_when_its_server_was_started_anew(database, connect):
    with run(database) as server:
        carol = connect(server)
        assert meter_of(carol) == "M00000"
    with run(database, port=server.port):
        assert meter_of(carol) == "M00000"


# --- the end


def test_what_was_done_last_has_its_place_in_the_record_when_a_server_has_stopped(database, connect):
    with run(database) as server:
        connect(server).submit_reading("M00000", 5)
    with SqliteStore(database, create=False) as store:
        assert store.read(lambda tx: tx.audit.unsealed(1)) == []


def test_a_database_that_is_away_at_the_end_is_logged(database, connect, monkeypatch, caplog):
    def away(_work):
        raise StoreError("The database is away")

    with run(database) as server, caplog.at_level(logging.WARNING):
        connect(server).get_job()
        monkeypatch.setattr(server.store, "write", away)
        server.stop()
        assert "The database is away" in caplog.text


def test_what_is_written_last_waits_for_no_other_program_beyond_the_grace(database, monkeypatch, caplog):
    monkeypatch.setattr("metermt.serving.GRACE", 0.0)
    with RunningServer(ServerSettings(port=0, database=database)) as server, raw(database) as other:
        server.store._writer._busy_seconds = inf  # or it would go on by itself
        other.execute("BEGIN IMMEDIATE")
        stopping = start(server.stop)
        stopping()
        other.execute("ROLLBACK")
    assert "what readers hold here is left to them later" in caplog.text


def test_stopping_twice_is_harmless(database):
    with run(database) as server:
        server.stop()
        server.stop()


FAILING = """
import sys, threading
from metermt.cli import main
from metermt.transport.server import MeterServer

def start(self, start=MeterServer.start):
    start(self)
    threading.Thread(target=self._fail, args=[RuntimeError("no more threads")]).start()

MeterServer.start = start
main(["serve", "-p", "0", "--database", sys.argv[1]])
"""


def test_a_server_that_cannot_go_on_ends_with_an_error(database):
    done = subprocess.run(
        [sys.executable, "-c", FAILING, database], capture_output=True, text=True, timeout=DEADLINE, check=False
    )

    assert done.returncode == 1
    assert "the server has failed" in done.stderr
    assert done.stderr.endswith("\nError: The server could not go on: its log says why\n")
    assert "\nMeter server shutdown at " in done.stdout
