"""The console, and what was typed there and not confirmed: it is kept, and offered to its reader."""

import io
import sys
from datetime import UTC, datetime
from functools import partial

import pytest
from conftest import Clock, make_job
from readers import as_office, readings_in
from servers import FullStore, fill, listening
from terminals import CLIENT_CONSOLE, CTRL_C, piped

from metermt.calls.accounts import Username, disable_user
from metermt.calls.desk import Desk
from metermt.client.client import connect
from metermt.client.sending import to_send
from metermt.console.dialogue import read_meters
from metermt.errors import SessionError, StoreError
from metermt.model import Answer

KEPT = "Your reading 5983 for meter G1 is kept on this device: you are asked about it when you log in again"


@pytest.fixture
def store(demo_accounts):
    return fill(FullStore(), demo_accounts, [make_job(f"G{number}", sequence=number) for number in range(1, 6)])


@pytest.fixture
def clock():
    return Clock(datetime.now(UTC))


@pytest.fixture
def server(store, clock):
    with listening(Desk(store, clock=clock)) as server:
        yield server


@pytest.fixture(autouse=True)
def outbox_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


@pytest.fixture
def typist(open_console, server):
    """Carol, who stands before the meter G1."""
    terminal = open_console(server)
    terminal.log_in()
    assert terminal.meter() == "G1"
    return terminal


def said_by(store):
    return [(reading.username, reading.answer.meter, reading.answer.value) for reading in readings_in(store)]


def test_a_reading_that_the_server_has_no_room_for_is_kept_and_accepted_later(
    typist, open_console, server, store, expected_errors
):
    store.full = True
    typist.type("5983")
    typist.wait_for("\r\nError: The server cannot use its database (")
    typist.answer("Not confirmed yet. Send the reading for meter G1 again? [Y/n]: ", "")
    typist.answer("Not confirmed yet. Send the reading for meter G1 again? [Y/n]: ", "n")
    assert typist.end() == 1
    assert f"[Y/n]: n\n{KEPT}\nError: The server cannot use its database (" in typist.seen

    store.full = False
    again = open_console(server)
    again.log_in()
    again.wait_for("A reading that you typed here is not confirmed:\r\n  5983 for meter G1, cycle 2026-11, typed 20")
    again.answer("Send it now? [Y/n]: ", "n", "Throw away your reading 5983 for meter G1? [y/N]: ", "")
    again.wait_for("It is kept on this device")
    again.meter()
    again.press(CTRL_C)
    assert again.end() == 0
    done = piped("carol\ncarol\n17\n", *CLIENT_CONSOLE, "-p", server.port)  # where nobody can be asked it is sent
    assert "\nAccepted: 5983 for meter G1\nRoute North, stop 2\nReading for meter G2: 17\n" in done.stdout.decode()
    assert said_by(store) == [("carol", "G1", 5983), ("carol", "G2", 17)]


def test_a_reading_is_kept_when_its_reader_cannot_log_in_again(typist, open_console, server, store, clock):
    clock.move(hours=13)
    typist.type("5983")
    typist.wait_for("Your login has expired: log in again, your reading is kept")
    for _ in range(3):
        typist.log_in("", "wrong", default="carol")
    assert typist.end() == 1
    assert typist.seen.endswith(f"{KEPT}\nError: Invalid username or password\n")

    again = open_console(server)
    again.log_in()
    again.answer("Send it now? [Y/n]: ", "")
    again.wait_for("Accepted: 5983 for meter G1\r\n")
    assert again.meter() == "G2"
    assert said_by(store) == [("carol", "G1", 5983)]


def test_a_login_that_expires_while_what_was_kept_is_offered_is_asked_for_again(open_console, server, store, clock):
    with connect(port=server.port, outbox=True) as carol:
        carol.login("carol", "carol")
        carol.outbox.keep([to_send(Answer("G1", 5983))])
    typist = open_console(server)
    typist.log_in()
    typist.wait_for("Send it now? [Y/n]: ")
    clock.move(hours=13)
    typist.type("")
    typist.wait_for("Your login has expired: log in again\r\n")
    typist.log_in("", "carol", default="carol")
    typist.answer("Send it now? [Y/n]: ", "")
    typist.wait_for("Accepted: 5983 for meter G1\r\n")
    assert typist.meter() == "G2"
    assert said_by(store) == [("carol", "G1", 5983)]


def test_a_reader_who_is_disabled_at_work_is_told_so_and_the_reading_is_kept(typist, server, store, open_console):
    as_office(Desk(store), disable_user, Username("carol"))
    typist.type("5983")
    assert typist.end() == 1
    assert typist.seen.endswith(f": 5983\n{KEPT}\nError: Your account has been disabled: ask the office\n")

    done = piped("carol\ncarol\n", *CLIENT_CONSOLE, "-p", server.port)
    assert done.stderr == b"Error: Your account has been disabled: ask the office\n"
    assert said_by(store) == []


