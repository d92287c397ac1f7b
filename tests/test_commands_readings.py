"""`metermt readings`: what was read."""

import csv
import io
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
import warm
from commands import METERMT, assert_refused, rows_in
from conftest import CYCLE, import_jobs, make_job, make_reading
from steps import Steps

from metermt.cli.spreadsheet import Spreadsheet
from metermt.store.sqlite.store import SqliteStore

COLUMNS = [
    *("cycle", "route", "sequence", "meter", "kind", "address", "previous", "previous_date"),
    *("reading", "reason", "read_at", "reader", "recorded_at", "counts", "key"),
    *("quality", "flags", "cause", "code"),
]


def expected_row(meter, kind, route, sequence, **fields):
    row = dict.fromkeys(COLUMNS, "")
    row.update(
        cycle=CYCLE, meter=meter, kind=kind, route=route, sequence=sequence, reader="carol", counts="1", quality="A"
    )
    row.update(read_at="2026-11-19T08:30:15Z", recorded_at="2026-11-20T10:00:00Z")
    return row | fields


NOVEMBER = [
    expected_row("E445691", "E", "North", "1", reading="0"),
    expected_row(
        *("G72168", "G", "North", "2"),
        **{"address": "Größe 3, left", "previous": "4700", "previous_date": "2026-10-31"},
        **{"reading": "4711", "counts": "0", "key": "k1"},
    ),
    expected_row(
        *("G72168", "G", "North", "2"),
        **{"address": "Größe 3, left", "previous": "4700", "previous_date": "2026-10-31"},
        **{"reading": "4712", "reason": 'Glass "broken"', "key": "k2"},
    ),
    expected_row(
        "W5248", "W", "South", "1", reason="Couldn't find the meter", code="not-found", reader="eric", key="k3"
    ),
    expected_row(
        *("W9", "W", "South", "2"),
        **{"reading": "7", "reader": "eric", "read_at": "2026-11-20T10:00:00Z"},
        **{"quality": "V", "flags": "low no-history", "cause": "dropped"},
    ),
]
DECEMBER = [
    expected_row("W9", "W", "South", "0", cycle="2026-12", reading="8", read_at="2026-11-20T10:00:00Z"),
]


def counting(rows):
    return [row for row in rows if row["counts"] == "1"]


def test_an_export_has_every_reading_that_counts_in_every_column(metermt, read_meters):
    finished = metermt("readings", "export", "-")

    assert finished.returncode == 0
    assert rows_in(finished.stdout) == counting(NOVEMBER) + DECEMBER
    assert finished.stderr.startswith("5 readings written to ")


def test_an_export_of_a_cycle_has_its_readings_only(invoke, read_meters):
    assert rows_in(invoke("readings", "export", "-", "--cycle", CYCLE).stdout) == counting(NOVEMBER)
    assert rows_in(invoke("readings", "export", "-", "--cycle", "2026-12").stdout) == DECEMBER


def test_superseded_readings_are_exported_when_all_are_asked_for(invoke, read_meters):
    finished = invoke("readings", "export", "-", "--all")

    assert rows_in(finished.stdout) == NOVEMBER + DECEMBER
    assert finished.stderr.startswith("6 readings written to ")
    rows = [row for row in rows_in(finished.stdout) if row["meter"] == "G72168"]
    assert [(row["reading"], row["counts"]) for row in rows] == [("4711", "0"), ("4712", "1")]


def test_rows_come_in_the_order_of_the_walk(invoke, crew_database):
    with SqliteStore(crew_database) as store:
        import_jobs(store, CYCLE, [make_job("A9", route="South"), make_job("A1", sequence=9), make_job("Z1", route="")])
        Steps(store).record(*(make_reading(meter) for meter in ("A1", "A9", "G1", "G2", "Z1")))

    rows = rows_in(invoke("readings", "export", "-").stdout)

    assert [row["meter"] for row in rows] == ["Z1", "G1", "G2", "A1", "A9"]


