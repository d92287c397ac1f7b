"""The lines of a batch become the bytes of a file, as a layout says."""

import io
import json
import sys
import zipfile
from datetime import date, datetime
from decimal import Decimal

import openpyxl
import pytest
from billings import CSV, FIXED, KIND, LINE, file_of, head_of, line, made, reading, written
from servers import ROOT

from metermt import wire
from metermt.billing import BillingLine, LineKind
from metermt.errors import LayoutError
from metermt.layouts.finding import SHIPPED, find_layout
from metermt.layouts.samples import SAMPLE_LINES, sample_head
from metermt.layouts.writing import write_batch
from metermt.quality import Flag, Quality

GOLDEN = ROOT / "tests" / "golden"
XLSX = "format = 'xlsx'\n"
JSON = "format = 'json'\n"


def members_of(workbook):
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


# --- the layouts that come along


@pytest.mark.parametrize(("layout", "golden"), [("csv", "csv"), ("fixed", "txt"), ("json", "json")])
def test_a_shipped_layout_writes_its_golden_sample(layout, golden):
    expected = (GOLDEN / f"billing.{golden}").read_bytes()

    assert file_of(find_layout(layout), SAMPLE_LINES, sample_head()) == expected


def test_the_spreadsheet_has_what_its_golden_sample_has():
    """Compressed bytes are those of a zlib; what is compressed is ours."""
    workbook = file_of(find_layout("xlsx"), SAMPLE_LINES, sample_head())

    assert members_of(workbook) == members_of((GOLDEN / "billing.xlsx").read_bytes())
    assert workbook == file_of(find_layout("xlsx"), SAMPLE_LINES, sample_head())


def test_the_fixed_upload_adds_up():
    lines = (GOLDEN / "billing.txt").read_text().splitlines()

    assert [one[0] for one in lines] == ["H", "R", "D", "D", "D", "R", "D", "C", "T"]
    assert int(lines[-1][9:17]) == len(lines)
    assert int(lines[-1][41:59]) == sum(one.value or 0 for one in SAMPLE_LINES)
    assert Decimal(lines[-1][77:102]) == sum(one.billed_use or 0 for one in SAMPLE_LINES)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_layout_tells_corrections_from_readings(name):
    corrected = line(kind=LineKind.CORRECTION, corrects=3)

    assert file_of(find_layout(name), [corrected]) != file_of(find_layout(name), [line(corrects=3)])


@pytest.mark.parametrize("name", SHIPPED)
def test_a_batch_without_lines_is_a_file(name):
    assert file_of(find_layout(name), [])


# --- values


@pytest.mark.parametrize(
    ("column", "fields", "text"),
    [
        ("{ field = 'value' }", {"value": 168}, "168"),
        ("{ field = 'value' }", {"value": None}, ""),
        ("{ field = 'value', empty = '-' }", {"value": None}, "-"),
        ("{ field = 'value', decimals = 3 }", {"value": 168}, "168.000"),
        ("{ field = 'billed_use' }", {"billed_use": Decimal("4E+3")}, "4000"),
        ("{ field = 'billed_use' }", {"billed_use": Decimal("40.500")}, "40.5"),
        ("{ field = 'billed_use', decimals = 2, point = ',' }", {"billed_use": Decimal("40.5")}, '"40,50"'),
        ("{ field = 'billed_use', decimals = 2, point = '' }", {"billed_use": Decimal("-40.5")}, "-4050"),
        ("{ field = 'read_at' }", {}, "2026-11-19T23:30:15Z"),
        ("{ field = 'read_at', date = 'DD.MM.YY hh:mm' }", {}, "19.11.26 23:30"),
        ("{ field = 'read_at', date = 'YYYYJJJ' }", {}, "2026323"),
        ("{ field = 'previous_at', date = 'YYYY/MM' }", {"previous_at": date(2026, 3, 1)}, "2026/03"),
        ("{ field = 'quality', map = { A = '1' }, otherwise = '9' }", {"quality": Quality.EDITED}, "9"),
        ("{ field = 'flags' }", {"flags": (Flag.HIGH, Flag.ZERO)}, "high zero"),
        ("{ field = 'address', width = 4, cut = true }", {"address": "Mill Street"}, "Mill"),
        ("{ field = 'route', map = { North = '017' } }", {}, "017"),
        ("{ text = 'MT', name = 'system' }", {}, "MT"),
        ("{ field = 'batch' }", {}, "7"),
    ],
)
def test_a_column_writes(column, fields, text):
    assert written(CSV + reading(column, KIND), line(**fields)) == f"{text},reading\n"


