"""The console, in a real terminal and through a pipe: the dialogue, logging in and leaving."""

import io
import os
import re
import sys
import threading

import pytest
from clients import ends_by
from conftest import wait_until
from servers import METERMT, deaf_socket
from terminals import (
    AT_ONCE,
    CLIENT_CONSOLE,
    CONSOLES,
    CTRL_C,
    CTRL_D,
    PROMPTS,
    STREET,
    masked,
    piped,
    read_some,
)

import metermt.console.terminal
from metermt.client.client import connect
from metermt.errors import SettingError

# --- the dialogue

DIALOGUE = """\
Username [adam]: carol
Password: \n\
Welcome, Carol Dent, to Meter RPYC
Route #, stop #: #
Reading for meter #: 5983
Accepted: you have read 1 out of 18 readings
Route #, stop #: #
Reading for meter #: 2980q
Invalid reading: '2980q' is not a whole number
Reading for meter #: \n\
Reason for meter #: Couldn't find the meter
Accepted: you have read 2 out of 21 readings
Route #, stop #: #
Reading for meter #: \n\
Reason for meter #: \n\
"""


def test_the_dialogue_in_a_terminal(servers, make_walk, open_console):
    server = servers.start("--dump", "--database", make_walk(*STREET))
    terminal = open_console(server)
    with connect(port=server.port) as adam:
        adam.login("adam", "adam")
        read_some(adam, 17)
        terminal.log_in()
        first = terminal.meter()
        terminal.type("5983")
        second = terminal.meter()
        read_some(adam, 2)
        terminal.type("2980q")
        terminal.answer("Reading for meter", "", "Reason for meter", "Couldn't find the meter")
        terminal.answer("Reading for meter", "", "Reason for meter", "")
        status = terminal.end()

    assert masked(terminal.seen) == DIALOGUE
    assert status == 0
    assert server.stop() == 0
    assert re.search(rf"^{first}=5983@\S+\[\]carol$", server.output, re.MULTILINE)
    assert re.search(rf"^{second}=-1@\S+\[Couldn't find the meter\]carol$", server.output, re.MULTILINE)


def test_the_same_dialogue_line_by_line_through_a_pipe(serve, make_walk):
    server = serve(make_walk(*STREET))
    with connect(port=server.port) as adam:
        adam.login("adam", "adam")
        read_some(adam, 17)
        answers = "carol\ncarol\n5983\n2980q\n\nCouldn't find the meter\n\n\n"

        done = piped(answers, *CLIENT_CONSOLE, "-p", server.port)

    assert masked(done.stdout.decode()) == DIALOGUE.replace("of 21", "of 19")
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("command", CONSOLES)
def test_both_programs_hold_the_dialogue(demo_server, open_terminal, command):
    terminal = open_terminal(*command, "-h", "localhost", "-p", demo_server.port)
    terminal.log_in("eric")
    terminal.wait_for("Welcome, Eric Lund, to Meter RPYC\r\nRoute ")
    terminal.answer("\r\nReading for meter", "7")
    terminal.answer("Accepted: you have read", "", "Reason for meter", "")

    assert terminal.end() == 0


