"""Plain RPyC servers, on which each hole is shown before its absence on ours: a module of tests imports all of this."""

import threading

import pytest
from peers import Book


@pytest.fixture(scope="module")
def lasting_book(tmp_path_factory):
    with Book(tmp_path_factory.mktemp("book") / "log") as book:
        yield book


@pytest.fixture
def book(lasting_book):
    """The plain server, for what it survives."""
    assert lasting_book.runs
    return lasting_book


@pytest.fixture
def doomed_book(tmp_path):
    """A plain server that need not survive."""
    with Book(tmp_path / "log") as book:
        yield book


@pytest.fixture
def thread_faults(monkeypatch):
    """The classes of the exceptions that threads end with, for the test to look at."""
    faults = []
    monkeypatch.setattr(threading, "excepthook", lambda ended: faults.append(ended.exc_type))
    return faults
