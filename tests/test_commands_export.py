"""`metermt export` and `batches`: what cannot be done is told, and changes nothing."""

import re

import pytest
from billing_town import NEXT_CYCLE
from billings import FIXED, reading
from commands import assert_refused
from conftest import CYCLE, Clock
from readers import Reader, open_with_past
from servers import listening

from metermt.calls.desk import Desk
from metermt.calls.officecalls import OfficeCalls
from metermt.errors import ServerLost
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
    told = " ".join(invoke("batches", "show", "--help").stdout.split())
    assert "same bytes as at first unless the name of who made it was erased since" in told


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


def test_how_a_batch_is_written_another_time_is_told_with_where_it_was_made(invoke, town):
    refused = invoke("export", "--to", "/dev/full", "--database", str(town))
    assert refused.stderr.endswith(f"write it with: metermt batches show 1 --to /dev/full --database {town}\n")
    invoke("users", "role", "adam", "admin")
    invoke("review", "approve", "M1")
    with SqliteStore(town) as store, listening(Desk(store)) as server:
        there = ("--server", f"localhost:{server.port}", "--as", "adam")
        refused = invoke("export", "--to", "/dev/full", *there, stdin="adam\n")
        assert refused.stderr.endswith(f"write it with: metermt batches show 2 --to /dev/full {' '.join(there)}\n")


def test_when_there_is_nothing_new_no_batch_is_made(invoke, town):
    assert invoke("export", "--to", "-").stdout.count("\n") == 2
    refused = invoke("export", "--to", "-")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert re.search(
        r"Error: There is nothing new for billing since batch 1 of \d{4}-\d\d-\d\d \d\d:\d\d \S+ \(1 line\);"
        r" to write that again: metermt batches show 1 --to FILE\n$",
        refused.stderr,
    )
    assert_refused(invoke("batches", "show", "2"), "There is no batch 2: there are 1 to 1")


def test_a_batch_that_does_not_fit_into_its_layout_is_written_by_another_one(invoke, town, tmp_path):
    columns = ("{ field = 'kind', width = 10 }", "{ field = 'meter', width = 1 }")
    (tmp_path / "narrow.toml").write_text(FIXED + reading(*columns))
    refused = invoke("export", "--to", "november.txt", "--format", "./narrow.toml")
    assert refused.stderr.endswith(
        "Batch 1 is made all the same; write it with: metermt batches show 1 --to november.txt --format LAYOUT,"
        " with a layout that it fits into\n"
    )
    again = invoke("batches", "show", "1", "--to", "november.txt")
    assert again.stderr.endswith("'M0', and the column 1. Name a layout that it fits into with --format\n")
    assert invoke("batches", "show", "1", "--to", "november.txt", "--format", "csv").returncode == 0


def test_an_export_that_gets_no_answer_says_where_to_look_for_the_batch(invoke, town, monkeypatch):
    make_batch = OfficeCalls.make_batch

    def lost(*args):
        make_batch(*args)
        raise ServerLost("The connection to the server was lost")

    with monkeypatch.context() as patch:
        patch.setattr(OfficeCalls, "make_batch", lost)
        refused = invoke("export", "--to", "november.csv")
    assert (refused.returncode, refused.stderr) == (
        1,
        "Error: The connection to the server was lost. A batch may be made all the same: see metermt batches list, and"
        " export again if not\n",
    )
    assert invoke("batches", "list").stdout.count("\n") == 2


def test_what_nobody_reads_again_is_told_by_each_export_and_by_doctor(invoke, town):
    assert invoke("review", "reread", "M1").returncode == 0
    assert invoke("cycles", "close", CYCLE, "--force").returncode == 0
    assert invoke("cycles", "open", NEXT_CYCLE).returncode == 0
    clock = Clock()
    clock.move(days=25)
    with SqliteStore(town) as store:
        Reader(Desk(store, clock=clock)).submit("M1", 1_162, when=clock.now, cycle=NEXT_CYCLE)
    assert invoke("export", "--to", "-", "--cycle", NEXT_CYCLE).stderr.splitlines()[:-1] == [
        f"Held back of {NEXT_CYCLE}: 1 missing (metermt routes missing --cycle {NEXT_CYCLE}),"
        f" 1 behind what is held back of {CYCLE}."
    ]
    again = f"Held back of {CYCLE}: 1 to be read again (metermt routes missing --cycle {CYCLE})."
    assert again in invoke("export", "--to", "-").stderr
    assert (
        f"Problem: 1 meter of {CYCLE}, which is closed, had to be read again, and no later use there is billed (metermt"
        f" routes missing --cycle {CYCLE}): metermt review give-up METER --cycle {CYCLE} --why WHY, or metermt cycles"
        f" reopen {CYCLE}\n"
    ) in invoke("doctor").stderr
    given_up = invoke("review", "give-up", "m1", "--cycle", CYCLE, "--why", "the house was pulled down")
    assert given_up.stdout == f"M1 has no value in {CYCLE}.\n"
    assert "had to be read again" not in invoke("doctor").stderr
    again = invoke("review", "give-up", "M1", "--why", "the house was pulled down")
    assert (again.returncode, again.stderr) == (1, "Error: Meter M1 is not to be read again\n")


def test_a_use_below_zero_is_named(invoke, town):
    assert invoke("readings", "correct", "M0", "1130", "--why", "typed wrongly", "--yes").returncode == 0
    said = invoke("export", "--to", "november.csv").stderr.splitlines()
    assert said[1] == "A use is below zero: M0 -2. After an estimate that may be right."
