"""A disk that fails: the caller hears of it, nothing acknowledged is lost, and all works again when the disk does."""

import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager, suppress

import apsw
import pytest
from conftest import CYCLE, DEADLINE, WHEN, Clock, make_answer, make_jobs, run_together
from databases import hooked
from faults import CHECKPOINT_PAGES, Disk
from readers import as_office, readings_in
from servers import ServerProcess, listening, make_database
from whole import assert_whole, integrity_of, record, tallies_in

from metermt import MeterClient
from metermt.calls.desk import Desk
from metermt.calls.routes import Import, ImportCount, import_jobs, list_routes
from metermt.errors import StoreError
from metermt.model import Answer, Status
from metermt.store.sqlite.store import SqliteStore

SUBMISSIONS = 8

FAULTS = {
    "EIO": lambda: apsw.IOError("the test's disk fails"),
    "full": lambda: apsw.FullError("the test's disk is full"),
}


class FaultyDisk(Disk):
    """Fails at the n-th step of a kind: once, or from then on until it `works` again. Half of a write is done."""

    def __init__(self, kind="", n=0, fault="", *, lasts=False):
        self.steps = {"write": 0, "sync": 0, "truncate": 0}
        self.failed = 0
        self._kind, self._n, self._fault, self._lasts = kind, n, fault, lasts
        self._works = False
        super().__init__(self._step)

    def works(self):
        self._works = True

    def fails(self):
        self._works = False

    def _step(self, kind, name, half):
        self.steps[kind] += 1
        is_now = self.steps[kind] >= self._n if self._lasts else self.steps[kind] == self._n
        if kind == self._kind and is_now and not self._works:
            self.failed += 1
            half()
            raise FAULTS[self._fault]()


@pytest.fixture
def frequent_checkpoints():
    def hook(connection):
        connection.wal_autocheckpoint(CHECKPOINT_PAGES)
        connection.execute("PRAGMA journal_size_limit = 20000")  # so that there are truncations

    with hooked(hook):
        yield


@pytest.fixture
def small_cache():
    """Let a large transaction write before it commits."""

    def hook(connection):
        connection.execute("PRAGMA cache_size = 5")

    with hooked(hook):
        yield


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, demo_accounts):
    return make_database(tmp_path_factory.mktemp("prepared") / "metermt.db", demo_accounts, make_jobs(SUBMISSIONS))


SENT = {f"key-{number}": (f"M{number:05}", number) for number in range(SUBMISSIONS)}


def submit(store, key):
    """Send a reading; return whether it was acknowledged. Raises all errors but the store's own."""
    try:
        record(store, "carol", make_answer(*SENT[key], key=key))
    except StoreError:
        return False
    return True


def keys_in(store):
    return {reading.answer.key for reading in readings_in(store)}


class Run:
    """Some submissions to a store whose disk may fail, and once again those that were refused when it works."""

    def __init__(self, prepared, path):
        self._prepared, self._path = prepared, path

    def __call__(self, disk):
        shutil.copyfile(self._prepared, self._path)
        with disk:
            store = self._opened(disk)
            at_opening = disk.failed
            refused, accepted = [], []
            for key in SENT:
                (accepted if submit(store, key) else refused).append(key)
                if len(refused) == 3:
                    break
            assert bool(refused) == (disk.failed > at_opening), "a fault that no caller heard of"
            if refused:
                assert set(accepted) <= keys_in(store)
                assert all(tally.total >= len(accepted) for tally in tallies_in(store))
                disk.works()
            for key in SENT:
                assert key in accepted or submit(store, key), "the disk works, and the store does not"
            with suppress(apsw.IOError, apsw.FullError):  # SQLite's own disk tells nobody of this
                store.close()
        assert assert_whole(self._path, SENT, SENT) == SUBMISSIONS
        return disk

    def _opened(self, disk):
        try:
            return SqliteStore(self._path)
        except StoreError:
            disk.works()
            return SqliteStore(self._path)


@pytest.fixture
def run(frequent_checkpoints, prepared, tmp_path):
    return Run(prepared, tmp_path / "metermt.db")


# --- a disk that fails


@pytest.mark.parametrize("kind", ["write", "sync", "truncate"])
@pytest.mark.parametrize(("fault", "lasts"), [("EIO", False), ("full", True)])
def test_a_disk_that_fails_at_any_step_loses_nothing_acknowledged(kind, fault, lasts, run, every_point):
    steps = run(FaultyDisk()).steps[kind]
    assert steps >= SUBMISSIONS - 1
    for n in range(1, steps + 1, 1 if every_point else 3):
        disk = run(FaultyDisk(kind, n, fault, lasts=lasts))
        assert disk.failed, f"{kind} {n} was not reached"


MAKE_DATABASES = """
import resource, sys
from pathlib import Path
from metermt.errors import StoreError
from metermt.store.sqlite.store import SqliteStore

for size in range(0, 100_000, 4096):
    for limit in (size, resource.RLIM_INFINITY):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            SqliteStore(Path(sys.argv[1]) / f"{size}.db").close()
        except StoreError as error:
            print(limit, error)
        else:
            print(limit, "made")
"""


