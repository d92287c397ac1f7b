"""A database whose log is torn or damaged, as a power cut leaves it, gives a clean beginning of its history."""

import random
from bisect import bisect_right
from contextlib import contextmanager

import apsw
import pytest
from conftest import make_account, make_answer, make_jobs
from databases import hooked
from readers import readings_in
from servers import fill
from whole import integrity_of, record, tallies_in

from metermt.model import Status
from metermt.store.sqlite.store import SqliteStore

READINGS = 40
FRAME, LOG_HEADER, FRAME_HEADER = 2048 + 24, 32, 24  # bytes; see "The WAL File Format" in SQLite's documentation

# The faults are the same in every run; which they are makes no difference.
chance = random.Random(20261120)


class Copied:
    """A database and its log, copied while a store was open, and where in the log each commit ends."""

    def __init__(self, path, ends, keys):
        self.database = path.read_bytes()
        self.log = log_of(path).read_bytes()
        self.ends = ends
        self.keys = keys

    def opened_with(self, log, path):
        """Return the readings that a store finds when the log is this, and check all else."""
        path.write_bytes(self.database)
        log_of(path).write_bytes(log)
        with SqliteStore(path, create=False) as store:
            found = sorted((reading.answer for reading in readings_in(store)), key=lambda answer: answer.value)
            tallies = tallies_in(store)
        assert all(tally == Status(len(found), len(found)) for tally in tallies)
        assert integrity_of(path) == "ok"
        return [answer.key for answer in found]

    def surviving(self, place):
        """Return the keys of the readings whose commits end at or before this place in the log."""
        return self.keys[: bisect_right(self.ends, place)]


def log_of(path):
    return path.with_name(path.name + "-wal")


@contextmanager
def logged_pages():
    """Write down how many pages the log has after each commit; checkpoints are left out."""
    pages = []

    def hook(connection):
        connection.set_wal_hook(lambda _connection, _name, count: pages.append(count) or apsw.SQLITE_OK)

    with hooked(hook):
        yield pages


def set_up(store):
    fill(store, [make_account("carol")], make_jobs(READINGS))


def write(path, *, checkpoint_before=None):
    """Record readings one by one; return a copy of what is on the disk while the store is still open."""
    is_new = not path.exists()
    with logged_pages() as pages, SqliteStore(path) as store:
        if is_new:
            set_up(store)
        keys, ends = [], []
        for number in range(READINGS):
            if number == checkpoint_before:
                store._connection.execute("PRAGMA wal_checkpoint(RESTART)")
                ends = [0] * len(ends)  # they are in the database now, whatever becomes of the log
            keys.append(f"key-{number}")
            record(store, "carol", make_answer(f"M{number:05}", number, key=keys[-1]))
            ends.append(LOG_HEADER + pages[-1] * FRAME)
        return Copied(path, ends, keys)


@pytest.fixture(params=["set up before", "never checkpointed", "log used again"])
def copied(request, tmp_path):
    path = tmp_path / "written" / "metermt.db"
    if request.param != "never checkpointed":
        with SqliteStore(path) as store:
            set_up(store)
    return write(path, checkpoint_before=READINGS * 2 // 3 if request.param == "log used again" else None)


def test_a_log_that_is_whole_gives_all_readings(copied, tmp_path):
    assert copied.opened_with(copied.log, tmp_path / "metermt.db") == copied.keys


def test_a_log_cut_anywhere_gives_the_readings_committed_before_the_cut(copied, tmp_path, every_point):
    share = 1 if every_point else 4
    places = chance.sample(range(len(copied.log)), 80 // share)
    edges = [end + step for end in chance.sample(copied.ends, 16 // share) for step in (-1, 0, 1)]
    for place in [place for place in places + edges if 0 <= place <= len(copied.log)]:
        assert copied.opened_with(copied.log[:place], tmp_path / "metermt.db") == copied.surviving(place), place


def test_a_log_with_a_wrong_bit_anywhere_gives_the_readings_committed_before_it(copied, tmp_path, every_point):
    share = 1 if every_point else 4
    heads = [LOG_HEADER + frame * FRAME + chance.randrange(FRAME_HEADER) for frame in range(len(copied.log) // FRAME)]
    places = chance.sample(range(len(copied.log)), 60 // share)
    for place in places + chance.sample(heads, 32 // share) + chance.sample(range(LOG_HEADER), 16 // share):
        damaged = bytearray(copied.log)
        damaged[place] ^= 1 << chance.randrange(8)
        assert copied.opened_with(damaged, tmp_path / "metermt.db") == copied.surviving(place), place
