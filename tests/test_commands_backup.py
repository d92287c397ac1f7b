"""`metermt backup`: a copy of the database."""

import re
import stat
from datetime import timedelta

import pytest
from commands import READ_AT, assert_done, assert_refused, damage, dump_of, rows_in
from conftest import CYCLE, import_jobs, make_job, make_reading, start, wait_until
from databases import raw
from steps import Steps

from metermt.client.client import connect
from metermt.model import Answer
from metermt.store.sqlite.store import SqliteStore


def test_a_backup_is_a_database_of_its_own(metermt, read_meters, tmp_path):
    copy = tmp_path / "copies" / "november.db"
    copy.parent.mkdir()

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
    itself = invoke("backup", str(crew_database))
    assert_refused(itself, f"{crew_database} belongs to the database {crew_database}: choose another name")


def test_a_backup_that_cannot_be_written_is_one_clear_error(invoke, crew_database, tmp_path):
    (tmp_path / "letter.txt").touch()

    finished = invoke("backup", "letter.txt/copy.db")

    assert (finished.returncode, finished.stdout) == (1, "")
    assert re.fullmatch(
        r"Error: The backup cannot be written to letter\.txt/copy\.db: (Not a directory|File exists)\n", finished.stderr
    )


def test_a_backup_makes_no_folders(invoke, crew_database, tmp_path):
    """The disk of the backups may not be mounted."""
    finished = invoke("backup", "disk/2026/copy.db")

    assert_refused(
        finished,
        "The backup cannot be written to disk/2026/copy.db: there is no folder disk/2026; make it first",
    )
    assert not (tmp_path / "disk").exists()


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


# --- verified, and restored


def test_a_verified_backup_says_what_is_in_it(invoke, read_meters, tmp_path):
    finished = invoke("backup", "copy.db", "--verify")

    assert_done(finished, f"Copied {read_meters} to copy.db\ncopy.db is whole: 2 users, 5 jobs, 6 readings\n")
    assert [path.name for path in tmp_path.glob("copy.db*")] == ["copy.db"]


def set_version_ahead(path):
    with raw(path) as connection:
        connection.execute("PRAGMA user_version = 99")


def test_a_backup_is_restored_and_what_was_there_is_kept(invoke, read_meters, tmp_path):
    assert invoke("backup", "copy.db").returncode == 0
    as_it_was = dump_of(read_meters)
    assert invoke("cycles", "close", CYCLE, "--force").returncode == 0
    closed = dump_of(read_meters)

    finished = invoke("restore", "copy.db")

    assert finished.returncode == 0, finished.stderr
    (kept,) = tmp_path.glob("metermt-before-restore-*.db")
    assert finished.stdout == (
        f"Restored {read_meters} from copy.db: 2 users, 5 jobs, 6 readings\n"
        f"What was there is {kept} now, and has no reading that the backup lacks\n"
    )
    assert dump_of(read_meters) == as_it_was != closed
    assert dump_of(kept) == closed
    assert stat.S_IMODE(read_meters.stat().st_mode) == 0o600


def test_readings_that_a_backup_lacks_are_told(invoke, read_meters, tmp_path):
    assert invoke("backup", "copy.db").returncode == 0
    with SqliteStore(read_meters) as store:
        Steps(store).record(make_reading("G72168", value=4713, when=READ_AT, recorded_at=READ_AT))
        Steps(store).record(make_reading("W9", "eric", value=8, when=READ_AT, recorded_at=READ_AT + timedelta(days=2)))

    told = invoke("restore", "copy.db").stdout.splitlines()

    (kept,) = tmp_path.glob("metermt-before-restore-*.db")
    assert told[1:] == [
        f"What was there is {kept} now.",
        "Only there: 2 readings that the backup lacks, accepted from 2026-11-19 08:30 UTC to 2026-11-21 08:30 UTC;"
        f" see 'metermt readings export FILE --database {kept}'",
    ]


