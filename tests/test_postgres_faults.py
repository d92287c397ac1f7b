"""What can go wrong with a database that several servers share, and that can be away: each trap with real parts."""

import csv
import random
import subprocess
import time
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import psycopg
import pytest
from chaos_stage import Link, at_odds, changed_environment, kill_all, steady_cluster
from clients import ends_by
from commands import METERMT
from conftest import (
    CYCLE,
    add_readers,
    import_jobs,
    make_jobs,
    make_reading,
    refusal_of,
    run_together,
    start,
    wait_until,
)
from postgres import need_postgres
from readers import Reader, as_office, readings_in
from servers import METERMT_SERVE, fill
from steps import record

from metermt import MeterClient
from metermt.calls import office, readings
from metermt.calls.desk import Desk
from metermt.config import DATABASE_VARIABLE
from metermt.errors import AlreadyRead, Error, RouteError, StoreAway, StoreError, StoreTooNew, UnknownMeter
from metermt.model import Answer
from metermt.store.postgres.sql import CLOSING
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


# --- COMMIT


def test_a_transaction_that_has_failed_is_never_taken_for_kept(postgres_store):
    def work(tx):
        tx.jobs.open_cycle(CYCLE)
        try:
            tx.jobs._sql.rows("SELECT 1 / ?::int", 0)
        except psycopg.Error:
            return "kept"  # as a step might that swallows an error: PostgreSQL answers COMMIT by ROLLBACK

    with pytest.raises(StoreError):
        postgres_store.write(work)

    assert postgres_store.read(lambda tx: tx.jobs.cycles()) == {}


