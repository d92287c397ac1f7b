"""The window from its start to its end: it finds a server or starts one, and the program tells what it lacks."""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import DEADLINE, wait_until
from window_fixtures import *  # noqa: F403 - the fixtures
from window_fixtures import give_up_after, readings_in

from metermt import localserver
from metermt.client.client import connect
from metermt.gui import opening as opening_module
from metermt.gui.first_account import FirstAccount
from metermt.gui.opening import Opening
from metermt.localserver import LocalServer
from metermt.model import Role, User
from metermt.store.sqlite.store import SqliteStore

CLIENT_GUI = Path(__file__).parents[1] / "client_gui.pyw"


@pytest.fixture
def own_server(tmp_path, database, monkeypatch):
    """A server that the window starts, and may take its time on a busy machine."""
    monkeypatch.setattr(localserver, "_START_SECONDS", 60.0)
    monkeypatch.setattr(localserver, "_STOP_SECONDS", 60.0)
    return LocalServer("localhost", 0, database=database)


def own_opening(server, first_account=None):
    return Opening(lambda: connect(server.host, server.port), server, first_account, username="carol")


def test_without_a_server_the_window_starts_one_and_stops_it_when_it_closes(open_window, own_server, database):
    reader = open_window(own_opening(own_server, FirstAccount(database)), own_server)
    reader.wait_for("Started a server on this machine")
    reader.log_in()
    reader.type("5983")
    reader.press("Return")
    reader.wait_for("Accepted 5983 for G5248")
    process = own_server._process
    reader.window.close()
    assert process.returncode == 0
    assert readings_in(database) == [("G5248", 5983, "")]


def test_a_server_of_the_window_that_dies_is_started_again_and_the_reading_counts_once(
    open_window, own_server, database
):
    reader = open_window(own_opening(own_server, FirstAccount(database)), own_server)
    reader.log_in()
    give_up_after(60, reader)
    process = own_server._process
    process.kill()
    reader.type("5983")
    reader.press("Return")
    reader.wait_for("Accepted 5983 for G5248")
    assert readings_in(database) == [("G5248", 5983, "")]
    assert own_server._process is not process


def test_a_server_that_runs_already_is_used_and_left_running(open_window, server_process, database):
    own = LocalServer("localhost", server_process.port, database=database)
    reader = open_window(own_opening(own), own)
    reader.log_in()
    assert "Started a server on this machine" not in reader.texts()
    reader.window.close()
    assert server_process.runs


def test_a_port_that_something_else_keeps_is_told_with_retry_and_quit(open_window, tmp_path, database):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        own = LocalServer("127.0.0.1", other.getsockname()[1], database=database)
        person = open_window(own_opening(own), own)
        person.wait_for("Cannot start a server on this machine")
        assert "taken by another program" in " ".join(person.texts())
        assert person.focused == "Retry"
    person.press("Return")
    person.wait_for("Started a server on this machine")


def test_a_port_where_no_meter_server_answers_is_told(open_window, monkeypatch):
    monkeypatch.setattr(opening_module, "_FIRST_ANSWER", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        person = open_window(Opening(lambda: connect("127.0.0.1", port)))
        person.wait_for(f"127.0.0.1:{port} is not a meter server")
        assert person.is_enabled("Retry")


@pytest.mark.parametrize("display", ["800x600"], indirect=True)
def test_an_empty_database_is_given_its_first_account(open_window, tmp_path):
    database = tmp_path / "new" / "metermt.db"
    own = LocalServer("localhost", 0, database=database)
    person = open_window(own_opening(own, FirstAccount(database)), own)
    person.window.theme.zoom_to(2.0)
    person.wait_until(lambda: person.focused == "full_name", "the name is asked for")
    person.see_everything()
    person.type("Carol Dent")
    person.press("Tab")
    person.type("seventeen")
    person.press("Tab")
    person.type("sevenX")
    assert "This is not the same password" in person.texts()
    person.see_everything()
    assert not person.is_enabled("Create")
    person.press("BackSpace")
    person.type("teen")
    assert person.is_enabled("Create")
    person.press("Alt-u")
    person.type("Carol")
    assert "Invalid user name 'Carol'" in " ".join(person.texts())
    person.see_everything()
    person.press("Alt-u")
    person.type("carol")
    person.press("Return")
    person.wait_for("No routes have been imported")
    person.see_everything()
    assert person.root.title() == "Meter — Carol Dent"
    with SqliteStore(database, create=False) as store:
        assert store.read(lambda tx: tx.accounts.users()) == [User("carol", "Carol Dent", role=Role.ADMIN)]


def test_the_program_ends_its_server_on_sigterm(display, tmp_path):
    environment = os.environ | {"DISPLAY": display}
    command = [sys.executable, "-W", "error", CLIENT_GUI, "-p", "0", "--demo"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as program:
        tasks = Path(f"/proc/{program.pid}/task")

        def servers():
            found = []
            for task in tasks.iterdir():
                with suppress(OSError):  # a thread that has ended meanwhile
                    found += (task / "children").read_text().split()
            return found

        try:
            wait_until(servers, "the window has started a server")
            (server,) = servers()
            program.terminate()
            _, errors = program.communicate(timeout=DEADLINE)
        finally:
            program.kill()  # if it has not ended
    assert (program.returncode, errors) == (0, "")
    assert not Path("/proc", server).exists()


def test_without_a_display_one_line_says_so():
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    done = subprocess.run(
        [sys.executable, CLIENT_GUI], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Cannot open a window: ")
    assert done.stderr.count("\n") == 1


def test_without_tkinter_one_line_names_the_debian_package(tmp_path):
    (tmp_path / "tkinter.py").write_text("raise ModuleNotFoundError('No module named tkinter', name='tkinter')")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, CLIENT_GUI], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "Error: This Python has no tkinter: install what Debian calls python3-tk\n"


def test_help_has_an_example():
    done = subprocess.run([sys.executable, CLIENT_GUI, "--help"], capture_output=True, text=True, check=True)
    assert "metermt gui -h meter.example.org" in done.stdout
