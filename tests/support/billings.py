"""Lines for billing, and the files that layouts make of them."""

import io
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from metermt.billing import BatchHead, BillingLine, LineKind, totals_of
from metermt.layouts.reading import read_layout
from metermt.layouts.writing import write_batch

LINE = BillingLine(
    batch=7,
    number=1,
    kind=LineKind.READING,
    cycle="2026-11",
    route="North",
    sequence=10,
    meter="G72168",
    value=168,
    read_at=datetime(2026, 11, 19, 23, 30, 15, tzinfo=UTC),
)
CSV = "format = 'csv'\nnames = false\nline_end = 'lf'\n"
FIXED = "format = 'fixed'\nencoding = 'cp1252'\nline_end = 'lf'\n"
KIND = "{ field = 'kind' }"


def line(number=1, kind=LineKind.READING, **fields):
    return replace(LINE, number=number, kind=kind, **fields)


def head_of(lines, **fields):
    totals = totals_of(lines)
    return BatchHead(
        **{
            "number": 7,
            "made_at": datetime(2026, 11, 20, 16, 5, 9, tzinfo=UTC),
            "made_by": "dora",
            "lines": totals.lines,
            "sum_values": totals.sum_values,
            "sum_registered_use": totals.sum_registered_use,
            "sum_billed_use": Decimal(totals.sum_billed_use),
            **fields,
        }
    )


def made(text):
    """Return the layout that a text describes, which has no faults."""
    layout, faults = read_layout("our.toml", text)
    assert not faults
    return layout


def faults_of(text):
    layout, faults = read_layout("our.toml", text)
    assert (layout is None) == bool(faults)
    return faults


def file_of(layout, lines, head=None):
    """Return the bytes of the file of a batch."""
    out = io.BytesIO()
    write_batch(layout, head or head_of(lines), lines, out)
    return out.getvalue()


def written(text, *lines):
    """Return the text of the file that a layout, a text, makes of lines."""
    layout = made(text)
    return file_of(layout, lines).decode(layout.output.encoding)


def reading(*columns):
    return f"[reading]\ncolumns = [{', '.join(columns)}]\n"
