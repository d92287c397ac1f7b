"""What becomes of a transaction on PostgreSQL that is cut off or has failed."""

from contextlib import contextmanager

import psycopg
import pytest
from chaos_stage import at_odds
from conftest import (
    CYCLE,
    add_readers,
    import_jobs,
    make_jobs,
    start,
    wait_until,
)
from postgres_faults import JOBS, THE_JOB, desk_time, outcome_of, row_held, wait_until_waiting
from readers import Reader, readings_in
from servers import fill

from metermt.calls import readings
from metermt.calls.desk import Desk
from metermt.errors import StoreAway, StoreError
from metermt.model import Answer
from metermt.store.postgres.store import PostgresStore


def test_a_transaction_that_has_failed_is_never_taken_for_kept(postgres_store):
    def work(tx):
        tx.cycles.open(CYCLE)
        try:
            tx.jobs._sql.rows("SELECT 1 / ?::int", 0)
        except psycopg.Error:
            return "kept"  # as a step might that swallows an error: PostgreSQL answers COMMIT by ROLLBACK

    with pytest.raises(StoreError):
        postgres_store.write(work)

    assert postgres_store.read(lambda tx: tx.cycles.all()) == {}


@contextmanager
def commits_that_hang(cluster):
    """Let all commits wait for a standby that there is not."""
    cluster.ask("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    cluster.ask("SELECT pg_reload_conf()")
    hanging = []

    def one_hangs():  # the setting holds once a process of the cluster has read it, which takes that a moment
        if not hanging or hanging[-1].is_there():
            hanging.append(start(lambda: cluster.ask("SELECT pg_logical_emit_message(true, '', '')")))
        return cluster.ask("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'")

    wait_until(one_hangs, "the setting holds")
    try:
        yield
    finally:
        cluster.ask("ALTER SYSTEM RESET synchronous_standby_names")
        cluster.ask("SELECT pg_reload_conf()")
        for one in hanging:
            one()


IN_COMMIT = "wait_event = 'SyncRep' AND datname = %s"


def test_a_reading_whose_commit_was_cut_off_is_not_acknowledged_and_counts_once_when_sent_again(
    own_cluster, own_database, expected_errors
):
    database = own_database.rpartition("/")[2]
    with PostgresStore(own_database) as store:
        add_readers(store, "carol")
        import_jobs(store, CYCLE, make_jobs(1))
        desk = Desk(store)
        answer = Answer("M00000", 7, when=desk_time(desk), key="key")

        def submit():
            return store.write(lambda tx: readings.accepted(desk.turn(tx), [("carol", answer, "")]))

        with commits_that_hang(own_cluster):
            submitting = start(submit)
            wait_until(
                lambda: own_cluster.ask(f"SELECT 1 FROM pg_stat_activity WHERE {IN_COMMIT}", database), "COMMIT hangs"
            )
            assert not submitting.is_there()
            own_cluster.ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {IN_COMMIT}", database)
            assert isinstance(outcome_of(submitting), StoreAway)

        submit()
        assert [reading.answer.key for reading in readings_in(store)] == ["key"]
        assert at_odds(own_database) == {}


def test_readings_are_kept_once_when_backends_are_ended_before_they_commit(
    own_cluster, own_database, demo_accounts, hasher, expected_errors
):
    with PostgresStore(own_database) as store:
        fill(store, demo_accounts, make_jobs(JOBS))
        desk = Desk(store)
        carol, when = Reader(desk), desk_time(desk)
        for number in range(5):
            meter = f"M{number:05}"
            with row_held(own_database, THE_JOB, meter):
                submitting = start(lambda meter=meter: carol.submit(meter, when=when))
                wait_until_waiting(own_database, 1)
                own_cluster.ask(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = %s AND wait_event_type = 'Lock'",
                    own_database.rpartition("/")[2],
                )
            outcome = outcome_of(submitting)
            # A statement that goes along with COMMIT may have been kept for all that the server knows.
            if isinstance(outcome, StoreAway):
                carol.submit(meter, when=when)
            else:
                assert outcome is None
        assert len(readings_in(store)) == 5
        assert at_odds(own_database) == {}
