"""The window, on a real screen, used with the keyboard as a reader would."""

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import make_job, wait_until
from servers import Servers, make_database
from window import Person, screen

from metermt.client import connect
from metermt.gui import opening as opening_module
from metermt.gui.first_account import FirstAccount
from metermt.gui.opening import Opening
from metermt.gui.state import REASONS
from metermt.localserver import LocalServer
from metermt.store.sqlite import SqliteStore

CLIENT_GUI = Path(__file__).parents[1] / "client_gui.pyw"
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
def servers(tmp_path):
    with Servers(tmp_path) as servers:
        yield servers


@pytest.fixture
def open_window(display, servers, monkeypatch):  # windows are closed before servers are killed
    monkeypatch.setenv("DISPLAY", display)
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
def server(servers, database):
    return servers.start("--database", database)


def opening_for(server, timeout=10.0):
    return Opening(lambda: connect("localhost", server.port, timeout=timeout), username="carol")


@pytest.fixture
def person(open_window, server):
    return open_window(opening_for(server))


@pytest.fixture
def reader(person):
    person.log_in()
    return person


def readings_in(database):
    with SqliteStore(database, create=False) as store:
        return [(reading.meter, reading.submission.value, reading.submission.reason) for _, reading in store.readings()]


def test_a_reader_logs_in_and_sees_the_first_meter(person):
    person.log_in()

    assert person.root.title() == "Meter — Carol Dent"
    for text in (
        "G5248",
        "2 Harbour Road",
        "Route Harbour, stop 10 · gas meter",
        "Ring twice. Dog in yard.",
        "Read 0/0",
    ):
        assert text in person.texts()
    assert person.window.reading.reason.entry.get() == "Read"


def test_ok_is_enabled_when_both_fields_are_filled_and_the_password_is_not_shown(person):
    person.wait_until(lambda: person.focused == "password", "a password is asked for")
    assert not person.is_enabled("OK")
    person.type("x")
    assert person.is_enabled("OK")
    password = person.root.focus_get()
    assert (password.get(), str(password.cget("show"))) == ("x", "•")
    person.press("Alt-u", "BackSpace")
    assert not person.is_enabled("OK")


def test_a_wrong_password_is_told_in_the_dialog_and_can_be_typed_again(person):
    person.wait_until(lambda: person.focused == "password", "a password is asked for")
    person.type("wrong")
    person.press("Alt-o")
    person.wait_for("Invalid username or password")
    person.wait_until(lambda: person.focused == "password", "the password can be typed again")
    assert person.root.focus_get().get() == ""
    person.log_in()
    assert "Invalid username or password" not in person.texts()


def test_enter_submits_and_brings_the_next_meter(reader, database):
    reader.type("5983")
    reader.press("Return")
    reader.wait_for("Accepted 5983 for G5248")

    assert "G5249" in reader.texts()
    assert "Read 1/1" in reader.texts()
    assert reader.focused == "reading"
    assert reader.root.focus_get().get() == ""
    assert readings_in(database) == [("G5248", 5983, "")]


def test_alt_and_a_letter_do_everything(reader, database):
    reader.press("Alt-e")
    assert reader.focused == "reason"
    reader.type("lid broken")
    reader.press("Alt-r")
    assert reader.focused == "reading"
    reader.type("17")
    reader.press("Alt-s")
    reader.wait_for("Accepted 17 for G5248")
    assert readings_in(database) == [("G5248", 17, "lid broken")]
    reader.press("Alt-q")
    assert reader.window._closed


def test_tab_goes_from_field_to_field_to_button(reader):
    reader.type("1")
    seen = []
    for _ in range(5):
        seen.append(reader.focused)
        reader.press("Tab")
    assert seen == ["reading", "reason", "Submit", "Quit", "reading"]


def test_a_reason_alone_is_submitted_and_read_is_none(reader, database):
    assert not reader.is_enabled("Submit")
    reader.press("Alt-e", "Down", "Down", "Return")  # the list opens, and goes from Read to the next
    assert reader.window.reading.reason.entry.get() == "Refused entry"
    assert reader.is_enabled("Submit")
    reader.press("Alt-s")
    reader.wait_for("Accepted “Refused entry” for G5248")
    assert readings_in(database) == [("G5248", None, "Refused entry")]
    assert reader.window.reading.reason.entry.get() == "Read"
    assert not reader.is_enabled("Submit")


