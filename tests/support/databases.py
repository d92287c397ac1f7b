"""Database files for tests: looked at as another program would, and what is in a store of which much is known."""

import resource
from contextlib import closing, contextmanager
from importlib import resources

import apsw
from conftest import CYCLE, T0, add_readers, import_jobs, make_jobs, make_lease, make_reading
from steps import record

MIGRATIONS = sorted(
    resources.files("metermt.store").joinpath("migrations", "sqlite").iterdir(), key=lambda file: file.name
)


@contextmanager
def raw(path, create=False):
    """Open the file beside the store, as another program would."""
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    with closing(apsw.Connection(str(path), flags=flags)) as connection:
        yield connection


def one(connection, sql):
    """Return the first column of the first row."""
    return connection.execute(sql).fetchall()[0][0]


def schema_of(path):
    with raw(path) as database:
        return database.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").fetchall()


@contextmanager
def hooked(hook):
    """Show every connection that is opened meanwhile to the hook."""
    apsw.connection_hooks.append(hook)
    try:
        yield
    finally:
        apsw.connection_hooks.remove(hook)


@contextmanager
def limited_file_size(size):
    """Let no file of this process grow beyond so many bytes: SQLite then finds no room on the disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def users_of(store):
    """Return the names of all users."""
    return [user.username for user in store.read(lambda tx: tx.accounts.users())]


def tally_of(store, username="carol"):
    return store.read(lambda tx: tx.readings.tallies([username]))[username]


def fill(store, done):
    """Fill the store with that many jobs that are done, one that is leased, and ten more."""
    add_readers(store, "adam", "carol")
    ids = import_jobs(store, CYCLE, make_jobs(done + 11))
    store.write(lambda tx: record(tx, [make_reading(meter, key=meter) for meter in list(ids)[:done]]))
    store.write(lambda tx: tx.leases.put([make_lease(ids[f"M{done:05}"], until=T0 + 60)]))
    return store