@pytest.mark.parametrize(
    ("column", "fields", "text"),
    [
        ("{ field = 'value', width = 6 }", {}, "   168"),
        ("{ field = 'value', width = 6, pad = '0' }", {}, "000168"),
        ("{ field = 'value', width = 6, align = 'left' }", {}, "168   "),
        ("{ field = 'value', width = 6, pad = '0' }", {"value": None}, "      "),
        ("{ field = 'value', width = 6, pad = '0', empty = '0' }", {"value": None}, "000000"),
        ("{ field = 'registered_use', width = 6, pad = '0' }", {"registered_use": -2}, "-00002"),
        ("{ field = 'meter', width = 8 }", {}, "G72168  "),
        ("{ field = 'meter', width = 8, align = 'right', pad = '0' }", {}, "00G72168"),
        ("{ field = 'address', width = 7 }", {"address": "=Größe"}, "=Größe "),
    ],
)
def test_a_fixed_column_is_as_wide_as_it_says(column, fields, text):
    wide = "{ field = 'kind', width = 7 }"

    assert written(FIXED + reading(column, wide), line(**fields)) == f"{text}reading\n"


def test_moments_are_told_in_the_zone_of_the_layout():
    vienna = CSV + "zone = 'Europe/Vienna'\n" + reading("{ field = 'read_at' }", KIND)

    assert written(vienna, line()) == "2026-11-20T00:30:15+01:00,reading\n"


@pytest.mark.parametrize("begins", "=+-@")
def test_a_text_in_a_csv_is_never_a_formula(begins):
    formula = f"{begins}1+1"

    shown = written(CSV + reading("{ field = 'reason' }", "{ field = 'value' }", KIND), line(reason=formula, value=-1))

    assert shown == f"'{formula},-1,reading\n"


def test_a_csv_is_written_as_billing_wants_it():
    layout = "format = 'csv'\nencoding = 'utf-8-sig'\ndelimiter = ';'\nquoting = 'all'\nline_end = 'lf'\n" + reading(
        "{ field = 'meter', name = 'Gerät' }", "{ field = 'reason' }", KIND
    )

    content = file_of(made(layout), [line(reason='a "dog"; two')])

    assert content == '\ufeff"Gerät";"reason";"kind"\n"G72168";"a ""dog""; two";"reading"\n'.encode()


# --- records


def test_each_route_has_a_record_before_its_lines_and_the_trailer_counts_all():
    layout = (
        CSV
        + "[header]\ncolumns = [{ text = 'H' }, { field = 'lines' }, { field = 'record' }]\n"
        + "[route]\ncolumns = [{ text = 'R' }, { field = 'route' }, { field = 'lines' }, { field = 'sum_values' }]\n"
        + reading("{ text = 'D' }", "{ field = 'number' }", "{ field = 'record' }")
        + "[correction]\ncolumns = [{ text = 'C' }, { field = 'number' }, { field = 'corrected_value' }]\n"
        + "[trailer]\ncolumns = [{ text = 'T' }, { field = 'records' }, { field = 'routes' }, { field = 'readings' },"
        + " { field = 'corrections' }, { field = 'sum_values' }, { field = 'cycle', empty = 'all' }]\n"
    )
    lines = [
        line(1, value=100),
        line(2, value=None, reason="Dog"),
        line(3, route="South", value=11),
        line(4, route="South", kind=LineKind.CORRECTION, value=5, corrected_value=50),
        line(5, cycle="2026-12", route="South", value=1),
    ]

    assert written(layout, *lines).splitlines() == [
        *("H,5,1", "R,North,2,100", "D,1,3", "D,2,4", "R,South,2,16", "D,3,6", "C,4,50", "R,South,1,1", "D,5,9"),
        "T,10,3,4,1,117,all",
    ]


def test_lines_are_taken_one_by_one():
    written_before = []
    out = io.BytesIO()

    def lines():
        for number in range(1, 4):
            written_before.append(out.getvalue().count(b"\n"))
            yield line(number)

    write_batch(made(CSV + reading(KIND)), head_of([line(), line(), line()]), lines(), out)

    assert written_before == [0, 1, 2]


def test_a_trailer_never_tells_other_sums_than_those_of_the_lines():
    layout = made(CSV + reading(KIND))

    with pytest.raises(LayoutError, match="Batch 7 has sum values 168, and its lines have 169: nothing is written"):
        file_of(layout, [line(value=169)], head_of([line()]))
    with pytest.raises(LayoutError, match="Line 1 is of batch 8, and not of batch 7"):
        file_of(layout, [line(batch=8)], head_of([line()]))


# --- what cannot be written


