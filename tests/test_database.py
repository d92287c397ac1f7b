"""The SQLite store's database: how it is kept, read by many at once, and brought up to date."""

import stat
import subprocess
import sys
import time
from pathlib import Path

import apsw
import pytest
from conftest import CYCLE, DEADLINE, add_readers, import_jobs, make_account, make_jobs, make_reading, run_together
from databases import MIGRATIONS, hooked, limited_file_size, one, raw, schema_of, tally_of, users_of
from steps import record

from metermt.errors import StoreError
from metermt.model import Status
from metermt.store.sqlite.database import APPLICATION_ID
from metermt.store.sqlite.store import SqliteStore

# --- how it is kept


def test_only_its_owner_can_read_it(database_path):
    with SqliteStore(database_path) as store:
        add_readers(store, "carol")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in database_path.parent.glob("metermt.db*")}
    assert modes == {"metermt.db": 0o600, "metermt.db-wal": 0o600, "metermt.db-shm": 0o600}


def test_every_connection_is_durable_and_checks_foreign_keys(database_path):
    connections = []
    with hooked(connections.append), SqliteStore(database_path) as store:
        add_readers(store, "carol")
        run_together(*[lambda: users_of(store)] * 4)
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
        run_together(*[lambda: users_of(store)] * 4)
    assert [path.name for path in database_path.parent.iterdir()] == ["metermt.db"]


def test_a_closed_store_refuses_with_an_error_of_ours(database_path):
    store = SqliteStore(database_path)
    store.close()
    for call in (store.read, store.write):
        with pytest.raises(StoreError):
            call(lambda tx: tx.accounts.users())
    begun = store.begin(lambda tx: tx.accounts.users(), lambda: None)
    assert begun.wait(DEADLINE)
    with pytest.raises(StoreError):
        begun.result()


# --- many at once


def test_threads_that_open_a_new_database_at_once_all_succeed(tmp_path):
    for number in range(25):
        path = tmp_path / f"{number}.db"

        def open_it(path=path):
            with SqliteStore(path) as store:
                return users_of(store)

        assert run_together(*[open_it] * 6) == [[]] * 6


OPENER = """
import sys
from pathlib import Path
from metermt.store.sqlite.store import SqliteStore
print("ready", flush=True)
for path in sys.stdin:
    try:
        with SqliteStore(Path(path.strip())) as store:
            store.read(lambda tx: tx.accounts.users())
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
        assert users_of(store) == []
        assert len(others) == 2, "the moment that this test is about has not come"
        others[1].close()


def test_a_write_is_seen_by_every_reader_when_it_returns(sqlite_store):
    add_readers(sqlite_store, "carol")
    import_jobs(sqlite_store, CYCLE, make_jobs(50))
    for number in range(50):
        sqlite_store.write(lambda tx, number=number: record(tx, [make_reading(f"M{number:05}")]))
        assert run_together(*[lambda: tally_of(sqlite_store)] * 3) == [Status(number + 1, number + 1)] * 3


def test_who_keeps_an_unfinished_answer_keeps_nobody_in_the_past(sqlite_store):
    """The connection that was read from is used for the next."""
    add_readers(sqlite_store, "carol")
    import_jobs(sqlite_store, CYCLE, make_jobs(50))
    sqlite_store.write(lambda tx: record(tx, [make_reading(f"M{number:05}") for number in range(40)]))

    def some(tx):
        readings = tx.readings.all(None)
        return readings, next(readings)

    unfinished, _ = sqlite_store.read(some)
    sqlite_store.write(lambda tx: record(tx, [make_reading("M00040")]))
    assert tally_of(sqlite_store) == Status(41, 41)
    unfinished.close()
    assert tally_of(sqlite_store) == Status(41, 41)


def test_however_many_read_at_once_there_are_a_few_connections(sqlite_store):
    """Strangers make calls that read, too, and each connection takes descriptors for as long as the store is open."""
    add_readers(sqlite_store, "carol")
    before = len(list(Path("/proc/self/fd").iterdir()))

    def look(tx):
        tx.sessions.find(["no session"])
        time.sleep(0.01)  # so that the next ones come meanwhile
        return len(list(Path("/proc/self/fd").iterdir())) - before

    most = max(run_together(*[lambda: sqlite_store.read(look)] * 100))
    assert 2 < most < 50
    assert len(list(Path("/proc/self/fd").iterdir())) - before < 50


# --- migrations


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
        database.execute(
            "INSERT INTO users (username, full_name, password_hash, disabled, role)"
            " VALUES ('carol', 'Carol', 'hash', 0, 'reader')"
        )
    with SqliteStore(old) as store:
        accounts = store.read(lambda tx: tx.accounts.find(["carol"]))
        assert accounts == {"carol": make_account("carol", "Carol", "hash")}
    assert schema_of(old) == schema_of(database_path)


@pytest.mark.parametrize("room", [4_000, 20_000, 40_000])
def test_a_migration_that_fails_says_why_and_leaves_the_file_as_it_was(database_path, room):
    """The disk is full in the middle of it; the next one to open it finds an empty file and starts anew."""
    database_path.touch()
    with limited_file_size(room), pytest.raises(StoreError, match="disk"):
        SqliteStore(database_path)
    assert schema_of(database_path) == []
    with SqliteStore(database_path) as store:
        assert users_of(store) == []
