"""Exports from PostgreSQL, which hold nobody up."""

import csv
import subprocess
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
import warm
from chaos_stage import changed_environment
from commands import METERMT
from conftest import (
    CYCLE,
    add_readers,
    import_jobs,
    make_jobs,
    make_reading,
    wait_until,
)
from steps import record

from metermt.config import DATABASE_VARIABLE
from metermt.store.postgres.store import PostgresStore


@pytest.fixture
def many_readings(new_database):
    """Where a database is with 5,000 readings, which are three pages of an export."""
    url = new_database()
    with PostgresStore(url) as store:
        add_readers(store, "carol")
        import_jobs(store, CYCLE, make_jobs(5000))
        store.write(lambda tx: record(tx, [make_reading(f"M{number:05}", key=f"{number}") for number in range(5000)]))
    return url


def snapshots_on(url):
    """Return how many connections to a database hold back what could be cleaned up."""
    with psycopg.connect(url, autocommit=True) as connection:
        asked = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL"
        )
        return connection.execute(asked).fetchone()[0]


def test_an_export_holds_no_snapshot_while_its_consumer_waits(many_readings):
    with PostgresStore(many_readings) as store:

        def look(tx):
            return [
                snapshots_on(many_readings) for place, _ in enumerate(tx.readings.all(CYCLE)) if place in (10, 2500)
            ]

        assert store.read(look) == [0, 0]


@pytest.fixture
def export(many_readings):
    """Run `metermt readings export -` as somebody who does not read yet what it says."""
    with ExitStack() as stack:

        def export(options=""):
            with changed_environment({DATABASE_VARIABLE: many_readings + options}):
                command = [METERMT, "readings", "export", "-"]
                process = warm.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            wait_until(lambda: is_stuck(process), "the export waits for its reader")
            return process

        yield export


def is_stuck(process):
    """Tell whether a process waits for somebody to read what it writes."""
    return "pipe_write" in Path(f"/proc/{process.pid}/wchan").read_text()


def keys_in(process):
    text, _ = process.communicate(timeout=30)
    return [row["key"] for row in csv.DictReader(text.splitlines())]


def test_an_export_that_is_read_slowly_is_whole(export, many_readings):
    process = export("?options=-c%20idle_in_transaction_session_timeout%3D2s")
    wait_until(lambda: not snapshots_on(many_readings), "it holds no snapshot, or may not do so any longer")

    assert sorted(map(int, keys_in(process))) == list(range(5000))
    assert process.returncode == 0


def test_an_export_whose_connection_breaks_says_nothing_twice(export, many_readings):
    process = export()
    with psycopg.connect(many_readings, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    keys = keys_in(process)
    assert len(keys) == len(set(keys))
    assert process.returncode == 1 or len(keys) == 5000
