"""Exports from SQLite, which keep no snapshot: else the log could not be emptied while somebody reads slowly."""

import pytest
from conftest import CYCLE, OTHER_CYCLE, add_readers, import_jobs, make_jobs, make_reading
from steps import record

from metermt.store.sql import readings


@pytest.fixture
def small_pages(monkeypatch):
    """Let a page have ten jobs."""
    monkeypatch.setattr(readings, "_IN_ORDER", readings._IN_ORDER.replace(f"LIMIT {readings._PAGE}", "LIMIT 10"))


@pytest.fixture
def many(sqlite_store, small_pages):
    """A store with 50 readings."""
    add_readers(sqlite_store, "carol")
    import_jobs(sqlite_store, CYCLE, make_jobs(100))
    sqlite_store.write(lambda tx: record(tx, [make_reading(f"M{number:05}") for number in range(50)]))
    return sqlite_store


def test_the_log_can_be_emptied_while_an_export_stands_still(many):
    def stand_still(tx):
        found = []
        for place, _ in enumerate(tx.readings.all(CYCLE)):
            if place in (5, 25):
                import_jobs(many, f"{OTHER_CYCLE}-{place}", [])
                found.append(many._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())
        return found

    assert many.read(stand_still) == [(0, 0, 0)] * 2  # none was in the way, and nothing is left in it


@pytest.mark.parametrize("cycle", [None, CYCLE])
def test_an_export_has_each_reading_once_in_order_whatever_is_read_meanwhile(many, cycle):
    import_jobs(many, OTHER_CYCLE, make_jobs(3, OTHER_CYCLE))
    many.write(lambda tx: record(tx, [make_reading("M00001", cycle=OTHER_CYCLE)]))

    def read_meanwhile(tx):
        found = []
        for job, _ in tx.readings.all(cycle):
            found.append((job.cycle, job.meter.number))
            if len(found) == 5:  # one in the page that is there already, and one in a page to come
                many.write(lambda tx: record(tx, [make_reading("M00060"), make_reading("M00002", value=7, key="new")]))
        return found

    expected = [(CYCLE, f"M{number:05}") for number in (*range(50), 60)]
    assert many.read(read_meanwhile) == expected + ([] if cycle else [(OTHER_CYCLE, "M00001")])