def test_a_database_that_there_is_no_room_for_is_made_when_there_is(tmp_path):
    # A process of its own: the limit holds for all its files. What it prints goes into a pipe.
    command = [sys.executable, "-W", "error", "-c", MAKE_DATABASES, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    without_room = [line for line in lines if not line.startswith("-1 ") and not line.endswith(" made")]
    assert len(without_room) > 5
    assert all(line.endswith("cannot be used: disk I/O error") for line in without_room), without_room
    assert [line for line in lines if line.startswith("-1 ")] == ["-1 made"] * (len(lines) // 2)
    assert all(integrity_of(path) == "ok" for path in tmp_path.glob("*.db"))


def test_an_import_larger_than_the_cache_is_whole_or_not_there(prepared, tmp_path, small_cache, every_point):
    path, jobs = tmp_path / "metermt.db", make_jobs(SUBMISSIONS + 200, address="Hill Road 7")

    def import_all(disk):
        """Import while the disk fails, and once again when it works."""
        shutil.copyfile(prepared, path)
        with disk:
            with SqliteStore(path) as store:
                desk = Desk(store)
                try:
                    as_office(desk, import_jobs, Import(CYCLE, jobs))
                except StoreError:
                    assert disk.failed
                known = sum(route.total for route in as_office(desk, list_routes))
                assert known in ((SUBMISSIONS, len(jobs)) if disk.failed else (len(jobs),))
                steps = disk.steps["write"]
                disk.works()
                as_office(desk, import_jobs, Import(CYCLE, jobs))
                assert as_office(desk, import_jobs, Import(CYCLE, jobs)) == ImportCount(unchanged=len(jobs))
                assert submit(store, "key-0")
            assert assert_whole(path, SENT, {"key-0": SENT["key-0"]}) == 1
        return steps

    steps = import_all(FaultyDisk())
    for n in range(1, steps, max(1, steps // (32 if every_point else 8))):
        for fault in FAULTS:
            import_all(disk := FaultyDisk("write", n, fault, lasts=True))
            assert disk.failed


def test_all_who_share_a_commit_hear_that_it_failed(prepared, tmp_path):
    path = tmp_path / "metermt.db"
    for n in range(1, SUBMISSIONS // 4 + 1):  # each waits for its answer, so that a commit is of four at most
        shutil.copyfile(prepared, path)
        with FaultyDisk("sync", n, "EIO", lasts=True) as disk, SqliteStore(path) as store:
            shares = [list(SENT)[start::4] for start in range(4)]
            outcomes = run_together(
                *(lambda share=share: [(key, submit(store, key)) for key in share] for share in shares)
            )
            accepted = {key for outcome in outcomes for key, there in outcome if there}
            assert len(accepted) < SUBMISSIONS
            assert accepted <= keys_in(store)
            disk.works()
            assert all(submit(store, key) for key in SENT)
        assert assert_whole(path, SENT, SENT) == SUBMISSIONS


@pytest.mark.parametrize(("fault", "words"), [("EIO", "cannot be used"), ("full", "is full: make room")])
def test_a_caller_is_told_what_ails_the_disk(fault, words, prepared, tmp_path):
    path = shutil.copyfile(prepared, tmp_path / "metermt.db")
    with FaultyDisk("write", 1, fault, lasts=True) as disk, SqliteStore(path) as store:
        with pytest.raises(StoreError, match=words):
            record(store, "carol", make_answer("M00000"))
        disk.works()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["write", "sync"])
def test_readers_who_only_ask_are_answered_while_the_disk_fails(kind, fault, prepared, tmp_path, expected_errors):
    path = shutil.copyfile(prepared, tmp_path / "metermt.db")
    clock = Clock()
    with FaultyDisk(kind, 1, fault, lasts=True) as disk, SqliteStore(path) as store:
        disk.works()
        desk = Desk(store, clock=clock)
        with listening(desk) as server, MeterClient("localhost", server.port, timeout=DEADLINE) as client:
            client.login("carol", "carol")
            job = client.get_job()
            answer = Answer(job.meter.number, 5, when=WHEN, cycle=job.cycle)
            disk.fails()
            for _ in range(3):
                clock.move(hours=1)  # so that the use of the session is to be noted
                assert client.get_status() == Status(0, 0)
                assert client.ping() < DEADLINE
                assert not client.why_no_job().done
            with pytest.raises(StoreError):
                client.get_job()
            assert client.get_status() == Status(0, 0)
            disk.works()
            assert client.submit_and_next(answer).status == Status(1, 1)
    assert disk.failed
    assert all("internal error" in record.getMessage() for record in expected_errors)


def test_a_server_out_of_room_refuses_readings_until_there_is_some(prepared, tmp_path):
    path = shutil.copyfile(prepared, tmp_path / "metermt.db")
    log = path.with_name("metermt.db-wal")
    acknowledged = {}
    with ServerProcess(tmp_path, "--database", path) as server, MeterClient(port=server.port) as client:
        client.login("carol", "carol")
        refused = 0
        for number, (key, (meter, value)) in enumerate(SENT.items()):
            if number % 5 == 4:  # the log may grow by a page, which is less than a reading takes
                with largest_file(server.pid, log.stat().st_size + 5000), pytest.raises(StoreError):
                    client.submit_reading(meter, value, key=key)
                refused += 1
                assert client.get_status() == Status(number, number)
            client.submit_reading(meter, value, key=key)
            acknowledged[key] = (meter, value)
        assert refused == SUBMISSIONS // 5
        assert server.errors.count(" ERROR ") == 1  # an outage, not a call
        assert "Traceback (most recent" in server.errors
        assert server.stop() == 0
    assert assert_whole(path, SENT, acknowledged) == SUBMISSIONS


@contextmanager
def largest_file(pid, size):
    """Let no file of a process grow beyond so many bytes."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
