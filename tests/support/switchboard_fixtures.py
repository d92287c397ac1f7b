"""A server that keeps all in a file, for readers who share its switchboard: a module of tests imports all of this."""

import pytest
from readers import readings_in

from metermt.calls.desk import Desk
from metermt.store.sqlite.store import SqliteStore


@pytest.fixture
def store(database):
    with SqliteStore(database) as store:
        yield store


@pytest.fixture
def desk(store):
    return Desk(store)


def values(store):
    """Return what was read, by meter."""
    return {reading.answer.meter: reading.answer.value for reading in readings_in(store)}
