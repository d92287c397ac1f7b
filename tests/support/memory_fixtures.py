"""A store in memory, for tests that are not about the store: a module of tests imports all of this."""

import pytest

from metermt.store.memory.store import MemoryStore

on_all_stores = pytest.mark.parametrize("store", ["memory", "sqlite", "postgres"], indirect=True)


@pytest.fixture
def store(request):
    """In memory, but for tests that are to run `on_all_stores`."""
    kind = getattr(request, "param", "memory")
    fixtures = {"sqlite": "sqlite_store", "postgres": "shared_postgres_store"}
    return MemoryStore() if kind == "memory" else request.getfixturevalue(fixtures[kind])