@contextmanager
def commits_that_hang(cluster):
    """Let all commits wait for a standby that there is not."""
    cluster.ask("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    cluster.ask("SELECT pg_reload_conf()")
    wait_until(lambda: cluster.ask("SHOW synchronous_standby_names") == [("nobody",)], "the setting holds")
    try:
        yield
    finally:
        cluster.ask("ALTER SYSTEM RESET synchronous_standby_names")
        cluster.ask("SELECT pg_reload_conf()")


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
            return store.write(lambda tx: readings.accepted(desk.turn(tx), [("carol", answer)]))

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


def desk_time(desk):
    return desk.store.read(lambda tx: desk.turn(tx).moment)


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


# --- two servers


@pytest.mark.parametrize("usernames", [("carol", "carol"), ("carol", "adam")], ids=["one reader", "two readers"])
def test_two_servers_that_keep_answers_in_opposite_order_both_come_to_an_end(usernames, desks, postgres_url):
    crew = [Reader(desk, username) for desk, username in zip(desks, usernames, strict=True)]
    when = desk_time(desks[0])
    answers = [Answer(f"M{number:05}", 5, when=when) for number in range(JOBS)]

    told, told_other = run_together(
        lambda: crew[0].submit_many(answers), lambda: crew[1].submit_many(list(reversed(answers)))
    )

    refused = [error for error in told + told_other if error]
    if usernames[0] == usernames[1]:
        assert refused == []  # the second ones are corrections
    else:
        assert len(refused) == JOBS
        assert {type(error) for error in refused} == {AlreadyRead}
    assert sum(reading.counts for reading in readings_in(desks[0].store)) == JOBS
    assert at_odds(postgres_url) == {}


def test_a_key_that_comes_through_two_servers_at_once_counts_once(desks, postgres_url):
    carol = Reader(desks[0])
    carols, when = (carol, carol.at(desks[1])), desk_time(desks[0])

    for number in range(JOBS):
        again_and_again = [
            lambda one=one, number=number: one.submit(f"M{number:05}", when=when, key=f"key-{number}")
            for one in carols * 2
        ]
        assert run_together(*again_and_again) == [None] * 4

    assert [reading.answer.key for reading in readings_in(desks[0].store)] == [f"key-{n}" for n in range(JOBS)]
    assert at_odds(postgres_url) == {}


def test_two_servers_never_lease_one_job_to_two_readers(desks, postgres_url):
    names = ("adam", "carol", "eric", "gwenda")
    crew = [Reader(desk, name) for desk in desks for name in names]

    handed = run_together(*(lambda reader=reader: reader.meters(4) for reader in crew))
    handed += run_together(*(lambda reader=reader: reader.meters(8) for reader in crew))

    ours = [set(first) | set(second) for first, second in zip(handed[:8], handed[8:], strict=True)]
    assert sum(map(len, ours)) == len(set().union(*ours)) == JOBS
    assert at_odds(postgres_url) == {}


each_way_to_submit = pytest.mark.parametrize("submit", [Reader.submit, Reader.submit_and_next])


@each_way_to_submit
def test_an_answer_to_a_job_that_was_read_meanwhile_through_another_server_is_refused(submit, desks, postgres_url):
    crew, when = (Reader(desks[0], "adam"), Reader(desks[1], "carol")), desk_time(desks[0])

    with row_held(postgres_url, THE_JOB, "M00000"):
        submitting = []
        for number, reader in enumerate(crew):  # both find that nobody has read it, and wait to say that they did
            submitting.append(start(lambda reader=reader: submit(reader, "M00000", when=when)))
            wait_until_waiting(postgres_url, number + 1)

    refused = [error for error in map(outcome_of, submitting) if isinstance(error, Error)]
    assert [type(error) for error in refused] == [AlreadyRead], refused
    assert len(readings_in(desks[0].store)) == 1
    assert at_odds(postgres_url) == {}


def test_a_job_that_was_read_meanwhile_through_another_server_is_not_handed_out_again(desks, postgres_url):
    carol, when = Reader(desks[0]), desk_time(desks[0])
    assert carol.meter() == "M00000"

    with row_held(postgres_url, THE_JOB, "M00000"):
        submitting = start(lambda: carol.submit("M00000", when=when))
        wait_until_waiting(postgres_url, 1)
        asking = start(lambda: carol.at(desks[1]).meter())
        wait_until_waiting(postgres_url, 2)

    assert submitting() is None
    assert outcome_of(asking) in ("M00000", "M00001")  # it was carol's until she had read it
    assert carol.meter() == "M00001"
    assert at_odds(postgres_url) == {}


# --- closing a cycle


def test_a_cycle_that_is_closed_beside_a_reading_that_is_not_kept_yet_counts_it(desks, postgres_url):
    carol, when = Reader(desks[0]), desk_time(desks[0])

    with row_held(postgres_url, THE_JOB, "M00000"):
        submitting = start(lambda: carol.submit("M00000", when=when))
        wait_until_waiting(postgres_url, 1)
        closing_it = start(lambda: close_cycle(desks[1]))
        wait_until_waiting(postgres_url, 2)

    assert submitting() is None
    assert closing_it() == JOBS - 1
    assert states_in(postgres_url) == {"done": 1, "missed": JOBS - 1}
    assert at_odds(postgres_url) == {}


def test_a_reading_that_comes_while_its_cycle_is_being_closed_is_refused(desks, postgres_url):
    carol, when = Reader(desks[0]), desk_time(desks[0])

    with row_held(postgres_url, THE_JOB, "M00001"):
        closing_it = start(lambda: close_cycle(desks[1]))
        wait_until_waiting(postgres_url, 1)
        submitting = start(lambda: carol.submit("M00000", when=when))
        wait_until_waiting(postgres_url, 2)

    assert closing_it() == JOBS
    assert isinstance(outcome_of(submitting), UnknownMeter)
    assert states_in(postgres_url) == {"missed": JOBS}
    assert at_odds(postgres_url) == {}


# --- reopening a cycle, and removing jobs


def test_a_cycle_that_is_closed_and_reopened_beside_a_reading_keeps_it(desks, postgres_url):
    carol, when = Reader(desks[0]), desk_time(desks[0])

    with row_held(postgres_url, THE_JOB, "M00000"):
        submitting = start(lambda: carol.submit("M00000", when=when))
        wait_until_waiting(postgres_url, 1)
        closing_it = start(lambda: (close_cycle(desks[1]), reopen_cycle(desks[1])))
        wait_until_waiting(postgres_url, 2)

    assert submitting() is None
    assert closing_it() == (JOBS - 1, JOBS - 1)
    assert states_in(postgres_url) == {"done": 1, "open": JOBS - 1}
    assert carol.meter() == "M00001"
    assert at_odds(postgres_url) == {}


def test_a_job_that_is_being_read_is_not_removed(desks, postgres_url):
    carol, when = Reader(desks[0]), desk_time(desks[0])

    with row_held(postgres_url, THE_JOB, "M00000"):
        submitting = start(lambda: carol.submit("M00000", when=when))
        wait_until_waiting(postgres_url, 1)
        removing = start(lambda: remove(desks[1], "M00000"))
        wait_until_waiting(postgres_url, 2)

    assert submitting() is None
    refused = outcome_of(removing)
    assert isinstance(refused, RouteError)
    assert str(refused).startswith("Meter M00000 was read")
    assert states_in(postgres_url) == {"done": 1, "open": JOBS - 1}
    assert at_odds(postgres_url) == {}


def test_a_reading_that_comes_while_its_job_is_being_removed_is_refused(desks, postgres_url):
    carol, when = Reader(desks[0]), desk_time(desks[0])
    assert carol.meter() == "M00000"

    with row_held(postgres_url, THE_JOB, "M00000"):
        removing = start(lambda: remove(desks[1], "M00000"))
        wait_until_waiting(postgres_url, 1)
        submitting = start(lambda: carol.submit("M00000", when=when))
        wait_until_waiting(postgres_url, 2)

    assert removing() is None
    assert isinstance(outcome_of(submitting), UnknownMeter)
    assert states_in(postgres_url) == {"open": JOBS - 1}
    assert carol.meter() == "M00001"
    assert at_odds(postgres_url) == {}


def test_jobs_that_are_removed_beside_readers_are_handed_to_nobody(desks, postgres_url):
    crew = [Reader(desk, name) for desk in desks for name in ("adam", "carol")]
    removed = [f"M{number:05}" for number in range(0, JOBS, 2)]

    def read_all(reader):
        while meter := reader.meter():
            with suppress(UnknownMeter, AlreadyRead):
                reader.submit(meter, when=desk_time(desks[0]))

    def remove_all():
        return [meter for meter in removed if not isinstance(refusal_of(remove, desks[1], meter), RouteError)]

    *_, gone = run_together(*(partial(read_all, reader) for reader in crew), remove_all)

    assert {reading.answer.meter for reading in readings_in(desks[0].store)} == {
        job.meter.number for job in make_jobs(JOBS)
    } - set(gone)
    assert states_in(postgres_url) == {"done": JOBS - len(gone)}
    assert at_odds(postgres_url) == {}


def reopen_cycle(desk):
    return as_office(desk, office.reopen_cycle, office.Cycle(CYCLE))


def remove(desk, meter):
    return as_office(desk, office.remove_jobs, office.Removal(CYCLE, [meter]))


def close_cycle(desk):
    return as_office(desk, office.close_cycle, office.Cycle(CYCLE))


def states_in(url):
    with psycopg.connect(url, autocommit=True) as connection:
        return dict(connection.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall())


# --- exports


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
                process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
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
    process = export("?options=-c%20idle_in_transaction_session_timeout%3D200ms")
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


# --- a database that is away


def test_calls_end_by_their_deadlines_while_the_database_hangs(cluster, postgres_url, demo_accounts, server_on):
    with PostgresStore(postgres_url) as store:
        fill(store, demo_accounts, make_jobs(JOBS))
    database = postgres_url.rpartition("/")[2]
    with Link(cluster.port) as link:
        server = server_on(cluster.url(database, link.port))
        with MeterClient("localhost", server.port, timeout=2) as client:
            client.login("carol", "carol")
            job = client.get_job()
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
        with MeterClient("localhost", server.port, timeout=2) as client, link.deaf():
            until = time.monotonic() + 2  # seconds: what the server knows of its connections is old by then
            while time.monotonic() < until:
                assert client.ping() < 1
                time.sleep(0.1)
    servers_may_log_errors(server)


def servers_may_log_errors(server):
    """Let the log of a server be what it is; the fixture that ends servers takes an ERROR for a failure."""
    server.kill()
    server._stderr.write_text("", encoding="utf-8")


def test_an_outage_is_logged_once_and_not_for_each_call(own_cluster, own_database, demo_accounts, server_on):
    with PostgresStore(own_database) as store:
        fill(store, demo_accounts, make_jobs(JOBS))
    server = server_on(own_database)
    with MeterClient("localhost", server.port, timeout=1) as client:
        client.login("carol", "carol")
        kill_all(own_cluster)
        try:
            for _ in range(4):
                assert isinstance(outcome_of(client.get_job), Error)
        finally:
            own_cluster.start()
        client.timeout = 10
        client.get_job()
        wait_until(lambda: "answers again" in server.errors, "the log says that it is over")
    log = server.errors
    servers_may_log_errors(server)

    assert [line.split()[2] for line in log.splitlines()] == ["ERROR", "WARNING"], log


# --- setting up


def test_servers_that_start_together_on_an_empty_database_set_it_up_once(new_database):
    url = new_database()
    with ExitStack() as stack:

        def opened():
            return stack.enter_context(PostgresStore(url))

        stores = run_together(*[opened] * 8)

        assert {store.read(lambda tx: len(tx.jobs.cycles())) for store in stores} == {0}
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
    with MeterClient("localhost", server.port, timeout=1) as client:
        client.login("carol", "carol")
        kill_all(own_cluster)
        try:
            told = str(outcome_of(client.get_job))
            wait_until(lambda: " ERROR " in server.errors, "the outage is in the log")
        finally:
            own_cluster.start()
    command_lines = b"".join(path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline"))
    said = told + server.output + server.errors
    servers_may_log_errors(server)

    assert HIDDEN not in said
    assert HIDDEN.encode() not in command_lines


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://metermt:{HIDDEN}@127.0.0.1:1/metermt",
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
def test_a_command_that_cannot_use_a_database_does_not_say_its_password(url, metermt):
    for command in (("users", "list"), ("serve", "--port", "0")):
        done = metermt(*command, METERMT_DATABASE=url)

        assert done.returncode == 1, done
        assert HIDDEN not in done.stdout + done.stderr


def test_a_password_on_the_command_line_is_refused_and_not_repeated(metermt):
    done = metermt("users", "list", "--database", f"postgresql://metermt:{HIDDEN}@127.0.0.1/metermt")

    assert done.returncode == 2
    assert HIDDEN not in done.stdout + done.stderr


# --- readers who give up


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
