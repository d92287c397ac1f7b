"""What the SQLite store's statements cost: they are found by indexes, and cost the same however much there is."""

import shutil
from contextlib import closing
from dataclasses import replace
from datetime import date

import apsw
import apsw.ext
import pytest
from conftest import (
    CYCLE,
    LEASED_UNTIL,
    SERVER,
    T0,
    add_readers,
    import_jobs,
    make_account,
    make_job,
    make_jobs,
    make_lease,
    make_place,
    make_reading,
    make_session,
)
from databases import fill, hooked, raw
from steps import free_jobs, meters_of

from metermt.calls.asking import Ask, Caller
from metermt.calls.desk import Desk
from metermt.calls.known import key_of
from metermt.calls.readings import submit_and_next
from metermt.calls.rounds import next_job
from metermt.model import Answer, Assignment, Walk
from metermt.quality import Look
from metermt.rules.history import Read
from metermt.store.sqlite.store import SqliteStore

NORTH = Walk("North")


def fill_the_rest(store, done):
    """Let all meters have shown something, and be judged by it, and routes be given to somebody."""
    meters = [f"M{number:05}" for number in range(done)]

    def more(tx):
        tx.places.add_history((meter, Read(date(2026, 9, day), day)) for meter in meters for day in (1, 2, 3))
        jobs = [standing.job for standing in tx.rounds.standings(meters)]
        tx.jobs.set_limits(dict.fromkeys(jobs, "{}"))
        tx.keep(looks=dict.fromkeys(jobs, Look("adam", 5, None)))
        for number in range(100):
            tx.failures.add("nobody", f"10.0.0.{number}", T0, 0)
        tx.walks.assign(Assignment(f"Route {number}", "adam") for number in range(20))

    store.write(more)


def a_readers_day(store, done):
    """Everything that a reader's calls ask of a store: of one at a time, and of two."""
    meters = [f"M{number:05}" for number in range(done, done + 3)]

    def round_of(tx, usernames):
        sessions = [f"{username}-1" for username in usernames]
        tx.sessions.find(sessions)
        tx.accounts.disabled(usernames)
        tx.sessions.note(dict.fromkeys(sessions, T0), SERVER)
        tx.readings.by_key([(username, f"today-{username}") for username in usernames])
        tx.leases.end_expired(T0)
        tx.leases.held(dict.fromkeys(sessions, 1))
        tx.leases.left(dict.fromkeys(usernames, 1))
        tx.rounds.routes_left(2)
        tx.walks.assignments()
        tx.walks.now(T0 - 1)
        tx.walks.go(dict.fromkeys(sessions, NORTH))
        tx.rounds.free({Walk("North", reverse=True): 1})
        free = tx.rounds.free({NORTH: len(usernames)})[NORTH]
        leases = [make_lease(known.id, username) for known, username in zip(free, usernames, strict=True)]
        tx.leases.put(leases)
        numbers = meters_of(free)
        standings = tx.rounds.standings(numbers)
        tx.rounds.closed_hands(numbers)
        readings = [make_reading(meter, name, key=f"{meter}") for meter, name in zip(numbers, usernames, strict=True)]
        tx.readings.add([(standing.job, reading) for standing, reading in zip(standings, readings, strict=True)])
        tx.readings.count({(CYCLE, username): 1 for username in usernames})
        tx.readings.tallies(usernames)
        return numbers

    def evening(tx):
        skipped, last = tx.rounds.free({NORTH: 2})[NORTH]
        tx.jobs.set_limits({skipped.id: "{}"})
        tx.keep(looks={skipped.id: Look("carol", 5, "k1"), last.id: None})
        tx.rounds.skip([skipped.id])
        tx.rounds.free({NORTH: 100, Walk("North", reverse=True): 100})
        tx.leases.put([make_lease(last.id)])
        tx.places.put([make_place("M00001", "North", 1)])
        tx.places.add_history([("M00001", Read(date(2026, 10, 1), 5))])
        tx.places.find(["M00001", "M00002"])
        tx.places.history(["M00001", "M00002"], CYCLE)
        tx.cycles.days()
        tx.walks.assign([Assignment("North", "carol")])
        tx.walks.unassign([("North", "carol")])
        tx.sessions.leave(["carol-1"], SERVER)
        tx.leases.left({"carol": 1})
        tx.leases.end_expired(LEASED_UNTIL)
        tx.jobs.add([make_job("G40000", route="")])
        tx.jobs.find(CYCLE, ["G40000", "M00001"])
        tx.accounts.find(["carol"])
        tx.leases.end_of(["carol-1"])
        tx.sessions.of(["carol"])
        tx.sessions.end(["carol-1"])
        tx.sessions.forget(T0 - 1)
        tx.accounts.last_used(["adam", "carol"])
        tx.failures.of("carol", "10.0.0.1", 0)
        tx.failures.since(0)
        tx.failures.forget(["carol"])
        tx.sessions.set_back(T0 + 1, T0)
        tx.failures.forget_after(T0 + 1)
        tx.leases.shorten(LEASED_UNTIL, T0)
        tx.failures.add("carol", "10.0.0.1", T0, T0 - 1)

    assert store.write(lambda tx: round_of(tx, ["carol"])) == meters[1:2], "the first is leased"
    assert store.write(lambda tx: round_of(tx, ["adam", "carol"])) == [f"M{done + n:05}" for n in (2, 3)]
    store.write(evening)