def test_the_demo_holds_the_dialogue_with_a_server_inside():
    done = piped("carol\ncarol\n5983\n2980q\n\nCouldn't find the meter\n\n\n", *METERMT, "demo")

    assert masked(done.stdout.decode()) == (
        "Demo: a meter server for this machine only, on localhost:#; nothing is kept.\n"
        "For programs in any language: http://localhost:#/meter (XML-RPC) and /api (JSON).\n"
        "Log in as adam, carol, eric or gwenda; the password is the name.\n"
        + DIALOGUE.replace("of 18", "of 1").replace("of 21", "of 2")
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_demo_ends_politely_in_a_terminal(open_terminal):
    terminal = open_terminal(*METERMT, "demo")
    terminal.log_in()
    terminal.meter()
    terminal.press(CTRL_C)

    assert terminal.end() == 0
    assert terminal.seen.endswith(": \nGoodbye\n")


def test_h_is_the_host_and_help_is_help(demo_server):
    for command in (CLIENT_CONSOLE, (*METERMT, "console")):
        shown = piped("", *command, "--help")
        assert (shown.returncode, shown.stderr) == (0, b"")
        assert shown.stdout.startswith(b"Usage: ")
        assert b"  -h, --host " in shown.stdout

    reached = piped("", *CLIENT_CONSOLE, "-h", "127.0.0.1", "-p", demo_server.port)
    assert (reached.returncode, reached.stdout) == (0, b"Username [adam]: \nGoodbye\n")


# --- logging in


def test_enter_alone_takes_the_login_name(demo_server, open_console):
    terminal = open_console(demo_server)
    terminal.answer("Username [adam]: ", "", "Password: ", "adam")

    terminal.wait_for("Welcome, Adam Ong, to Meter RPYC")


def test_a_password_is_not_shown(demo_server, open_console):
    terminal = open_console(demo_server)
    terminal.log_in("carol", "not my password")
    terminal.log_in("", "carol's", default="carol")
    terminal.log_in("", "carol", default="carol")
    terminal.meter()

    assert "not my password" not in terminal.seen
    assert terminal.seen.count("carol") == 3  # as typed, and twice as what Enter alone means


def test_a_user_name_may_be_written_with_a_capital_letter_and_blanks(demo_server, open_console):
    terminal = open_console(demo_server)
    terminal.log_in(" Carol ", "carol")

    terminal.wait_for("Welcome, Carol Dent")


def test_after_a_wrong_login_name_and_password_are_asked_for_again(demo_server, open_console):
    terminal = open_console(demo_server)
    terminal.log_in("erik", "eric")
    terminal.answer("\r\nInvalid username or password\r\nUsername [erik]: ", "eric", "Password: ", "")
    terminal.answer("\r\nInvalid username or password\r\nUsername [eric]: ", "", "Password: ", "eric")

    terminal.wait_for("Welcome, Eric Lund")


@pytest.mark.parametrize("username", ["gwenda", "nobody", "Ünïcödé 🐕"])
def test_the_third_wrong_password_ends_the_console(demo_server, open_console, username):
    terminal = open_console(demo_server)
    terminal.log_in(username, "wrong")
    for _ in range(2):
        terminal.log_in("", "wrong", default=username)

    assert terminal.end() == 1
    assert terminal.seen == (
        f"Username [adam]: {username}\n"
        + f"Password: \nInvalid username or password\nUsername [{username}]: \n" * 2
        + "Password: \nError: Invalid username or password\n"
    )


# --- editing, and waiting

NOT_TAKEN = "What was typed meanwhile was not taken: type it again"


def test_a_line_is_edited_with_the_arrow_keys_and_no_earlier_one_comes_back(demo_server, open_console):
    terminal = open_console(demo_server)
    terminal.log_in("erc\x1b[Di", "eric")
    terminal.wait_for("Welcome, Eric Lund")
    terminal.meter()
    terminal.press("5983\x1b[H\x1b[3~77\x1b[D\x7fx\r")
    terminal.wait_for("Invalid reading: 'x7983' is not a whole number\r\n")
    terminal.meter()
    terminal.type("\x1b[A")
    terminal.wait_for("Reason for meter")


def test_a_long_paste_is_cut_in_what_is_said_of_it(demo_server, open_console):
    terminal = open_console(demo_server)
    terminal.log_in("eric")
    terminal.meter()
    terminal.type("x" * 90)
    terminal.wait_for(f"\r\nInvalid reading: '{'x' * 39}… is not a whole number\r\n")


def test_a_console_says_that_it_waits_and_takes_nothing_that_is_typed_meanwhile(servers, make_walk, open_console):
    server = servers.start("--database", make_walk(*STREET))
    terminal = open_console(server)
    terminal.log_in()
    terminal.meter()
    with server.frozen():
        terminal.type("5983")
        terminal.wait_for("\r\nWaiting for the server…\r\n")
        terminal.press("17\r1")
        terminal.wait_for("17\r\n1")
    terminal.wait_for(f"{NOT_TAKEN}\r\nAccepted: you have read 1 out of 1 readings\r\n")
    terminal.meter()
    terminal.type("x7")
    terminal.wait_for("Invalid reading: 'x7' is not a whole number\r\n")


@pytest.mark.parametrize(("typed", "told"), [(b"", ""), (b"17", f"{NOT_TAKEN}\n"), (b"\n", f"{NOT_TAKEN}\n")])
def test_what_is_typed_while_the_console_waits_is_told_of_also_before_its_enter(monkeypatch, typed, told):
    keyboard, line = os.openpty()
    with os.fdopen(line) as stdin, os.fdopen(keyboard, "r+b", buffering=0) as keys:
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(sys, "stdout", screen := io.TextIOWrapper(io.BytesIO()))
        monkeypatch.setattr(metermt.console.terminal, "_SLOW_AFTER", 0.0)
        with metermt.console.terminal.Terminal().waiting("Waiting"):
            wait_until(screen.buffer.getvalue, "it is said")
            keys.write(typed)
            assert not typed or keys.read(9), "its echo: the terminal has it now"
    screen.flush()
    assert screen.buffer.getvalue().decode() == f"Waiting\n{told}"


def test_a_console_without_standard_input_says_so(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SettingError, match="There is no standard input, or no standard output"):
        metermt.console.terminal.Terminal()


# --- leaving


@pytest.mark.parametrize("prompt", PROMPTS)
def test_each_prompt_can_be_left_politely(demo_server, open_console, prompt):
    terminals = {key: open_console(demo_server) for key in (CTRL_C, CTRL_D)}
    for key, terminal in terminals.items():
        terminal.answer(*PROMPTS[prompt])
        terminal.wait_for(prompt)
        terminal.wait_for(": ")
        terminal.press(key)

    for terminal in terminals.values():
        assert terminal.end() == 0
        assert re.search(rf"^{prompt}[^\n]*: (\^C)?\nGoodbye\n\Z", terminal.seen, re.MULTILINE), terminal.seen


def test_a_reading_half_typed_is_not_sent_and_not_dropped_in_silence(demo_server, open_console):
    terminal = open_console(demo_server)
    terminal.log_in("gwenda")
    meter = terminal.meter()
    for what, typed in (("Reading", "59"), ("Reason", "Dog")):
        terminal.press(typed)
        terminal.wait_for(typed)
        terminal.press(CTRL_C)
        told = f"Not sent for meter {meter}: “{typed}”. Type it again and press Enter, or leave with Ctrl+C"
        terminal.wait_for(f"\r\n{told}\r\n{what} for meter {meter}: ")
        if what == "Reading":
            terminal.type("")
            terminal.wait_for("Reason for meter")
            terminal.wait_for(": ")
    terminal.press(CTRL_C)

    assert terminal.end() == 0
    assert terminal.seen.endswith(": \nGoodbye\n")
    with connect(port=demo_server.port) as gwenda:
        gwenda.login("gwenda", "gwenda")
        assert gwenda.get_status().count == 0


def test_ctrl_c_as_a_wait_begins_leaves_nothing_that_the_program_would_have_to_wait_for(monkeypatch):
    class Interrupted(threading.Timer):
        def start(self):
            super().start()
            raise KeyboardInterrupt

    monkeypatch.setattr(metermt.console.terminal, "Timer", Interrupted)
    for stream in ("stdin", "stdout"):
        monkeypatch.setattr(sys, stream, io.TextIOWrapper(io.BytesIO()))
    person = metermt.console.terminal.Terminal()
    person.is_person = True

    with pytest.raises(KeyboardInterrupt), person.waiting("Waiting"):
        pass

    assert not [thread for thread in threading.enumerate() if isinstance(thread, Interrupted)]


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (0, "1415 is high for this meter: look again\n"),
        (20, "1415 is high for\nthis meter: look\nagain\n"),
        (80, "1415 is high for this meter: look again\n"),
    ],
)
def test_a_narrow_terminal_breaks_a_line_between_words(monkeypatch, columns, shown):
    class Narrow(io.StringIO):
        def fileno(self):
            return 1

        def isatty(self):
            return True

    screen = Narrow()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(os, "get_terminal_size", lambda _number: os.terminal_size((columns, 24)))
    metermt.console.terminal.say("1415 is high for this meter: look again")
    assert screen.getvalue() == shown


