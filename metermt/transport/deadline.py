"""One point in time that bounds several steps."""

from time import monotonic

from metermt.errors import DeadlineExceeded


class Deadline:
    """So many seconds from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = monotonic() + seconds

    @property
    def left(self) -> float:
        """The seconds that are left, never below 0."""
        return max(0.0, self._end - monotonic())

    def check(self) -> float:
        """Return the seconds that are left. Raises `DeadlineExceeded` if there are none."""
        if not (left := self.left):
            raise self.exceeded()
        return left

    def exceeded(self) -> DeadlineExceeded:
        """Return the error that says so."""
        return DeadlineExceeded(f"No answer from the server within {self.seconds:g} seconds")
