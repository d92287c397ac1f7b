"""Where a server listens, what strangers may take of it, and where its files are."""

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeGuard

from metermt.errors import SettingError
from metermt.signing import SharedKey

PORT = 11003
HTTP_PORT = 11002
SERVICE = "METER"
REGISTRY_PORT = 18811
IN_MEMORY = ":memory:"
"""Given instead of a file: a database in a temporary folder, which is removed at the end."""


DATABASE_VARIABLE = "METERMT_DATABASE"
"""The environment variable that says where the database is."""
DatabaseLocation = Path | str
"""Where a database is: a file of SQLite's, or the URL of one of PostgreSQL's (`postgresql://…`, or `service=NAME`)."""


BEFORE_RESTORE = "-before-restore-"
"""What stands behind the name of a database that a restore has put aside, before the moment."""


def is_url(location: DatabaseLocation) -> TypeGuard[str]:
    """Tell whether this is a PostgreSQL database, and no file."""
    return isinstance(location, str) and location.startswith(("postgresql://", "postgres://", "service="))


def default_database() -> Path:
    """Return the database in the user's data folder, which all programs use unless told otherwise."""
    from platformdirs import user_data_path  # noqa: PLC0415 - 20 ms that a client program does not owe

    return user_data_path("metermt") / "metermt.db"


def default_tls_folder(database: DatabaseLocation | None = None) -> Path:
    """Return the folder of keys and certificates that all programs use unless told otherwise.

    It is beside the database, where that is a file: both move together. The database is the usual one if none is named.
    """
    if database is None:
        database = os.environ.get(DATABASE_VARIABLE) or default_database()
    if is_url(database) or str(database) == IN_MEMORY:
        database = default_database()
    return Path(database).with_name("tls")


def default_outbox() -> Path:
    """Return the folder of what readers have typed on this device and no server has accepted yet."""
    return default_database().with_name("outbox")


@dataclass(frozen=True, slots=True)
class Limits:
    """What strangers may take of a server. Raises `SettingError`."""

    connections: int = 1000
    """At once, by all doors together; when they run short idle strangers make room."""
    connections_an_address: int = 200
    """At once; a whole crew may share one address."""
    handshake: timedelta = timedelta(seconds=10)
    """A new connection must log in within this time; by HTTP, whoever has not must ask for something."""
    idle: timedelta = timedelta(minutes=30)
    """A connection that says nothing for this long is closed; clients connect again by themselves."""

    watch_key: SharedKey | None = None
    """Who shows it may watch the server from another machine; without one nobody may."""

    def __post_init__(self) -> None:
        if min(self.connections, self.connections_an_address) < 1:
            raise SettingError("Invalid number of connections: allow one at least")
        for length in (self.handshake, self.idle):
            if not timedelta(0) < length <= timedelta(days=1):
                raise SettingError(f"Invalid time for a connection {length}: use more than nothing, and up to a day")


def check_port(port: int) -> int:
    """Return the port as it is; raise `SettingError` if there is none of this number. 0 means any free one."""
    if not 0 <= port <= 65535:
        raise SettingError(f"Invalid port {port}: use 1 to 65535, or 0 for any free one")
    return port
