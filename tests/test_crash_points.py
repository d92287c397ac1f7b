"""Whatever instant the server dies at, what comes back is whole: a process dies there, n times over."""

import shutil
import sys
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import apsw
import faults
import pytest
from conftest import DEADLINE, Clock, add_readers, import_jobs, make_jobs, make_reading, start, wait_until
from faults import Case, Diary, Disk, Mortals
from readers import Reader, as_office, open_with_past
from servers import ServerProcess, make_database
from steps import Steps
from whole import assert_whole, integrity_of

from metermt import Answer, MeterClient, new_key
from metermt.calls.batches import Batching, Lines, batch_lines, list_batches, make_batch
from metermt.calls.desk import Desk
from metermt.errors import DecisionError
from metermt.store.sqlite import database
from metermt.store.sqlite.store import SqliteStore

PASSAGES = 6
IN_SUBMISSIONS = [
    "before a commit",
    "writing a commit",
    "flushing a commit",
    "between commit and reply",
    "after the reply",
    "writing a checkpoint",
    "flushing a checkpoint",
]
SEEN_APART = ["before a commit", "between commit and reply", "after the reply", "writing a checkpoint"]
"""Those of them that a client can tell apart: nothing was kept, or all was, or its answer was sent, or it sent none."""

FIRST = database._migrations()
# What an upgrade may do: a new column, a table made anew, a new table filled from old ones, indexes, changed rows.
LATER = [
    "ALTER TABLE readings ADD COLUMN photo BLOB; UPDATE readings SET reason = reason || '!';"
    " CREATE INDEX remarks_of ON readings (username)",
    "CREATE TABLE failures (username TEXT NOT NULL, at REAL NOT NULL) STRICT;"
    " INSERT INTO failures SELECT username, at FROM login_failures; DROP TABLE login_failures;"
    " ALTER TABLE failures RENAME TO login_failures",
    "CREATE TABLE remarks (job INTEGER PRIMARY KEY REFERENCES jobs, note TEXT NOT NULL) STRICT;"
    " INSERT INTO remarks SELECT id, 'address: ' || hex(zeroblob(200)) FROM jobs",
]


@pytest.fixture(scope="module")
def mortals():
    with Mortals() as program:
        yield program


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, demo_accounts):
    """A database with readers and open jobs."""
    return make_database(tmp_path_factory.mktemp("prepared") / "metermt.db", demo_accounts, make_jobs(100))


# --- readings


@pytest.mark.parametrize("work", ["submit", "submit in turns"])
@pytest.mark.parametrize("point", IN_SUBMISSIONS)
def test_nothing_acknowledged_is_lost_when_the_process_dies(point, work, mortals, prepared, tmp_path):
    for n in range(1, PASSAGES + 1):
        path, diary = tmp_path / f"{n}.db", tmp_path / f"{n}.diary"
        shutil.copyfile(prepared, path)

        assert mortals.died(Case(work, point, n, str(path), str(diary))), f"passage {n} was not reached"

        assert_whole(path, *(Diary.read(diary) if diary.exists() else ({}, {})))


@pytest.mark.parametrize("point", SEEN_APART)
def test_a_client_goes_on_with_the_next_server_where_one_died(point, prepared, tmp_path):
    path, diary_path = tmp_path / "metermt.db", tmp_path / "diary"
    shutil.copyfile(prepared, path)
    dying = (sys.executable, "-W", "error", faults.__file__, point, "9")

    def submit_thirty():
        with MeterClient(port=server.port, timeout=DEADLINE) as client, Diary.opened(diary_path) as diary:
            client.login("adam", "adam")
            job = client.get_job()
            for number in range(30):
                key, sent = new_key(), (job.meter.number, number)
                diary.attempted(key, sent)
                job = client.submit_and_next(Answer(*sent, key=key)).job
                diary.acknowledged(key)

    with ServerProcess(tmp_path, "--database", path, command=dying) as server:
        submitted = start(submit_thirty)
        wait_until(lambda: not server.runs, "the server has died")
        with ServerProcess(tmp_path, "--database", path, port=server.port):
            submitted()

    attempted, acknowledged = Diary.read(diary_path)
    assert attempted == acknowledged
    assert assert_whole(path, attempted, acknowledged) == 30


# --- exports to billing


