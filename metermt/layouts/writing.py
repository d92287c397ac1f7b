"""A batch becomes the bytes of a file."""

from collections.abc import Iterable
from typing import BinaryIO

from metermt.billing import BatchHead, BillingLine
from metermt.errors import LayoutError
from metermt.layouts.document import write_document
from metermt.layouts.layout import Format, Layout
from metermt.layouts.lines import write_lines
from metermt.layouts.records import records_of
from metermt.layouts.workbook import write_workbook


def write_batch(layout: Layout, head: BatchHead, lines: Iterable[BillingLine], out: BinaryIO) -> None:
    """Write the file of a batch, in the order of its lines, which are taken one by one.

    The same head and lines give the same bytes. Raises `LayoutError` if a value does not fit into the layout, or the
    lines into the head, and `OSError`; what was written until then is no file that anybody can use.
    """
    output = layout.output
    if output is None:
        raise LayoutError(f"The layout {layout.name} says nothing of files to write: it has no format")
    records = records_of(output, head, lines)
    match output.format:
        case Format.CSV | Format.FIXED:
            write_lines(layout, output, records, out)
        case Format.JSON:
            write_document(layout, output, records, out)
        case Format.XLSX:
            write_workbook(layout, output, head.made_at, records, out)
