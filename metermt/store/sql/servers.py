"""Which servers share the database, in SQL."""

from collections.abc import Iterable

from metermt.model import Server
from metermt.store.sql.dialect import Steps
from metermt.store.steps.people import Servers

_COLUMNS = ("name", "version", "readers", "seen_at")
_REPLACE = (
    "ON CONFLICT (name) DO UPDATE SET version = excluded.version, readers = excluded.readers,"
    " seen_at = excluded.seen_at"
)
_ALL = "SELECT name, version, readers, seen_at FROM servers ORDER BY name"


class SqlServers(Steps, Servers):
    """The table `servers`."""

    def note(self, server: Server) -> None:
        row = (server.name, server.version, server.readers, server.seen_at)
        self._sql.insert("servers", _COLUMNS, [row], _REPLACE)

    def all(self) -> list[Server]:
        return [Server(*row) for row in self._sql.rows(_ALL)]

    def forget(self, names: Iterable[str]) -> None:
        self._sql.delete("servers", "name", names)