def test_letters_cannot_be_typed_into_the_reading(reader):
    reader.type("a5b9 c8.3d")
    assert reader.window.reading.reading.entry.get() == "5983"


def test_a_refused_reading_stays_and_the_fault_is_told_below_it(reader, database):
    reader.type("5983123")
    reader.press("Return")
    reader.wait_for("5983123 is too long")

    field = reader.window.reading.reading
    assert "has 5 digits" in str(field.fault.cget("text"))
    assert field.fault.winfo_rooty() >= field.entry.winfo_rooty() + field.entry.winfo_height()
    assert (field.entry.get(), reader.focused) == ("5983123", "reading")
    reader.press("BackSpace")  # all is selected, so that it can be typed anew
    assert "5983123 is too long" not in " ".join(reader.texts())
    assert readings_in(database) == []


def test_when_all_is_read_the_window_says_so(reader):
    for _ in JOBS:
        reader.type("1")
        reader.press("Return")
        reader.wait_until(lambda: not reader.state.doing, "it is sent")
    reader.wait_for("All jobs done")
    assert "Read 3/3" in reader.texts()
    assert reader.focused == "Retry"
    reader.press("Return")
    reader.wait_until(lambda: not reader.state.doing, "it has looked again")
    assert "All jobs done" in reader.texts()


def test_a_reading_sent_again_to_a_server_that_came_back_counts_once(open_window, servers, database):
    server = servers.start("--database", database)
    reader = open_window(opening_for(server, timeout=0.7))
    reader.log_in()
    server.kill()
    reader.type("5983")
    reader.press("Return")
    reader.wait_for("Your reading is kept")
    assert reader.window.reading.reading.entry.get() == "5983"

    servers.start("--database", database, port=server.port)
    reader.press("Alt-t")
    reader.wait_until(lambda: reader.state.dialog or reader.state.notice, "the server has answered")
    reader.wait_for("Accepted 5983 for G5248")
    assert readings_in(database) == [("G5248", 5983, "")]
    assert "Retry" not in reader.texts()


def test_a_reading_whose_answer_was_lost_counts_once(open_window, server, database):
    reader = open_window(opening_for(server, timeout=0.7))
    reader.log_in()
    reader.type("17")
    reader.press("Return")
    reader.wait_for("Accepted 17 for G5248")
    server.send(signal.SIGSTOP)
    reader.type("5983")
    reader.press("Return")
    reader.wait_for("Your reading is kept")
    server.send(signal.SIGCONT)
    wait_until(lambda: len(readings_in(database)) == 2, "the server has taken what was sent before")
    reader.press("Return")
    reader.wait_for("Accepted 5983 for G5249")
    assert readings_in(database) == [("G5248", 17, ""), ("G5249", 5983, "")]


def test_the_window_lives_while_the_server_is_frozen_and_goes_on_when_it_wakes(reader, server):
    server.send(signal.SIGSTOP)
    reader.type("5983")
    reader.press("Return")
    beats = [time.monotonic()]

    def beat():
        beats.append(time.monotonic())
        if "Accepted" not in reader.state.notice:
            reader.root.after(10, beat)

    beat()
    reader.wait_for("Waiting for the server…")
    reader.wait_until(lambda: len(beats) > 100, "a hundred beats have passed")
    assert not reader.is_enabled("Submit")
    server.send(signal.SIGCONT)
    reader.wait_for("Accepted 5983 for G5248")
    assert max(later - earlier for earlier, later in pairwise(beats)) < 1.0
    assert "Waiting for the server…" not in reader.texts()


def test_quit_works_while_a_call_hangs(reader, server):
    server.send(signal.SIGSTOP)
    reader.type("5983")
    reader.press("Return")
    started = time.monotonic()
    reader.press("Alt-q")
    assert time.monotonic() - started < 3
    assert reader.window._closed
    server.send(signal.SIGCONT)
    wait_until(lambda: "background" not in {thread.name for thread in threading.enumerate()}, "the thread has ended")


def test_an_expired_login_is_asked_for_again_and_what_was_typed_is_sent(reader, database, demo_accounts):
    reader.type("5983")
    hashes = {account.user.username: account.password_hash for account in demo_accounts}
    with SqliteStore(database, create=False) as store:
        store.set_password("carol", hashes["carol"])  # ends all sessions
    until = time.monotonic() + 1.1  # so long a server trusts what it knows
    reader.wait_until(lambda: time.monotonic() > until, "the server looks again")
    reader.press("Return")
    reader.wait_for("Your login has expired")
    reader.wait_until(lambda: reader.focused == "password", "a password is asked for")
    reader.type("carol")
    reader.press("Return")
    reader.wait_for("Accepted 5983 for G5248")
    assert readings_in(database) == [("G5248", 5983, "")]


