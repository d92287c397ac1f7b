"""Route files as offices export them, good and bad, and `metermt routes import`, which reads them."""

import csv
import io
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pexpect
import pytest
from conftest import CYCLE, DEADLINE, NOW, add_readers, dump, make_lease, make_submission
from hypothesis import given
from hypothesis import strategies as st

from metermt.errors import RouteError
from metermt.model import KINDS, Job, Meter
from metermt.routefile import OPTIONAL, REQUIRED, BadRow, RouteFile
from metermt.store.sqlite import SqliteStore

METERMT = Path(sys.executable).with_name("metermt")
COLUMNS = ("meter", "kind", "route", "sequence", "address", "dials", "previous", "previous_date", "instructions")
ROW = ("G72168", "G", "North", "30", "4 Mill Street", "5", "4711", "2026-10-31", "Dog in the yard, ring first")
JOB = Job(
    Meter("G72168", "G", 5, "4 Mill Street", "Dog in the yard, ring first"),
    CYCLE,
    "North",
    30,
    4711,
    date(2026, 10, 31),
)


@pytest.fixture
def write(tmp_path):
    """Write a route file, from a text or from bytes."""

    def write(content, name="november.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def import_routes(database_path):
    """Run `metermt routes import` on a file."""

    def import_routes(path, *, stdin="", cycle=CYCLE):
        command = (METERMT, "routes", "import", path, "--cycle", cycle, "--database", database_path)
        return subprocess.run(command, input=stdin, capture_output=True, encoding="utf-8", timeout=60)

    return import_routes


@pytest.fixture
def unread_jobs(database_path):
    """Return the jobs that a reader would be handed now, in the order of the walk."""

    def unread_jobs():
        with SqliteStore(database_path, create=False) as store:
            return store.lease_jobs(make_lease(until=0), 1000, now=0)  # a lease that is over when it begins

    return unread_jobs


def table(*rows, delimiter=",", line_end="\n"):
    """Write rows as a CSV."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=line_end).writerows(rows)
    return out.getvalue()


def rows_of(path):
    """Return the rows of a CSV in UTF-8."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def read(path):
    with RouteFile(path, CYCLE) as route_file:
        return list(route_file.jobs())


def only(path):
    """Return what the only row of the file became."""
    (row,) = read(path)
    return row


def meters_of(rows):
    """Return the meters of the jobs; for what is none, its line."""
    return [row.line if isinstance(row, BadRow) else row.meter for row in rows]


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

    assert (job.route, job.address) == ("Łódź", "Größe 3, Αθήνα 🐕")


def test_columns_of_no_use_are_named(write, import_routes):
    path = write("meter,colour,route,Owner\nG1,red,North,Ann\n")

    with RouteFile(path, CYCLE) as route_file:
        assert route_file.ignored == ["colour", "owner"]
    assert import_routes(path).stderr == "Columns not used: colour, owner\n"


def test_a_column_of_no_use_may_have_lines_in_its_fields_and_stand_twice_if_it_has_no_name(write):
    assert meters_of(read(write('meter,route,note,,\nG1,North,"two\nlines",,\nG2,North,,,\n'))) == ["G1", "G2"]


def test_meter_and_route_are_enough(write):
    assert only(write("meter,route\nX1,North\n")) == Job(Meter("X1"), CYCLE, "North", 1)


@pytest.mark.parametrize(("meter", "kind"), [("E1", "E"), ("G1", "G"), ("W1", "W"), ("w1", "W"), ("X1", ""), ("7", "")])
def test_without_a_kind_the_first_letter_tells_it(write, meter, kind):
    assert only(write(f"meter,route\n{meter},North\n")).kind == kind
    assert only(write(f"meter,route,kind\n{meter},North,\n")).kind == kind


def test_without_a_sequence_the_order_of_each_route_counts(write):
    rows = read(write("meter,route\nG3,North\nG1,South\nG2,North\nG9,South\n"))

    assert [(row.meter, row.route, row.sequence) for row in rows] == [
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
        ("", "meter and route"),
    ],
)
def test_a_file_without_the_columns_it_needs_is_refused(write, first_line, missing):
    with pytest.raises(RouteError, match=f"its first line must name the columns {missing}, separated by"):
        read(write(f"{first_line}\nG1,North\n"))


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