@pytest.mark.parametrize("begins", ["=", "+", "-", "@"])
def test_a_text_is_never_a_formula_to_a_spreadsheet(invoke, crew_database, begins):
    formula = f'{begins}HYPERLINK("http://example.org?"&A1)'
    with SqliteStore(crew_database) as store:
        import_jobs(store, CYCLE, [make_job("G3", route=formula, address=formula)])
        Steps(store).record(make_reading("G3", reason=formula, key=formula))

    (row,) = rows_in(invoke("readings", "export", "-").stdout)

    assert {row[column] for column in ("route", "address", "reason", "key")} == {f"'{formula}"}


@pytest.mark.parametrize("begins", ["\t", "\r"])
def test_a_text_that_begins_with_a_tab_or_a_return_is_none_either(begins):
    """No text of a database does; a table may have others some day."""
    out = io.StringIO()
    Spreadsheet(out, for_excel=False, local_time=False).write([f"{begins}=1+1", "a=1", -1])
    assert next(csv.reader(io.StringIO(out.getvalue(), newline=""))) == [f"'{begins}=1+1", "a=1", "-1"]


def test_an_unknown_cycle_is_an_error_that_names_the_others(invoke, read_meters, tmp_path):
    finished = invoke("readings", "export", "december.csv", "--cycle", "2025-12")

    assert_refused(finished, "There is no cycle '2025-12': there are 2026-11, 2026-12")
    assert not (tmp_path / "december.csv").exists()


def test_an_export_can_be_read_by_its_owner_only(invoke, read_meters, tmp_path):
    target = tmp_path / "november.csv"
    invoke("readings", "export", "november.csv")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600

    target.chmod(0o644)
    invoke("readings", "export", "november.csv", "--force")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_times_can_be_those_of_the_machine(metermt, read_meters):
    rows = rows_in(metermt("readings", "export", "-", "--local-time", TZ="Asia/Kolkata").stdout)

    assert rows[0]["read_at"] == "2026-11-19T14:00:15+05:30"
    assert rows[0]["recorded_at"] == "2026-11-20T15:30:00+05:30"


def test_an_export_for_excel_says_that_it_is_utf_8_and_has_semicolons(invoke, read_meters, tmp_path):
    invoke("readings", "export", "november.csv", "--excel")

    exported = (tmp_path / "november.csv").read_bytes()
    assert exported.startswith(b"\xef\xbb\xbfcycle;route;sequence;meter;")
    text = io.StringIO(exported.decode("utf-8-sig"), newline="")
    assert list(csv.DictReader(text, delimiter=";")) == counting(NOVEMBER) + DECEMBER


def test_the_columns_are_those_that_the_help_tells_of(invoke, read_meters):
    documented = invoke("readings", "export", "--help").stdout.partition("Columns:\n")[2].partition("\n\n")[0]
    words = re.findall(r"[a-z_]+", " ".join(line[:30] for line in documented.splitlines()))

    header = invoke("readings", "export", "-").stdout.splitlines()[0].split(",")

    assert header == COLUMNS
    assert [word for word in words if word in COLUMNS] == COLUMNS


def test_a_file_gets_the_same_as_standard_output(metermt, read_meters, tmp_path):
    finished = metermt("readings", "export", "november.csv")

    assert (finished.returncode, finished.stdout) == (0, "")
    assert finished.stderr == "5 readings written to november.csv\n"
    exported = (tmp_path / "november.csv").read_bytes()
    assert exported == metermt("readings", "export", "-").stdout.encode().replace(b"\n", b"\r\n")
    assert {path.name for path in tmp_path.iterdir()} == {"november.csv", read_meters.name}


def test_standard_output_gets_utf_8_whatever_the_terminal_speaks(metermt, read_meters):
    finished = metermt("readings", "export", "-", PYTHONIOENCODING="ascii")

    assert finished.returncode == 0, finished.stderr
    assert rows_in(finished.stdout)[1]["address"] == "Größe 3, left"


