"""`metermt backup`: a copy of the database."""

import re
import stat

from commands import assert_done, assert_refused, dump_of, rows_in
from conftest import CYCLE, import_jobs, make_job, start, wait_until

from metermt.client import connect
from metermt.model import Answer
from metermt.store.sqlite.store import SqliteStore


def test_a_backup_is_a_database_of_its_own(metermt, read_meters, tmp_path):
    copy = tmp_path / "copies" / "november.db"

    assert_done(metermt("backup", str(copy)), f"Copied {read_meters} to {copy}\n")

    assert dump_of(copy) == dump_of(read_meters)
    assert (
        metermt("readings", "export", "-", "--database", str(copy)).stdout == metermt("readings", "export", "-").stdout
    )
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert [path.name for path in copy.parent.iterdir()] == ["november.db"]


def test_a_backup_never_overwrites(invoke, crew_database, tmp_path):
    copy = tmp_path / "copy.db"
    copy.write_text("as it was")

    assert_refused(invoke("backup", "copy.db"), "copy.db exists already: choose a new name")

    assert copy.read_text() == "as it was"
    assert_refused(invoke("backup", str(crew_database)), f"{crew_database} exists already: choose a new name")


def test_a_backup_that_cannot_be_written_is_one_clear_error(invoke, crew_database, tmp_path):
    (tmp_path / "letter.txt").touch()

    finished = invoke("backup", "letter.txt/copy.db")

    assert (finished.returncode, finished.stdout) == (1, "")
    assert re.fullmatch(
        r"Error: The backup cannot be written to letter\.txt/copy\.db: (Not a directory|File exists)\n", finished.stderr
    )


def test_what_a_killed_backup_left_is_removed_by_the_next(invoke, crew_database, tmp_path):
    left = tmp_path / ".copy.db.killed.metermt-part"
    left.mkdir()
    (left / "lock").touch()
    (left / "file").write_text("half a datab")

    assert_done(invoke("backup", "copy.db"), f"Copied {crew_database} to copy.db\n")

    assert dump_of(tmp_path / "copy.db") == dump_of(crew_database)
    assert not left.exists()


def test_a_backup_is_whole_while_readers_send(metermt, servers, crew_server, crew_database):
    with SqliteStore(crew_database) as store:
        import_jobs(store, CYCLE, [make_job(f"M{i:05}") for i in range(5000)])
    copy = crew_database.with_name("copy.db")
    accepted = []
    enough = []

    def read():
        with connect(port=crew_server.port) as gwenda:
            gwenda.login("gwenda", "gwenda")
            job = gwenda.get_job()
            while job and not enough:
                sent = job.meter.number
                job = gwenda.submit_and_next(Answer(sent, 100)).job
                accepted.append(sent)

    reading = start(read)
    wait_until(lambda: len(accepted) >= 20, "readings come in")
    before = list(accepted)
    finished = metermt("backup", str(copy))
    after = len(accepted)
    wait_until(lambda: len(accepted) > after or reading.is_there(), "readings still come in")
    enough.append(True)
    reading()

    assert finished.returncode == 0, finished.stderr
    copied = [row["meter"] for row in rows_in(metermt("readings", "export", "-", "--database", str(copy)).stdout)]
    assert len(before) < after < len(accepted)
    assert set(before) <= set(copied) <= set(accepted)
    with connect(port=servers.start("--database", copy).port) as gwenda:
        gwenda.login("gwenda", "gwenda")
        assert gwenda.get_status().count == len(copied)
        assert gwenda.get_job().meter.number not in copied