@pytest.fixture
def own_server(tmp_path, database):
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


def test_a_server_that_runs_already_is_used_and_left_running(open_window, server, database):
    own = LocalServer("localhost", server.port, database=database)
    reader = open_window(own_opening(own), own)
    reader.log_in()
    assert "Started a server on this machine" not in reader.texts()
    reader.window.close()
    assert server.runs


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
    person.wait_for("All jobs done")
    assert person.root.title() == "Meter — Carol Dent"


@pytest.mark.parametrize(
    ("display", "zoom"), [("800x600", 1.0), ("800x600", 2.0), ("640x400", 1.0)], indirect=["display"]
)
@pytest.mark.parametrize("family", ["sans-serif", "serif", "monospace"])
def test_nothing_is_cut_off(open_window, server, family, zoom):
    person = open_window(opening_for(server))
    usual = person.letters
    person.use_font(family)
    person.window.theme.zoom_to(zoom)
    person.wait_until(lambda: person.focused == "password", "a password is asked for")
    person.see_everything()
    person.log_in()
    person.see_everything()
    person.type("5983123")
    person.press("Return")
    person.wait_for("is too long")
    person.see_everything()
    person.press("Alt-e")
    person.type(REASONS[-1])
    person.see_everything()
    assert person.letters == zoom * usual


@pytest.mark.parametrize("display", ["800x600"], indirect=True)
def test_letters_become_smaller_where_a_long_text_has_no_room_else(open_window, servers, tmp_path, demo_accounts):
    long = make_job("G5248", route="Harbour", sequence=10, address="Harbour " * 25, instructions="Ring twice. " * 16)
    database = make_database(tmp_path / "long.db", demo_accounts, [long, *JOBS[1:]])
    reader = open_window(opening_for(servers.start("--database", database)))
    usual = reader.letters
    reader.window.theme.zoom_to(2.0)
    reader.log_in()
    reader.see_everything()
    assert usual < reader.letters < 2 * usual
    reader.type("5983")
    reader.press("Return")
    reader.wait_for("Accepted 5983 for G5248")
    reader.see_everything()
    assert reader.letters == 2 * usual


def test_a_window_that_is_too_small_grows(reader):
    reader.root.geometry("100x50")
    reader.see_everything()


@pytest.mark.parametrize("display", ["800x600"], indirect=True)
def test_a_window_that_grows_over_the_edge_of_the_screen_is_moved(reader):
    reader.root.geometry("+300+200")
    reader.wait_until(lambda: reader.root.winfo_y() == 200, "the window is there")
    reader.window.theme.zoom_to(2.0)
    reader.see_everything()


def test_the_program_ends_its_server_on_sigterm(display, tmp_path):
    environment = os.environ | {"DISPLAY": display}
    command = [sys.executable, "-W", "error", CLIENT_GUI, "-p", "0", "--demo"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as program:
        tasks = Path(f"/proc/{program.pid}/task")

        def servers():
            return [pid for task in tasks.iterdir() for pid in (task / "children").read_text().split()]

        wait_until(servers, "the window has started a server")
        (server,) = servers()
        program.terminate()
        _, errors = program.communicate(timeout=10)
    assert (program.returncode, errors) == (0, "")
    assert not Path("/proc", server).exists()


def test_without_a_display_one_line_says_so():
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    done = subprocess.run(
        [sys.executable, CLIENT_GUI], env=environment, capture_output=True, text=True, timeout=10, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Cannot open a window: ")
    assert done.stderr.count("\n") == 1


def test_without_tkinter_one_line_names_the_debian_package(tmp_path):
    (tmp_path / "tkinter.py").write_text("raise ModuleNotFoundError('No module named tkinter', name='tkinter')")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, CLIENT_GUI], env=environment, capture_output=True, text=True, timeout=10, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "Error: This Python has no tkinter: install what Debian calls python3-tk\n"


def test_help_has_an_example():
    done = subprocess.run([sys.executable, CLIENT_GUI, "--help"], capture_output=True, text=True, check=True)
    assert "metermt gui -h meter.example.org" in done.stdout