def test_an_export_that_is_there_is_replaced_only_when_that_is_asked_for(invoke, read_meters, tmp_path):
    target = tmp_path / "november.csv"
    target.write_text("as it was\n")

    finished = invoke("readings", "export", "november.csv")

    assert_refused(finished, "november.csv is there already: choose another name, or replace it with --force")
    assert target.read_text() == "as it was\n"


def test_one_reading_is_one(invoke, crew_database):
    with SqliteStore(crew_database) as store:
        Steps(store).record(make_reading("G1"))

    assert invoke("readings", "export", "x.csv").stderr == "1 reading written to x.csv\n"


def test_an_export_replaces_an_older_one_as_a_whole(metermt, read_meters, tmp_path):
    target = tmp_path / "november.csv"
    target.write_text("as it was\n")
    with target.open() as opened_before:
        assert metermt("readings", "export", "november.csv", "--force").returncode == 0

        assert opened_before.read() == "as it was\n"
    assert rows_in(target.read_text(encoding="utf-8")) == counting(NOVEMBER) + DECEMBER


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("nowhere/november.csv", "There is no folder {here}/nowhere: make it, or choose another name"),
        ("letter.txt/november.csv", "There is no folder {here}/letter.txt: make it, or choose another name"),
        ("folder", "folder is a folder: name a file in it"),
        (".", ". is a folder: name a file in it"),
        ("/", "/ is a folder: name a file in it"),
        ("x" * 300, f"Cannot write {'x' * 300}: File name too long"),
    ],
)
def test_a_target_that_cannot_be_written_is_one_clear_error_and_leaves_nothing(
    invoke, read_meters, tmp_path, target, words
):
    (tmp_path / "folder").mkdir()
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam,\n")
    before = {path.name for path in tmp_path.rglob("*")}

    assert_refused(invoke("readings", "export", target), words.format(here=tmp_path))

    assert {path.name for path in tmp_path.rglob("*")} == before
    assert (tmp_path / "letter.txt").read_text() == "Dear Sir or Madam,\n"


def test_standard_output_on_a_full_disk_is_one_clear_error(environment, read_meters):
    with Path("/dev/full").open("w") as full:
        finished = warm.run(
            (METERMT, "readings", "export", "-"),
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
            timeout=60,
        )

    assert finished.returncode == 1
    assert re.fullmatch("Error: .*No space left on device.*\n", finished.stderr)


def test_a_reader_of_standard_output_who_has_seen_enough_is_no_error(environment, crew_database):
    with SqliteStore(crew_database) as store:
        import_jobs(store, CYCLE, [make_job(f"M{i:05}") for i in range(3000)])
        Steps(store).record(*(make_reading(f"M{i:05}") for i in range(3000)))

    finished = subprocess.run(
        ("bash", "-c", '"$0" readings export - | head -1', METERMT),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert finished.stdout == ",".join(COLUMNS) + "\n"
    assert finished.stderr == ""


def test_a_named_pipe_gets_the_export_and_stays_a_pipe(environment, read_meters, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        warm.run((METERMT, "readings", "export", pipe), env=environment, stderr=subprocess.DEVNULL, timeout=60)
        received = os.read(reader, 100_000)
    finally:
        os.close(reader)

    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert rows_in(received.decode()) == counting(NOVEMBER) + DECEMBER


def test_nothing_is_written_into_the_database_itself(invoke, read_meters, tmp_path):
    before = read_meters.read_bytes()
    (tmp_path / "link.csv").hardlink_to(read_meters)

    for name in ("metermt.db", "metermt.db-wal", "./metermt.db", "link.csv"):
        for command in (("readings", "export", name, "--force"), ("backup", name), ("serve", "--notify", name)):
            refused = f"{Path(name)} belongs to the database {read_meters}: choose another name"
            assert_refused(invoke(*command), refused)

    assert read_meters.read_bytes() == before
