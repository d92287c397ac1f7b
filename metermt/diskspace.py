"""How much room a disk has."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

LEAST_BYTES, LEAST_SHARE = 500_000_000, 0.05
"""With less than either, a disk is nearly full."""
_RECOVERED = 1.1  # times as much, and it is not any more: else each megabyte that comes and goes would be news


class Space(NamedTuple):
    """Room on a disk, in bytes."""

    free: int
    total: int

    def is_short(self, times: float = 1.0) -> bool:
        """Tell whether there is less than so many times what there should be."""
        return self.free < self.least * times

    @property
    def least(self) -> float:
        """What there should be."""
        return max(LEAST_BYTES, LEAST_SHARE * self.total)

    def in_words(self) -> str:
        """Tell people."""
        return f"{self.free / 1e6:,.0f} MB are free, {self.free / max(1, self.total):.0%} of the disk"


def space_at(path: Path) -> Space:
    """Return how much room there is for a file, for who is no superuser. Raises `OSError`."""
    usage = shutil.disk_usage(path.absolute().parent)
    return Space(usage.free, usage.total)


@dataclass(slots=True)
class SpaceWatch:
    """Tells when a disk gets nearly full: once, and again when it has recovered and falls anew."""

    space: Callable[[], Space]
    _has_told: bool = False

    def news(self) -> Space | None:
        """Look; return how much room there is if that is news and bad, else None."""
        try:
            space = self.space()
        except OSError:  # then nothing can be said, and the database will say what is wrong
            return None
        if self._has_told:
            self._has_told = space.is_short(_RECOVERED)
            return None
        self._has_told = space.is_short()
        return space if self._has_told else None
