"""A store in memory, for tests that are not about the store: a module of tests imports all of this."""

import pytest

from metermt.store.memory import MemoryStore

on_both_stores = pytest.mark.parametrize("store", ["memory", "sqlite"], indirect=True)


@pytest.fixture
def store(request):
    """In memory, but for tests that are to run `on_both_stores`."""
    if getattr(request, "param", "memory") == "sqlite":
        return request.getfixturevalue("sqlite_store")
    return MemoryStore()