@pytest.fixture(scope="module")
def settled(tmp_path_factory, demo_accounts):
    """A database with seven readings that billing is to be given."""
    path = make_database(tmp_path_factory.mktemp("settled") / "metermt.db", demo_accounts)
    with SqliteStore(path) as store:
        desk = Desk(store, clock=Clock())
        open_with_past(desk, {f"M{n}": 1_000 for n in range(7)})
        carol = Reader(desk)
        for n in range(7):
            carol.submit(f"M{n}", 1_144)
    return path


@pytest.mark.parametrize("point", ["before a commit", "between commit and reply"])
def test_an_export_that_dies_leaves_a_whole_batch_or_none(point, mortals, settled, tmp_path):
    for n in count(1):
        path = Path(shutil.copyfile(settled, tmp_path / f"{n}.db"))
        died = mortals.died(Case("export", point, n, str(path)))
        with SqliteStore(path) as store:
            desk = Desk(store, clock=Clock(datetime.now(UTC) + timedelta(minutes=1)))  # it was taken for dead by then
            assert len(as_office(desk, list_batches)) <= 1
            if not as_office(desk, list_batches):
                as_office(desk, make_batch, Batching("csv", ""))
            (batch,) = as_office(desk, list_batches)
            lines = as_office(desk, batch_lines, Lines(batch.head.number))
            assert sorted(line.meter for line in lines) == [f"M{n}" for n in range(7)]
            with pytest.raises(DecisionError, match="There is nothing new for billing"):
                as_office(desk, make_batch, Batching("csv", ""))
        if not died:
            break
    assert n > 5, f"an export of {n} steps shows little"


# --- migrations


def test_a_migration_that_dies_is_whole_or_not_begun(mortals, upgraded, every_point):
    for point in ("before a statement", "using the disk"):
        for n in count(1):
            if point == "using the disk" and not every_point and not upgraded.is_telling(n):
                continue
            path = upgraded.start()
            died = mortals.died(Case("migrate", point, n, str(path), migrations=(*FIRST, *LATER)))
            assert shape_of(path) in (upgraded.before, upgraded.after)
            with migrating():
                SqliteStore(path).close()
            assert shape_of(path) == upgraded.after
            if not died:
                break
        assert n > 15, f"a migration of {n} steps shows little"


@contextmanager
def migrating():
    """Have the later migrations beside the first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_migrations", lambda: [*FIRST, *LATER])
        yield


class Upgrade:
    """A database before and after a migration, the steps on the disk between the two, and copies of it to try."""

    def __init__(self, folder, prepare):
        self._folder = folder
        self._copies = count()
        self._original = folder / "original.db"
        prepare(self._original)
        self.before = shape_of(self._original)
        self._steps = []
        with migrating(), Disk(lambda kind, *_: self._steps.append(kind)):
            SqliteStore(whole := self.start()).close()
        self.after = shape_of(whole)
        assert self.after != self.before

    def is_telling(self, n):
        """Tell whether the n-th step on the disk stands beside one of another kind; of long rows every eighth does."""
        around = set(self._steps[max(n - 2, 0) : n + 1])
        return len(around) != 1 or n % 8 == 0

    def start(self):
        """Return the path of a fresh copy, before the migration."""
        return Path(shutil.copyfile(self._original, self._folder / f"{next(self._copies)}.db"))


@pytest.fixture(params=["a new database", "a used database"])
def upgraded(request, tmp_path):
    def prepare(path):
        if request.param == "a new database":
            path.touch()
            return
        with SqliteStore(path) as store:
            add_readers(store, "adam", "carol")
            import_jobs(store, "2026-11", make_jobs(10))
            steps = Steps(store)
            steps.failures.add("adam", "10.0.0.1", 5.0, 0)
            steps.record(*(make_reading(f"M{number:05}", reason="seen") for number in range(5)))

    return Upgrade(tmp_path, prepare)


def shape_of(path):
    """Return all there is in a database: its version, its tables, and every row."""
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
        assert integrity_of(path) == "ok"
        tables = connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()
        version = connection.execute("SELECT * FROM pragma_user_version, pragma_application_id").fetchall()
        names = [name for name, sql in tables if sql and sql.startswith("CREATE TABLE")]
        rows = {name: sorted(connection.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr) for name in names}
        return version, tables, rows
