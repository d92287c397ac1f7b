"""The SQLite store's file: which ones are opened, and what is said of those that are not."""

import os
import threading

import apsw
import pytest
from conftest import (
    CYCLE,
    DEADLINE,
    SERVER,
    add_readers,
    dump,
    import_jobs,
    make_account,
    make_jobs,
    make_reading,
    start,
    wait_until,
)
from databases import MIGRATIONS, fill, hooked, limited_file_size, raw, users_of
from steps import record

from metermt.errors import NotAStore, StoreError, StoreLocked, StoreTooNew
from metermt.store.sqlite.store import SqliteStore


def add_carol(store):
    store.write(lambda tx: tx.accounts.put([make_account()]))


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


@pytest.fixture
def without_privileges():
    """Root may read everything: be nobody for a moment. (Linux takes root's privileges with the effective user.)"""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


# --- opened, or not


def test_a_new_database_is_made_with_its_folders(tmp_path):
    path = tmp_path / "new" / "folders" / "metermt.db"
    with SqliteStore(path) as store:
        assert users_of(store) == []
    assert path.exists()


def test_everything_is_there_after_closing_and_opening(database_path):
    with SqliteStore(database_path) as store:
        fill(store, 3)
        store.write(lambda tx: record(tx, [make_reading("M00000", reason="glass broken", value=None)]))
        store.write(lambda tx: tx.sessions.leave(["carol-1"], SERVER))
        store.write(lambda tx: tx.failures.add("eric", "10.0.0.1", 5, 0))
        before = dump(store)
    with SqliteStore(database_path, create=False) as store:
        assert dump(store) == before
        assert store.read(lambda tx: tx.failures.of("eric", "10.0.0.1", 0)) == [5]


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
        other.execute("BEGIN EXCLUSIVE; CREATE TABLE remarks (remark TEXT)")
        assert "locked by another program" in assert_refused(StoreLocked, database_path, busy_seconds=0.2)


def test_a_new_file_that_another_program_writes_just_now_is_locked(database_path):
    with raw(database_path, create=True) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert_refused(StoreLocked, database_path, busy_seconds=0.2)


def test_a_write_beside_a_lock_is_refused_in_time_and_works_when_the_lock_is_gone(database_path):
    with SqliteStore(database_path, busy_seconds=0.2) as store, raw(database_path) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreLocked, match=r"metermt\.db is locked by another program"):
            add_carol(store)
        assert users_of(store) == [], "readers do not wait for a writer"
        other.execute("ROLLBACK")
        add_carol(store)
        assert users_of(store) == ["carol"]


def test_a_write_waits_for_a_lock_that_is_let_go(database_path):
    waits = threading.Event()

    def tell_that_it_waits(connection):
        connection.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: waits.set() if "BEGIN" in event["sql"] else None)

    SqliteStore(database_path).close()
    with hooked(tell_that_it_waits), SqliteStore(database_path) as store, raw(database_path) as other:
        other.trace_v2(0, None)
        other.execute("BEGIN IMMEDIATE")
        adding = start(lambda: add_carol(store))
        assert waits.wait(DEADLINE)
        assert users_of(store) == []
        assert not adding.is_there()
        other.execute("ROLLBACK")
        adding()
        assert users_of(store) != []


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
        fill(store, 200)
    content = bytearray(database_path.read_bytes())
    said = content.index(b"M00000")  # the rows of the jobs; what comes before tells which tables there are
    content[said:] = b"\xff" * (len(content) - said)
    database_path.write_bytes(content)
    with SqliteStore(database_path) as store, pytest.raises(StoreError, match=r"metermt\.db is damaged: restore"):
        store.read(lambda tx: tx.progress.open_routes())


def test_a_disk_that_is_full_is_named_and_nothing_is_lost(database_path):
    with SqliteStore(database_path) as store:
        add_readers(store, "carol")
        with limited_file_size(database_path.with_name("metermt.db-wal").stat().st_size):
            with pytest.raises(StoreError) as caught:
                import_jobs(store, CYCLE, make_jobs(500))
            assert str(database_path) in str(caught.value)
            assert store.read(lambda tx: tx.cycles.all()) == {}
        assert len(import_jobs(store, CYCLE, make_jobs(500))) == 500


def test_a_begun_write_that_finds_the_disk_full_says_so(database_path):
    with SqliteStore(database_path) as store:
        with limited_file_size(database_path.with_name("metermt.db-wal").stat().st_size):
            begun = store.begin(lambda tx: tx.accounts.put([make_account()]), lambda: None)
            assert begun.wait(DEADLINE)
            with pytest.raises(StoreError) as caught:
                begun.result()
            assert str(database_path) in str(caught.value)
        add_carol(store)
        assert users_of(store) == ["carol"]


def test_a_begun_write_beside_a_lock_is_refused_when_its_time_is_over(database_path):
    with SqliteStore(database_path, busy_seconds=0.5) as store, raw(database_path) as other:
        other.execute("BEGIN IMMEDIATE")
        begun = store.begin(lambda tx: tx.accounts.put([make_account()]), lambda: None)
        assert not begun.wait(0)
        wait_until(lambda: begun.wait(0.01), "it is over")
        with pytest.raises(StoreLocked, match=r"metermt\.db is locked by another program"):
            begun.result()
        other.execute("ROLLBACK")
        add_carol(store)
