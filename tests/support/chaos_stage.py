"""Where faults are made: a real PostgreSQL, real servers on it, a link between that can be cut, and readers at work."""

import os
import signal
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from argon2 import PasswordHasher
from chaos_crew import Crew, StuckError
from chaos_history import Row
from conftest import CYCLE, make_account
from postgres import Cluster
from proxy import Proxy
from servers import METERMT_SERVE, ServerProcess, lasting_port

from metermt.config import DATABASE_VARIABLE
from metermt.store.postgres.store import PostgresStore

READERS = tuple(f"reader{number}" for number in range(8))
_JOBS_AT_ONCE = 20_000
_FEW = 8_000  # jobs: fewer, and readers could run out of them before somebody looks again

_MORE_JOBS = """
    INSERT INTO jobs (meter, kind, dials, address, instructions, multiplier, active, cycle, route, sequence)
    SELECT 'M' || lpad(n::text, 7, '0'), 'W', 5, '', '', '1', 1, %s, 'R' || n / 500, mod(n, 500)
    FROM generate_series(%s::int, %s::int) AS n
"""
_ROWS = """
    SELECT readings.key, readings.username, jobs.meter, readings.value, jobs.reading = readings.id
    FROM readings JOIN jobs ON jobs.id = readings.job
"""
_AT_ODDS = {
    "jobs at odds with their readings or leases": """
        SELECT jobs.id, jobs.state, jobs.reading, jobs.leased FROM jobs LEFT JOIN leases ON leases.job = jobs.id
        WHERE (state = 'done') <> (reading IS NOT NULL)
           OR (reading IS NOT NULL) <> EXISTS (SELECT 1 FROM readings WHERE readings.job = jobs.id)
           OR leased <> (leases.job IS NOT NULL)::int
           OR (leased = 1 AND state <> 'open')
    """,
    "wrong tallies": """
        SELECT * FROM (SELECT cycle, username, count FROM tallies WHERE count <> 0) AS told
        FULL JOIN (
            SELECT jobs.cycle, readings.username, count(*) AS count
            FROM jobs JOIN readings ON readings.id = jobs.reading GROUP BY jobs.cycle, readings.username
        ) AS found USING (cycle, username, count)
        WHERE told IS NULL OR found IS NULL
    """,
}


