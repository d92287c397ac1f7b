"""Files for billing: where they may be written, and how."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from metermt.billing import BatchHead, BillingLine
from metermt.calls.officecalls import OfficeCalls
from metermt.cli.places import check_apart
from metermt.config import DatabasePlace
from metermt.errors import Error, SettingError, StoreError
from metermt.layouts.layout import Layout
from metermt.layouts.writing import write_batch
from metermt.wholefile import whole_file

_OWNER_ONLY = 0o600  # the file has addresses, and who was where and when


def check_free(file: Path, database: DatabasePlace | None, *, force: bool) -> None:
    """Raise `SettingError` if a file cannot be written to, or is there and may not be replaced."""
    if str(file) == "-":
        return
    if database is not None:
        check_apart(file, database)
    if file.is_file() and not force:
        raise SettingError(f"{file} is there already: choose another name, or replace it with --force")
    if not file.absolute().parent.is_dir():
        raise SettingError(f"There is no folder {file.absolute().parent}: make it, or choose another name")


def write_file(office: OfficeCalls, head: BatchHead, layout: Layout, file: Path) -> list[BillingLine]:
    """Write a batch to a file that its owner can read, whole or not at all; - is standard output.

    Returns the lines whose use is below zero: right after an estimate that was too high, and wrong after a slip.
    Raises `LayoutError` if a line does not fit into the layout, `StoreError` if the file cannot be written.
    """
    below: list[BillingLine] = []

    def lines() -> Iterator[BillingLine]:
        for line in office.batch_lines(head.number):
            if line.registered_use is not None and line.registered_use < 0:
                below.append(line)
            yield line

    try:
        if str(file) == "-":
            out = sys.stdout.buffer
            write_batch(layout, head, lines(), out)
            out.flush()
        else:
            with whole_file(file, _OWNER_ONLY) as text:
                write_batch(layout, head, lines(), text.buffer)
    except BrokenPipeError:
        raise  # whoever read has had enough, which click knows how to end
    except OSError as error:
        if str(file) == "-":  # what could not be written is not tried again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise StoreError(f"Cannot write {file}: {error.strerror}") from error
    return below


def written_again(error: Error, head: BatchHead, file: Path) -> Error:
    """Return an error that says what to do about a batch that was made, and whose file was not written."""
    again = f"metermt batches show {head.number} --to {file}"
    return type(error)(f"{error}. Batch {head.number} is made all the same; write it with: {again}")
