"""Files of meters from elsewhere come in by a layout that says which column is which."""

import csv
from datetime import date
from decimal import Decimal

import pytest
from billings import made
from commands import assert_refused
from conftest import CYCLE
from routefiles import meters_of

from metermt.errors import RouteError
from metermt.files.routes import BadRow, RouteFile

pytest_plugins = ["routefile_fixtures"]

LAYOUT = """
[import]
encoding = "cp1252"
delimiter = "|"
date = "DD.MM.YYYY"
point = ","
fixed = { dials = "6", status = "active" }
map.kind = { Strom = "E", Gas = "G" }

[import.columns]
meter = "Geräte-Nr"
route = "Tour"
address = "Straße"
previous = "Stand"
previous_date = "Am"
kind = "Art"
multiplier = "Faktor"
"""
FIRST = "Geräte-Nr|Saldo|Tour|Straße|Stand|Am|Art|Faktor\n"
ROW = "72168|12,50|Nord|Mühlgasse 4|4711|31.10.2026|Gas|0,5\n"


@pytest.fixture
def layout_path(tmp_path):
    path = tmp_path / "our.toml"
    path.write_text(LAYOUT, encoding="utf-8")
    return path


def read(path, layout=LAYOUT):
    with RouteFile(path, CYCLE, foreign=made(layout).foreign) as route_file:
        return list(route_file.jobs())


def foreign(*rows):
    return (FIRST + "".join(rows)).encode("cp1252")


def test_each_column_is_found_by_the_name_that_the_layout_says(write):
    (job,) = read(write(foreign(ROW)))

    meter = job.meter
    assert (meter.number, meter.kind, meter.address, meter.dials) == ("72168", "G", "Mühlgasse 4", 6)
    assert (meter.multiplier, meter.active) == (Decimal("0.5"), True)
    assert (job.route, job.sequence, job.previous, job.previous_date) == ("Nord", 1, 4711, date(2026, 10, 31))


def test_columns_that_the_layout_does_not_name_are_not_used_even_if_they_are_named_as_ours(write):
    path = write(b"Device,route,Tour,dials,Saldo,Saldo\nG1,wrong,North,9,1,2\n")
    layout = "[import]\ncolumns = { meter = 'DEVICE', route = 'tour' }\n"

    with RouteFile(path, CYCLE, foreign=made(layout).foreign) as route_file:
        (job,) = route_file.jobs()

    assert (job.meter.number, job.route, job.meter.dials) == ("G1", "North", None)
    assert route_file.ignored == ["route", "dials", "saldo", "saldo"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ROW.replace("31.10.2026", "2026-10-31"), "Invalid Am '2026-10-31': write it like DD.MM.YYYY"),
        (ROW.replace("31.10.2026", "31.11.2026"), "Invalid Am '31.11.2026': day is out of range for month"),
        (ROW.replace("Gas", "Gaz"), "Invalid Art 'Gaz': the layout knows Strom, Gas"),
        (ROW.replace("0,5", "0.5"), "Invalid Faktor '0.5': , stands before decimals here"),
        (ROW.replace("0,5", "x"), "Invalid multiplier 'x': use a number above 0, like 40 or 0.1"),
        (ROW.replace("72168", ""), "The meter is missing"),
    ],
)
def test_a_row_that_cannot_be_used_is_told_in_the_words_of_its_file(write, row, reason):
    assert read(write(foreign(row))) == [BadRow(2, reason, row.rstrip("\n").split("|"))]


@pytest.mark.parametrize(
    ("form", "text", "day"),
    [
        ("YYYYMMDD", "20261031", date(2026, 10, 31)),
        ("MM/DD/YY", "10/31/26", date(2026, 10, 31)),
        ("YYYYJJJ", "2026304", date(2026, 10, 31)),
        ("DD.MM.YYYY hh:mm", "31.10.2026 07:15", date(2026, 10, 31)),
        ("YYYYJJJ", "2026366", None),
        ("YYYYJJJ", "2026000", None),
        ("YYYYMMDD", "\u0662\u0660261031", None),
    ],
)
def test_days_are_read_in_the_form_of_the_file(write, form, text, day):
    layout = f"[import]\ndate = '{form}'\ncolumns = {{ meter = 'm', route = 'r', previous_date = 'd' }}\n"

    (row,) = read(write(f"m,r,d\nG1,North,{text}\n"), layout)

    assert row.previous_date == day if day else row.reason.startswith(f"Invalid d {text!r}: ")


def test_a_file_without_a_column_of_the_layout_is_refused(write):
    with pytest.raises(
        RouteError, match="is no file of this layout: the layout names the columns 'Straße' \\(address\\)"
    ):
        read(write(foreign().replace("Straße".encode("cp1252"), b"Ort")))


def test_a_foreign_file_is_imported_and_its_rejects_come_in_by_the_same_layout(write, invoke, layout_path, tmp_path):
    path = write(foreign(ROW, ROW.replace("72168|", "72170|").replace("31.10.", "31.11.")))

    first = invoke("routes", "import", str(path), "--layout", str(layout_path))

    rejected = tmp_path / "november.rejected.csv"
    assert (first.returncode, first.stdout) == (3, "1 of 1 meter new or changed.\n")
    assert first.stderr.splitlines()[0] == "Columns not used: saldo"
    names = next(csv.reader(rejected.read_text(encoding="utf-8").splitlines()))
    assert names == ["line", "reason", "geräte-nr", "saldo", "tour", "straße", "stand", "am", "art", "faktor"]
    rejected.write_text(rejected.read_text(encoding="utf-8").replace("31.11.", "30.11."), encoding="utf-8")
    again = invoke("routes", "import", str(rejected), "--layout", str(layout_path))
    assert (again.returncode, again.stdout) == (0, "1 of 1 meter new or changed.\n")


def test_the_encoding_that_is_said_with_the_command_counts_more_than_that_of_the_layout(write, invoke, layout_path):
    path = write((FIRST + ROW).encode())

    refused = invoke("routes", "import", str(path), "--layout", str(layout_path), "--dry-run")
    taken = invoke("routes", "import", str(path), "--layout", str(layout_path), "--dry-run", "--encoding", "UTF-8")

    assert refused.stderr.startswith(f"Error: {path} is no file of this layout: the layout names the columns")
    assert taken.stdout == "1 of 1 meter would be new or changed.\n"


def test_a_layout_for_files_to_write_only_imports_nothing(write, invoke, database_path):
    refused = invoke("routes", "import", str(write(foreign(ROW))), "--layout", "csv")

    assert_refused(refused, "The layout csv says nothing of files to import: it has no [import]")
    assert not database_path.exists()
    assert meters_of(read(write(foreign(ROW)))) == ["72168"]
