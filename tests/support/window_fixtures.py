"""Fixtures for the tests of the window: a screen, a server, and a person who uses them.

A module of tests imports all of this. As a plugin it would take the place of fixtures of other tests that have the same
names.
"""

import gc
from contextlib import ExitStack
from functools import cache

import pytest
import readers
from conftest import make_job
from servers import make_database
from window import Person, screen

from metermt.client.client import connect
from metermt.gui.opening import Opening
from metermt.store.sqlite.store import SqliteStore

JOBS = [
    make_job("G5248", route="Harbour", sequence=10, address="2 Harbour Road", instructions="Ring twice. Dog in yard."),
    make_job("G5249", route="Harbour", sequence=20),
    make_job("G5250", route="Harbour", sequence=30),
]


@pytest.fixture(scope="session")
def screens():
    with ExitStack() as stack:
        yield cache(lambda size: stack.enter_context(screen(size)))


@pytest.fixture
def display(screens, request):
    """A screen of the usual size, or of the one that the test is parametrized with."""
    return screens(getattr(request, "param", "1280x1024"))


@pytest.fixture
def open_window(display, servers, serve, monkeypatch, tmp_path):  # windows are closed before servers end
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    try:
        from metermt.gui.app import Window  # noqa: PLC0415 - without tkinter the sentence below is to be read
    except ModuleNotFoundError as error:
        pytest.fail(f"{error}: the window needs tkinter: install the Debian package python3-tk")
    people = []

    def open_it(*args):
        people.append(Person(Window(*args)))
        return people[-1]

    yield open_it
    for person in people:
        person.window.close()
        person.__dict__.clear()
    people.clear()
    gc.collect()  # here, and not in some other thread, which Tk would not survive


@pytest.fixture
def database(database_path, demo_accounts):
    return make_database(database_path, demo_accounts, JOBS)


@pytest.fixture
def server(request, serve, database):
    """A server in this process; or the one that has a process of its own, for a test that asks for that too."""
    if "server_process" in request.fixturenames:
        return request.getfixturevalue("server_process")
    return serve(database)


@pytest.fixture
def server_process(servers, database):
    """A server that may be killed, or stopped for a while."""
    return servers.start("--database", database)


def opening_for(server):
    return Opening(lambda: connect("localhost", server.port, outbox=True), username="carol")


def give_up_after(seconds, reader):
    """Let calls end so soon from now on: on a busy machine a login may take longer."""
    reader.window.presenter._connected.timeout = seconds


@pytest.fixture
def person(open_window, server):
    return open_window(opening_for(server))


@pytest.fixture
def reader(person):
    person.log_in()
    return person


def readings_in(database):
    with SqliteStore(database, create=False) as store:
        answers = [reading.answer for reading in readers.readings_in(store)]
    return [(answer.meter, answer.value, answer.reason) for answer in answers]
