"""The file of a database is moved, replaced or deleted under those who use it: nothing is acknowledged into nothing."""

import shutil

import pytest
from conftest import DEADLINE, make_account, make_jobs, refusal_of, wait_until
from databases import users_of
from servers import ServerProcess, make_database

from metermt import MeterClient
from metermt.errors import StoreGone
from metermt.store.sqlite.store import SqliteStore

COMPANIONS = ("", "-wal", "-shm")


def files_of(path):
    return [there for ending in COMPANIONS if (there := path.with_name(path.name + ending)).exists()]


def delete(path):
    path.unlink()


def delete_with_companions(path):
    for there in files_of(path):
        there.unlink()


def delete_log(path):
    path.with_name(path.name + "-wal").unlink()


def move_away(path):
    path.rename(path.with_name("away.db"))


def move_folder_away(path):
    path.parent.rename(path.parent.with_name("folder-away"))


def replace(path):
    other = path.with_name("other.db")
    SqliteStore(other).close()
    other.replace(path)


def replace_by_same(path):
    shutil.copyfile(path, path.with_name("same.db"))
    path.with_name("same.db").replace(path)


def point_link_elsewhere(path):
    """Make the path, which was a link all the time, lead to another database."""
    other = path.with_name("other.db")
    SqliteStore(other).close()
    path.unlink()
    path.symlink_to(other)


FAULTS = [
    *(delete, delete_with_companions, delete_log, move_away, move_folder_away),
    *(replace, replace_by_same, point_link_elsewhere),
]


@pytest.fixture
def path(tmp_path):
    """Where a database is, in a folder of its own, by way of a link."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "metermt.db").symlink_to(folder / "true.db")
    return folder / "true.db"


def add(store, username):
    store.write(lambda tx: tx.accounts.put([make_account(username)]))


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_acknowledged_once_the_file_is_gone(fault, path, expected_errors):
    opened = path.with_name("metermt.db") if fault is point_link_elsewhere else path
    with SqliteStore(opened) as store:
        add(store, "adam")
        assert store.trouble() is None
        fault(opened)
        begun = store.begin(lambda tx: tx.accounts.put([make_account("beth")]), lambda: None)
        assert begun.wait(DEADLINE)
        with pytest.raises(StoreGone, match=r"nothing more is kept: .* start again"):
            begun.result()
        for ask in (lambda: add(store, "carol"), lambda: users_of(store), lambda: store.backup(path.parent / "b.db")):
            with pytest.raises(StoreGone, match="nothing more is kept"):
                ask()
        later = store.begin(lambda tx: tx.accounts.put([make_account("dora")]), lambda: None)
        assert later.wait(0)
        with pytest.raises(StoreGone):
            later.result()
        assert "moved, replaced or deleted" in store.trouble()
    assert len(expected_errors) == 1, "it is logged once"


@pytest.mark.parametrize("fault", FAULTS[:5])
def test_a_file_that_goes_in_the_middle_of_a_transaction_is_noticed_before_anybody_is_told(
    fault, path, expected_errors
):
    def add_and_lose(tx):
        tx.accounts.put([make_account("beth")])
        fault(path)

    with SqliteStore(path) as store, pytest.raises(StoreGone):
        store.write(add_and_lose)


def test_a_file_that_is_put_back_is_used_again_after_a_restart_only(path, expected_errors):
    with SqliteStore(path) as store:
        add(store, "adam")
        path.rename(path.with_name("away.db"))
        with pytest.raises(StoreGone):
            add(store, "beth")
        path.with_name("away.db").rename(path)
        with pytest.raises(StoreGone):
            add(store, "carol")
        with pytest.raises(StoreGone):
            users_of(store)
    with SqliteStore(path, create=False) as store:
        assert "adam" in users_of(store)
        assert "carol" not in users_of(store)
        add(store, "dora")


def test_what_was_acknowledged_before_the_log_was_deleted_is_saved_when_the_store_is_closed(path, expected_errors):
    with SqliteStore(path) as store:
        add(store, "adam")
        delete_log(path)
        with pytest.raises(StoreGone):
            add(store, "beth")
    with SqliteStore(path, create=False) as store:
        assert "adam" in users_of(store)


def test_readers_are_never_shown_another_database_of_the_name(path, expected_errors):
    with SqliteStore(path) as store:
        add(store, "adam")
        replace(path)
        with pytest.raises(StoreGone):
            users_of(store)


def test_a_store_whose_file_was_replaced_leaves_the_files_of_the_new_one_alone(path, expected_errors):
    old = SqliteStore(path)
    add(old, "adam")
    delete_with_companions(path)
    with SqliteStore(path) as new:
        add(new, "beth")
        with pytest.raises(StoreGone):
            add(old, "carol")
        before = [there.stat().st_ino for there in files_of(path)]
        old.close()
        assert [there.stat().st_ino for there in files_of(path)] == before
        assert len(before) == len(COMPANIONS)
        add(new, "dora")
    with SqliteStore(path, create=False) as new:
        assert users_of(new) == ["beth", "dora"]


def test_a_server_whose_database_is_replaced_says_so_once_and_keeps_nothing_until_it_is_restarted(
    demo_accounts, database_path, tmp_path
):
    make_database(database_path, demo_accounts, make_jobs(10))
    with (
        ServerProcess(tmp_path, "--database", database_path) as server,
        MeterClient(port=server.port) as client,
    ):
        client.login("carol", "carol")
        client.submit_reading("M00000", 10, key="key-0")
        client.timeout = 1
        for there in files_of(database_path):
            there.rename(tmp_path / f"away-{there.name}")
        for _ in range(2):
            with pytest.raises(StoreGone, match="tell whoever runs it to put it right and restart it"):
                client.submit_reading("M00001", 11, key="key-1")
        refusal = refusal_of(client.submit_reading, "M00001", 11, key="key-1")
        assert str(database_path.parent) not in str(refusal), "where it is does not concern clients"
        wait_until(lambda: " ERROR " in server.errors, "it is logged")
        for there in tmp_path.glob("away-*"):
            there.rename(database_path.with_name(there.name.removeprefix("away-")))
        with pytest.raises(StoreGone):
            client.submit_reading("M00001", 11, key="key-1")
        assert server.stop() == 0
        assert server.errors.count(" ERROR ") == 1, server.errors
        assert f"{database_path} was moved, replaced or deleted" in server.errors

    with (
        ServerProcess(tmp_path, "--database", database_path) as server,
        MeterClient(port=server.port, timeout=DEADLINE) as client,
    ):
        client.login("carol", "carol")
        client.submit_reading("M00001", 11, key="key-1")
        assert client.get_status().count == 2
        assert server.stop() == 0


def test_a_server_that_nobody_asks_notices_by_itself(demo_accounts, database_path, tmp_path):
    make_database(database_path, demo_accounts)
    with ServerProcess(tmp_path, "--database", database_path) as server:
        delete_with_companions(database_path)
        wait_until(lambda: " ERROR " in server.errors, "it is logged")
        assert not database_path.exists()
