"""Route files as offices export them: those that can be read, and those that are refused whole."""

import re
from datetime import date

import pytest
from conftest import CYCLE
from routefiles import COLUMNS, ROW, meters_of, only, read, table

from metermt.errors import RouteError
from metermt.files.routes import RouteFile
from metermt.model import Job, Meter

pytest_plugins = ["routefile_fixtures"]

JOB = Job(
    Meter("G72168", "G", 5, "4 Mill Street", "Dog in the yard, ring first"),
    CYCLE,
    "North",
    30,
    4711,
    date(2026, 10, 31),
)


# --- files that are as they should be


def test_a_row_with_every_column_becomes_a_job(write):
    assert only(write(table(COLUMNS, ROW))) == JOB


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_byte_order_mark_delimiter_and_line_end_make_no_difference(write, encoding, delimiter, line_end):
    text = table(COLUMNS, ROW, delimiter=delimiter, line_end=line_end)

    assert only(write(text.encode(encoding))) == JOB


def test_columns_may_stand_in_any_order(write):
    assert only(write(table(COLUMNS[::-1], ROW[::-1]))) == JOB


def test_column_names_may_have_capital_letters_and_blanks_around(write):
    assert only(write(table([f" {column.title()} " for column in COLUMNS], ROW))) == JOB


def test_fields_may_have_blanks_around_and_meters_and_kinds_small_letters(write):
    row = [f"  {field} " for field in ROW]

    assert only(write(table(COLUMNS, (row[0].lower(), row[1].lower(), *row[2:])))) == JOB


def test_commas_inside_a_file_with_semicolons_belong_to_the_fields(write):
    assert only(write("meter;route;address\nG1;North, far;Mill Street 4, left\n")) == Job(
        Meter("G1", "G", address="Mill Street 4, left"), CYCLE, "North, far", 1
    )


def test_letters_of_all_languages_arrive(write):
    job = only(write(table(("meter", "route", "address"), ("W1", "Łódź", "Größe 3, Αθήνα 🐕"))))

    assert (job.route, job.meter.address) == ("Łódź", "Größe 3, Αθήνα 🐕")


def test_columns_of_no_use_are_named(write, import_routes):
    path = write("meter,colour,route,Owner\nG1,red,North,Ann\n")

    with RouteFile(path, CYCLE) as route_file:
        assert route_file.ignored == ["colour", "owner"]
    assert import_routes(path).stderr == "Columns not used: colour, owner\n"
    path = write(b"meter,route,Z\xe4hler,\x1b[2J\nG1,North,,\n")
    assert import_routes(path).stderr == "Columns not used: z\\udce4hler, \\x1b[2j\n"


def test_a_column_of_no_use_may_have_lines_in_its_fields_and_stand_twice_if_it_has_no_name(write):
    assert meters_of(read(write('meter,route,note,,\nG1,North,"two\nlines",,\nG2,North,,,\n'))) == ["G1", "G2"]


def test_meter_and_route_are_enough(write):
    assert only(write("meter,route\nX1,North\n")) == Job(Meter("X1"), CYCLE, "North", 1)


@pytest.mark.parametrize(("meter", "kind"), [("E1", "E"), ("G1", "G"), ("W1", "W"), ("w1", "W"), ("X1", ""), ("7", "")])
def test_without_a_kind_the_first_letter_tells_it(write, meter, kind):
    assert only(write(f"meter,route\n{meter},North\n")).meter.kind == kind
    assert only(write(f"meter,route,kind\n{meter},North,\n")).meter.kind == kind


def test_without_a_sequence_the_order_of_each_route_counts(write):
    rows = read(write("meter,route\nG3,North\nG1,South\nG2,North\nG9,South\n"))

    assert [(row.meter.number, row.route, row.sequence) for row in rows] == [
        ("G3", "North", 1),
        ("G1", "South", 1),
        ("G2", "North", 2),
        ("G9", "South", 2),
    ]


