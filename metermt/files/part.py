"""A place where a file is written, out of sight, until it is whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from tempfile import mkdtemp

_ENDING = ".metermt-part"
_FILE, _LOCK = "file", "lock"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """Return where to make a file that is to get this name: in a new folder beside it, on the same disk.

    Only its owner can reach the folder (mode 0700), so that nobody plants a link in it. It is gone, with all that is
    in it, when the block has ended; what processes that are dead have left beside it is gone before. Raises `OSError`.
    """
    _clear_up(path.parent)
    folder, lock = _new_folder(path)
    try:
        yield folder / _FILE
    finally:
        with suppress(OSError), _opened(folder, _FOLDER) as inside:
            _remove(folder, inside)
        os.close(lock)


def flush(path: Path) -> None:
    """Have what is written to a file, or the names in a folder, on the disk. Not for a database that is open."""
    with _opened(path, os.O_RDONLY) as descriptor:
        os.fsync(descriptor)


def _new_folder(path: Path) -> tuple[Path, int]:
    """Make a folder; return it and the lock that says that its process lives."""
    while True:
        folder = Path(mkdtemp(prefix=f".{path.name}.", suffix=_ENDING, dir=path.parent))
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError:  # one that clears up has come between
            continue
        with suppress(OSError):  # a disk that knows no locks: there nobody clears up
            flock(lock, LOCK_EX)
        if os.fstat(lock).st_nlink:  # else likewise
            return folder, lock
        os.close(lock)


def _clear_up(parent: Path) -> None:
    for folder in parent.glob(f".*{_ENDING}"):
        with suppress(OSError):  # its process lives, or it is somebody else's
            _remove_if_left(folder)


def _remove_if_left(folder: Path) -> None:
    """Remove a folder of a process that is dead: the system has let go of its lock. Else raises `OSError`."""
    with _opened(folder, _FOLDER) as inside:
        try:
            with _opened(_LOCK, os.O_RDWR | os.O_NOFOLLOW, inside) as lock:
                flock(lock, LOCK_EX | LOCK_NB)
                _remove(folder, inside)
        except FileNotFoundError:  # killed before there was a lock, or after
            folder.rmdir()


def _remove(folder: Path, inside: int) -> None:
    # The lock last: whoever is killed in the middle leaves what is found again.
    for name in sorted(os.listdir(inside), key=lambda name: name == _LOCK):
        os.unlink(name, dir_fd=inside)
    folder.rmdir()


@contextmanager
def _opened(path: Path | str, flags: int, folder: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, flags, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
