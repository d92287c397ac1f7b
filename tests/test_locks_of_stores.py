"""Several stores on one file in one process: closing one of them must not take the locks of the others.

The system knows locks of a process and a file: closing any descriptor of the file ends all of them.
"""

import subprocess
import sys

import pytest
from conftest import DEADLINE, make_account
from databases import users_of

from metermt.errors import StoreError
from metermt.store.sqlite.store import SqliteStore
from metermt.store.sqlite.tables import snapshot_of

# A program that asks for the lock that SQLite takes before it has a database to itself: for the bytes that whoever uses
# it has a shared lock on (see "File Locking And Concurrency" in SQLite's documentation).
ASK = """
import fcntl, sys
with open(sys.argv[1], "rb+") as database:
    fcntl.lockf(database, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)
"""


def is_in_use(path):
    """Tell whether another process sees that the database is in use."""
    ended = subprocess.run(
        [sys.executable, "-c", ASK, str(path)], capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert ended.returncode == 0 or "BlockingIOError" in ended.stderr, ended.stderr
    return ended.returncode != 0


def open_and_close(path):
    SqliteStore(path).close()


def back_up(path):
    with SqliteStore(path, create=False) as store:
        store.backup(path.with_name(f"copy of {path.name}"))


def look(path):
    with snapshot_of(path) as tables:
        tables.all()


def be_refused(path):
    for there in (path, path.with_name("link.db")):
        with SqliteStore(path) as store, pytest.raises(StoreError, match="exists already"):
            store.backup(there)


@pytest.mark.parametrize("use", [open_and_close, back_up, look, be_refused])
def test_a_store_keeps_its_locks_while_another_on_the_same_file_comes_and_goes(use, database_path):
    with SqliteStore(database_path) as store:
        database_path.with_name("link.db").symlink_to(database_path)
        use(database_path)
        use(database_path.with_name("link.db"))
        assert is_in_use(database_path)
        store.write(lambda tx: tx.accounts.put([make_account()]))
        assert is_in_use(database_path)
    assert not is_in_use(database_path)


def test_a_link_to_a_database_that_is_not_there_yet_makes_it(tmp_path):
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "metermt.db")
    open_and_close(link)
    assert link.is_symlink()
    with SqliteStore(tmp_path / "metermt.db", create=False) as store:
        assert users_of(store) == []