def watch(statements):
    """Return a hook that notes every statement with its cost."""

    def hook(connection):
        connection.trace_v2(
            apsw.SQLITE_TRACE_PROFILE, lambda event: statements.append((event["sql"], event["stmt_status"]))
        )

    return hook


@pytest.fixture(scope="module")
def statements(tmp_path_factory):
    """Every statement of a reader's day with its cost: in a store of 50 done jobs, and in one of 5,000."""
    noted = {}
    for done in (50, 5000):
        path = tmp_path_factory.mktemp("costs") / "metermt.db"
        with SqliteStore(path) as store:
            store.write(lambda tx, done=done: tx.places.put(make_place(f"M{n:05}", sequence=n) for n in range(done)))
            fill(store, done)
            fill_the_rest(store, done)
        seen = []
        with hooked(watch(seen)), SqliteStore(path) as store:
            seen.clear()
            a_readers_day(store, done)
            noted[done] = path, list(seen)
    return noted


def plan_of(database, sql):
    """Return the steps of SQLite's query plan."""
    steps, above = [], [apsw.ext.query_info(database, sql, explain_query_plan=True).query_plan]
    while above:
        step = above.pop()
        steps.append(step.detail)
        above += step.sub or ()
    return steps


STATEMENTS = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")
SHORT = (
    *("INDEX cycles_open", "INDEX jobs_free", "INDEX jobs_skipped", "INDEX sessions_ended", "json_each"),
    *("SCAN cycles", "SCAN found", "SCAN first", "SCAN assignments", "SCAN sessions"),
)
"""Indexes that have but the rows in them that are asked for, the values that a statement is given, the first jobs of
a route, and tables with a row a month, a route, or a session of half a day: who begins a route goes through those of
routes and of sessions."""


def is_a_walk(step):
    """Tell whether a step goes through a whole table."""
    return step.startswith("SCAN") and not any(short in step for short in SHORT)


@pytest.mark.parametrize("analysed", [False, True], ids=["grown since", "analysed"])
def test_no_statement_of_a_readers_day_walks_through_a_table_or_sorts(statements, tmp_path, analysed):
    of_all, noted = statements[5000]
    path = shutil.copyfile(of_all, tmp_path / "metermt.db")
    if analysed:
        with raw(path) as database:
            database.execute("ANALYZE")
    seen = set()
    with raw(path) as database:
        for sql in {sql for sql, _ in noted if sql.startswith(STATEMENTS)}:
            plan = plan_of(database, sql)
            seen.update(plan)
            assert not [step for step in plan if is_a_walk(step)], sql
            assert not [step for step in plan if "TEMP B-TREE" in step], sql
    for index in (
        "jobs_free (route=? AND cycle=?)",
        "jobs_skipped",
        "jobs_free",
        "cycles_open",
        "readings_key",
        "leases_of",
        "leases_until",
        "sessions_of",
    ):
        assert any(f"INDEX {index}" in step for step in seen), f"no statement used {index}"


