"""What the office has set, in SQL."""

from datetime import datetime

from metermt.decisions import Setting
from metermt.store.sql.dialect import Steps
from metermt.store.steps.settings import Settings

_COLUMNS = ("name", "value", "username", "set_at")


class SqlSettings(Steps, Settings):
    """The table `settings`."""

    def all(self) -> list[Setting]:
        rows = self._sql.rows("SELECT name, value, username, set_at FROM settings ORDER BY id")
        return [Setting(name, value, username, datetime.fromisoformat(at)) for name, value, username, at in rows]

    def add(self, setting: Setting) -> None:
        row = (setting.name, setting.value, setting.username, setting.set_at.isoformat())
        self._sql.insert("settings", _COLUMNS, [row])