def test_a_reading_is_not_sent_by_somebody_else_who_logs_in(typist, store, clock):
    clock.move(hours=13)
    typist.type("5983")
    typist.wait_for("your reading is kept\r\n")
    typist.log_in("adam", default="carol")
    typist.wait_for("The reading 5983 for meter G1 is kept until carol logs in here again\r\n")
    assert typist.meter() == "G1"
    typist.type("6000")
    typist.meter()
    assert said_by(store) == [("adam", "G1", 6000)]
    clock.move(hours=13)
    typist.type("1")
    typist.log_in("carol", default="adam")
    typist.answer("Send it now? [Y/n]: ", "")
    typist.wait_for("Refused: 5983 for meter G1. Meter G1 was already read this cycle by adam\r\n")
    typist.answer("Throw away your reading 5983 for meter G1? [y/N]: ", "")
    typist.wait_for("It is kept on this device")


def test_a_reader_whose_device_is_full_is_told_and_reads_on(
    open_console, server, store, monkeypatch, tmp_path, expected_errors
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    terminal = open_console(server)
    terminal.log_in()
    terminal.answer("Reading for meter G1: ", "5983")
    terminal.wait_for("What is typed cannot be kept on this device, in ")
    terminal.wait_for("Not a directory. It is sent all the same\r\nAccepted: you have read 1 out of 1 readings\r\n")
    store.full = True
    terminal.answer("Reading for meter G2: ", "17", "again? [Y/n]: ", "n")
    assert terminal.end() == 1
    told = "Your reading 17 for meter G2 is not confirmed, and not kept on this device: write it down\n"
    assert told in terminal.seen


def test_after_a_logout_that_no_server_hears_nobody_reads_under_the_last_name(typist, store, expected_errors):
    store.full = True
    typist.type("/logout")
    typist.answer("Logged out: the next reader can log in\r\nUsername: ", "adam", "Password: ", "adam")
    typist.wait_for("\r\nError: The server cannot use its database (")
    typist.wait_for("Username [adam]: ")
    store.full = False
    typist.answer("", "", "Password: ", "adam")
    meter = typist.meter()
    assert meter != "G1", "it is still carol's, whose logout was not heard"
    typist.type("7")
    typist.meter()
    assert said_by(store) == [("adam", meter, 7)]


@pytest.fixture
def said_to_a_file(server, monkeypatch):
    """Send a file of answers by Carol, that must end in an error; return what the console has said.

    What is to happen `meanwhile` is told each line as it is read.
    """

    def said(*answers, meanwhile, error, match):
        class File(io.TextIOWrapper):
            def readline(self, *_size):
                line = super().readline()
                meanwhile(line)
                return line

        lines = "".join(f"{line}\n" for line in ("carol", "carol", *answers))
        monkeypatch.setattr(sys, "stdin", File(io.BytesIO(lines.encode())))
        monkeypatch.setattr(sys, "stdout", screen := io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
        with pytest.raises(error, match=match):
            read_meters(partial(connect, port=server.port, outbox=True))
        screen.flush()
        return screen.buffer.getvalue().decode()

    return said


def test_a_file_of_answers_is_not_asked_whether_to_send_a_reading_again(said_to_a_file, store, expected_errors):
    """What follows in it are the readings of other meters."""

    def fill_up(line):
        store.full = line == "5983\n"

    words = "The server cannot use its database"
    seen = said_to_a_file("5983", "17", "18", meanwhile=fill_up, error=StoreError, match=words)
    assert seen.endswith(f"\nReading for meter G1: 5983\n{KEPT}\n")
    assert said_by(store) == []


@pytest.mark.parametrize(("line", "told"), [("5983", f"{KEPT}\n"), ("/skip", "")])
def test_a_file_of_answers_ends_when_its_login_has_expired_and_no_line_is_taken_for_a_password(
    said_to_a_file, store, clock, line, told
):
    def expire(read):
        if read == f"{line}\n":
            clock.move(hours=13)

    words = "^Your login has expired: log in again. Nothing after this line was taken$"
    seen = said_to_a_file(line, "17", "18", meanwhile=expire, error=SessionError, match=words)
    assert seen.endswith(f"\nReading for meter G1: {line}\n{told}")
    assert said_by(store) == []


def test_a_reader_whose_next_meter_cannot_be_had_is_asked_whether_to_ask_for_it_again(typist, store, expected_errors):
    typist.answer("", "/read G3", "Reading for meter G3: ", "")
    store.full = True
    typist.answer("Reason for meter G3: ", "")
    typist.wait_for("\r\nError: The server cannot use its database (")
    store.full = False
    typist.answer("\r\nAsk for your next meter again? [Y/n]: ", "")
    assert typist.meter() == "G1"


def test_a_word_said_when_the_login_has_expired_is_done_for_the_same_reader_only(typist, clock):
    clock.move(hours=13)
    typist.type("/skip")
    typist.wait_for("Your login has expired: log in again\r\n")
    typist.log_in("", "carol", default="carol")
    typist.wait_for("Skipped G1.\r\n")
    assert typist.meter() == "G2"
    clock.move(hours=13)
    typist.type("/skip")
    typist.wait_for("Your login has expired: log in again\r\n")
    typist.log_in("adam", default="carol")
    typist.meter()
    assert "Skipped G2" not in typist.seen
