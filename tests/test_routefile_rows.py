"""Rows of route files that cannot be used: they spoil only themselves, and a reason is told."""

import re

import pytest
from routefiles import COLUMNS, ROW, meters_of, read, table

from metermt.files.routes import BadRow

pytest_plugins = ["routefile_fixtures"]


@pytest.mark.parametrize(
    ("column", "field", "reason"),
    [
        ("meter", "", "The meter is missing"),
        ("meter", "G 1", "Invalid meter number 'G 1'"),
        ("meter", "G1\0", "Invalid meter number 'G1\\x00'"),
        ("meter", "G" * 33, "Invalid meter number 'GGG"),
        ("route", "", "The route is missing"),
        ("route", "   ", "The route is missing"),
        ("route", "x" * 201, "The route has 201 characters: 200 are allowed"),
        ("kind", "X", "Invalid kind 'X': use E for electricity"),
        ("kind", "gas", "Invalid kind 'GAS'"),
        ("dials", "0", "Invalid dials 0: a register has 1 to 12 digits"),
        ("dials", "13", "Invalid dials 13"),
        ("dials", "five", "Invalid dials 'five': use a whole number from 1 to 12"),
        ("sequence", "-1", "Invalid sequence '-1': use a whole number from 0 to 999999999"),
        ("sequence", "1.5", "Invalid sequence '1.5'"),
        ("sequence", "1000000000", "Invalid sequence 1000000000: use a whole number from 0 to 999999999"),
        ("sequence", "٣", "Invalid sequence '٣'"),  # a digit, but no register shows it
        ("previous", "-5", "Invalid previous '-5'"),
        ("previous", "100000", "Invalid previous 100000: the register of G72168 goes from 0 to 99999"),
        ("previous", "9" * 5000, "Invalid previous '999"),
        ("previous_date", "2026-02-30", "Invalid previous_date '2026-02-30': write it like 2026-11-20"),
        ("previous_date", "0001-01-01", "Invalid previous_date 0001-01-01: it lies before 1970"),
        ("previous_date", "31.10.2026", "Invalid previous_date '31.10.2026'"),
        ("address", "4 Mill\nStreet", "The address '4 Mill\\nStreet' has control characters in it: remove them"),
        ("address", "\x1b[2J", "The address '\\x1b[2J' has control characters"),
        ("address", "a\0b", "The address 'a\\x00b' has control characters"),
        ("instructions", "x" * 201, "The instructions has 201 characters"),
    ],
)
def test_a_bad_field_spoils_its_row_only(write, column, field, reason):
    row = [field if name == column else good for name, good in zip(COLUMNS, ROW, strict=True)]
    other = ("W1", *ROW[1:])

    spoiled, job = read(write(table(COLUMNS, row, other)))

    assert spoiled == BadRow(2, spoiled.reason, row)
    assert spoiled.reason.startswith(reason)
    assert job.meter.number == "W1"


@pytest.mark.parametrize(("row", "count"), [("G1,North", 2), ("G1,North,Mill Street,4", 4), ("G1", 1)])
def test_a_row_with_too_many_or_too_few_fields_spoils_itself_only(write, row, count):
    spoiled, job = read(write(f"meter,route,address\n{row}\nG2,North,\n"))

    assert re.fullmatch(f"The row has {count} fields?, the first line names 3", spoiled.reason)
    assert job.meter.number == "G2"


def test_rows_in_latin_1_spoil_themselves_only(write):
    latin, utf_8 = "G1,North,Größe\n".encode("latin-1"), "G2,North,Größe\n".encode()

    rows = read(write(b"meter,route,address\n" + utf_8 + latin + b"G3,North,\n"))

    assert meters_of(rows) == ["G2", 3, "G3"]
    assert rows[1].reason == "The row is not UTF-8: save the file as UTF-8"


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16", "UTF-8"])
def test_a_file_in_another_encoding_is_read_when_it_is_told(write, encoding):
    (job,) = read(write("meter,route,address\nG1,North,Größe\n".encode(encoding)), encoding)

    assert job.meter.address == "Größe"


def test_what_is_utf_8_is_not_garbled_when_another_encoding_is_told(write):
    (row,) = read(write("meter,route,address\nG1,North,Größe\n"), "cp1252")

    assert row.reason == "The row is UTF-8, and would be garbled as cp1252: use --encoding UTF-8"


def test_a_letter_that_a_program_has_lost_is_not_imported(write):
    (row,) = read(write("meter,route,address\nG1,North,Gr\N{REPLACEMENT CHARACTER}ße\n"))

    assert row.reason.startswith("A letter was lost, and \N{REPLACEMENT CHARACTER} stands in its place")


def test_a_meter_that_stands_twice_is_imported_once(write):
    first, second = read(write("meter,route\n\nG1,North\ng1,South\n"))[:2]

    assert (first.meter.number, first.route) == ("G1", "North")
    assert second == BadRow(4, "Meter G1 stands in line 3 already", ["g1", "South"])


def test_a_spoiled_row_does_not_take_its_meters_number(write):
    assert meters_of(read(write("meter,route,dials\nG1,North,0\nG1,North,5\n"))) == [2, "G1"]


def test_a_field_too_long_to_read_spoils_its_row_only(write):
    spoiled, job = read(write(f"meter,route,address\nG1,North,{'x' * 131_073}\nG2,North,\n"))

    assert spoiled.line == 2
    assert "field larger than field limit" in spoiled.reason
    assert job.meter.number == "G2"


def test_lines_inside_quoted_fields_are_counted(write):
    rows = read(write('meter,route,note\nG1,North,"a\nb\r\nc"\nG1,North,\n\nG2,North,"d\ne"\nG2,North,\n'))

    assert [(row.line, row.reason) for row in rows if isinstance(row, BadRow)] == [
        (5, "Meter G1 stands in line 2 already"),
        (9, "Meter G2 stands in line 7 already"),
    ]


def test_a_row_of_several_lines_is_named_by_its_first(write):
    assert [row.line for row in read(write('meter,route,address\nG1,North,"a\nb\nc"\nG2,North,"d\ne"\n'))] == [2, 5]


def test_a_quote_that_is_never_closed_is_named_by_the_line_where_it_opens(write):
    rows = read(write('meter,route\nG1,North\n"G2,North\n' + "".join(f"G1{i},North\n" for i in range(50))))

    assert meters_of(rows) == ["G1", 3]