# --- rows that spoil only themselves


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
        ("dials", "five", "Invalid dials 'five': use a whole number from 0"),
        ("sequence", "-1", "Invalid sequence '-1': use a whole number from 0"),
        ("sequence", "1.5", "Invalid sequence '1.5'"),
        ("sequence", "1000000000", "Invalid sequence 1000000000"),
        ("sequence", "٣", "Invalid sequence '٣'"),  # a digit, but no register shows it
        ("previous", "-5", "Invalid previous '-5'"),
        ("previous", "100000", "Invalid previous 100000: the register goes from 0 to 99999"),
        ("previous", "9" * 5000, "Invalid previous '999"),
        ("previous_date", "2026-02-30", "Invalid previous_date '2026-02-30': write it like 2026-11-20"),
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
    assert job.meter == "W1"


@pytest.mark.parametrize(("row", "count"), [("G1,North", 2), ("G1,North,Mill Street,4", 4), ("G1", 1)])
def test_a_row_with_too_many_or_too_few_fields_spoils_itself_only(write, row, count):
    spoiled, job = read(write(f"meter,route,address\n{row}\nG2,North,\n"))

    assert re.fullmatch(f"The row has {count} fields?, the first line names 3", spoiled.reason)
    assert job.meter == "G2"


def test_rows_in_latin_1_spoil_themselves_only(write):
    latin, utf_8 = "G1,North,Größe\n".encode("latin-1"), "G2,North,Größe\n".encode()

    rows = read(write(b"meter,route,address\n" + utf_8 + latin + b"G3,North,\n"))

    assert meters_of(rows) == ["G2", 3, "G3"]
    assert rows[1].reason == "The row is not UTF-8: save the file as UTF-8"


def test_a_meter_that_stands_twice_is_imported_once(write):
    first, second = read(write("meter,route\n\nG1,North\ng1,South\n"))[:2]

    assert (first.meter, first.route) == ("G1", "North")
    assert second == BadRow(4, "Meter G1 stands in line 3 already", ["g1", "South"])


def test_a_spoiled_row_does_not_take_its_meters_number(write):
    assert meters_of(read(write("meter,route,dials\nG1,North,0\nG1,North,5\n"))) == [2, "G1"]


def test_a_field_too_long_to_read_spoils_its_row_only(write):
    spoiled, job = read(write(f"meter,route,address\nG1,North,{'x' * 131_073}\nG2,North,\n"))

    assert spoiled.line == 2
    assert "field larger than field limit" in spoiled.reason
    assert job.meter == "G2"


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


# --- any file at all

