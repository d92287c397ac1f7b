"""What the tests share: stores, a clock that is set by hand, and the things that readers and supervisors send.

Every test fails that logs an ERROR it does not ask for, or leaves a thread behind.
"""

import gc
import itertools
import logging
import os
import shutil
import signal
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis
import pytest
from argon2 import PasswordHasher
from steps import Steps, free_jobs

from metermt.demo import USERS
from metermt.errors import Error
from metermt.model import Account, Answer, Job, Lease, Meter, Place, Reading, Role, Session, User
from metermt.store.memory.store import MemoryStore
from metermt.store.postgres.store import PostgresStore
from metermt.store.sqlite.store import SqliteStore

# Fixtures for the tests of calls, of servers, of commands, and of programs in a terminal.
pytest_plugins = ["readers", "billing_town", "server_fixtures", "commands", "terminals", "postgres", "postgres_faults"]

DEADLINE = 20  # seconds; nothing here takes two, so only a deadlock gets there
NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
T0 = NOW.timestamp()
LEASED_UNTIL = T0 + 30 * 60
WHEN = "2026-11-20T09:30:00+00:00"  # half an hour before `NOW`
CYCLE = "2026-11"
OTHER_CYCLE = "2026-12"
SERVER = "here"  # what the sessions of `add_readers` are connected to
MANY = 1_000_000  # more than there is of anything
_homes = itertools.count()
HUGE = 10**5000  # more digits than Python turns into a text
LINE_BREAKERS = "\x00\n\r\t\x1b\x7f\x85\x9b\u2028\u2029\ud800\udfff"

