"""Files that are there with all their text, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from metermt.files.part import flush, part_of


@contextmanager
def whole_file(path: Path, mode: int = 0o666) -> Iterator[TextIO]:
    """Write a text in UTF-8; whoever reads the file sees what was there before or all that was written.

    When the block has ended text and name are on the disk. No link is followed: one that has this name is replaced.
    A pipe or a device is written to as it is. `mode` is that of a new file, before the umask. Raises `OSError`.
    """
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8", newline="") as out:
            yield out
        return
    with part_of(path) as part:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as out:
            yield out
            out.flush()
            os.fsync(descriptor)
        part.replace(path)
        flush(path.parent)