@pytest.mark.parametrize("cycle", [None, CYCLE])
def test_a_page_of_the_readings_is_looked_up_in_an_index_of_that_order(sqlite_store, database_path, cycle):
    """There may be millions of them. What is sorted are the readings of one job."""
    fill(sqlite_store, 3)
    seen = []
    with hooked(watch(seen)), SqliteStore(database_path) as store:
        store.read(lambda tx: list(tx.readings.all(cycle)))
    (sql,) = {sql for sql, _ in seen if "LIMIT" in sql}
    with raw(database_path) as database:
        plan = plan_of(database, sql)
    assert any("readings_of (job=?)" in step for step in plan)
    assert any("jobs_in_order ((cycle,route,sequence,meter)>" in step for step in plan)
    assert [step for step in plan if "TEMP B-TREE" in step] == ["USE TEMP B-TREE FOR LAST TERM OF ORDER BY"]


def test_what_a_reader_looks_for_is_found_by_indexes(sqlite_store, database_path):
    """A search looks at all jobs of the open cycles, as any part of a text may be meant; but it sorts nothing."""
    fill(sqlite_store, 3)
    seen = []
    with hooked(watch(seen)), SqliteStore(database_path) as store:
        seen.clear()
        store.read(
            lambda tx: (
                tx.progress.routes(CYCLE, "North"),
                tx.rounds.search("17", 9),
                tx.rounds.search("17", 9, "North"),
            )
        )
        store.read(lambda tx: tx.readings.latest({"carol": 9}))
    with raw(database_path) as database:
        plans = [plan_of(database, sql) for sql, _ in seen if "jobs." in sql]
    by = [
        "(cycle=? AND route=?)",
        "jobs_in_order (cycle=? AND route>?)",
        "(cycle=? AND route=?)",
        "readings_by (username>? AND username<?)",
    ]
    for plan, index in zip(plans, by, strict=True):
        assert any(index in step for step in plan), plan
        assert not [step for step in plan if step.startswith("SCAN jobs")], plan
    assert not [step for plan in plans[:3] for step in plan if "TEMP B-TREE" in step]


def test_what_is_ready_for_billing_is_found_by_its_index_however_many_jobs_there_are(sqlite_store, database_path):
    """Only what is ready is put in order."""
    fill(sqlite_store, 3)
    seen = []
    with hooked(watch(seen)), SqliteStore(database_path) as store:
        seen.clear()
        assert len(store.read(lambda tx: tx.billing.ready())) == 3
    (sql,) = {sql for sql, _ in seen if "jobs" in sql}
    with raw(database_path) as database:
        plan = plan_of(database, sql)
    assert any("jobs USING INDEX jobs_ready (reading>?)" in step for step in plan), plan


def test_what_is_not_settled_is_found_by_indexes_however_many_jobs_there_are(sqlite_store, database_path):
    seen = []
    with hooked(watch(seen)), SqliteStore(database_path) as store:
        seen.clear()
        store.read(lambda tx: (tx.billing.unsettled(), tx.billing.beside_unsettled()))
    with raw(database_path) as database:
        plans = [plan_of(database, sql) for sql, _ in seen if "jobs" in sql]
    assert len(plans) == 2
    for plan in plans:
        scanned = [step for step in plan if step.startswith("SCAN jobs")]
        assert {step.split()[-1] for step in scanned} == {"jobs_waiting", "jobs_again"}, plan


