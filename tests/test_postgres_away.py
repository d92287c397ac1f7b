"""A PostgreSQL that hangs, is away or is new, and what is said of it: no password."""

import random
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg
import pytest
from chaos_stage import Link, kill_all
from clients import ends_by
from conftest import (
    DEADLINE,
    make_jobs,
    run_together,
    wait_until,
)
from postgres_faults import HIDDEN, JOBS, outcome_of
from servers import fill

from metermt import MeterClient
from metermt.errors import Error, StoreTooNew
from metermt.store.postgres.sql import CLOSING
from metermt.store.postgres.store import PostgresStore


def test_calls_end_by_their_deadlines_while_the_database_hangs(cluster, postgres_url, demo_accounts, server_on):
    with PostgresStore(postgres_url) as store:
        fill(store, demo_accounts, make_jobs(JOBS))
    database = postgres_url.rpartition("/")[2]
    with Link(cluster.port) as link:
        server = server_on(cluster.url(database, link.port))
        with MeterClient("localhost", server.port) as client:
            client.login("carol", "carol")
            job = client.get_job()
            client.timeout = 2
            with link.deaf():
                for call in (client.get_status, lambda: client.submit_reading("M00000", 5)):
                    with ends_by(2):
                        assert isinstance(outcome_of(call), Error)
            client.timeout = 10
            assert client.get_job() == job
    servers_may_log_errors(server)


