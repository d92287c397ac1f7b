"""A place where a file is written, out of sight, until it is whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

_ENDING = ".metermt-part"
_FILE = "file"


@contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """Return where to make a file that is to get this name: in a new folder beside it, on the same disk.

    Only its owner can reach the folder (mode 0700), so that nobody plants a link in it. It is gone, with all that is
    in it, when the block has ended. Raises `OSError`.
    """
    folder = Path(mkdtemp(prefix=f".{path.name}.", suffix=_ENDING, dir=path.parent))
    try:
        yield folder / _FILE
    finally:
        with suppress(OSError):
            _remove(folder)


def flush(path: Path) -> None:
    """Have what is written to a file, or the names in a folder, on the disk. Not for a database that is open."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
