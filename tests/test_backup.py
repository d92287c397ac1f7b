"""Copies of a SQLite store: whole beside a writer, or not there at all."""

import os
import stat
import threading
from pathlib import Path

import pytest
from conftest import CYCLE, dump, import_jobs, make_job, make_reading, start
from databases import fill, limited_file_size, one, raw, tally_of
from steps import record

from metermt.errors import StoreError
from metermt.model import Status
from metermt.store.sqlite.store import SqliteStore


@pytest.fixture
def filled(sqlite_store):
    return fill(sqlite_store, 100)


def test_a_backup_is_a_store_with_the_same_in_it(filled, tmp_path):
    copy = tmp_path / "copy.db"
    filled.backup(copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with SqliteStore(copy, create=False) as store:
        assert dump(store) == dump(filled)
        store.write(lambda tx: record(tx, [make_reading("M00105")]))
        assert tally_of(store).total == tally_of(filled).total + 1


def test_a_backup_beside_a_writer_is_whole(filled, tmp_path):
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            import_jobs(filled, CYCLE, [make_job(f"W{number}")])
            filled.write(lambda tx, number=number: record(tx, [make_reading(f"W{number}")]))
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
                counting = store.read(lambda tx: sum(reading.counts for _, reading in tx.readings.all(None)))
                assert tally_of(store) == Status(counting, counting)
                assert store.read(lambda tx: tx.jobs.progress())[0].done == counting
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
    assert tally_of(store) == Status(100, 100)


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


def test_a_backup_is_on_the_disk_with_its_name_before_it_is_said_to_be_there(filled, tmp_path, monkeypatch):
    flushed = []
    plain_fsync = os.fsync

    def fsync(descriptor):
        flushed.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), (tmp_path / "copy.db").exists()))
        plain_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    filled.backup(tmp_path / "copy.db")
    assert flushed == [(str(tmp_path / "copy.db.part"), False), (str(tmp_path), True)]
