"""Lines of any content: a file says what they say, or there is an error of ours."""

import csv
import io
from decimal import Decimal

from billings import CSV, FIXED, KIND, file_of, line, made, reading
from hypothesis import given, settings
from hypothesis import strategies as st

from metermt.errors import LayoutError

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
LINES = st.lists(
    st.builds(
        line,
        route=TEXTS,
        address=TEXTS,
        reason=st.one_of(TEXTS, st.sampled_from(['"', ",", "=1", "a\r\nb", "\x85"])),
        value=st.none() | st.integers(0, 10**12 - 1),
        billed_use=st.none() | st.decimals(-(10**9), 10**9, places=6).map(lambda use: use.normalize()),
    ),
    max_size=4,
)
WIDE = (
    "{ field = 'kind', width = 10 }",
    "{ field = 'route', width = 10 }",
    "{ field = 'address', width = 8, cut = true }",
    "{ field = 'reason', width = 12 }",
    "{ field = 'value', width = 12, pad = '0' }",
    "{ field = 'billed_use', width = 20, pad = '0', decimals = 6 }",
)
PLAIN = (KIND, *(f"{{ field = '{name}' }}" for name in ("route", "address", "reason", "value", "billed_use")))
IN_CSV, IN_FIXED = made(CSV + reading(*PLAIN)), made(FIXED + reading(*WIDE))


def as_it_was(text):
    """Take away what keeps a text from being a formula."""
    return text[1:] if text[:1] == "'" and text[1:2] in tuple("=+-@\t\r") else text


@settings(max_examples=30)
@given(lines=LINES)
def test_a_csv_says_what_the_lines_say(lines):
    text = file_of(IN_CSV, lines).decode()

    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert len(rows) == len(lines)
    for row, one in zip(rows, lines, strict=True):
        assert list(map(as_it_was, row[1:4])) == list(map(as_it_was, (one.route, one.address, one.reason)))
        assert row[4] == ("" if one.value is None else str(one.value))
        assert (Decimal(row[5]) if row[5] else None) == one.billed_use


@settings(max_examples=30)
@given(lines=LINES)
def test_all_records_of_a_fixed_file_are_as_wide_as_their_columns(lines):
    try:
        content = file_of(IN_FIXED, lines)
    except LayoutError:
        return
    records = content.split(b"\n")
    assert records.pop() == b""
    assert [len(record) for record in records] == [72] * len(lines)
