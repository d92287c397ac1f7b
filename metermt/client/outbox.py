"""The outbox: what readers have typed on this device and no server has accepted yet, on its disk."""

import logging
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock

from metermt.errors import CallError, OutboxError
from metermt.model import Answer
from metermt.wire import from_text, to_text

_ENDING = ".json"
_TICK = 1000  # nanoseconds between two files at least; the clock itself stands still for some milliseconds
_NAME = 32  # characters of a digest, more than enough that no two are the same

_log = logging.getLogger("metermt.outbox")


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """An answer that a server has not accepted, as far as this device knows."""

    server: str
    """What the server was asked for by: `Way.name`."""
    username: str
    answer: Answer
    """With its time and its key: sent again it counts once."""

    @property
    def _name(self) -> str:
        whose = f"{self.server}\n{self.username}\n{self.answer.key}"
        return sha256(whose.encode(errors="surrogatepass")).hexdigest()[:_NAME] + _ENDING

    def replaces(self, other: "Unconfirmed") -> bool:
        """Tell whether this is a later word of the same reader on the same job."""
        return self._job == other._job and self.answer.key != other.answer.key

    @property
    def _job(self) -> tuple[str, str, str, str | None]:
        return self.server, self.username, self.answer.meter, self.answer.cycle


class Outbox:
    """A folder with one file for each answer.

    A file is made exclusively, is whole and on the disk before anything is sent, is never changed, and is removed when
    the server has answered. So any number of programs may use the folder at once, and need no locks for that.

    What the disk does not take is held as long as this object lives.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._unwritten: dict[str, Unconfirmed] = {}  # by the names of the files that could not be made
        self._writing = Lock()  # held while files are made or removed: one thread may write what another one lets go of

    @property
    def unwritten(self) -> list[Unconfirmed]:
        """What could not be written, and goes with this object."""
        return list(self._unwritten.values())

    def put(self, rows: Iterable[Unconfirmed]) -> None:
        """Have answers on the disk when this returns, and all that it did not take before.

        What is there already stays as it is.

        Raises `OutboxError` if the disk does not take all of them, and then it has them in memory; `CallError` for what
        could not be sent, either.
        """
        rows = list(rows)
        for row in rows:
            to_text(row)  # what cannot be sent is not held, either
        self._unwritten |= {row._name: row for row in rows}  # behind what came before them, and was not taken either
        with self._writing, self._opened(create=True) as folder:
            contents = {name: f"{to_text(row)}\n".encode() for name, row in list(self._unwritten.items())}
            latest = _latest(folder)
            for name, content in contents.items():
                latest = _write(folder, name, content, latest)
            os.fsync(folder)
            for name in contents:
                self._unwritten.pop(name, None)

    def all(self) -> list[Unconfirmed]:
        """Return what is kept for anybody, oldest first. Raises `OutboxError`."""
        found: list[tuple[int, Unconfirmed]] = []
        with suppress(FileNotFoundError), self._opened() as folder:
            for name in _names(folder):
                if row := _read(folder, name):
                    found.append(row)
        found.sort(key=lambda one: (one[0], str(one[1].answer.when), str(one[1].answer.key)))
        written = [row for _, row in found]
        return written + [row for row in self.unwritten if row not in written]

    def of(self, server: str, username: str) -> list[Unconfirmed]:
        """Return what is kept for one reader at one server, oldest first. Raises `OutboxError`."""
        return [row for row in self.all() if (row.server, row.username) == (server, username)]

    def keeps(self, row: Unconfirmed) -> bool:
        """Tell whether an answer is on the disk."""
        return row._name not in self._unwritten and os.access(self.folder / row._name, os.F_OK)

    def damaged(self) -> list[Path]:
        """Return files with no answer in them: programs were killed, or the power failed, while they were written."""
        with suppress(FileNotFoundError), self._opened() as folder:
            return [self.folder / name for name in _names(folder) if not _read(folder, name)]
        return []

    def remove(self, rows: Iterable[Unconfirmed]) -> None:
        """Let go of answers that the server has answered for, or that their reader has thrown away.

        Raises `OutboxError`. It need not be on the disk for that: what is sent again counts once.
        """
        names = [row._name for row in rows]
        for name in names:
            self._unwritten.pop(name, None)
        with self._writing, suppress(FileNotFoundError), self._opened() as folder:
            for name in names:
                with suppress(FileNotFoundError):  # another program was first
                    os.unlink(name, dir_fd=folder)

    def accepted(self, rows: Iterable[Unconfirmed]) -> None:
        """Let go of answers that the server has accepted, and of what their readers had said before of the same jobs.

        That would else be taken for a correction of what is newer. A disk that does not let them go is told to the log.
        """
        rows = list(rows)
        was_told = all(row._name in self._unwritten for row in rows)
        try:
            kept = self.all()
            for row in rows:
                before = kept[: kept.index(row)] if row in kept else []
                self.remove([row, *(other for other in before if row.replaces(other))])
        except OutboxError as error:
            for row in rows:
                self._unwritten.pop(row._name, None)
            if not was_told:
                _log.warning("%s", error)

    @contextmanager
    def _opened(self, *, create: bool = False) -> Iterator[int]:
        """Open the folder. Raises `OutboxError`, and `FileNotFoundError` if there is none and none is to be made."""
        if sys.platform == "win32":  # it cannot open a folder, nor refuse a link
            raise OutboxError("What is typed cannot be kept on this device: its system is Windows")
        try:
            if create:
                _make(self.folder)
            folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                _check_private(folder)
                yield folder
            finally:
                os.close(folder)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not create:
                raise
            words = error.strerror or str(error)
            raise OutboxError(f"What is typed cannot be kept on this device, in {self.folder}: {words}") from error


def _make(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        above = os.open(folder.parent, os.O_RDONLY)
        try:
            os.fsync(above)
        finally:
            os.close(above)


def _check_private(folder: int) -> None:
    """Refuse a folder that somebody else owns or can write to: they could take readings away, or plant some."""
    found = os.fstat(folder)
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
        raise PermissionError(None, "others can write there; let it be yours alone (chmod 700)")


def _names(folder: int) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name.endswith(_ENDING))


def _latest(folder: int) -> int:
    """Return when the last file was written, in nanoseconds."""
    times = [0]
    for name in _names(folder):
        with suppress(FileNotFoundError):  # another program has let go of it
            times.append(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime_ns)
    return max(times)


def _write(folder: int, name: str, content: bytes, latest: int) -> int:
    """Write a file, unless it is there. Its time, which is returned, is after the `latest`, whatever the clock says."""
    try:
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    except FileExistsError:
        if _read(folder, name):
            return latest
        os.unlink(name, dir_fd=folder)  # somebody was killed while writing it
        return _write(folder, name, content, latest)
    try:
        while content:
            content = content[os.write(file, content) :]
        at = max(os.fstat(file).st_mtime_ns, latest + _TICK)
        with suppress(OSError):  # a file system that does not let times be set
            os.utime(file, ns=(at, at))
        os.fsync(file)
    except OSError:
        os.unlink(name, dir_fd=folder)
        raise
    finally:
        os.close(file)
    return at


def _read(folder: int, name: str) -> tuple[int, Unconfirmed] | None:
    """Return when a file was written, in nanoseconds, and what is in it; None if it is not whole or gone by now."""
    try:
        with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder), encoding="utf-8") as file:
            return os.fstat(file.fileno()).st_mtime_ns, from_text(Unconfirmed, file.read())
    except (OSError, UnicodeDecodeError, CallError):
        return None