@pytest.mark.parametrize("lines", [0, 1, 2, 5])
def test_the_end_of_the_pipe_ends_the_dialogue_politely(demo_server, lines):
    answers = "carol\ncarol\n5983\n2980q\n\n".splitlines(keepends=True)[:lines]

    done = piped("".join(answers), *CLIENT_CONSOLE, "-p", demo_server.port)

    expected = re.sub(r"read \d+ out of \d+", "read", masked(DIALOGUE)).splitlines()
    seen = re.sub(r"read \d+ out of \d+", "read", masked(done.stdout.decode())).splitlines()
    assert seen[-1] == "Goodbye"
    assert seen[:-2] == expected[: len(seen) - 2]
    assert expected[len(seen) - 2].startswith(seen[-2])
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_last_line_without_an_end_is_an_answer(demo_server):
    done = piped("carol\ncarol\n5983", *CLIENT_CONSOLE, "-p", demo_server.port)

    assert b": 5983\nAccepted: you have read" in done.stdout


# --- no server


@pytest.fixture
def deaf_port():
    with deaf_socket() as taken:
        yield taken.getsockname()[1]


@pytest.mark.parametrize("command", CONSOLES)
def test_without_a_server_the_console_says_so_at_once(command, deaf_port):
    with ends_by(AT_ONCE):
        done = piped("carol\ncarol\n", *command, "-p", deaf_port)
    assert done.stderr.decode() == (
        f"Error: Is the meter server running? Nobody answers at localhost:{deaf_port}: Connection refused\n"
    )
    assert (done.returncode, done.stdout) == (1, b"")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-h", "nobody.invalid"), r"Is the meter server running\? Nobody answers at nobody\.invalid:11003: .+"),
        (("-p", "70000"), "Invalid port 70000: use 1 to 65535, or 0 for any free one"),
    ],
)
def test_an_address_that_is_none_is_one_clear_error(arguments, words):
    done = piped("", *CLIENT_CONSOLE, *arguments)

    assert re.fullmatch(f"Error: {words}\n", done.stderr.decode())
    assert (done.returncode, done.stdout) == (1, b"")


# --- a quick start


@pytest.mark.parametrize(
    ("command", "to_the_prompt"),
    [
        pytest.param(CLIENT_CONSOLE[-1:], False, id="client_console.py --help"),
        pytest.param(CLIENT_CONSOLE[-1:], True, id="client_console.py"),
        pytest.param((*METERMT[-1:], "console"), True, id="metermt console"),
    ],
)
def test_a_console_loads_no_window_and_no_database(demo_server, command, to_the_prompt):
    options = ["-p", demo_server.port] if to_the_prompt else ["--help"]

    started = piped("", sys.executable, "-X", "importtime", *command, *options)

    assert started.returncode == 0
    assert started.stdout.startswith(b"Username" if to_the_prompt else b"Usage")
    modules = {line.rpartition("|")[2].strip() for line in started.stderr.decode().splitlines()}
    assert "metermt.client.client" in modules
    tops = {module.partition(".")[0] for module in modules}
    assert not tops & {"tkinter", "_tkinter", "apsw", "sqlite3", "_sqlite3", "rich"}
