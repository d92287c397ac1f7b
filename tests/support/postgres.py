"""A real PostgreSQL for the tests: one cluster a run, started by whoever needs it first, and databases in it."""

import atexit
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from conftest import threads_that_stay
from servers import lasting_port

from metermt.store.postgres.store import PostgresStore

_PLACE = "METERMT_TEST_POSTGRES"  # where the folder of this run is, for those who run the tests side by side
_TABLES = (
    *("audit", "unsealed", "names"),
    *("batch_lines", "batches", "exchanges", "decisions"),
    *("readings", "leases", "limits", "looks", "jobs", "history", "notes", "places", "assignments", "settings"),
    *("reasons", "found"),
    *("tallies", "cycles", "login_failures", "servers", "sessions", "users"),
)
_LARGE = 1_000_000  # bytes
_MISSING = "no PostgreSQL 15 or newer is installed: apt-get install --no-install-recommends postgresql"


def binaries():
    """Return the folder of the newest server that is installed, None without one of version 15 or newer."""
    folders = (path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = {int(folder.parent.name): folder for folder in folders if folder.parent.name.isdigit()}
    if not found and (postgres := shutil.which("postgres")):
        version = subprocess.check_output([postgres, "--version"], text=True)
        found[int(re.search(r"\d+", version)[0])] = Path(postgres).resolve().parent
    newest = max(found, default=0)
    return found[newest] if newest >= 15 else None


def need_postgres():
    """Skip the test where there is no PostgreSQL; in CI there must be one."""
    if binaries() is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(_MISSING)


class Cluster:
    """A PostgreSQL server on a port that nobody else is given, with its data in a folder of its own."""

    def __init__(self, *settings, name="metermt-postgres-", parent=None):
        """`settings` are like `fsync=off`; `parent` is a folder that the user `postgres` may enter."""
        self.folder = Path(tempfile.mkdtemp(prefix=name, dir=parent))
        self.data = self.folder / "data"
        self.port = lasting_port()
        self._settings = settings
        self._as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as_postgres:
            shutil.chown(self.folder, "postgres", "postgres")
        self.folder.chmod(0o755)
        place = os.environ.get(_PLACE)
        if place:
            subprocess.run(["cp", "-a", self._first_of_this_run(Path(place)), self.data], check=True)
        else:
            self._init()

    def start(self, *more):
        """Start it, and wait until it answers."""
        settings = (
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self.folder}",
            "max_connections=200",
            *self._settings,
            *more,
        )
        said = " ".join(f"-c {setting}" for setting in settings)
        self._do("pg_ctl", "start", "-w", "-D", self.data, "-l", self.folder / "log", "-o", said)

    def stop(self, how="immediate"):
        """Stop it."""
        self._do("pg_ctl", "stop", "-m", how, "-D", self.data)

    def remove(self):
        """Stop it if it runs, and remove its folder."""
        if self.pid:
            self.stop()
        shutil.rmtree(self.folder)

    @property
    def pid(self):
        """Of the process that started all others, None when it does not run."""
        try:
            return int((self.data / "postmaster.pid").read_text().split()[0])
        except OSError:
            return None

    def url(self, database="postgres", port=None):
        return f"postgresql://metermt@127.0.0.1:{port or self.port}/{database}"

    def ask(self, sql, *values, database="postgres"):
        """Run a statement; return its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    def create(self, database):
        """Make an empty database; return where it is."""
        self.ask(f'CREATE DATABASE "{database}" STRATEGY file_copy')
        return self.url(database)

    def drop(self, database):
        self.ask(f'DROP DATABASE "{database}" WITH (FORCE)')

    def _first_of_this_run(self, place):
        """Return where the data is of a cluster that has never run: to copy it takes a tenth of making it."""
        first = place / "data"
        with (place / "lock of data").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not first.exists():
                self._init()
                shutil.move(self.data, first)
        return first

    def _init(self):
        self._do("initdb", "--no-sync", "-A", "trust", "-U", "metermt", "-E", "UTF8", "--locale=C", "-D", self.data)

    def _do(self, program, *args):
        command = [*self._as_postgres, str(binaries() / program), *map(str, args)]
        done = subprocess.run(
            command, cwd=self.folder, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60
        )
        assert not done.returncode, f"{program}: {done.stderr}"


def pytest_configure(config):
    """Make a place for the cluster of this run, unless this is one of several processes that run it."""
    if not hasattr(config, "workerinput"):
        os.environ[_PLACE] = tempfile.mkdtemp(prefix="metermt-tests-")


def pytest_unconfigure(config):
    """Remove what there is of it, once all tests are over."""
    if hasattr(config, "workerinput"):
        return
    place = Path(os.environ.pop(_PLACE))
    for said in place.glob("cluster-*"):
        pid, folder = said.read_text().split()
        subprocess.run(["kill", "-QUIT", pid], check=False)
        until = time.monotonic() + 20
        while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
            time.sleep(0.01)
        shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(place)


@pytest.fixture(scope="session")
def cluster():
    """The cluster of this run. What it holds need not survive a power failure."""
    need_postgres()
    place = Path(os.environ[_PLACE])
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = place / "cluster-0"
        there = object.__new__(Cluster)
        if said.exists():
            there.folder = Path(said.read_text().split()[1])
            there.data = there.folder / "data"
            there.port = int((there.data / "postmaster.pid").read_text().splitlines()[3])
        else:
            # A table that is looked at while a test has left it empty would be planned for as that in the next one.
            there = Cluster("fsync=off", "shared_buffers=64MB", "autovacuum=off")
            there.start()
            said.write_text(f"{there.pid} {there.folder}")
    return there


@pytest.fixture(scope="session")
def _database_of_this_process(cluster):
    name = f"tests_{os.getpid()}"
    url = cluster.create(name)
    PostgresStore(url).close()
    return url


@pytest.fixture
def postgres_url(_database_of_this_process):
    """A database with the schema, and nothing in it."""
    empty(_database_of_this_process)
    return _database_of_this_process


def empty(url):
    """Leave nothing but the schema in a database."""
    deletions = ", ".join(f"deleted_{table} AS (DELETE FROM {table})" for table in _TABLES)
    numbered = ", ".join(f"setval(pg_get_serial_sequence('{table}', 'id'), 1, false)" for table in ("jobs", "readings"))
    connection = _connection_that_empties(url)
    (size,) = connection.execute(f"SELECT {' + '.join(map(_size_of, _TABLES))}", prepare=True).fetchone()
    if size > _LARGE:
        connection.execute(f"TRUNCATE {', '.join(_TABLES)} RESTART IDENTITY")
    else:  # a hundred times faster
        connection.execute(f"WITH {deletions} SELECT {numbered}", prepare=True)


@cache
def _connection_that_empties(url):
    """One for all tests of this process: to get to know eighteen tables costs the server more than to empty them."""
    connection = psycopg.connect(url, autocommit=True)
    atexit.register(connection.close)
    return connection


def _size_of(table):
    return f"pg_relation_size('{table}')"


@pytest.fixture
def postgres_store(postgres_url):
    with PostgresStore(postgres_url) as store:
        yield store


@pytest.fixture(scope="session")
def _store_of_this_process(_database_of_this_process):
    before = set(threading.enumerate())
    with PostgresStore(_database_of_this_process) as store:
        threads_that_stay.update(set(threading.enumerate()) - before)
        yield store


@pytest.fixture
def shared_postgres_store(postgres_url, _store_of_this_process):
    """An empty store that other tests have used and will use: to open one takes longer than most tests."""
    return _store_of_this_process


@pytest.fixture(scope="session")
def _databases_without_anything():
    """Those of this process that no test uses."""
    return []


@pytest.fixture
def new_database(cluster, _databases_without_anything):
    """Gives out empty databases, which are empty again after the test; returns where they are."""
    lent = []

    def make():
        if _databases_without_anything:
            lent.append(_databases_without_anything.pop())
        else:
            lent.append(cluster.create(f"new_{os.getpid()}_{uuid4().hex}"))
        return lent[-1]

    yield make
    for url in lent:
        with psycopg.connect(url, autocommit=True) as connection:  # faster than to drop it and make another
            connection.execute(
                "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        _databases_without_anything.append(url)


@contextmanager
def a_cluster(*settings, parent=None):
    """A cluster of its own until the block ends, for a test that ends its processes. It flushes as it should."""
    need_postgres()
    there = Cluster(*settings, parent=parent)
    try:
        there.start()
        yield there
    finally:
        there.remove()
