"""`metermt export` and `batches`: what cannot be done is told, and changes nothing."""

import re

import pytest
from commands import assert_refused
from conftest import CYCLE, Clock
from readers import Reader, open_with_past

from metermt.calls.desk import Desk
from metermt.store.sqlite.store import SqliteStore


@pytest.fixture
def town(database_path, demo_accounts, hasher):
    """A database with two meters, one of which was read, and one waits for a decision."""
    with SqliteStore(database_path) as store:
        store.write(lambda tx: tx.accounts.put(demo_accounts))
        desk = Desk(store, clock=Clock())
        open_with_past(desk, {"M0": 1_000, "M1": 1_000})
        carol = Reader(desk)
        carol.submit("M0", 1_150)
        carol.submit("M1", None, "dog")
    return database_path


def test_a_batch_is_written_told_of_and_written_again_byte_for_byte(invoke, town, tmp_path):
    finished = invoke("export", "--to", "november.csv")
    assert (finished.returncode, finished.stdout) == (0, "")
    assert finished.stderr == (
        "Batch 1: 1 line, 18 units billed, written to november.csv.\n"
        f"Held back of {CYCLE}: 1 undecided (metermt review list).\n"
    )
    assert (tmp_path / "november.csv").stat().st_mode & 0o777 == 0o600
    heading, line = invoke("batches", "list").stdout.splitlines()
    assert re.sub(" +", " ", heading) == "batch when who cycle route lines billed use layout"
    assert line.split()[-3:] == ["1", "18", "csv"]
    invoke("batches", "show", "1", "--to", "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "november.csv").read_bytes()
    assert invoke("batches", "show", "1").stdout == (tmp_path / "november.csv").read_text()
    assert invoke("batches", "show", "1", "--format", "json").stdout.startswith("{")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--format", "cvs"], "There is no layout 'cvs': name one of csv, fixed, xlsx, json, or a file like ./cvs"),
        (["--cycle", "2020-01"], f"There is no cycle '2020-01': only {CYCLE}"),
        (["--to", "there.csv"], "there.csv is there already: choose another name, or replace it with --force"),
        (["--to", "no/where.csv"], "There is no folder {folder}/no: make it, or choose another name"),
        (
            ["--to", "metermt.db", "--force"],
            "metermt.db belongs to the database {folder}/metermt.db: choose another name",
        ),
    ],
)
def test_what_cannot_be_exported_is_told_and_nothing_was(invoke, town, tmp_path, words, error):
    (tmp_path / "there.csv").write_text("mine")
    to = [] if "--to" in words else ["--to", "november.csv"]
    assert_refused(invoke("export", *to, *words), error.format(folder=tmp_path))
    assert invoke("batches", "list").stderr == "No batches: make one with 'metermt export'.\n"
    assert (tmp_path / "there.csv").read_text() == "mine"
    assert not (tmp_path / "november.csv").exists()


def test_a_batch_whose_file_finds_no_room_is_made_and_written_another_time(invoke, town):
    refused = invoke("export", "--to", "/dev/full")
    assert refused.returncode == 1
    assert refused.stderr.startswith(
        "Error: Cannot write /dev/full: No space left on device. Batch 1 is made all the same"
    )
    assert invoke("batches", "show", "1", "--to", "november.csv").stderr == "1 line written to november.csv.\n"


def test_when_there_is_nothing_new_no_batch_is_made(invoke, town):
    assert invoke("export", "--to", "-").stdout.count("\n") == 2
    refused = invoke("export", "--to", "-")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.endswith("Error: There is nothing new for billing\n")
    assert_refused(invoke("batches", "show", "2"), "There is no batch 2: there are 1 to 1")


def test_a_use_below_zero_is_named(invoke, town):
    assert invoke("readings", "correct", "M0", "1130", "--why", "typed wrongly", "--yes").returncode == 0
    said = invoke("export", "--to", "november.csv").stderr.splitlines()
    assert said[1] == "A use is below zero: M0 -2. After an estimate that may be right."