@pytest.mark.parametrize(
    ("layout", "column", "fields", "told"),
    [
        (
            FIXED,
            "{ field = 'value', width = 3 }",
            {"value": 1680},
            "column value: '1680' has 4 characters as '1680', and the column 3",
        ),
        (
            FIXED,
            "{ field = 'address', width = 9, name = 'street' }",
            {"address": "Ωmega"},
            "column street: 'Ωmega' has the letter 'Ω', which there is not in cp1252",
        ),
        (
            FIXED,
            "{ field = 'reason', width = 9 }",
            {"reason": "a\x85b"},
            "column reason: 'a\\x85b' has a line break or a control character in it",
        ),
        (
            CSV,
            "{ field = 'billed_use', decimals = 2 }",
            {"billed_use": Decimal("0.125")},
            "column billed_use: '0.125' has more than 2 decimals",
        ),
        (
            CSV,
            "{ field = 'route', map = { South = '1' } }",
            {},
            "column route: 'North' is not in the map of the column",
        ),
        (
            CSV + "quoting = 'never'\n",
            "{ field = 'reason' }",
            {"reason": "a,b"},
            "column reason: 'a,b' has ',' in it, which parts the columns: let quoting be 'needed'",
        ),
        (
            CSV + "encoding = 'ascii'\n",
            "{ field = 'address' }",
            {"address": "Größe"},
            "column address: 'Größe' has the letter 'ö', which there is not in ascii",
        ),
        (
            XLSX,
            "{ field = 'billed_use' }",
            {"billed_use": Decimal("1234567890123.456")},
            "column billed_use: '1234567890123.456' has more than the 15 digits that a spreadsheet keeps",
        ),
        (
            JSON,
            "{ field = 'route', map = { South = '1' } }",
            {},
            "column route: 'North' is not in the map of the column",
        ),
    ],
)
def test_what_does_not_fit_is_an_error_that_names_all_of_it_and_nothing_is_cut(layout, column, fields, told):
    kind = "{ field = 'kind', width = 10 }" if layout == FIXED else KIND

    with pytest.raises(LayoutError) as caught:
        file_of(made(layout + reading(column, kind)), [line(**fields)])

    assert str(caught.value).startswith("Layout our.toml, reading record of meter G72168, ")
    assert told in str(caught.value) or told.encode().decode("unicode_escape") in str(caught.value)


# --- spreadsheets and JSON


def sheets_of(workbook):
    book = openpyxl.load_workbook(io.BytesIO(workbook))
    return {sheet.title: [[cell.value for cell in row] for row in sheet.rows] for sheet in book}


def test_a_spreadsheet_has_numbers_as_numbers_and_times_as_times():
    layout = XLSX + reading(
        "{ field = 'value' }", "{ field = 'billed_use', decimals = 2 }", "{ field = 'read_at' }", KIND
    )

    book = file_of(made(layout), [line(billed_use=Decimal("40.5"))])

    assert sheets_of(book)["Readings"][1] == [168, 40.5, datetime(2026, 11, 19, 23, 30, 15), "reading"]


def test_a_text_in_a_spreadsheet_is_never_a_formula():
    book = file_of(made(XLSX + reading("{ field = 'reason' }", KIND)), [line(reason="=1+1")])

    sheet = openpyxl.load_workbook(io.BytesIO(book)).active
    assert (sheet["A2"].value, sheet["A2"].data_type, sheet["A2"].quotePrefix) == ("=1+1", "s", True)


def test_a_spreadsheet_is_the_same_in_a_file_and_in_a_pipe():
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

        def tell(self):
            raise OSError("a pipe has no places")

    pipe = Pipe()

    write_batch(find_layout("xlsx"), sample_head(), SAMPLE_LINES, pipe)

    assert pipe.getvalue() == file_of(find_layout("xlsx"), SAMPLE_LINES, sample_head())


def test_each_kind_of_record_has_its_sheet():
    layout = XLSX + reading(KIND).replace("columns", "sheet = 'Lines'\ncolumns")
    layout += "[trailer]\nsheet = 'Sums'\ncolumns = [{ field = 'lines' }]\n"

    assert sheets_of(file_of(made(layout), [line()])) == {"Lines": [["kind"], ["reading"]], "Sums": [["lines"], [1]]}


def test_without_the_library_for_spreadsheets_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)

    with pytest.raises(LayoutError, match=r"not installed: pip install 'metermt\[spreadsheet\]'"):
        file_of(find_layout("xlsx"), [LINE])


def test_json_has_numbers_as_they_are_and_null_for_nothing():
    layout = JSON + reading("{ field = 'billed_use' }", "{ field = 'code' }", "{ field = 'flags' }", KIND)
    exact = line(billed_use=Decimal("12345678901234567.125"), flags=(Flag.LOW, Flag.ZERO))

    content = json.loads(file_of(made(layout), [exact]), parse_float=Decimal)

    assert content == {
        "lines": [
            {"billed_use": exact.billed_use, "code": None, "flags": ["low", "zero"], "kind": "reading"},
        ]
    }


def test_equal_lines_give_equal_bytes_however_their_decimals_are_kept():
    short, long = line(billed_use=Decimal("4E+1")), line(billed_use=Decimal("40.000"))

    assert short == long
    for name in SHIPPED:
        assert file_of(find_layout(name), [short]) == file_of(find_layout(name), [long])


def test_lines_that_have_crossed_the_wire_give_the_same_bytes():
    lines = wire.from_text(list[BillingLine], wire.to_text(SAMPLE_LINES))

    assert file_of(find_layout("csv"), lines) == (GOLDEN / "billing.csv").read_bytes()
