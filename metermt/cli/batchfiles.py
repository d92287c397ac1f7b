"""Batches for billing, written to files."""

from collections.abc import Iterator
from pathlib import Path

from metermt.billing import BatchHead, BillingLine
from metermt.calls.officecalls import OfficeCalls
from metermt.cli.outfile import written
from metermt.errors import Error
from metermt.layouts.layout import Layout
from metermt.layouts.writing import write_batch


def write_file(office: OfficeCalls, head: BatchHead, layout: Layout, file: Path) -> list[BillingLine]:
    """Write a batch to a file; - is standard output.

    Returns the lines whose use is below zero: right after an estimate that was too high, and wrong after a slip.
    Raises `LayoutError` if a line does not fit into the layout, `StoreError` if the file cannot be written.
    """
    below: list[BillingLine] = []

    def lines() -> Iterator[BillingLine]:
        for line in office.batch_lines(head.number):
            if line.registered_use is not None and line.registered_use < 0:
                below.append(line)
            yield line

    with written(file) as out:
        write_batch(layout, head, lines(), out.buffer)
    return below


def written_again(error: Error, head: BatchHead, file: Path) -> Error:
    """Return an error that says what to do about a batch that was made, and whose file was not written."""
    again = f"metermt batches show {head.number} --to {file}"
    return type(error)(f"{error}. Batch {head.number} is made all the same; write it with: {again}")
