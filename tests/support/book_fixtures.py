"""Books for the tests of the group writer: a module of tests imports all of this."""

from contextlib import closing

import pytest
from book import Book, Held
from conftest import DEADLINE


@pytest.fixture
def book(tmp_path):
    """A book whose writers wait for another process as long as it takes."""
    with closing(Book(tmp_path / "book.db", busy_seconds=DEADLINE)) as book:
        yield book


@pytest.fixture
def hasty(tmp_path):
    """A book whose writers wait for another process a moment only."""
    with closing(Book(tmp_path / "hasty.db", busy_seconds=0.1)) as book:
        yield book


@pytest.fixture
def held(book):
    """A leader who is held inside the unit, until the test lets it go or ends."""
    held = Held(book)
    yield held
    held.let_go()
