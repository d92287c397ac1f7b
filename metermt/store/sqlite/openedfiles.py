"""Whether the files of a database are still those that were opened."""

import ctypes
import logging
import os
from pathlib import Path
from threading import Lock

import apsw

from metermt.errors import StoreGone

_log = logging.getLogger("metermt.store")


class OpenedFiles:
    """The files of an open database: the one at the path, and its log.

    When they are moved, replaced or deleted SQLite goes on with what it has open, which nobody will ever find again.
    Once that was noticed it stays so, until the database is opened anew.
    """

    def __init__(self, path: Path, connection: apsw.Connection) -> None:
        """Note what was opened by this connection. Raises `StoreGone` if that is gone already."""
        self._path = os.path.abspath(path)  # noqa: PTH100 - a text is looked up in half the time
        self._log = connection.filename_wal
        self._has_log = os.access(self._log, os.F_OK)
        self._gone = ""
        self._told = Lock()  # taken, and kept, by whoever tells the log
        self._opened = self._found()
        has_moved = ctypes.c_int()
        connection.file_control("main", apsw.SQLITE_FCNTL_HAS_MOVED, ctypes.addressof(has_moved))
        if has_moved.value or not self._opened:
            self._give_up(f"The database {path} was moved, replaced or deleted while it was opened: try again")

    @property
    def are_gone(self) -> bool:
        """Whether it was noticed that they are gone; it looks nowhere."""
        return bool(self._gone)

    def refuse(self) -> None:
        """Raise `StoreGone` if it was noticed that they are gone; it looks nowhere."""
        if self._gone:
            raise StoreGone(self._gone)

    def check(self) -> None:
        """Look whether they are there. Raises `StoreGone`. Takes some 4 microseconds, a commit 400."""
        self.refuse()
        if self._found() != self._opened:
            self._give_up(
                f"The database {self._path} was moved, replaced or deleted while it was in use, and nothing more is"
                " kept: put the right file in its place, and start again"
            )
        # Another log of this name is nobody's while the database is the same: who would make it has to open that, and
        # a server writes every few seconds. So it is only asked for, which takes half the time.
        if self._has_log and not os.access(self._log, os.F_OK):
            self._give_up(
                f"{self._log}, a part of the database, was moved or deleted while it was in use, and nothing more is"
                " kept: stop, which saves what can be saved, and start again"
            )

    def _found(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)  # noqa: PTH116 - likewise
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _give_up(self, why: str) -> None:
        self._gone = why
        if self._told.acquire(blocking=False):
            _log.error("%s", why)
        raise StoreGone(why)
