"""What the office has set, in the store in memory."""

from metermt.decisions import Setting
from metermt.store.facts import Facts
from metermt.store.settings import Settings


class MemorySettings(Settings):
    """Settings, oldest first."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def all(self) -> list[Setting]:
        return list(self._facts.settings)

    def add(self, setting: Setting) -> None:
        self._facts.undo.append(self._facts.settings, setting)
