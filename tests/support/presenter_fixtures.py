"""A presenter of a window that is not there, at a real server.

A module of tests imports all of this, as of `window_fixtures`.
"""

from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from conftest import Clock, make_job
from servers import fill

from metermt.client.client import connect
from metermt.errors import Error
from metermt.gui.opening import Opening
from metermt.gui.reports import ReportPresenter
from metermt.manager import Manager
from metermt.store.memory.store import MemoryStore


class AtOnce:
    """Runs a call where it is made, and says before that it is slow."""

    def run(self, call, done, failed, slow):
        slow()
        try:
            result = call()
        except Error as error:
            failed(error)
        else:
            done(result)


@pytest.fixture
def clock_of_today():
    return Clock(datetime.now(UTC))


@pytest.fixture
def manager(demo_accounts, clock_of_today):
    jobs = [make_job("G5248", sequence=1), make_job("G5249", sequence=2)]
    return Manager(fill(MemoryStore(), demo_accounts, jobs), clock=clock_of_today)


@pytest.fixture
def desk(manager):
    return manager.desk


@pytest.fixture
def open_presenter(proxy, tmp_path):
    """Open a window that is not there; all have one outbox."""
    with ExitStack() as stack:

        def open_presenter():
            opening = Opening(lambda: connect("127.0.0.1", proxy.port, outbox=tmp_path / "outbox"), username="carol")
            presenter = ReportPresenter(opening, AtOnce())
            presenter.open()
            stack.callback(presenter.farewell)
            return presenter

        yield open_presenter


@pytest.fixture
def presenter(open_presenter):
    return open_presenter()


@pytest.fixture
def reading(presenter):
    log_in(presenter)
    return presenter


def log_in(presenter, password="carol"):
    presenter.edit("password", password)
    presenter.log_in()


def submit(presenter, reading="", reason="Read"):
    presenter.edit("reading", reading)
    presenter.edit("reason", reason)
    presenter.submit()
