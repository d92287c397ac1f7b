"""Files that commands write for people: where they may be, and how they are written."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, cast

import click

from metermt.cli.keptfiles import check_apart
from metermt.config import DatabaseLocation
from metermt.errors import SettingError, StoreError
from metermt.files.whole import whole_file

_STDOUT = "-"
_OWNER_ONLY = 0o600  # the files have addresses, and who was where and when


def check_free(file: Path, database: DatabaseLocation | None, *, force: bool) -> None:
    """Raise `SettingError` if a file cannot be written to, or is there and may not be replaced.

    None is the database of a server, beside which nothing lies here. - is standard output, to which anything may go.
    """
    if str(file) == _STDOUT:
        return
    if database is not None:
        check_apart(file, database)
    try:
        is_there = file.is_file()
    except OSError as error:  # as for a name that is too long
        raise StoreError(f"Cannot write {file}: {error.strerror}") from error
    if is_there and not force:
        raise SettingError(f"{file} is there already: choose another name, or replace it with --force")
    if file.is_dir():
        raise SettingError(f"{file} is a folder: name a file in it")
    if not (folder := file.absolute().parent).is_dir():
        raise SettingError(f"There is no folder {folder}: make it, or choose another name")


@contextmanager
def written(file: Path) -> Iterator[TextIO]:
    """Write a file in UTF-8 that its owner can read, whole or not at all; - is standard output.

    Bytes go to its `buffer`. Raises `StoreError` if it cannot be written.
    """
    try:
        if str(file) == _STDOUT:
            out = cast(TextIO, click.open_file(_STDOUT, "w", encoding="utf-8"))
            yield out
            out.flush()
        else:
            with whole_file(file, _OWNER_ONLY) as text:
                yield text
    except BrokenPipeError:
        raise  # whoever read has had enough, which click knows how to end
    except OSError as error:
        if str(file) == _STDOUT:  # what could not be written is not tried again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise StoreError(f"Cannot write {file}: {error.strerror}") from error


def in_words(file: Path) -> str:
    """Return what to call a file that was written."""
    return "standard output" if str(file) == _STDOUT else str(file)
