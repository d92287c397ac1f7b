"""`metermt audit` and `metermt people`, beside what the calls say."""

import csv
import json
import stat

import pytest
from commands import assert_done, assert_refused
from conftest import CYCLE, make_jobs
from databases import raw
from readers import Reader
from servers import fill

from metermt.calls.desk import Desk
from metermt.store.sqlite.store import SqliteStore


@pytest.fixture
def town(database_path, demo_accounts, hasher):
    """A database in which carol has read a meter and corrected it."""
    with SqliteStore(database_path) as store:
        carol = Reader(Desk(fill(store, demo_accounts, make_jobs(2))), address="10.0.0.7")
        carol.submit("M00000", 5)
        carol.submit("M00000", 7)
    return database_path


def last_hash(invoke):
    finished = invoke("audit", "verify")
    words, line = finished.stdout.splitlines()
    assert (finished.returncode, words) == (0, "3 entries, as they were written. The last hash:")
    return line


def test_the_record_is_verified_and_the_first_entry_that_was_changed_is_named(invoke, town):
    noted = last_hash(invoke)
    assert invoke("audit", "verify", "--noted", noted.upper()).returncode == 0
    strange = invoke("audit", "verify", "--noted", "0a")
    assert_refused(
        strange,
        "The record is not as it was written. No entry has the hash 0a: the chain was made anew, or its end is gone",
    )
    with raw(town) as database:
        database.execute(f"UPDATE audit SET after = '{CYCLE}: 6' WHERE place = 2")
    finished = invoke("audit", "verify")
    assert finished.returncode == 1
    assert "The record is not as it was written. Entry 2 (" in finished.stderr
    assert "reading M00000) is not the one that was put there" in finished.stderr


def test_what_was_done_is_shown_by_meter_by_user_and_by_day(invoke, town):
    invoke("users", "disable", "carol")
    heading, *lines = invoke("audit", "show", "m00000").stdout.splitlines()
    assert heading.split() == ["at", "who", "what", "about", "before", "after", "whom", "place", "from"]
    assert [line.split()[-2:] for line in lines] == [["2", "10.0.0.7"], ["3", "10.0.0.7"]]
    assert f"carol  correction  M00000  {CYCLE}: 5  {CYCLE}: 7  " in lines[1]
    assert len(invoke("audit", "show", "carol").stdout.splitlines()) == 1 + 4
    assert len(invoke("audit", "show", "--since", "2020-01-01").stdout.splitlines()) == 1 + 4
    assert invoke("audit", "show", "--since", "2100-01-01").stderr == "Nothing of that is on record.\n"


def test_the_record_is_written_to_a_file_that_is_never_replaced_unasked(invoke, town, tmp_path):
    hash_ = last_hash(invoke)
    assert invoke("audit", "export", "a.csv").stderr == "3 entries written to a.csv\n"
    assert invoke("audit", "export", "-").stderr == "3 entries written to standard output\n"
    assert stat.S_IMODE((tmp_path / "a.csv").stat().st_mode) == 0o600
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert [(row["what"], row["after"], row["hash"]) for row in rows][2] == ("correction", f"{CYCLE}: 7", hash_)
    assert_refused(
        invoke("audit", "export", "a.csv"), "a.csv is there already: choose another name, or replace it with --force"
    )
    assert_refused(
        invoke("audit", "export", "metermt.db", "--force"),
        f"metermt.db belongs to the database {tmp_path / 'metermt.db'}: choose another name",
    )
    assert invoke("audit", "export", "a.jsonl").returncode == 0
    told = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [one["who"] for one in told] == ["carol"] * 3
    assert told[2]["hash"] == hash_


def test_a_person_is_erased_after_a_question(invoke, town):
    words = "carol may log in: disable them first, and have what they have not sent yet sent"
    assert_refused(invoke("people", "erase", "carol", "--yes"), words)
    invoke("users", "disable", "carol")
    asked = invoke("people", "erase", "carol", stdin="n\n")
    assert (asked.returncode, asked.stderr) == (1, "Erase the name of carol for ever? [y/N]: n\nAborted!\n")
    assert_done(invoke("people", "erase", "carol", "--yes"), "carol is erased-1 from now on.\n")
    assert invoke("audit", "verify").returncode == 0
    assert "carol" not in invoke("audit", "show").stdout
