"""A layout is checked whole before anything is written by it: each fault is told, with where it is."""

import pytest
from billings import CSV, FIXED, KIND, faults_of, made, reading

from metermt.errors import LayoutError
from metermt.layouts.finding import SHIPPED, find_layout, layout_text

ALL = CSV + reading(KIND)
IMPORT = "[import]\ncolumns = { meter = 'Device', route = 'Tour' }\n"
WIDE = "{ field = 'kind', width = 10 }"


def test_each_fault_is_told_and_not_the_first_alone():
    layout = "format = 'csv'\nquoting = 'often'\nnames = 1\n" + reading(
        "{ field = 'metre' }", "{ fild = 'meter' }", "7"
    )

    faults = faults_of(layout + "[footer]\n")

    assert [fault[:70] for fault in faults] == [
        "reading, column 1 (metre): there is no field 'metre' in a reading reco",
        "reading, column 2: name a field, or a text that is always the same: on",
        "reading, column 3: is 7, and must be a table",
        "quoting is 'often': use 'needed' or 'all' or 'never'",
        "names is 1: use true or false",
        "there is no key 'footer' here: there are about, format, zone, header, ",
        "a correction could not be told from a reading: add a [correction], or ",
    ]


@pytest.mark.parametrize(
    ("layout", "fault"),
    [
        ("format = csv", "This is no TOML: Invalid value (at line 1, column 10)"),
        ("a = " + "[" * 5000, "This is no TOML: maximum recursion depth exceeded"),
        ("a = " + "9" * 5000, "This is no TOML: Exceeds the limit"),
        (
            "encoding = 'ascii'\n" + CSV.replace("names = false\n", "") + reading("{ field = 'kind', name = 'Gerät' }"),
            "reading, column 1 (Gerät): 'Gerät' has the letter 'ä', which there is not in ascii",
        ),
        (CSV + reading(KIND, '{ text = "a\\nb" }'), "reading, column 2 (a\nb): 'a\\nb' has control characters in it"),
        (
            "quoting = 'never'\n" + CSV + reading(KIND, "{ field = 'code', empty = 'a,b' }"),
            "reading, column 2 (code): 'a,b' has ',' in it, which parts the columns",
        ),
        ("", "format is None: use 'csv' or 'fixed' or 'xlsx' or 'json'"),
        ("format = 'pdf'", "format is 'pdf': use 'csv' or 'fixed' or 'xlsx' or 'json'"),
        (CSV, "there is no [reading], which says what a line looks like"),
        (CSV + "[reading]\n", "reading: columns must be a list of columns, such as columns = [ { field = 'meter' } ]"),
        (CSV + "reading = 3\n", "reading: is 3, and must be a table"),
        ("encoding = 'utf-9'\n" + ALL, "encoding: there is no encoding 'utf-9': try utf-8, utf-8-sig (with"),
        ("zone = '../UTC'\n" + ALL, "zone: there is no time zone '../UTC': write it like Europe/Vienna, or UTC"),
        ("delimiter = ',,'\n" + ALL, "delimiter is ',,': use one character, none of"),
        ("encodng = 'ascii'\n" + ALL, "there is no key 'encodng' here: is it encoding?"),
        (FIXED.replace("cp1252", "utf-8") + reading(WIDE), "encoding: in utf-8 a letter may have several bytes"),
        ("delimiter = ';'\n" + FIXED + reading(WIDE), "delimiter means nothing in fixed"),
        (FIXED + reading(KIND), "reading, column 1 (kind): width is missing: each column of a fixed file has one"),
        (FIXED + reading("{ text = 'long', width = 3 }", WIDE), "text 'long' has 4 characters, and the column 3"),
        (CSV + reading(KIND, "{ field = 'value', widht = 3 }"), "there is no key 'widht' here: is it width?"),
        (CSV + reading(KIND, "{ field = 'value', width = 0 }"), "width is 0: use a whole number from 1 to 1000"),
        (CSV + reading(KIND, "{ field = 'value', pad = '0' }"), "pad needs a width"),
        (CSV + reading(KIND, "{ field = 'address', width = 9, pad = '=' }"), "pad is '=': use one character, none of"),
        (
            CSV + reading(KIND, "{ field = 'value', width = 5, pad = '0', align = 'left' }"),
            "reading, column 2 (value): a number that is followed by '0' is another number: align it right",
        ),
        (CSV + reading(KIND, "{ field = 'value', date = 'DD' }"), "date is for days and moments only"),
        (CSV + reading(KIND, "{ field = 'value', width = 3, cut = true }"), "cut is for texts and codes only"),
        (
            CSV + reading(KIND, "{ field = 'read_at', date = 'dd.mm.yyyy' }"),
            "date: the form 'dd.mm.yyyy' has 'd' in it",
        ),
        (CSV + reading(KIND, "{ field = 'read_at', date = '--' }"), "date: the form '--' names no part of a day"),
        (
            CSV + reading(KIND, "{ field = 'previous_at', date = 'DD hh' }"),
            "'DD hh' has a time in it, and this is a day",
        ),
        (
            CSV + reading(KIND, "{ field = 'quality', map = { A = '1', B = '2' } }"),
            "reading, column 2 (quality): map names 'B', which quality never is: there are A, V, E, F",
        ),
        (
            CSV + reading(KIND, "{ field = 'quality', map = { A = '1', V = '2', E = '3' } }"),
            "map says nothing of F: name them, or say what otherwise = stands for them",
        ),
        (CSV + reading("{ field = 'meter' }"), "a correction could not be told from a reading"),
        (
            "format = 'csv'\n" + reading(KIND, "{ text = 'x', name = 'kind' }"),
            "reading: two columns are named 'kind'",
        ),
        (
            "format = 'csv'\n" + reading("{ field = 'value' }") + "[correction]\ncolumns = [{ field = 'meter' }]\n",
            "correction: the names of the columns in [reading] stand above: name them here as there",
        ),
        (
            "format = 'json'\n" + reading(KIND) + "[route]\ncolumns = [{ field = 'route' }]\n",
            "JSON has no route records",
        ),
        ("format = 'json'\n" + reading("{ field = 'kind', width = 3 }"), "(kind): width means nothing in json"),
        (
            "format = 'xlsx'\n" + reading(KIND).replace("columns", "sheet = 'a/b'\ncolumns"),
            "reading: sheet is 'a/b': use up to 31 characters without",
        ),
        ("[import]\n", "import: columns does not say which column has the number of the meter: add meter = 'ITS NAME'"),
        (IMPORT.replace("route", "rout"), "import: columns names 'rout', which is no column of ours"),
        (IMPORT + "fixed = { route = 'A' }\n", "import: route stands in columns and in fixed: leave one away"),
        (IMPORT.replace("Tour", "device"), "import: columns names 'device' twice"),
        (IMPORT + "date = 'MM/DD'\n", "import: date: the form 'MM/DD' must tell year, month and day"),
        (IMPORT + "map = { route = 'W' }\n", "import, map: route is 'W': use a table of texts in quotes"),
        (IMPORT + "map.kind = { Gas = 'G' }\n", "import, map: 'kind' is none of the columns: there are meter, route"),
        ("zone = 'UTC'\n" + IMPORT, "there is no key 'zone' here without a format: there are about, format, import"),
    ],
)
def test_a_fault_is_told_with_where_it_is_and_what_to_do(layout, fault):
    faults = faults_of(layout)

    assert any(fault in one for one in faults), faults


def test_a_layout_may_be_for_files_to_import_only():
    assert made(IMPORT).output is None


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_layouts_have_no_faults_and_say_what_they_are_for(name):
    assert find_layout(name).about


def test_a_layout_is_found_by_its_file(tmp_path):
    path = tmp_path / "our.toml"
    path.write_text("\ufeff" + layout_text("fixed"), encoding="utf-8")

    assert find_layout(str(path)).output == find_layout("fixed").output


def test_a_layout_that_cannot_be_used_is_an_error_that_says_why(tmp_path):
    path = tmp_path / "our.toml"
    path.write_text("format = 'csv'\nnames = 1\n")

    with pytest.raises(LayoutError, match=r"our.toml: names is 1: use true or false \(and 1 more: metermt layouts ch"):
        find_layout(str(path))
    with pytest.raises(LayoutError, match="There is no layout 'nope': name one of csv, fixed, xlsx, json, or a file"):
        find_layout("nope")
    with pytest.raises(LayoutError, match="Is a directory"):
        find_layout(str(tmp_path))
    path.write_bytes(b"\xff")
    with pytest.raises(LayoutError, match="it is not UTF-8"):
        find_layout(str(path))
