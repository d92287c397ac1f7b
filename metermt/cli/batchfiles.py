"""Batches for billing, written to files."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from metermt.billing import BatchHead, BillingLine
from metermt.calls.officecalls import OfficeCalls
from metermt.cli.outfile import written
from metermt.errors import Error, LayoutError
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


def written_again(error: Error, head: BatchHead, file: Path, where: str) -> Error:
    """Return an error that says what to do about a batch that was made, and whose file was not written.

    `where` are the options that lead to where it was made.
    """
    again = f"metermt batches show {head.number} --to {shlex.quote(str(file))}{where}"
    if isinstance(error, LayoutError):  # by the layout that it was made by it fails each time
        again += " --format LAYOUT, with a layout that it fits into"
    return type(error)(f"{error}. Batch {head.number} is made all the same; write it with: {again}")


def perhaps_made(error: Error, where: str) -> Error:
    """Return an error that says how to find out whether a batch was made whose maker has not answered."""
    see = f"see metermt batches list{where}, and export again if not"
    return type(error)(f"{error}. A batch may be made all the same: {see}")
