"""A backup takes the place of the database."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import apsw

from metermt.config import BEFORE_RESTORE
from metermt.errors import StoreError, StoreLocked
from metermt.files.part import flush, part_of
from metermt.store.sqlite.database import make_private, words_of
from metermt.store.sqlite.inspection import Inspection, inspected, opened_to_look

_COMPANIONS = ("", "-wal", "-shm")
_IN_USE = 128  # the byte of `-shm` that whoever has the database open keeps locked, in any version of SQLite


def restore(copy: Path, target: Path) -> tuple[Inspection, Path | None]:
    """Put what is in a copy in the place of a database; return what that is, and where the one before is now, if any.

    The copy is read through and checked first, and so is what was written of it; until then nothing has changed.
    Raises `StoreError`, `NotAStore` and `StoreTooNew` for a copy of no use, and `StoreLocked` if a program uses the
    database.
    """
    inspected(copy)
    if target.exists() and copy.samefile(target):
        raise StoreError(f"{copy} is the database itself: choose a backup of it")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone_with(target), part_of(target) as part:
            _write(copy, part)
            found = inspected(part)
            kept = _put_aside(target)
            try:
                part.replace(target)
            except OSError:
                if kept:
                    _rename(kept, target)
                raise
            flush(target.parent)
    except OSError as error:
        raise StoreError(f"{target} cannot be restored: {words_of(error)}") from error
    return found, kept


def _write(copy: Path, part: Path) -> None:
    make_private(part)
    with opened_to_look(copy) as connection:
        try:
            connection.execute("VACUUM INTO ?", (str(part),))
        except apsw.Error as error:
            raise StoreError(f"The database cannot be restored: {words_of(error)}") from error
    flush(part)


@contextmanager
def _alone_with(path: Path) -> Iterator[None]:
    """Keep other programs from the database until the block ends. Raises `StoreLocked` if one uses it.

    To be used by a program that has not opened it itself: the system would end its locks.
    """
    try:
        descriptor = os.open(path.with_name(path.name + "-shm"), os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:  # nobody has it open
        yield
        return
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _IN_USE)
        except (BlockingIOError, PermissionError) as error:
            raise StoreLocked(
                f"The database {path} is in use: stop its servers and programs, then try again"
            ) from error
        yield
    finally:
        os.close(descriptor)


def _put_aside(target: Path) -> Path | None:
    """Give a database another name, and return that; None if there is none."""
    if not any(target.with_name(target.name + ending).exists() for ending in _COMPANIONS):
        return None
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    kept = target.with_name(f"{target.stem}{BEFORE_RESTORE}{moment}{target.suffix}")
    _rename(target, kept)
    return kept


def _rename(before: Path, after: Path) -> None:
    """Rename a database, with what belongs to it. The file itself is last: without it nothing is taken for one."""
    for ending in reversed(_COMPANIONS):
        with suppress(FileNotFoundError):
            before.with_name(before.name + ending).rename(after.with_name(after.name + ending))
