"""Whatever makes calls: a client of a server, or a command on a database."""

from abc import ABC, abstractmethod
from typing import TypeVar

from metermt.calls.asking import Call

Q = TypeVar("Q")
R = TypeVar("R")


class MakesCalls(ABC):
    """It can make all calls of the table."""

    @abstractmethod
    def call(self, call: Call[Q, R], request: Q) -> R:
        """Make any call of the table (see `metermt.calls`), and return its result."""