def test_a_readers_day_costs_the_same_however_many_readings_there_are(statements):
    """Steps of SQLite's virtual machine, which do not depend on the machine."""
    few, many = ([(sql, cost["SQLITE_STMTSTATUS_VM_STEP"]) for sql, cost in noted] for _, noted in statements.values())
    assert [sql for sql, _ in few] == [sql for sql, _ in many]
    assert sum(steps for _, steps in many) <= 1.1 * sum(steps for _, steps in few)


def test_what_a_session_holds_is_found_at_the_same_cost_however_much_it_is(sqlite_store, database_path):
    fill(sqlite_store, 0)
    costs = []
    for more in (10, 2000):
        jobs = [make_job(f"{more}-{number}") for number in range(more)]
        sqlite_store.write(lambda tx, jobs=jobs: tx.jobs.add(jobs))
        sqlite_store.write(lambda tx: tx.leases.put([make_lease(known.id) for known in free_jobs(tx)]))
        seen = []
        with hooked(watch(seen)), SqliteStore(database_path) as store:
            assert len(store.read(lambda tx: tx.leases.held({"carol-1": 3}))["carol-1"]) == 3
        costs.append(sum(cost["SQLITE_STMTSTATUS_VM_STEP"] for sql, cost in seen if "leases" in sql))
    assert costs[0] == costs[1] > 0


def test_a_statement_is_planned_once_whatever_it_is_asked_for(sqlite_store, database_path):
    fill(sqlite_store, 10)
    seen = []
    with hooked(watch(seen)), SqliteStore(database_path) as store:
        for many in (2, 3, 10):
            meters = [f"M{number:05}" for number in range(many)]
            assert len(store.read(lambda tx, meters=meters: tx.rounds.standings(meters))) == many
    assert len({sql for sql, _ in seen if "meter" in sql}) == 1


def test_what_many_readers_send_at_once_lets_no_statement_be_planned_anew(tmp_path):
    connections = []

    def turn(tx):
        free = tx.rounds.free({NORTH: 64})[NORTH]
        tx.keep(leases=[make_lease(known.id) for known in free])
        readings = [(known.id, make_reading(known.job.meter.number, key=f"{known.id}")) for known in free]
        tx.keep(readings, {(CYCLE, "carol"): len(free)})

    with hooked(connections.append), SqliteStore(tmp_path / "metermt.db") as store:
        add_readers(store, "carol")
        import_jobs(store, CYCLE, make_jobs(200))
        store.write(turn)
        planned = connections[0].cache_stats()["misses"]
        store.write(turn)
        store.write(turn)
        assert connections[0].cache_stats()["misses"] == planned


def test_what_a_turn_of_64_readings_asks_once_is_not_made_ready_anew(tmp_path):
    """APSW looks for a statement among the last 512 runs, and making one ready takes as long as running it for many."""
    turn, turns = 64, 4
    with closing(SqliteStore(tmp_path / "a.db")) as store:
        desk, callers = Desk(store), [Caller() for _ in range(turn)]
        accounts = [make_account(f"reader{one}") for one in range(turn)]
        sessions = [make_session(key_of(f"s{one}"), account.user.username) for one, account in enumerate(accounts)]
        jobs = [make_job(f"M{one:02}{stop}", route=f"R{one:02}") for one in range(turn) for stop in range(turns + 1)]
        now = desk.clock()
        store.write(lambda tx: tx.accounts.put(accounts))
        store.write(lambda tx: tx.sessions.add(replace(session, used_at=now) for session in sessions))
        import_jobs(store, CYCLE, jobs)

        def ask(call, *requests):
            asks = [Ask(call, callers[one], f"s{one}", request) for one, request in enumerate(requests)]
            return desk.answer(asks)

        given, misses = ask(next_job, *[None] * turn), []
        for _ in range(turns):
            given = [outcome.job for outcome in ask(submit_and_next, *(Answer(job.meter.number, 5) for job in given))]
            misses.append(store._connection.cache_stats()["misses"])

    assert len({job.route for job in given}) == turn
    assert misses[-1] == misses[-2]