def test_a_server_answers_a_ping_while_its_database_hangs(cluster, postgres_url, server_on):
    database = postgres_url.rpartition("/")[2]
    with Link(cluster.port) as link:
        server = server_on(cluster.url(database, link.port))
        with MeterClient("localhost", server.port) as client, link.deaf():
            until = time.monotonic() + 2  # seconds: what the server knows of its connections is old by then
            took = []
            while time.monotonic() < until or len(took) < 5:
                took.append(client.ping())
                time.sleep(0.1)
            assert sorted(took)[len(took) // 2] < 1  # of ten, one may have met a busy machine
    servers_may_log_errors(server)


def test_a_store_that_is_open_begins_transactions_where_no_thread_is_to_be_had(postgres_store, monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", lambda _: pytest.fail("can't start new thread"))
    all_there = threading.Barrier(4)
    begun = [postgres_store.begin(lambda _tx: all_there.wait(DEADLINE), lambda: None) for _ in range(4)]

    assert all(one.wait(DEADLINE) for one in begun)
    assert {one.result() for one in begun} == {0, 1, 2, 3}


def servers_may_log_errors(server):
    """Let the log of a server be what it is; the fixture that ends servers takes an ERROR for a failure."""
    server.kill()
    server._stderr.write_text("", encoding="utf-8")


def test_an_outage_is_logged_once_and_not_for_each_call(own_cluster, own_database, demo_accounts, server_on):
    with PostgresStore(own_database) as store:
        fill(store, demo_accounts, make_jobs(JOBS))
    server = server_on(own_database)
    with MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        client.timeout = 1
        kill_all(own_cluster)
        try:
            for _ in range(4):
                assert isinstance(outcome_of(client.get_job), Error)
        finally:
            own_cluster.start()
        client.timeout = 10
        client.get_job()
        wait_until(lambda: "answers again" in server.errors, "the log says that it is over")
    log = server.complaints
    servers_may_log_errors(server)

    assert [line.split()[1] for line in log.splitlines()] == ["ERROR", "WARNING"], log


def test_a_server_lives_on_when_readers_hang_up_while_it_waits_for_the_database(
    postgres_url, demo_accounts, server_on, connect
):
    with PostgresStore(postgres_url) as store:
        fill(store, demo_accounts, make_jobs(JOBS))
    server = server_on(postgres_url)
    crew = [connect(server) for _ in range(12)]
    until = time.monotonic() + 3

    def give_up_again_and_again(client):
        while time.monotonic() < until and server.runs:
            client.timeout = random.uniform(0.005, 0.08)
            outcome_of(client.get_job)

    def keep_it_waiting():
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            while time.monotonic() < until:
                with connection.transaction():
                    connection.execute("SELECT pg_advisory_xact_lock(%s)", (CLOSING,))
                    time.sleep(0.05)  # longer than a turn of the server takes, and shorter than readers wait
                time.sleep(0.01)

    run_together(keep_it_waiting, *(lambda client=client: give_up_again_and_again(client) for client in crew))

    assert server.runs, server.errors


# --- setting up


def test_servers_that_start_together_on_an_empty_database_set_it_up_once(new_database):
    url = new_database()
    with ExitStack() as stack:

        def opened():
            return stack.enter_context(PostgresStore(url))

        stores = run_together(*[opened] * 8)

        assert {store.read(lambda tx: len(tx.cycles.all())) for store in stores} == {0}
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM metermt_schema").fetchone() == (1,)


def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(new_database):
    url = new_database()
    PostgresStore(url).close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE metermt_schema SET version = version + 1")
        version = connection.execute("SELECT version FROM metermt_schema").fetchone()

        with pytest.raises(StoreTooNew, match="was made by a newer version of MeterMT"):
            PostgresStore(url)

        assert connection.execute("SELECT version FROM metermt_schema").fetchone() == version


# --- passwords


def test_the_password_of_a_database_is_in_no_log_and_on_no_command_line(
    own_cluster, own_database, demo_accounts, server_on
):
    with PostgresStore(own_database) as store:
        fill(store, demo_accounts, make_jobs(JOBS))
    server = server_on(own_database.replace("metermt@", f"metermt:{HIDDEN}@"))
    with MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        client.timeout = 1
        kill_all(own_cluster)
        try:
            told = str(outcome_of(client.get_job))
            wait_until(lambda: " ERROR " in server.errors, "the outage is in the log")
        finally:
            own_cluster.start()
    command_lines = b"".join(_all_command_lines())
    said = told + server.output + server.errors
    servers_may_log_errors(server)

    assert HIDDEN not in said
    assert HIDDEN.encode() not in command_lines


def _all_command_lines():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            yield path.read_bytes()


UNREACHABLE = f"postgresql://metermt:{HIDDEN}@127.0.0.1:1/metermt"


@pytest.mark.parametrize(
    "url",
    [
        UNREACHABLE,
        f"postgresql://metermt:{HIDDEN}@127.0.0.1:none/metermt",
        f"postgresql://metermt:{HIDDEN}@[::1/metermt",
        f"postgresql://metermt:{HIDDEN}%zz@127.0.0.1/metermt",
        f"postgresql://metermt:a/{HIDDEN}@127.0.0.1/metermt",
        f"postgresql://metermt:a@{HIDDEN}@127.0.0.1:1/metermt",
        f"postgresql://metermt@127.0.0.1:1/metermt?password={HIDDEN}",
        f"postgresql://metermt@127.0.0.1:1/metermt?pasword={HIDDEN}",
        f"postgresql://metermt@127.0.0.1:1/metermt?password={HIDDEN}&sslmode=perhaps",
    ],
)
def test_a_command_that_cannot_use_a_database_does_not_say_its_password(url, invoke):
    done = invoke("users", "list", METERMT_DATABASE=url)

    assert done.returncode == 1, done
    assert HIDDEN not in done.stdout + done.stderr


def test_a_server_that_cannot_use_its_database_does_not_say_its_password(metermt):
    done = metermt("serve", "--port", "0", METERMT_DATABASE=UNREACHABLE)

    assert done.returncode == 1, done
    assert HIDDEN not in done.stdout + done.stderr


def test_a_password_on_the_command_line_is_refused_and_not_repeated(metermt):
    done = metermt("users", "list", "--database", f"postgresql://metermt:{HIDDEN}@127.0.0.1/metermt")

    assert done.returncode == 2
    assert HIDDEN not in done.stdout + done.stderr
