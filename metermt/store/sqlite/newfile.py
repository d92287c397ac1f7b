"""A new database file that is there when it is whole, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from metermt.errors import StoreError
from metermt.store.sqlite.database import make_private, words_of

_COMPANIONS = ("-journal", "-wal", "-shm")  # SQLite takes what has these names for a part of the database


@contextmanager
def new_file(path: Path, what: str) -> Iterator[Path]:
    """Make an empty file beside the path, for a database to be written to; when the block has ended give it that name.

    It is on the disk then. If the block raises, or there is something at the path, nothing is left behind. `what` is
    the subject of errors. Raises `StoreError`.
    """
    part = path.with_name(path.name + ".part")
    mine = None
    try:
        _refuse_what_is_there(path)
        _remove(part)  # left by one that was killed
        try:
            make_private(part)
            mine = _identity(part)
            yield part
            if _identity(part) != mine:
                raise StoreError(f"Another program has begun to write {path} too: wait for that")
            _flush(part)
            _refuse_what_is_there(path)
            part.rename(path)
            _flush(path.parent)
        finally:
            if mine and _identity(part) == mine:
                _remove(part)
    except (OSError, ValueError, apsw.Error) as error:
        raise StoreError(f"{what} cannot be written to {path}: {words_of(error)}") from error


def _refuse_what_is_there(path: Path) -> None:
    for there in (path, *_companions(path)):
        if there.exists():
            raise StoreError(f"{there} exists already: choose a new name")


def _companions(path: Path) -> list[Path]:
    return [path.with_name(path.name + ending) for ending in _COMPANIONS]


def _remove(path: Path) -> None:
    for there in (path, *_companions(path)):
        there.unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one of the same name; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _flush(path: Path) -> None:
    """Have what is written to a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