# The machine may be busy, and a fresh checkout has hypothesis make its tables of characters first: how long an example
# takes to make or to run says nothing about what is tested. Each run tries other examples, so a third of the usual
# number keeps the suite short.
hypothesis.settings.register_profile(
    "metermt", deadline=None, max_examples=30, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("metermt")

threads_that_stay = set()
"""What tests share may have threads that are not to end with the test."""


def pytest_addoption(parser):
    parser.addoption("--all-points", action="store_true", help="die, cut and fail at every point, not at some")


def pytest_configure():
    """Let programs hear of Ctrl+C, as in a terminal, also where a shell has started the tests in the background."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish():
    """Let the collector of garbage look at no test and no module again: they stay, and are most of what there is."""
    gc.collect()
    gc.freeze()


class Clock:
    """Returns seconds since 1970, and stands still until it is moved."""

    def __init__(self, now=NOW):
        self.now = now

    def __call__(self):
        return self.now.timestamp()

    def move(self, **lengths):
        """Go on by so many hours, minutes, seconds, as `timedelta` has them."""
        self.now += timedelta(**lengths)


def make_account(username="carol", full_name=None, password_hash="no hash of anything", role=Role.READER):
    return Account(User(username, full_name or username.title(), role=role), password_hash)


def make_session(key="carol-1", username=None, used_at=T0, server=SERVER):
    """Make a session; unless told otherwise its key begins with the name of its reader."""
    return Session(key, make_account(username or key.split("-")[0]).user, used_at, server)


def make_job(meter="G72168", cycle=CYCLE, route="North", sequence=0, **fields):
    """Make a job; fields of the meter and of the job may be mixed."""
    of_job = {name: fields.pop(name) for name in ("previous", "previous_date", "note") if name in fields}
    return Job(Meter(meter, **{"kind": "G", "dials": 5} | fields), cycle, route, sequence, **of_job)


def make_place(meter="G72168", route="North", sequence=0, **fields):
    return Place(Meter(meter, **{"kind": "G", "dials": 5} | fields), route, sequence)


def make_jobs(number, cycle=CYCLE, route="North", **fields):
    """Make jobs for M00000, M00001 … in this order."""
    return [make_job(f"M{i:05}", cycle, route, i, **fields) for i in range(number)]


def make_answer(meter="G72168", value=100, reason="", key=None, when=NOW, code=None):
    return Answer(meter, value, reason, when, key, code=code)


def make_reading(meter="G72168", username="carol", cycle=CYCLE, recorded_at=NOW, counts=True, **fields):
    """Make a reading; fields of the answer and of the reading may be mixed."""
    odd = {name: fields.pop(name) for name in ("quality", "flags", "cause") if name in fields}
    return Reading(make_answer(meter, **fields), username, cycle, recorded_at, counts, **odd)


def make_lease(job, username="carol", session=None, until=LEASED_UNTIL):
    """Make a lease of the job of this id; unless told otherwise the session is the reader's first."""
    return Lease(job, username, session or f"{username}-1", until)


def add_readers(store, *usernames):
    """Add users, each with a session `<name>-1` and a session `<name>-2`, whose readers are connected to `SERVER`."""

    def add(tx):
        tx.accounts.put([make_account(username) for username in usernames])
        tx.sessions.add([make_session(f"{username}-{number}") for username in usernames for number in (1, 2)])

    store.write(add)


def import_jobs(store, cycle, jobs):
    """Open the cycle unless it is there, and add jobs; return their ids by meter."""

    def add(tx):
        tx.cycles.open(cycle)
        tx.jobs.add(jobs)
        standings = tx.rounds.standings([job.meter.number for job in jobs])
        return {standing.meter: standing.job for standing in standings if standing.cycle == cycle}

    return store.write(add)


def dump(store):
    """Return everything that can be read from a store, without the ids of jobs, which are a store's own."""
    return store.read(_everything)


def _everything(tx):
    names = [user.username for user in tx.accounts.users()]
    sessions = tx.sessions.of(names)
    read = list(tx.readings.all(None))
    free = free_jobs(tx)
    held = tx.leases.held(dict.fromkeys(sessions, MANY))
    left = tx.leases.left(dict.fromkeys(names, MANY))
    jobs = [job for job, _ in read] + [known.job for known in itertools.chain(free, *held.values())]
    standings = tx.rounds.standings({job.meter.number for job in jobs})
    places = [place.meter.number for place in tx.places.active()]
    return {
        "accounts": tx.accounts.find(names),
        "sessions": tx.sessions.find(sessions),
        "cycles": tx.cycles.all(),
        "days": tx.cycles.days(),
        "seasons": tx.cycles.seasons(),
        "routes": {cycle: tx.progress.routes(cycle) for cycle in tx.cycles.all()},
        "places": tx.places.active(),
        "history": {meter: sorted(reads, key=repr) for meter, reads in tx.places.history(places).items()},
        "walks": sorted(tx.walks.now(0)),
        "assignments": tx.walks.assignments(),
        "settings": tx.settings.all(),
        "reasons": tx.notes.reasons(),
        "notes": (tx.notes.all(MANY), tx.notes.latest(places)),
        "found": tx.finds.undecided(MANY),
        "free": [known.job for known in free],
        "held": {key: [known.job for known in jobs] for key, jobs in held.items()},
        "left": {username: [known.job for known in jobs] for username, jobs in left.items()},
        "standings": {(standing.cycle, standing.meter): replace(standing, job=0) for standing in standings},
        "progress": tx.progress.open_routes(),
        "tallies": tx.readings.tallies(names),
        "readings": read,
    }


@contextmanager
def opened_again(store):
    """The same facts as another process has them, or the same store if it cannot be shared."""
    if isinstance(store, MemoryStore):
        yield store
    else:
        with type(store)(store.url if isinstance(store, PostgresStore) else store.path) as other:
            yield other


def refusal_of(judge, *args, **kwargs):
    """Return the error of ours that the call raised, None if it raised none."""
    try:
        judge(*args, **kwargs)
    except Error as error:
        return error
    return None


def wait_until(condition, what):
    """Wait until the condition holds; fail after the deadline."""
    until = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < until, f"still waiting after {DEADLINE} s until {what}"
        time.sleep(0.001)


def start(work):
    """Run the work in a thread of its own; return what waits, up to a deadline, for what it returned or raised."""
    ended = []

    def run():
        try:
            ended.append((work(), None))
        except BaseException as error:  # noqa: BLE001 - whoever waits for it raises it
            ended.append((None, error))

    thread = threading.Thread(target=run, daemon=True, name=getattr(work, "__name__", "work"))
    thread.start()

    def result(deadline=DEADLINE):
        thread.join(deadline)
        assert ended, f"{thread.name} is still running after {deadline} s"
        returned, raised = ended[0]
        if raised is not None:
            raise raised
        return returned

    result.is_there = lambda: bool(ended)
    return result


def run_together(*works):
    """Start every work at one barrier; return what each returned, or raise what one raised."""
    barrier = threading.Barrier(len(works))

    def at_once(work):
        barrier.wait(DEADLINE)
        return work()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # change threads as often as can be: races are met in few rounds
    try:
        results = [start(lambda work=work: at_once(work)) for work in works]
        return [result() for result in results]
    finally:
        sys.setswitchinterval(interval)


@pytest.fixture(scope="session", autouse=True)
def _no_home_of_anybody(tmp_path_factory):
    """Let what programs keep for their users be kept in a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True)
def _home_of_its_own(_no_home_of_anybody):
    """Let no test find what another one has left unsent for a server that was on the same port."""
    home = Path(os.environ["XDG_DATA_HOME"]) / f"test {next(_homes)}"
    home.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(home))
        yield


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def database_path(tmp_path):
    return tmp_path / "metermt.db"


@pytest.fixture(scope="session")
def _new_database(tmp_path_factory):
    path = tmp_path_factory.mktemp("new") / "metermt.db"
    SqliteStore(path).close()
    return path


@pytest.fixture
def sqlite_store(database_path, _new_database):
    shutil.copy(_new_database, database_path)  # a quarter of what it takes to make one
    with SqliteStore(database_path) as store:
        yield store


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request):
    """Each kind of store in turn, empty."""
    if request.param == "memory":
        with MemoryStore() as memory_store:
            yield memory_store
    else:
        yield request.getfixturevalue({"sqlite": "sqlite_store", "postgres": "shared_postgres_store"}[request.param])


@pytest.fixture
def steps(store):
    """The steps of each kind of store in turn, each step in a transaction of its own."""
    return Steps(store)


@pytest.fixture
def crew(steps):
    """Two readers, each with two sessions, and a route of five meters M00000 to M00004."""
    add_readers(steps.store, "adam", "carol")
    import_jobs(steps.store, CYCLE, make_jobs(5))
    return steps


@pytest.fixture(scope="session")
def demo_accounts():
    """The demo's users, their names as passwords.

    The cost of an argon2 hash is written in the hash: these cost nothing to verify, so that a test may log in often.
    """
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return [make_account(username, full_name, hasher.hash(username)) for username, full_name in USERS.items()]


@pytest.fixture(scope="session")
def every_point(pytestconfig):
    """Tell whether to die, cut and fail at every point, or, which is enough for a usual run, at some of each kind."""
    return pytestconfig.getoption("--all-points")


@pytest.fixture
def expected_errors():
    """Let this test log errors: the records, for the test to look at."""
    with _ErrorLog() as records:
        yield records


@pytest.fixture(scope="session", autouse=True)
def _own_cache_folder(tmp_path_factory):
    """What clients remember is none of what the user's own clients do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


class _ErrorLog(logging.Handler):
    """Collects the records of level ERROR and above while it is entered."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.records = []

    def emit(self, record):
        self.records.append(record)

    def __enter__(self):
        logging.getLogger().addHandler(self)
        return self.records

    def __exit__(self, *_exc):
        logging.getLogger().removeHandler(self)


# The two below are set up before and torn down after all other fixtures of a test: servers and stores are closed then.


@pytest.fixture(autouse=True)
def _no_unexpected_error_is_logged(request):
    with _ErrorLog() as records:
        yield
    if "expected_errors" not in request.fixturenames:
        assert not records, "logged: " + "; ".join(record.getMessage() for record in records)


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(_no_unexpected_error_is_logged):
    before = set(threading.enumerate())
    yield
    until = time.monotonic() + DEADLINE  # that a thread has to come to its end by itself
    left = [thread for thread in threading.enumerate() if thread not in before | threads_that_stay]
    for thread in left:
        thread.join(max(0.0, until - time.monotonic()))
    left = [thread.name for thread in left if thread.is_alive()]
    assert not left, f"threads that are still running: {left}"
    blocked = signal.pthread_sigmask(signal.SIG_SETMASK, [])  # programs inherit them
    assert not blocked, f"signals that are still blocked: {blocked}"
