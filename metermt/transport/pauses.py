"""The pauses between the tries of a client."""

import random
import time

from metermt.transport.deadline import Deadline

_FIRST, _LONGEST = 0.05, 2.0  # seconds; each pause is about twice the one before


class Pauses:
    """Growing pauses, none of them beyond a deadline."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._next = _FIRST

    def wait(self) -> None:
        """Wait longer than the last time."""
        self._next *= random.uniform(1.5, 2.5)  # noqa: S311 - so that a crew does not come back in one rush
        time.sleep(min(self._next, _LONGEST, self._deadline.left))
