"""A copy of a database in a new file, there when it is whole."""

import os
from pathlib import Path

import apsw

from metermt.errors import StoreError
from metermt.store.sqlite.database import make_private, words_of


def back_up(connection: apsw.Connection, path: Path) -> None:
    """Write a copy of the database, as it stands now, to a new file; return when that is on the disk.

    Raises `StoreError` if there is something at this path or it cannot be written; then nothing is left behind.
    """
    try:
        part = path.with_name(path.name + ".part")
        if path.exists():
            raise StoreError(f"{path} exists already: choose a new name")
        part.unlink(missing_ok=True)  # left by one that was killed
        try:
            make_private(part)
            connection.execute("VACUUM INTO ?", (str(part),))
            _flush(part)
            part.rename(path)
            _flush(path.parent)
        finally:
            part.unlink(missing_ok=True)
    except (OSError, ValueError, apsw.Error) as error:
        raise StoreError(f"The backup cannot be written to {path}: {words_of(error)}") from error


def _flush(path: Path) -> None:
    """Have what is written to a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
