"""A PostgreSQL whose processes and locks a test has in its hands, and desks and servers on it."""

import time
from contextlib import contextmanager

import psycopg
import pytest
from chaos_stage import changed_environment, steady_cluster
from conftest import (
    make_jobs,
    wait_until,
)
from postgres import need_postgres
from servers import METERMT_SERVE, fill

from metermt.calls.desk import Desk
from metermt.config import DATABASE_VARIABLE
from metermt.errors import Error
from metermt.store.postgres.store import PostgresStore

JOBS = 30
HIDDEN = "tr0ub4dor"


@pytest.fixture(scope="module")
def own_cluster():
    """A cluster whose processes and settings a test may change, if it sets them right again."""
    need_postgres()
    with steady_cluster() as cluster:
        yield cluster


@pytest.fixture
def own_database(own_cluster):
    """Where an empty database of that cluster is."""
    name = f"faults_{time.monotonic_ns()}"
    yield own_cluster.create(name)
    own_cluster.drop(name)


@pytest.fixture
def desks(postgres_url, demo_accounts, hasher):
    """Two servers' desks on one database, with the demo's users and a route of 30 meters M00000 …"""
    with PostgresStore(postgres_url) as one, PostgresStore(postgres_url) as other:
        fill(one, demo_accounts, make_jobs(JOBS))
        yield Desk(one, server="one"), Desk(other, server="other")


@pytest.fixture
def server_on(servers):
    """Start `metermt serve` on the database at a URL, which it finds in its environment."""

    def server_on(url, *options):
        with changed_environment({DATABASE_VARIABLE: url}):
            return servers.start(*options, command=METERMT_SERVE)

    return server_on


@contextmanager
def row_held(url, sql, *values):
    """Lock what a statement finds, as another server does in the middle of a transaction."""
    with psycopg.connect(url) as connection:
        connection.execute(sql, values)
        yield
        connection.rollback()


def waiting_for_locks(url):
    """Return how many transactions on a database wait for others."""
    with psycopg.connect(url, autocommit=True) as connection:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return connection.execute(asked).fetchone()[0]


def wait_until_waiting(url, number):
    wait_until(lambda: waiting_for_locks(url) == number, f"{number} transactions wait for a lock")


def outcome_of(work):
    """Return what a call returned, or the error of ours that it raised."""
    try:
        return work()
    except Error as error:
        return error


ALL_JOBS = "SELECT 1 FROM jobs FOR UPDATE"
THE_JOB = "SELECT 1 FROM jobs WHERE meter = %s FOR UPDATE"


def desk_time(desk):
    return desk.store.read(lambda tx: desk.turn(tx).moment)
