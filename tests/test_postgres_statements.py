"""What the PostgreSQL store's statements cost: rows are looked up by indexes, whatever is known of the tables."""

import re
from datetime import date

import psycopg
import pytest
from conftest import CYCLE, make_jobs, make_reading, run_together
from readers import Reader
from servers import fill
from steps import record

from metermt.calls import finding, rounds
from metermt.calls.desk import Desk
from metermt.errors import ConfirmReading, StoreRefused
from metermt.model import Place
from metermt.rules.history import Read
from metermt.rules.limits import JobLimits, Limits
from metermt.store.postgres.store import PostgresStore

SHORT = ("jobs_free", "jobs_skipped", "cycles", "tallies", "sessions", "leases_until", "assignments")
"""What has but the rows that are asked for, and tables of a few rows."""


LIMITS = JobLimits(Limits(previous=3, previous_on=date(2026, 9, 3))).as_text()


def fill_all(store, demo_accounts):
    """Fill every table: meters with what they have shown, jobs with limits, half of them done, and readers at work."""
    jobs = make_jobs(3000)
    meters = [job.meter.number for job in jobs]
    store.write(lambda tx: tx.places.put(Place(job.meter, job.route, job.sequence) for job in jobs))
    fill(store, demo_accounts, jobs)

    def more(tx):
        record(tx, [make_reading(meter, "adam", key=meter) for meter in meters[:1500]])
        tx.places.add_history((meter, Read(date(2026, 9, 3), 3)) for meter in meters)
        tx.jobs.set_limits({standing.job: LIMITS for standing in tx.rounds.standings(meters)})

    store.write(more)
    desk = Desk(store)
    for name in ("adam", "eric") * 10:
        Reader(desk, name).meters(25)


def a_readers_day(desk):
    carol = Reader(desk)
    meter = carol.meter()
    Reader(desk, "adam").meters(30)
    carol.ask(rounds.skip_job, rounds.Skipped(meter))
    meter = carol.meter()
    with pytest.raises(ConfirmReading):
        carol.submit(meter, 2, key=f"{carol.session_id}-odd")
    carol.submit(meter, 2, key=f"{carol.session_id}-sure")
    meter = carol.meter()
    for number in range(3):
        meter = carol.submit_and_next(meter, key=f"{carol.session_id}-{number}").job.meter.number
    carol.submit(meter, key=f"{carol.session_id}-last")
    carol.status()
    for call, request in (
        (finding.count_route, finding.RouteOf(CYCLE, "North")),
        (finding.list_ahead, finding.Most(3)),
        (finding.find_meters, finding.Sought("17")),
        (finding.my_readings, finding.Most(3)),
    ):
        carol.ask(call, request)
    carol.log_out()


def plans_on(connection):
    """Return the plan of each statement that a connection has prepared, by its text."""
    asked = "SELECT name, statement, cardinality(parameter_types) FROM pg_prepared_statements"
    plans = {}
    for name, sql, parameters in connection.execute(asked).fetchall():
        if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)", sql):
            nothing = f"({', '.join(['NULL'] * parameters)})" if parameters else ""
            plans[sql] = "\n".join(line for (line,) in connection.execute(f"EXPLAIN EXECUTE {name}{nothing}"))
    return plans


def plans_of(store):
    """Return the plans on the connections of a store that one thread has used: its pool may have made a second one."""
    with store._pool.connection() as one, store._pool.connection() as other:
        return plans_on(one) | plans_on(other)


def walks_in(plan):
    """Return the steps of a plan that go through a whole table or index."""
    steps = re.split(r"\n(?=.*->)", plan)
    scans = [step for step in steps if re.search(r"(Seq|Index|Index Only) Scan", step) and "Bitmap" not in step]
    return [
        step for step in scans if "Index Cond" not in step and not any(re.search(rf"\b{one}", step) for one in SHORT)
    ]


@pytest.mark.parametrize("analysed", [False, True], ids=["grown since", "analysed"])
def test_statements_look_rows_up_by_indexes(new_database, demo_accounts, hasher, analysed):
    postgres_url = new_database()
    with PostgresStore(postgres_url) as store:
        fill_all(store, demo_accounts)
    with PostgresStore(postgres_url) as store:
        if analysed:
            with psycopg.connect(postgres_url, autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")
        a_readers_day(Desk(store))
        store.read(lambda tx: (tx.places.find(["M00001", "M00002"]), tx.places.history(["M00001", "M00002"], CYCLE)))

        plans = plans_of(store)

    assert len(plans) > 10
    for sql, plan in plans.items():
        assert not walks_in(plan), f"{sql}\n{plan}"
    for index in (
        *("jobs_free", "jobs_skipped", "jobs_at", "limits_pkey", "looks_pkey", "history_pkey"),
        *("readings_key", "leases_of", "leases_until"),
    ):
        assert any(index in plan for plan in plans.values()), f"no statement uses {index}"


@pytest.mark.parametrize("cycle", [None, CYCLE])
def test_a_page_of_an_export_is_looked_up_in_an_index_of_that_order(postgres_url, demo_accounts, cycle):
    with PostgresStore(postgres_url) as store:
        fill(store, demo_accounts, make_jobs(3000))
        store.write(lambda tx: record(tx, [make_reading(f"M{number:05}", "adam") for number in range(3000)]))
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
    with PostgresStore(postgres_url) as store:
        assert len(store.read(lambda tx: list(tx.readings.all(cycle)))) == 3000

        ((sql, plan),) = [(sql, plan) for sql, plan in plans_of(store).items() if "LIMIT" in sql]
    assert re.search(r"jobs_read.*\n *Index Cond: .*ROW\(cycle, route, sequence, meter\) >", plan), f"{sql}\n{plan}"
    assert "Seq Scan" not in plan, f"{sql}\n{plan}"


def test_half_a_character_is_refused_and_the_connection_goes_on(shared_postgres_store):
    store = shared_postgres_store
    for ask in (
        lambda tx: tx.accounts.find(["\ud800"]),
        lambda tx: tx.jobs.on_routes("\ud800", ["North"]),
        lambda tx: tx.failures.add("\ud800", "here", 1.0, 0.0),
    ):
        with pytest.raises(StoreRefused, match="does not take this"):
            store.write(ask)
        assert store.read(lambda tx: tx.accounts.find(["carol"])) == {}


def test_as_many_readers_as_there_are_jobs_get_one_each_from_two_servers(postgres_url, demo_accounts, hasher):
    """Also the last one, while the other server has it locked and may not take it."""
    with PostgresStore(postgres_url) as one, PostgresStore(postgres_url) as other:
        fill(one, demo_accounts, make_jobs(16))
        desks = Desk(one, server="one"), Desk(other, server="other")
        crew = [Reader(desk, name) for desk in desks for name in ("adam", "carol") for _ in range(4)]

        meters = run_together(*(reader.meter for reader in crew))

        assert len(set(meters) - {None}) == 16, meters
