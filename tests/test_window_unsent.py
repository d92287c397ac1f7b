"""The window with something that is not sent, when its reader leaves or the login has expired."""

import signal
import threading
import time

import pytest
from conftest import CYCLE, wait_until
from servers import ServerProcess
from window_fixtures import *  # noqa: F403 - the fixtures
from window_fixtures import give_up_after, opening_for, readings_in

from metermt.store.sqlite.store import SqliteStore


def test_quit_works_while_a_call_hangs(reader, server_process):
    server_process.send(signal.SIGSTOP)
    reader.type("5983")
    reader.press("Return")
    started = time.monotonic()
    reader.press("Alt-q", "Alt-u")
    assert time.monotonic() - started < 8  # on a busy machine; the call takes ten
    assert reader.window._closed
    server_process.send(signal.SIGCONT)
    wait_until(lambda: "background" not in {thread.name for thread in threading.enumerate()}, "the thread has ended")


@pytest.mark.parametrize("keys", [["Alt-q"], [*["Tab"] * 5, "Return"]])
def test_quit_asks_when_something_typed_is_not_sent_and_enter_stays(reader, keys):
    reader.type("5983")
    field = reader.focused
    reader.press(*keys)
    reader.wait_until(lambda: reader.focused == "Stay", "the question has the keyboard")
    assert "Your reading of G5248 was not sent. Quit all the same?" in reader.texts()
    reader.see_everything()
    reader.press("Alt-q")  # as when it is held down
    reader.press("Return")
    reader.wait_until(lambda: reader.focused in (field, "Quit"), "the window has the keyboard again")
    assert not reader.window._closed
    assert reader.window.reading.reading.entry.get() == "5983"
    reader.press("Alt-q")
    reader.wait_until(lambda: reader.focused == "Stay", "it asks again")
    reader.press("Right", "Return")
    assert reader.window._closed


def test_escape_in_a_dialog_asks_when_something_typed_is_not_sent(reader, database):
    reader.type("5983")
    expire_login(reader, database)
    reader.press("Return")
    reader.wait_until(lambda: reader.focused == "password", "a password is asked for")
    reader.press("Escape")
    reader.wait_for("Your reading of G5248 is not confirmed. It is kept on this computer")
    reader.wait_until(lambda: reader.focused == "Stay", "the question has the keyboard")
    reader.see_everything()
    reader.press("Escape")
    reader.wait_until(lambda: reader.focused == "password", "the password is asked for again")
    reader.type("carol")
    reader.press("Return")
    reader.wait_for("Accepted 5983 for G5248")


@pytest.mark.parametrize("display", ["800x480"], indirect=True)
def test_what_was_sent_and_not_confirmed_is_offered_by_the_next_window(open_window, server_process, database):
    reader = open_window(opening_for(server_process))
    reader.log_in()
    give_up_after(0.5, reader)
    server_process.kill()
    reader.type("5983")
    reader.press("Return")
    reader.wait_for("Your reading is kept")
    reader.see_everything()
    reader.press("Alt-q", "Alt-u")
    assert reader.window._closed
    with ServerProcess(database.parent, "--database", database, port=server_process.port) as server:
        reader = open_window(opening_for(server))
        reader.wait_until(lambda: reader.focused == "password", "a password is asked for")
        reader.type("carol")
        reader.press("Return")
        reader.wait_until(lambda: reader.focused == "Send", "the question has the keyboard")
        reader.wait_for("Your reading of G5248, 5983, was kept here and is not confirmed.")
        reader.see_everything()
        with SqliteStore(database, create=False) as store:
            store.write(lambda tx: tx.cycles.close(CYCLE))
        reader.press("Return")
        reader.wait_until(lambda: reader.focused == "Keep", "it is asked what is to become of it")
        reader.wait_for("Keep your reading, 5983 for G5248, to be asked again")
        reader.see_everything()
        reader.press("Alt-t")
        reader.wait_for("No cycle is open")
        reader.window.close()
    assert readings_in(database) == []


def test_quit_does_not_ask_when_nothing_is_unsent(reader):
    reader.press("Alt-q")
    assert reader.window._closed


def test_what_was_typed_is_kept_for_its_reader_when_somebody_else_logs_in(reader, database):
    def let_in(name):
        reader.wait_until(lambda: reader.focused == "password", "a password is asked for")
        reader.press("Alt-u")
        reader.type(name)
        reader.press("Alt-p")
        reader.type(name)
        reader.press("Return")

    reader.type("5983")
    expire_login(reader, database, "carol")
    reader.press("Return")
    let_in("adam")
    reader.wait_for("The reading of G5248 by Carol Dent was not sent. It is kept here until carol logs in again")
    reader.see_everything()
    reader.wait_until(lambda: reader.focused == "reading", "adam can read")
    assert reader.root.focus_get().get() == ""
    reader.type("17")
    reader.press("Return")
    reader.wait_for("Accepted 17 for G5249")
    assert readings_in(database) == [("G5249", 17, "")]

    expire_login(reader, database, "adam")
    reader.type("18")
    reader.press("Return")
    let_in("carol")
    reader.wait_for("Your reading of G5248, 5983, was kept here and is not confirmed.")
    reader.see_everything()
    reader.wait_until(lambda: reader.focused == "Send", "the question has the keyboard")
    reader.press("Return")
    reader.wait_for("Accepted 5983 for G5248")
    assert readings_in(database) == [("G5248", 5983, ""), ("G5249", 17, "")]


def test_a_question_about_quitting_goes_when_the_reading_is_accepted(reader, server_process):
    server_process.send(signal.SIGSTOP)
    reader.type("5983")
    reader.press("Return", "Alt-q")
    reader.wait_until(lambda: reader.focused == "Stay", "the question has the keyboard")
    server_process.send(signal.SIGCONT)
    reader.wait_for("Accepted 5983 for G5248")
    reader.wait_until(lambda: reader.focused == "reading", "the next meter can be read")
    assert "Stay" not in reader.texts()


def expire_login(reader, database, name="carol"):
    """Let the server forget who has logged in."""
    with SqliteStore(database, create=False) as store:
        store.write(lambda tx: tx.sessions.end(tx.sessions.of([name])))
    until = time.monotonic() + 1.1  # so long a server trusts what it knows
    reader.wait_until(lambda: time.monotonic() > until, "the server looks again")


def test_an_expired_login_is_asked_for_again_and_what_was_typed_is_sent(reader, database):
    reader.type("5983")
    expire_login(reader, database)
    reader.press("Return")
    reader.wait_for("Your login has expired")
    reader.wait_until(lambda: reader.focused == "password", "a password is asked for")
    reader.type("carol")
    reader.press("Return")
    reader.wait_for("Accepted 5983 for G5248")
    assert readings_in(database) == [("G5248", 5983, "")]