HEADERS = (
    st.permutations(REQUIRED + OPTIONAL)
    .map(lambda columns: columns[: len(columns) // 2])
    .map(lambda columns: list(dict.fromkeys([*REQUIRED, *columns])))
)
FIELDS = st.one_of(
    st.sampled_from(
        ["", "G1", "w2", "E3", "North", "5", "0", "12", "2026-10-31", "4711", " ", "ß", "\u0131", "\0", '"', "''"]
    ),
    st.text(max_size=12),
    st.integers(-5, 10**20).map(str),
    st.dates().map(str),
)
PRINTED = re.compile(r"[^\0-\x1f\x7f\u2028\u2029]*")


def assert_could_be_read(job):
    """Check what a reader, a terminal and a database rely on, in other words than the package does."""
    assert re.fullmatch(r"[A-Z0-9][A-Z0-9./-]{0,31}", job.meter)
    assert job.kind in ("", "E", "G", "W")
    assert job.dials is None or 1 <= job.dials <= 12
    assert job.cycle == CYCLE
    assert job.route
    assert job.route == job.route.strip()
    assert 0 <= job.sequence < 10**9
    assert job.previous is None or 0 <= job.previous < 10 ** (job.dials or 12)
    for text in (job.route, job.address, job.instructions):
        text.encode()
        assert PRINTED.fullmatch(text)
        assert len(text) <= 200


@pytest.fixture(scope="module")
def any_store(tmp_path_factory):
    """A store for jobs of any sort."""
    with SqliteStore(tmp_path_factory.mktemp("any") / "metermt.db") as store:
        yield store


@pytest.fixture(scope="module")
def any_path(tmp_path_factory):
    """A place for a file of any sort."""
    return tmp_path_factory.mktemp("any") / "any.csv"


def check_any_file(content, path, store):
    path.write_bytes(content)
    try:
        rows = read(path)
    except RouteError:
        return
    jobs = [row for row in rows if isinstance(row, Job)]
    for job in jobs:
        assert_could_be_read(job)
    assert len({job.meter for job in jobs}) == len(jobs)
    assert sum(store.import_jobs(CYCLE, jobs)) == len(jobs)
    lines = len(re.split(rb"\r\n|\r|\n", content))
    assert all(1 < row.line <= lines and row.reason for row in rows if isinstance(row, BadRow))


@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_bytes_are_refused_with_an_error_of_ours(content, any_path, any_store):
    check_any_file(content, any_path, any_store)


@given(
    header=HEADERS,
    rows=st.lists(st.lists(FIELDS, min_size=1, max_size=9), max_size=8),
    delimiter=st.sampled_from(",;"),
    tail=st.binary(max_size=30),
)
def test_any_rows_give_jobs_that_can_be_read_or_reasons_why_not(header, rows, delimiter, tail, any_path, any_store):
    text = table(header, *rows, delimiter=delimiter).encode("utf-8", "surrogatepass")

    check_any_file(text + tail, any_path, any_store)


@given(kind=st.sampled_from(list(KINDS)), number=st.from_regex(r"[A-Z0-9][A-Z0-9./-]{0,31}", fullmatch=True))
def test_every_meter_number_of_the_rules_can_be_imported(kind, number, any_path):
    any_path.write_text(table(("meter", "route", "kind"), (number, "North", kind)), encoding="utf-8")

    assert only(any_path).meter == number


# --- the command


@pytest.fixture
def carol(database_path):
    """A database with a reader in it."""
    with SqliteStore(database_path) as store:
        add_readers(store, "carol")


def test_what_was_imported_is_told(carol, write, import_routes, unread_jobs):
    imported = import_routes(write(table(COLUMNS, ROW, ("W1", *ROW[1:]))))

    assert imported.returncode == 0
    assert imported.stdout == f"Cycle {CYCLE}: 2 added, 0 changed, 0 unchanged.\n"
    assert imported.stderr == ""
    assert [job.meter for job in unread_jobs()] == ["G72168", "W1"]


def test_nothing_is_needed_before_the_first_import(write, import_routes, database_path):
    assert import_routes(write(table(COLUMNS, ROW))).returncode == 0
    assert database_path.exists()


def test_importing_again_changes_nothing(carol, write, import_routes, database_path):
    def everything():
        with SqliteStore(database_path, create=False) as store:
            return dump(store), store.lease_jobs(make_lease(until=0), 1000, now=0)

    path = write("meter,route\nG1,North\nG2,North\nG3,South\n")
    import_routes(path)
    with SqliteStore(database_path) as store:
        store.record_reading(make_submission("G2"), NOW)
    before = everything()

    imported = import_routes(path)

    assert imported.stdout == f"Cycle {CYCLE}: 0 added, 0 changed, 3 unchanged.\n"
    assert everything() == before


def test_importing_a_newer_file_brings_the_jobs_up_to_date_and_keeps_the_readings(
    carol, write, import_routes, unread_jobs, database_path
):
    import_routes(write("meter,route,address\nG1,North,4 Mill Street\nG2,North,\n"))
    with SqliteStore(database_path) as store:
        store.record_reading(make_submission("G2"), NOW)

    imported = import_routes(write("meter,route,address\nG1,North,5 Mill Street\nG2,North,\nG3,North,\n"))

    assert imported.stdout == f"Cycle {CYCLE}: 1 added, 1 changed, 1 unchanged.\n"
    assert [(job.meter, job.address) for job in unread_jobs()] == [("G1", "5 Mill Street"), ("G3", "")]


SPOILED = (
    "meter;route;address;dials\n"
    "G1;North;4 Mill Street;5\n"
    'G2;North;"5 Mill Street; left";five\n'
    "G3;North\n"
    ";North;;\n"
    "G4;South;6 Mill Street;5\n"
)


def test_rows_set_aside_stand_beside_the_file_with_line_reason_and_all_their_columns(write, import_routes, tmp_path):
    imported = import_routes(write(SPOILED))

    rejected = tmp_path / "november.rejected.csv"
    assert imported.returncode == 0
    assert imported.stdout == f"Cycle {CYCLE}: 2 added, 0 changed, 0 unchanged.\n"
    assert imported.stderr == f"3 rows set aside, with line and reason, in {rejected}\n"
    assert rows_of(rejected) == [
        ["line", "reason", "meter", "route", "address", "dials"],
        ["3", "Invalid dials 'five': use a whole number from 0", "G2", "North", "5 Mill Street; left", "five"],
        ["4", "The row has 2 fields, the first line names 4", "G3", "North"],
        ["5", "The meter is missing", "", "North", "", ""],
    ]


def test_a_file_without_spoiled_rows_leaves_none_beside_it(write, import_routes, tmp_path):
    import_routes(write(table(COLUMNS, ROW)))

    assert not (tmp_path / "november.rejected.csv").exists()


def test_rows_set_aside_can_be_mended_and_imported(carol, write, import_routes, unread_jobs, tmp_path):
    import_routes(write(SPOILED))
    rejected = tmp_path / "november.rejected.csv"
    header, dials, fields, meter = rows_of(rejected)

    write(table(header, [*dials[:-1], "5"], [*fields, "", ""], [*meter[:2], "G5", *meter[3:]]), rejected.name)
    imported = import_routes(rejected)

    assert imported.stdout == f"Cycle {CYCLE}: 3 added, 0 changed, 0 unchanged.\n"
    assert imported.stderr == "Columns not used: line, reason\n"
    assert {job.meter for job in unread_jobs()} == {"G1", "G2", "G3", "G4", "G5"}
    assert "5 Mill Street; left" in {job.address for job in unread_jobs()}


def test_rows_that_were_mended_badly_can_be_mended_again(write, import_routes, tmp_path):
    import_routes(write("meter,route,dials\nG1,North,5\nG2,North,five\n"))
    import_routes(tmp_path / "november.rejected.csv")  # not mended at all
    again = tmp_path / "november.rejected.rejected.csv"

    write(again.read_text(encoding="utf-8").replace("North,five", "North,5"), again.name)

    assert import_routes(again).stdout == f"Cycle {CYCLE}: 1 added, 0 changed, 0 unchanged.\n"


def test_rows_set_aside_a_second_time_stand_in_the_same_columns(write, import_routes, tmp_path):
    import_routes(write("meter,route,address,dials\nG1,North,,5\nG2,North\nG3,North,,five\n"))

    import_routes(tmp_path / "november.rejected.csv")  # not mended at all

    header, *rows = rows_of(tmp_path / "november.rejected.rejected.csv")
    assert header == ["line", "reason", "meter", "route", "address", "dials"]
    assert [(row[0], row[2:]) for row in rows] == [("2", ["G2", "North"]), ("3", ["G3", "North", "", "five"])]


def test_rows_in_latin_1_that_were_set_aside_are_not_imported_with_letters_missing(
    carol, write, import_routes, unread_jobs, tmp_path
):
    import_routes(write(b"meter,route,address\nG1,North,\nG2,North," + "Größe 3\n".encode("latin-1")))

    import_routes(tmp_path / "november.rejected.csv")

    assert {job.address for job in unread_jobs()} <= {"", "Größe 3"}


def test_a_file_without_a_usable_row_is_an_error_and_changes_nothing(carol, write, import_routes, database_path):
    with SqliteStore(database_path) as store:
        before = dump(store)

    imported = import_routes(write("meter,route\n,North\nG1,\n"))

    assert imported.returncode == 1
    assert imported.stderr.splitlines()[-1] == "Error: No row of the file can be used"
    with SqliteStore(database_path) as store:
        assert dump(store) == before


def test_a_closed_cycle_takes_no_more_routes(write, import_routes, unread_jobs, database_path):
    import_routes(write("meter,route\nG1,North\n"))
    with SqliteStore(database_path) as store:
        store.close_cycle(CYCLE)

    imported = import_routes(write("meter,route\nG2,North\n"))

    assert (imported.returncode, imported.stdout) == (1, "")
    assert imported.stderr == f"Error: Cycle {CYCLE} is closed: import into a new one\n"


def test_a_rejects_file_that_cannot_be_made_is_an_error_before_anything_is_imported(write, import_routes, tmp_path):
    rejected = tmp_path / "november.rejected.csv"
    rejected.mkdir()

    imported = import_routes(write("meter,route\nG1,North\n,North\n"))

    assert (imported.returncode, imported.stdout) == (1, "")
    assert imported.stderr == f"Error: Cannot write {rejected}: Is a directory\n"


def test_a_rejects_file_on_a_full_disk_is_an_error(write, import_routes, tmp_path):
    rejected = tmp_path / "november.rejected.csv"
    rejected.symlink_to("/dev/full")

    imported = import_routes(write("meter,route\nG1,North\n,North\n"))

    assert imported.returncode == 1
    assert imported.stderr == f"Error: Cannot write {rejected}: No space left on device\n"


# --- the progress bar

MANY = 10_000


def many_rows(number):
    return "meter,route\n" + "".join(f"G{i},North\n" for i in range(number))


@pytest.fixture
def seen_when_importing(database_path):
    """Import a file in a terminal; return all that was seen there."""

    def seen_when_importing(path):
        arguments = ["routes", "import", str(path), "--cycle", CYCLE, "--database", str(database_path)]
        terminal = {**os.environ, "TERM": "xterm"}
        with pexpect.spawn(str(METERMT), arguments, env=terminal, encoding="utf-8", timeout=DEADLINE) as child:
            child.expect(pexpect.EOF)
            seen = child.before
        assert child.exitstatus == 0, seen
        return seen

    return seen_when_importing


def test_a_large_import_shows_its_progress_in_a_terminal(write, seen_when_importing):
    seen = seen_when_importing(write(many_rows(MANY)))

    assert "Importing" in seen
    assert "100%" in seen
    assert seen.endswith(f"Cycle {CYCLE}: {MANY} added, 0 changed, 0 unchanged.\r\n")


def test_a_small_import_shows_no_progress(write, seen_when_importing):
    seen = seen_when_importing(write(many_rows(MANY - 1)))

    assert seen == f"Cycle {CYCLE}: {MANY - 1} added, 0 changed, 0 unchanged.\r\n"


def test_a_large_import_from_a_pipe_shows_no_progress_where_nobody_watches(import_routes):
    imported = import_routes("/dev/stdin", stdin=many_rows(MANY))

    assert imported.returncode == 0, imported.stderr
    assert imported.stdout == f"Cycle {CYCLE}: {MANY} added, 0 changed, 0 unchanged.\n"


def test_a_large_import_from_a_file_shows_no_progress_where_nobody_watches(write, import_routes):
    assert import_routes(write(many_rows(MANY))).stderr == ""
