"""The SQLite store's file: opening it, what it refuses, what it costs, and copying it."""

import os
import resource
import stat
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from importlib import resources

import apsw
import apsw.ext
import pytest
from conftest import (
    CYCLE,
    DEADLINE,
    NOW,
    add_readers,
    dump,
    make_account,
    make_job,
    make_jobs,
    make_lease,
    make_submission,
    run_together,
    start,
)

from metermt.errors import NotAStore, StoreError, StoreLocked, StoreTooNew
from metermt.model import Session, Status
from metermt.store.database import APPLICATION_ID
from metermt.store.sqlite import SqliteStore

MIGRATIONS = sorted(resources.files("metermt.store").joinpath("migrations").iterdir(), key=lambda file: file.name)


@contextmanager
def raw(path, create=False):
    """Open the file beside the store, as another program would."""
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    with closing(apsw.Connection(str(path), flags=flags)) as connection:
        yield connection


def one(connection, sql):
    """Return the first column of the first row."""
    return connection.execute(sql).fetchall()[0][0]


def files_in(folder):
    """Return every file under the folder with its content."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_refused(error, path, **settings):
    """Assert that opening raises exactly this error, names the path, and touches nothing."""
    before = files_in(path.parent)
    with pytest.raises(error) as caught:
        SqliteStore(path, **settings)
    assert type(caught.value) is error
    assert str(path) in str(caught.value)
    assert files_in(path.parent) == before
    return str(caught.value)


@contextmanager
def hooked(hook):
    """Show every connection that is opened meanwhile to the hook."""
    apsw.connection_hooks.append(hook)
    try:
        yield
    finally:
        apsw.connection_hooks.remove(hook)


@pytest.fixture
def without_privileges():
    """Root may read everything: be nobody for a moment. (Linux takes root's privileges with the effective user.)"""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


# --- what is opened, and what is not


def test_a_new_database_is_made_with_its_folders(tmp_path):
    path = tmp_path / "new" / "folders" / "metermt.db"
    with SqliteStore(path) as store:
        assert store.users() == []
    assert path.exists()


def test_everything_is_there_after_closing_and_opening(database_path):
    with SqliteStore(database_path) as store:
        add_readers(store, "adam", "carol")
        store.import_jobs(CYCLE, make_jobs(5, address="Hill Road 7", previous=7, dials=None))
        store.record_reading(make_submission("M00000", reason="glass broken", key="k"), NOW)
        store.record_reading(make_submission("M00000", value=7), NOW)
        held = store.lease_jobs(make_lease("adam"), 2, NOW.timestamp())
        store.add_login_failure("eric", "10.0.0.1", 5, 0)
        before = dump(store)
    with SqliteStore(database_path, create=False) as store:
        assert dump(store) == before
        assert store.find_session("carol-1") == Session("carol-1", "carol", NOW.timestamp())
        assert store.lease_jobs(make_lease("adam"), 2, NOW.timestamp()) == held
        assert store.login_failures("eric", "10.0.0.1", 0) == [5]


def test_a_missing_file_is_refused_and_not_made(database_path):
    text = assert_refused(StoreError, database_path, create=False)
    assert "There is no database" in text
    assert not database_path.exists()


@pytest.mark.parametrize("content", [b"Dear diary\n" * 100, b"a few words", b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_is_no_database_is_refused(database_path, content):
    database_path.write_bytes(content)
    assert "is not a MeterMT database" in assert_refused(NotAStore, database_path)


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_a_database_of_another_program_is_refused_and_left_as_it_was(database_path, journal):
    with raw(database_path, create=True) as foreign:
        foreign.execute(f"PRAGMA journal_mode = {journal}").fetchall()
        foreign.execute("CREATE TABLE recipes (cake TEXT); INSERT INTO recipes VALUES ('apple')")
    assert "is not a MeterMT database" in assert_refused(NotAStore, database_path)


def test_a_database_of_another_program_with_our_version_number_is_refused(database_path):
    with raw(database_path, create=True) as foreign:
        foreign.execute(f"CREATE TABLE recipes (cake TEXT); PRAGMA user_version = {len(MIGRATIONS)}")
    assert_refused(NotAStore, database_path)


def test_a_database_made_by_a_newer_version_is_refused(database_path):
    SqliteStore(database_path).close()
    with raw(database_path) as newer:
        newer.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    assert "newer version" in assert_refused(StoreTooNew, database_path)


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_a_database_that_another_program_keeps_to_itself_is_locked(database_path, journal):
    SqliteStore(database_path).close()
    with raw(database_path) as other:
        other.execute(f"PRAGMA journal_mode = {journal}").fetchall()
        other.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
        other.execute("BEGIN EXCLUSIVE; CREATE TABLE notes (note TEXT)")
        assert "locked by another program" in assert_refused(StoreLocked, database_path, busy_seconds=0.2)


def test_a_new_file_that_another_program_writes_just_now_is_locked(database_path):
    with raw(database_path, create=True) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert_refused(StoreLocked, database_path, busy_seconds=0.2)


def test_a_write_beside_a_lock_is_refused_in_time_and_works_when_the_lock_is_gone(database_path):
    with SqliteStore(database_path, busy_seconds=0.2) as store, raw(database_path) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreLocked, match=r"metermt\.db is locked by another program"):
            store.add_user(make_account())
        assert store.users() == [], "readers do not wait for a writer"
        other.execute("ROLLBACK")
        store.add_user(make_account())
        assert [user.username for user in store.users()] == ["carol"]


def test_a_write_waits_for_a_lock_that_is_let_go(database_path):
    waits = threading.Event()

    def tell_that_it_waits(connection):
        connection.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: waits.set() if "BEGIN" in event["sql"] else None)

    SqliteStore(database_path).close()
    with hooked(tell_that_it_waits), SqliteStore(database_path) as store, raw(database_path) as other:
        other.trace_v2(0, None)
        other.execute("BEGIN IMMEDIATE")
        adding = start(lambda: store.add_user(make_account()))
        assert waits.wait(DEADLINE)
        assert store.users() == []
        assert not adding.is_there()
        other.execute("ROLLBACK")
        adding()
        assert store.users() != []


def test_a_folder_is_no_database(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    assert_refused(StoreError, folder)


def test_a_file_is_no_folder_to_make_a_database_in(tmp_path):
    (tmp_path / "file").write_text("something")
    for create in (True, False):
        assert_refused(StoreError, tmp_path / "file" / "metermt.db", create=create)


@pytest.mark.parametrize("create", [True, False])
def test_a_folder_that_may_not_be_read_is_named(tmp_path, create, without_privileges):
    path = tmp_path / "metermt.db"  # pytest's folders are their owner's alone
    if os.getuid() != 0:
        tmp_path.chmod(0)
    with pytest.raises(StoreError) as caught:
        SqliteStore(path, create=create)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("create", [True, False])
def test_a_name_that_no_file_can_have_is_refused(tmp_path, create):
    path = tmp_path / ("x" * 300)
    with pytest.raises(StoreError) as caught:
        SqliteStore(path, create=create)
    assert str(path) in str(caught.value)


def test_a_damaged_database_is_named(database_path):
    with SqliteStore(database_path) as store:
        add_readers(store, "carol")
        store.import_jobs(CYCLE, make_jobs(200))
    content = bytearray(database_path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    database_path.write_bytes(content)
    with SqliteStore(database_path) as store, pytest.raises(StoreError, match=r"metermt\.db is damaged: restore"):
        store.routes()


def test_a_disk_that_is_full_is_named_and_nothing_is_lost(database_path):
    with SqliteStore(database_path) as store:
        add_readers(store, "carol")
        with limited_file_size(database_path.with_name("metermt.db-wal").stat().st_size):
            with pytest.raises(StoreError) as caught:
                store.import_jobs(CYCLE, make_jobs(500))
            assert str(database_path) in str(caught.value)
            assert store.routes() == []
        assert store.import_jobs(CYCLE, make_jobs(500)) == (500, 0, 0)


@contextmanager
def limited_file_size(size):
    """Let no file of this process grow beyond so many bytes: SQLite then finds no room on the disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# --- how it is kept


def test_only_its_owner_can_read_it(sqlite_store, database_path):
    add_readers(sqlite_store, "carol")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in database_path.parent.glob("metermt.db*")}
    assert modes == {"metermt.db": 0o600, "metermt.db-wal": 0o600, "metermt.db-shm": 0o600}


def test_every_connection_is_durable_and_checks_foreign_keys(database_path):
    connections = []
    with hooked(connections.append), SqliteStore(database_path) as store:
        add_readers(store, "carol")
        run_together(*[store.users] * 4)
        next(store.readings(), None)
        assert len(connections) > 1, "the writer's, and at least one for reading"
        for connection in connections:
            told = [one(connection, f"PRAGMA {name}") for name in ("journal_mode", "synchronous", "foreign_keys")]
            assert told == ["wal", 2, 1]


def test_the_sqlite_is_one_that_keeps_a_database_whole_beside_another_process():
    """Up to 3.51.2 two connections that write and checkpoint at once may corrupt a database in WAL mode."""
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) >= (3, 51, 3)


def test_every_table_is_strict(sqlite_store, database_path):
    with raw(database_path) as database:
        tables = database.execute(
            "SELECT name, strict FROM pragma_table_list WHERE name NOT LIKE 'sqlite_%'"
        ).fetchall()
        assert {"users", "sessions", "cycles", "jobs", "readings", "tallies"} <= dict(tables).keys()
        assert {name for name, strict in tables if not strict} == set()
        assert one(database, "PRAGMA application_id") == APPLICATION_ID


def test_a_closed_store_leaves_one_file(database_path):
    with SqliteStore(database_path) as store:
        add_readers(store, "carol")
        run_together(*[store.users] * 4)
    assert [path.name for path in database_path.parent.iterdir()] == ["metermt.db"]


def test_a_closed_store_refuses_with_an_error_of_ours(database_path):
    store = SqliteStore(database_path)
    store.close()
    for verb in (store.users, lambda: store.add_user(make_account())):
        with pytest.raises(StoreError):
            verb()


# --- many at once


def test_threads_that_open_a_new_database_at_once_all_succeed(tmp_path):
    for number in range(25):
        path = tmp_path / f"{number}.db"

        def open_it(path=path):
            with SqliteStore(path) as store:
                return store.users()

        assert run_together(*[open_it] * 6) == [[]] * 6


OPENER = """
import sys
from pathlib import Path
from metermt.store.sqlite import SqliteStore
print("ready", flush=True)
for path in sys.stdin:
    try:
        with SqliteStore(Path(path.strip())) as store:
            store.users()
        print("opened", flush=True)
    except Exception as error:
        print(repr(error), flush=True)
"""


def test_processes_that_open_a_new_database_at_once_all_succeed(tmp_path):
    command = [sys.executable, "-W", "error", "-c", OPENER]
    openers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) for _ in range(3)
    ]
    try:
        assert [opener.stdout.readline() for opener in openers] == ["ready\n"] * 3
        for number in range(15):
            for opener in openers:
                opener.stdin.write(f"{tmp_path / str(number)}.db\n")
            assert [opener.stdout.readline() for opener in openers] == ["opened\n"] * 3
    finally:
        for opener in openers:
            opener.communicate(timeout=DEADLINE)


def test_who_opens_a_database_while_another_makes_it_does_not_take_it_for_a_foreign_one(database_path):
    """The other comes between two looks at the file: after its application id, before its tables."""
    others = []

    def let_another_come(connection):
        def trace(_cursor, sql, _bindings):
            if "sqlite_schema" in sql and not others:
                others.append(None)
                others.append(SqliteStore(database_path))
            return True

        connection.exec_trace = trace

    with hooked(let_another_come), SqliteStore(database_path) as store:
        assert store.users() == []
        assert len(others) == 2, "the moment that this test is about has not come"
        others[1].close()


def test_two_servers_on_one_database_never_hand_a_job_to_two_readers(database_path):
    usernames = [f"reader{number}" for number in range(6)]
    with SqliteStore(database_path) as one_store, SqliteStore(database_path) as other_store:
        add_readers(one_store, *usernames)
        one_store.import_jobs(CYCLE, make_jobs(120))

        def walk(store, username):
            handed = []
            while jobs := store.lease_jobs(make_lease(username), 1, NOW.timestamp()):
                store.record_reading(make_submission(jobs[0].meter, username), NOW)
                handed += jobs
            return handed

        stores = (one_store, other_store) * 3
        works = [lambda place=place: walk(*place) for place in zip(stores, usernames, strict=True)]
        handed = [job.meter for jobs in run_together(*works) for job in jobs]
        assert sorted(handed) == [f"M{number:05}" for number in range(120)]
        assert one_store.tally("nobody") == other_store.tally("nobody") == Status(0, 120)
        assert dump(one_store) == dump(other_store)


def test_a_write_is_seen_by_every_reader_when_it_returns(sqlite_store):
    add_readers(sqlite_store, "carol")
    sqlite_store.import_jobs(CYCLE, make_jobs(50))
    for number in range(50):
        sqlite_store.record_reading(make_submission(f"M{number:05}"), NOW)
        assert run_together(*[lambda: sqlite_store.tally("carol")] * 3) == [Status(number + 1, number + 1)] * 3


# --- migrations


def schema_of(path):
    with raw(path) as database:
        return database.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").fetchall()


def test_migrations_are_numbered_without_gaps():
    assert [file.name[:5] for file in MIGRATIONS] == [f"{number:04}_" for number in range(1, len(MIGRATIONS) + 1)]
    assert all(file.name.endswith(".sql") for file in MIGRATIONS)


def test_the_migrations_add_up_to_the_schema(tmp_path, database_path):
    SqliteStore(database_path).close()
    with raw(tmp_path / "added up.db", create=True) as database:
        for script in MIGRATIONS:
            database.execute(script.read_text(encoding="utf-8"))
    assert schema_of(tmp_path / "added up.db") == schema_of(database_path)
    with raw(database_path) as database:
        assert one(database, "PRAGMA user_version") == len(MIGRATIONS)


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
def test_a_database_of_every_earlier_version_is_brought_up_to_date(tmp_path, database_path, version):
    SqliteStore(database_path).close()
    old = tmp_path / "old.db"
    with raw(old, create=True) as database:
        for script in MIGRATIONS[:version]:
            database.execute(script.read_text(encoding="utf-8"))
        database.execute(f"PRAGMA user_version = {version}")
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute("INSERT INTO users (username, full_name, password_hash) VALUES ('carol', 'Carol', 'hash')")
    with SqliteStore(old) as store:
        assert store.find_account("carol") == make_account("carol", "Carol", "hash")
    assert schema_of(old) == schema_of(database_path)


@pytest.mark.parametrize("room", [4_000, 20_000, 40_000])
def test_a_migration_that_fails_says_why_and_leaves_the_file_as_it_was(database_path, room):
    """The disk is full in the middle of it; the next one to open it finds an empty file and starts anew."""
    database_path.touch()
    with limited_file_size(room), pytest.raises(StoreError, match="disk"):
        SqliteStore(database_path)
    assert schema_of(database_path) == []
    with SqliteStore(database_path) as store:
        assert store.users() == []


# --- what a call costs


def full_store(store, done):
    """Fill the store with that many done jobs, and ten to do; hand some out."""
    add_readers(store, "adam", "carol")
    store.import_jobs(CYCLE, make_jobs(done + 10))
    outcomes = store.record_readings([make_submission(job.meter, key=job.meter) for job in make_jobs(done)], NOW)
    assert not any(isinstance(outcome, Exception) for outcome in outcomes)
    return store


def a_readers_day(store, done):
    """Everything that a reader's calls ask of a store."""
    meter = f"M{done:05}"
    store.find_account("carol")
    store.find_session("carol-1")
    (job,) = store.lease_jobs(make_lease(), 1, NOW.timestamp())
    assert job.meter == meter
    store.record_reading(make_submission(meter, key="today"), NOW)
    store.record_reading(make_submission(meter, key="today"), NOW)
    store.record_reading(make_submission(meter, value=7), NOW)
    store.record_and_lease(make_submission("M00000", value=7), make_lease(), NOW)
    store.tally("carol")
    store.lease_made_up_job(make_lease(), make_job("G40000", route=""))
    store.touch_session("carol-1", NOW.timestamp())
    store.release_session("carol-1")
    store.close_session("carol-1")


@pytest.fixture(scope="module")
def statements(tmp_path_factory):
    """Every statement of a reader's day with its cost: in a store of 50 done jobs, and in one of 5,000."""
    noted = {}
    for done in (50, 5000):
        path = tmp_path_factory.mktemp("costs") / "metermt.db"
        with SqliteStore(path) as store:
            full_store(store, done)
        statements = []

        def watch(connection, statements=statements):
            note = lambda event: statements.append((event["sql"], event["stmt_status"]))  # noqa: E731
            connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, note)

        with hooked(watch), SqliteStore(path) as store:
            a_readers_day(store, done)
        noted[done] = path, statements
    return noted


def plan_of(database, sql):
    """Return the steps of SQLite's query plan."""
    steps, above = [], [apsw.ext.query_info(database, sql, explain_query_plan=True).query_plan]
    while above:
        step = above.pop()
        steps.append(step.detail)
        above += step.sub or ()
    return steps


def test_no_statement_of_a_readers_day_walks_through_all_jobs_or_readings(statements):
    path, noted = statements[5000]
    seen = []
    with raw(path) as database:
        for sql in {sql for sql, _ in noted if sql.startswith(("SELECT", "INSERT", "UPDATE", "DELETE"))}:
            plan = plan_of(database, sql)
            seen += plan
            assert not [step for step in plan if step.startswith(("SCAN jobs", "SCAN readings"))], sql
            # What one reader holds is sorted in memory; it never is more than a handful.
            sorts_what_is_held = any("jobs_leased (lease_username=?)" in step for step in plan)
            assert sorts_what_is_held or not [step for step in plan if "TEMP B-TREE" in step], sql
    assert any("jobs_unread" in step for step in seen), "the statement that hands out jobs was not among them"


def test_a_readers_day_costs_the_same_however_many_readings_there_are(statements):
    """Steps of SQLite's virtual machine, which do not depend on the machine."""
    few, many = (
        [(sql, status["SQLITE_STMTSTATUS_VM_STEP"]) for sql, status in noted] for _, noted in statements.values()
    )
    assert [sql for sql, _ in few] == [sql for sql, _ in many]
    assert sum(steps for _, steps in many) <= 1.1 * sum(steps for _, steps in few)


# --- backup


@pytest.fixture
def filled(sqlite_store):
    return full_store(sqlite_store, 100)


def test_a_backup_is_a_store_with_the_same_in_it(filled, tmp_path):
    copy = tmp_path / "copy.db"
    filled.backup(copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with SqliteStore(copy, create=False) as store:
        assert dump(store) == dump(filled)
        store.record_reading(make_submission("M00105"), NOW)
        assert store.tally("carol").total == filled.tally("carol").total + 1


def test_a_backup_beside_a_writer_is_whole(filled, tmp_path):
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            filled.import_jobs(CYCLE, [make_job(f"W{number}")])
            filled.record_reading(make_submission(f"W{number}"), NOW)
        return number

    writing = start(write)
    try:
        for number in range(5):
            copy = tmp_path / f"{number}.db"
            filled.backup(copy)
            with raw(copy) as database:
                assert one(database, "PRAGMA integrity_check") == "ok"
                assert database.execute("PRAGMA foreign_key_check").fetchall() == []
            with SqliteStore(copy, create=False) as store:
                counting = sum(reading.counts for _, reading in store.readings())
                assert store.tally("carol") == Status(counting, counting)
                assert store.routes()[0].done == counting
    finally:
        stop.set()
    assert writing() > 0


def test_a_backup_into_a_new_folder_makes_the_folder(filled, tmp_path):
    filled.backup(tmp_path / "backups" / "monday.db")
    assert (tmp_path / "backups" / "monday.db").exists()


def test_a_backup_never_replaces_what_is_there(filled, tmp_path):
    (tmp_path / "copy.db").write_bytes(b"last month's")
    for there in (tmp_path / "copy.db", filled.path, tmp_path):
        before = there.read_bytes() if there.is_file() else None
        with pytest.raises(StoreError, match="exists already"):
            filled.backup(there)
        assert before is None or there.read_bytes() == before


def assert_backup_fails(store, path):
    """Assert that the backup fails with an error that names the path, and leaves nothing behind."""
    there = sorted(path.parent.parent.rglob("*"))
    with pytest.raises(StoreError) as caught:
        store.backup(path)
    assert str(path) in str(caught.value)
    assert sorted(path.parent.parent.rglob("*")) == there
    assert store.tally("carol") == Status(100, 100)


def test_a_backup_that_finds_the_disk_full_leaves_nothing(filled, tmp_path):
    (tmp_path / "backups").mkdir()
    with limited_file_size(8192):
        assert_backup_fails(filled, tmp_path / "backups" / "copy.db")
    filled.backup(tmp_path / "backups" / "copy.db")


def test_a_backup_to_a_name_that_no_file_can_have_leaves_nothing(filled, tmp_path):
    (tmp_path / "backups").mkdir()
    assert_backup_fails(filled, tmp_path / "backups" / ("x" * 253))
    assert_backup_fails(filled, tmp_path / "backups" / ("x" * 300))


def test_a_backup_below_a_file_leaves_nothing(filled, tmp_path):
    (tmp_path / "file").write_text("something")
    assert_backup_fails(filled, tmp_path / "file" / "copy.db")


def test_a_backup_of_a_closed_store_leaves_nothing(filled, tmp_path):
    filled.close()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(StoreError):
        filled.backup(tmp_path / "copy.db")
    assert sorted(tmp_path.iterdir()) == before


def test_what_a_killed_backup_left_does_not_hinder_the_next(filled, tmp_path):
    (tmp_path / "copy.db.part").write_bytes(b"half of a database")
    filled.backup(tmp_path / "copy.db")
    with SqliteStore(tmp_path / "copy.db", create=False) as store:
        assert dump(store) == dump(filled)
