"""A transaction that was begun, and may not be over yet."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Begun(ABC, Generic[T_co]):
    """A transaction that was begun, and may not be over yet."""

    @abstractmethod
    def wait(self, seconds: float) -> bool:
        """Wait until it is over, no longer than so many seconds; return whether it is. It may be asked again."""

    @abstractmethod
    def result(self) -> T_co:
        """Return what its work returned, or raise what it, or the store, raised. To be called when it is over."""


class Over(Begun[T_co]):
    """A transaction that was over at once."""

    def __init__(self, transaction: Callable[[], T_co]) -> None:
        """Do what returns or raises what the transaction does."""
        self._outcome: Future[T_co] = Future()
        try:
            self._outcome.set_result(transaction())
        except Exception as error:  # noqa: BLE001 - it is raised where the outcome is asked for
            self._outcome.set_exception(error)

    def wait(self, seconds: float) -> bool:  # noqa: ARG002 - there is nothing to wait for
        """Return True."""
        return True

    def result(self) -> T_co:
        """Return what came of it, or raise that."""
        return self._outcome.result()
