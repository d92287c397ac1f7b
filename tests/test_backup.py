"""Copies of a SQLite store: whole beside a writer, or not there at all."""

import errno
import os
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import CYCLE, DEADLINE, dump, import_jobs, make_job, make_reading, refusal_of, run_together, start
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
    stop, has_begun = threading.Event(), threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            import_jobs(filled, CYCLE, [make_job(f"W{number}")])
            filled.write(lambda tx, number=number: record(tx, [make_reading(f"W{number}")]))
            has_begun.set()
        return number

    writing = start(write)
    assert has_begun.wait(DEADLINE)
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
                assert store.read(lambda tx: tx.progress.open_routes())[0].done == counting
    finally:
        stop.set()
    assert writing() > 0


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


# --- several at once, and those that were killed


@contextmanager
def unfinished_backup(copy):
    """Let another process write to a new file of this name, until the test tells it to go on, or kills it."""
    program = (
        "import sys; from pathlib import Path; from metermt.store.sqlite.newfile import new_file\n"
        "with new_file(Path(sys.argv[1]), 'The backup') as part:\n"
        "    part.write_text('half of a database'); print(part, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(copy)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process, Path(process.stdout.readline().rstrip("\n"))
        finally:
            process.kill()


def everything_in(folder):
    return {path for path in folder.rglob("*") if not path.name.startswith("metermt.db")}


@pytest.mark.parametrize("name", ["copy.db", "tomorrow.db"])
def test_what_a_killed_backup_left_is_cleared_up_by_the_next(filled, tmp_path, name):
    with unfinished_backup(tmp_path / "copy.db") as (process, part):
        process.kill()
        process.wait(DEADLINE)
        assert part.read_text() == "half of a database"
        filled.backup(tmp_path / name)
    with SqliteStore(tmp_path / name, create=False) as store:
        assert dump(store) == dump(filled)
    assert everything_in(tmp_path) == {tmp_path / name}


def test_what_was_left_by_one_that_was_killed_at_clearing_up_is_cleared_up(filled, tmp_path):
    for files in ([], ["lock"], ["lock", "file", "file-journal"]):
        folder = tmp_path / f".copy.db.{len(files)}.metermt-part"
        folder.mkdir()
        for name in files:
            (folder / name).touch()
    filled.backup(tmp_path / "copy.db")
    assert everything_in(tmp_path) == {tmp_path / "copy.db"}


def test_what_only_looks_like_a_left_backup_is_left_alone(filled, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("lock", "letter.txt"):
        (elsewhere / name).touch()
    (tmp_path / ".copy.db.link.metermt-part").symlink_to(elsewhere)
    (tmp_path / ".copy.db.file.metermt-part").touch()
    (tmp_path / ".copy.db.full.metermt-part").mkdir()
    (tmp_path / ".copy.db.full.metermt-part" / "letter.txt").touch()
    before = everything_in(tmp_path)
    filled.backup(tmp_path / "copy.db")
    assert everything_in(tmp_path) == before | {tmp_path / "copy.db"}


def test_of_two_backups_to_one_name_the_first_that_is_whole_is_there_and_the_other_is_refused(filled, tmp_path):
    copy = tmp_path / "copy.db"
    with unfinished_backup(copy) as (process, part):
        filled.backup(copy)
        assert part.exists(), "what a process that lives is writing is left alone"
        _, errors = process.communicate(timeout=DEADLINE)
    assert f"StoreError: {copy} exists already: choose a new name" in errors
    with SqliteStore(copy, create=False) as store:
        assert dump(store) == dump(filled)
    assert everything_in(tmp_path) == {copy}


def test_of_backups_to_one_name_at_the_same_moment_one_is_there(filled, tmp_path):
    for number in range(10):
        copy = tmp_path / f"{number}.db"
        refusals = run_together(*[lambda copy=copy: refusal_of(filled.backup, copy)] * 3)
        assert [str(refusal) for refusal in refusals if refusal] == [f"{copy} exists already: choose a new name"] * 2
        with raw(copy) as database:
            assert one(database, "SELECT count(*) FROM readings") == 100
    assert everything_in(tmp_path) == {tmp_path / f"{number}.db" for number in range(10)}


def test_on_a_disk_without_links_a_backup_replaces_nothing_either(filled, tmp_path, monkeypatch):
    def link(*_names, **_settings):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    copy = tmp_path / "copy.db"
    refusals = run_together(*[lambda: refusal_of(filled.backup, copy)] * 3)
    assert [str(refusal) for refusal in refusals if refusal] == [f"{copy} exists already: choose a new name"] * 2
    with SqliteStore(copy, create=False) as store:
        assert dump(store) == dump(filled)
    assert everything_in(tmp_path) == {copy}


def test_a_backup_is_on_the_disk_with_its_name_before_it_is_said_to_be_there(filled, tmp_path, monkeypatch):
    flushed = []
    plain_fsync = os.fsync

    def fsync(descriptor):
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        flushed.append((path == tmp_path, path.stat().st_size >= 2048, (tmp_path / "copy.db").exists()))
        plain_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    filled.backup(tmp_path / "copy.db")
    of_file, (is_folder, _, has_name) = flushed
    assert of_file == (False, True, False)
    assert is_folder
    assert has_name
