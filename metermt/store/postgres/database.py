"""One PostgreSQL database: where it is, bringing it up to date, and naming what goes wrong."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from typing import Any

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from metermt.errors import NotAStore, SettingError, StoreAway, StoreError, StoreLocked, StoreRefused, StoreTooNew
from metermt.store.sql.dialect import Row

_MIGRATION_LOCK = 0x4D54524D  # of all advisory locks of the database the one for who brings it up to date
_OLDEST = 150000  # the first version of PostgreSQL that we know
_SETTINGS = {
    "application_name": "metermt",
    "client_encoding": "utf8",
    "connect_timeout": "3",
    "keepalives": "1",
    "keepalives_idle": "2",
    "keepalives_interval": "1",
    "keepalives_count": "2",
    "tcp_user_timeout": "3000",
}
# In the session: `jit` takes longer than any of our statements runs; a server that stands still must not keep others
# from what it has locked; and nobody is told that a reading is kept before it is on the disk.
# Statements are planned once a connection: planning one takes longer than running it. That may be while a table is
# empty, for which no plan seems bad: so they are told to look up each row by an index, in the order of their joins.
_OPTIONS = " ".join(
    f"-c {setting}"
    for setting in (
        "jit=off",
        "idle_in_transaction_session_timeout=5s",
        "synchronous_commit=on",
        "timezone=UTC",
        "plan_cache_mode=force_generic_plan",
        "enable_seqscan=off",
        "enable_hashjoin=off",
        "enable_mergejoin=off",
        "enable_material=off",
        "join_collapse_limit=1",
    )
)


def check_url(url: str) -> None:
    """Raise `SettingError` if nobody can make sense of it, and say nothing of what may be a password in it."""
    with suppress(psycopg.ProgrammingError):
        parts: dict[str, Any] = conninfo_to_dict(url)
        host, port = str(parts.get("host", "")), str(parts.get("port", ""))
        if "@" not in host and port.replace(",", "").isdigit() | (not port):
            return
    raise SettingError(
        "Invalid database: write postgresql://USER@HOST/NAME, and in a password %40 for @, %3A for : and %2F for /"
    )


def shown(url: str) -> str:
    """Return what may be said of where a database is: its user, host, port and name, and never a password."""
    try:
        parts: dict[str, Any] = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return "postgresql://…"
    if service := parts.get("service"):
        return f"service={service}"
    user = f"{parts['user']}@" if "user" in parts else ""
    port = f":{parts['port']}" if "port" in parts else ""
    return f"postgresql://{user}{parts.get('host') or 'localhost'}{port}/{parts.get('dbname', '')}"


def settings_of(url: str) -> str:
    """Return how to connect: as the URL says, with time-outs and with the session as we need it."""
    check_url(url)
    said: dict[str, Any] = conninfo_to_dict(url)
    options = " ".join(filter(None, (_OPTIONS, said.pop("options", None))))
    return make_conninfo(**(_SETTINGS | said), options=options)


def open_database(url: str, *, create: bool) -> None:
    """Bring the schema up to date, by whoever comes first of all who start together.

    An empty database is set up if `create` says so. Raises `StoreAway`, `StoreTooNew`, `NotAStore` or `StoreError`.
    """
    with store_errors(url), psycopg.connect(settings_of(url), autocommit=True) as connection:
        if _version(connection, url) == len(_migrations()):
            return
        with connection.transaction():
            bring_up_to_date(connection, url, create=create)


def bring_up_to_date(connection: psycopg.Connection[Row], url: str, *, create: bool) -> None:
    """Do so in the transaction that the connection is in. Whoever else is at it is waited for."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
    version = _version(connection, url)
    if not version and not create:
        raise StoreError(
            f"The database {shown(url)} is empty: check --database, or fill it with 'metermt routes import'"
        )
    for number, migration in list(enumerate(_migrations(), 1))[version:]:
        connection.execute(migration)
        connection.execute("UPDATE metermt_schema SET version = %s", (number,))


@contextmanager
def store_errors(url: str) -> Iterator[None]:
    """Turn what psycopg raises into a `StoreError` that says what to do."""
    try:
        yield
    except psycopg.Error as error:
        raise translated(error, url) from error


def translated(error: psycopg.Error, url: str) -> StoreError:
    """Return what to say of an error."""
    where = f"The database {shown(url)}"
    told: tuple[type[StoreError], str]
    match error:
        case errors.LockNotAvailable() | errors.QueryCanceled():
            told = StoreLocked, f"{where} is locked by another program: try again later"
        case errors.DiskFull():
            told = StoreError, f"The disk of the database {shown(url)} is full: make room and try again"
        case psycopg.DataError() | psycopg.IntegrityError():
            told = StoreRefused, f"{where} does not take this: {_first_line(error)}"
        case errors.ReadOnlySqlTransaction():
            told = StoreError, f"{where} can only be read: it is a standby, or was made so"
        case errors.TooManyConnections():
            told = StoreAway, f"{where} has no connection left: raise max_connections there"
        case psycopg.OperationalError() | psycopg.InterfaceError():
            told = StoreAway, f"{where} cannot be reached: {_first_line(error)}"
        case _:
            told = StoreError, f"{where} cannot be used: {_first_line(error)}"
    kind, text = told
    return kind(text)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _migrations() -> list[Any]:
    files = resources.files("metermt.store").joinpath("migrations", "postgres").iterdir()
    return [file.read_bytes() for file in sorted(files, key=lambda file: file.name)]


def _version(connection: psycopg.Connection[Row], url: str) -> int:
    """Return how many migrations the database has had; 0 for an empty one. Raises `NotAStore`, `StoreTooNew`."""
    if connection.info.server_version < _OLDEST:
        raise StoreError(f"{shown(url)} is PostgreSQL {connection.info.server_version // 10000}: use 15 or newer")
    # One statement, so that it does not see half of what another server is making.
    [(tables, is_ours)] = connection.execute(
        "SELECT count(*), count(*) FILTER (WHERE tablename = 'metermt_schema')"
        " FROM pg_tables WHERE schemaname = current_schema()"
    )
    if not is_ours:
        if tables:
            raise NotAStore(f"{shown(url)} is not a MeterMT database: choose an empty one")
        return 0
    [(version,)] = connection.execute("SELECT version FROM metermt_schema")
    if version > len(_migrations()):
        raise StoreTooNew(f"The database {shown(url)} was made by a newer version of MeterMT: install that")
    return int(version)