def test_readings_of_somebody_whose_name_was_erased_since_are_not_taken_for_lacking(invoke, read_meters):
    assert invoke("users", "rename", "carol", "Carol Dent-Ong").returncode == 0  # from then on her name has a mark
    assert invoke("backup", "before.db").returncode == 0
    assert invoke("users", "disable", "carol").returncode == 0
    assert invoke("people", "erase", "carol", "--yes").returncode == 0
    assert invoke("backup", "after.db").returncode == 0

    for backup in ("before.db", "after.db"):
        assert invoke("restore", backup).stdout.endswith(" now, and has no reading that the backup lacks\n")


def test_a_damaged_database_is_restored_too(invoke, read_meters, tmp_path):
    assert invoke("backup", "copy.db").returncode == 0
    as_it_was = dump_of(read_meters)
    read_meters.write_bytes(b"nothing that is a database" * 100)

    finished = invoke("restore", "copy.db")

    assert dump_of(read_meters) == as_it_was
    (kept,) = tmp_path.glob("metermt-before-restore-*.db")
    assert finished.stdout.splitlines()[1:] == [
        f"What was there is {kept} now, and cannot be compared with the backup."
        f" {kept} is not a MeterMT database: choose another file"
    ]
    assert kept.read_bytes().startswith(b"nothing that")


def test_a_backup_is_restored_where_there_is_no_database(invoke, read_meters, tmp_path):
    assert invoke("backup", "copy.db").returncode == 0
    other = tmp_path / "other" / "metermt.db"

    finished = invoke("restore", "copy.db", "--database", str(other))

    assert_done(finished, f"Restored {other} from copy.db: 2 users, 5 jobs, 6 readings\n")
    assert dump_of(other) == dump_of(read_meters)
    assert invoke("restore", "copy.db", "--database", "copy.db").stderr == (
        "Error: copy.db is the database itself: choose a backup of it\n"
    )


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), "There is no database copy.db"),
        (lambda path: path.write_text("a letter" * 100), "copy.db is not a MeterMT database: choose another file"),
        (lambda path: path.write_text(""), "copy.db is empty: choose another file"),
        (damage, "The database copy.db is damaged"),
        (set_version_ahead, "The database copy.db was made by a newer version of MeterMT: install that"),
    ],
    ids=["missing", "no database", "empty", "damaged", "newer"],
)
def test_a_copy_of_no_use_is_refused_and_nothing_changes(invoke, read_meters, tmp_path, spoil, words):
    assert invoke("backup", "copy.db").returncode == 0
    spoil(tmp_path / "copy.db")
    before = read_meters.read_bytes()

    finished = invoke("restore", "copy.db")

    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr.startswith(f"Error: {words}")
    assert read_meters.read_bytes() == before
    assert not list(tmp_path.glob("*before-restore*"))


def test_nothing_is_restored_under_a_running_server(metermt, crew_server, crew_database, tmp_path):
    assert metermt("backup", "copy.db").returncode == 0

    refused = metermt("restore", "copy.db")

    assert_refused(refused, f"The database {crew_database} is in use: stop its servers and programs, then try again")
    assert not list(tmp_path.glob("*before-restore*"))
    with connect(port=crew_server.port) as client:
        assert client.login("gwenda", "gwenda")
    assert crew_server.stop() == 0
    assert metermt("restore", "copy.db").returncode == 0


def test_what_a_killed_server_left_is_kept_whole(invoke, crew_server, crew_database, tmp_path):
    assert invoke("backup", "copy.db").returncode == 0
    with connect(port=crew_server.port) as client:
        client.login("gwenda", "gwenda")
        client.submit_reading("G1", 5)
    crew_server.kill()

    told = invoke("restore", "copy.db").stdout

    (kept,) = tmp_path.glob("metermt-before-restore-*.db")
    assert "Only there: 1 reading that the backup lacks" in told
    with SqliteStore(kept) as old, SqliteStore(crew_database) as new:
        assert [len(list(store.read(lambda tx: tx.readings.all(None)))) for store in (old, new)] == [1, 0]


def test_a_postgresql_database_is_not_restored_from_a_file(invoke):
    finished = invoke("restore", "copy.db", "--database", "postgresql://metermt@127.0.0.1:1/metermt")

    assert_refused(
        finished,
        "A PostgreSQL database is restored by its own tools, or from a file into an empty database by"
        " 'metermt database copy copy.db URL'",
    )