def test_zero_is_a_sequence_and_a_previous_reading(write):
    job = only(write("meter,route,sequence,previous\nG1,North,0,0\n"))

    assert (job.sequence, job.previous) == (0, 0)


def test_empty_lines_are_passed_over(write):
    assert meters_of(read(write("meter,route\n\nG1,North\n,\n\r\n\nG2,North\n\n"))) == ["G1", "G2"]


def test_a_last_line_without_an_end_counts(write):
    assert meters_of(read(write("meter,route\nG1,North\nG2,North"))) == ["G1", "G2"]


def test_a_file_with_a_first_line_only_has_no_jobs(write):
    assert read(write("meter,route\n")) == []


# --- files that are none


@pytest.mark.parametrize(
    ("first_line", "missing"),
    [
        ("route,address", "meter"),
        ("meter,address", "route"),
        ("address", "meter and route"),
        ("meter route", "meter and route"),
        ("meter\troute", "meter and route"),
        ("colour,Meter No", "meter and route"),
    ],
)
def test_a_file_without_the_columns_it_needs_is_refused_with_those_that_it_has(write, first_line, missing):
    path, found = write(f"{first_line}\nG1,North\n"), ", ".join(map(repr, first_line.lower().split(",")))

    with pytest.raises(RouteError) as caught:
        read(path)

    assert str(caught.value) == (
        f"{path} is no route file: its first line must name the columns meter and route, separated by commas or"
        f" semicolons. There is no {missing.replace(' and ', ' and no ')}; it names {found}. Also known, if you have"
        " them: kind, sequence, address, dials, previous, previous_date, instructions, multiplier, status"
    )


def test_a_file_whose_first_line_is_empty_is_refused_as_that(write):
    with pytest.raises(RouteError, match=r"separated by commas or semicolons, and is empty$"):
        read(write("\nG1,North\n"))


@pytest.mark.parametrize("content", ["Zähler,Route\n".encode("latin-1"), "meter,route\n".encode("utf-16")])
def test_a_first_line_in_another_encoding_is_refused_as_that(write, content):
    with pytest.raises(
        RouteError, match=r"It is not UTF-8: save it as UTF-8 .* or say what it is, like --encoding cp1"
    ):
        read(write(content))


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("windows", "There is no encoding 'windows': try cp1252"),
        ("base64", "There is no encoding 'base64'"),
        ("utf-16", "is not utf-16: save it as UTF-8"),
    ],
)
def test_an_encoding_that_cannot_be_is_refused(write, encoding, words):
    with pytest.raises(RouteError, match=words):
        read(write("meter,route\nG1,North \n"), encoding)


def test_a_file_that_names_a_column_twice_is_refused(write):
    path = write("meter,route,Meter\nG1,North,G2\n")

    with pytest.raises(RouteError, match=f"{re.escape(str(path))} names the column meter twice"):
        read(path)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(table(COLUMNS, ROW).encode("utf-16"), id="UTF-16"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\xef\xbb\xbf", id="byte order mark only"),
        pytest.param(bytes(range(256)) * 40, id="binary"),
        pytest.param(bytes(100), id="zeros"),
        pytest.param(b"a" * 200_000, id="one long line"),
        pytest.param(b'"' + b"a\n" * 100_000, id="one long field"),
    ],
)
def test_a_file_of_another_sort_is_refused(write, content):
    with pytest.raises(RouteError, match="is no route file"):
        read(write(content))


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(RouteError, match=f"Cannot read {re.escape(str(tmp_path))}: Is a directory"):
        RouteFile(tmp_path, CYCLE)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(RouteError, match=r"Cannot read .*october\.csv: No such file or directory"):
        RouteFile(tmp_path / "october.csv", CYCLE)


@pytest.mark.parametrize("cycle", ["", "-1", "2026/11", "Nov 2026", "2" * 17, "2026-11\n"])
def test_a_cycle_without_a_proper_name_is_refused(write, cycle):
    with pytest.raises(RouteError, match=r"Invalid cycle .*: write it like 2026-11"):
        RouteFile(write(table(COLUMNS, ROW)), cycle)
