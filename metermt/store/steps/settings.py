"""The steps of a transaction that are about settings of the office; see `metermt.store.steps`."""

from abc import ABC, abstractmethod

from metermt.decisions import Setting


class Settings(ABC):
    """What the office has set, and who has set it when: nothing of that is ever removed."""

    @abstractmethod
    def all(self) -> list[Setting]:
        """Return what was ever set, oldest first. The last one of a name is in force."""

    @abstractmethod
    def add(self, setting: Setting) -> None:
        """Set something from now on."""
