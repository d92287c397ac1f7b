"""What the office has set, in the store in memory."""

from metermt.decisions import Setting
from metermt.store.memory.tables import Tables
from metermt.store.steps.settings import Settings


class MemorySettings(Settings):
    """Settings, oldest first."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def all(self) -> list[Setting]:
        return list(self._tables.settings)

    def add(self, setting: Setting) -> None:
        self._tables.undo.append(self._tables.settings, setting)