class Stage:
    """A database of its own in a cluster, servers on it, and, once `begin` was called, readers at work.

    `cluster` may be another one in the end: whichever is in charge. `url` is how servers reach the database, the usual
    way unless told.
    """

    def __init__(self, folder, cluster, *, servers=1, timeout=10.0, url=None):
        self.folder = Path(folder)
        self.cluster = cluster
        self.database = f"chaos_{time.monotonic_ns()}"
        self.timeout = timeout
        self._url = url or cluster.url
        self._jobs = 0
        self.began_at = time.time()
        self.crew = None
        self.servers = [None] * servers

    # --- servers

    def start(self, place, **environment):
        """Start the server of this place, on the port that it has had; other words are for its environment."""
        before = self.servers[place]
        # Its connections say which server they are of.
        url = self._url(self.database)
        url += f"{'&' if '?' in url else '?'}application_name={name_of(place)}"
        with changed_environment({DATABASE_VARIABLE: url, **environment}):
            port = before.port if before else lasting_port()
            self.servers[place] = ServerProcess(self.folder, "--host", "127.0.0.1", port=port, command=METERMT_SERVE)

    def see_that_servers_run(self):
        """Raise `StuckError` if one has ended by itself."""
        if ended := [name_of(place) for place, server in enumerate(self.servers) if not server.runs]:
            raise StuckError(f"{', '.join(ended)} has ended by itself")

    def log(self):
        """Return what all servers have logged, those that have ended included."""
        return "".join(path.read_text(encoding="utf-8") for path in sorted(self.folder.glob("server-*/stderr")))

    # --- readers

    def begin(self):
        """Let the readers start, and wait until all are at work."""
        since = time.monotonic()
        ports = [server.port for server in self.servers]
        self.crew = Crew(self.folder, READERS, ports, self.timeout)
        self.crew.wait_until_at_work(since)

    def see_that_there_is_work(self):
        """Add jobs when few are left."""
        if self._jobs - len(self.crew.look().sent) < _FEW:
            self._add_jobs()

    # --- the database

    def ask(self, sql, *values):
        return self.cluster.ask(sql, *values, database=self.database)

    def rows(self):
        """Return all that is stored."""
        return [Row(*row) for row in self.ask(_ROWS)]

    def at_odds(self):
        """Return what the tables say against one another."""
        return at_odds(self.cluster.url(self.database))

    def close(self):
        if self.crew:
            self.crew.close()
        for server in filter(None, self.servers):
            server.kill()
        with suppress(psycopg.OperationalError):  # it is down, and removed next
            self.cluster.drop(self.database)

    def __enter__(self):
        try:
            self.cluster.create(self.database)
            self._fill()
            for place in range(len(self.servers)):
                self.start(place)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_exc):
        self.close()

    def _fill(self):
        cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        accounts = [make_account(reader, password_hash=cheap.hash(reader)) for reader in READERS]
        with PostgresStore(self.cluster.url(self.database)) as store:
            store.write(lambda tx: tx.accounts.put(accounts))
            store.write(lambda tx: tx.cycles.open(CYCLE))
        self._add_jobs()

    def _add_jobs(self):
        first, self._jobs = self._jobs, self._jobs + _JOBS_AT_ONCE
        self.ask(_MORE_JOBS, CYCLE, first, self._jobs - 1)
        self.ask("ANALYZE jobs")


def at_odds(url):
    """Return what the tables of a database say against one another."""
    with psycopg.connect(url, autocommit=True) as connection:
        return {name: found for name, sql in _AT_ODDS.items() if (found := connection.execute(sql).fetchall())}


def name_of(place):
    """Return what the connections of a server are called in the database."""
    return f"chaos-{place}"


@contextmanager
def changed_environment(variables):
    """What is started in this block finds these variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class Link(Proxy):
    """A proxy between servers and their database, which remembers nothing of what has passed."""

    def _pass_on(self, link):
        super()._pass_on(link)
        link.sent.clear()

    def _pass_back(self, link):
        super()._pass_back(link)
        link.received.clear()


# --- clusters whose processes are ended


def processes_of(cluster):
    """Return the ids of all processes of a cluster, that of the first one first."""
    pid = cluster.pid
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def kill_all(cluster):
    """End all processes of a cluster at once, as when its machine fails; return when they are gone."""
    os.kill(cluster.pid, signal.SIGSTOP)  # so that it starts no more
    pids = processes_of(cluster)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 20
    while any(map(is_there, pids)):
        assert time.monotonic() < until, "processes of PostgreSQL outlive SIGKILL"
        time.sleep(0.005)
    # They name a process that has ended, but may be listed for a while: not each system buries its dead at once.
    for lock in (cluster.data / "postmaster.pid", *cluster.folder.glob(".s.PGSQL.*.lock")):
        lock.unlink()


def is_there(pid):
    """Tell whether there is a process of this id that has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def frozen(cluster):
    """Let all processes of a cluster do nothing until the end of the block."""
    pids = processes_of(cluster)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def is_up(cluster):
    """Tell whether a cluster answers."""
    try:
        cluster.ask("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def steady_cluster(*settings, parent=None):
    """A cluster until the block ends, whose processes may be ended."""
    cluster = Cluster(*settings, name="metermt-chaos-", parent=parent)
    try:
        cluster.start()
        yield cluster
    finally:
        remove(cluster)


def remove(cluster):
    """Remove a cluster, whose processes may have ended by themselves."""
    if cluster.pid and not is_there(cluster.pid):
        (cluster.data / "postmaster.pid").unlink()
    cluster.remove()
