"""A new database file that is there when it is whole, or not at all."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from metermt.errors import StoreError
from metermt.files.part import flush, part_of
from metermt.store.sqlite.database import make_private, words_of

_COMPANIONS = ("-journal", "-wal", "-shm")  # SQLite takes what has these names for a part of the database
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)  # of a disk where a file has one name, like a USB stick


@contextmanager
def new_file(path: Path, what: str) -> Iterator[Path]:
    """Make an empty file, for a database to be written to; when the block has ended give it the name of the path.

    It is on the disk then. If the block raises, or there is something at the path, nothing is left behind; what a
    killed process leaves is removed by the next one. `what` is the subject of errors. Raises `StoreError`.
    """
    try:
        _refuse_what_is_there(path)
        if not path.parent.exists():  # it may be that of a disk that is not mounted
            raise StoreError(f"{what} cannot be written to {path}: there is no folder {path.parent}; make it first")
        with part_of(path) as part:
            make_private(part)
            yield part
            flush(part)
            _refuse_what_is_there(path)
            _give_name(part, path)
            flush(path.parent)
    except (OSError, ValueError, apsw.Error) as error:
        raise StoreError(f"{what} cannot be written to {path}: {words_of(error)}") from error


def _refuse_what_is_there(path: Path) -> None:
    for there in (path, *(path.with_name(path.name + ending) for ending in _COMPANIONS)):
        if there.exists():
            raise _is_there(there)


def _is_there(path: Path) -> StoreError:
    return StoreError(f"{path} exists already: choose a new name")


def _give_name(part: Path, path: Path) -> None:
    """Give the file its name, unless another program was first: of several only one can."""
    try:
        try:
            path.hardlink_to(part)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _rename(part, path)
    except FileExistsError as error:
        raise _is_there(path) from error


def _rename(part: Path, path: Path) -> None:
    # A rename alone would replace what another program has put there meanwhile.
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    try:
        part.replace(path)
    except OSError:
        path.unlink()
        raise
