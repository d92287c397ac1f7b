"""The clock of the year: real time, and so many seconds more, which a file tells all servers."""

import mmap
import struct
import time
from datetime import UTC, datetime
from pathlib import Path

_FORM = struct.Struct("d")


class Clock:
    """The time of the town. Whoever opens the file sees at once when it is set."""

    def __init__(self, file: Path) -> None:
        if not file.exists():
            file.write_bytes(_FORM.pack(0.0))
        with file.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), _FORM.size)
        self.file = file

    @property
    def ahead(self) -> float:
        """Seconds between real time and the town's."""
        return float(_FORM.unpack(self._map[:])[0])

    def set(self, when: datetime) -> None:
        """Let it be as late as that, or as late as it is if that is later: no clock goes back."""
        self._map[:] = _FORM.pack(max(when.timestamp() - time.time(), self.ahead))

    def now(self) -> datetime:
        """Return what the time is."""
        return datetime.fromtimestamp(time.time() + self.ahead, UTC)
