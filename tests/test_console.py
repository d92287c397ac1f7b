"""The console, in a real terminal and through a pipe, in front of a real server."""

import csv
import io
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pexpect
import pytest
from conftest import CYCLE, DEADLINE, make_job, refusal_of, start, wait_until
from servers import ROOT, Servers, make_database

from metermt.client import connect
from metermt.store.sqlite import SqliteStore

METERMT = (sys.executable, "-W", "error", str(Path(sys.executable).with_name("metermt")))
CLIENT_CONSOLE = (sys.executable, "-W", "error", str(ROOT / "client_console.py"))
CONSOLES = [
    pytest.param(CLIENT_CONSOLE, id="client_console.py"),
    pytest.param((*METERMT, "console"), id="metermt console"),
]
AT_ONCE = 3.0  # seconds that a busy machine may take for what happens at once
CTRL_C, CTRL_D = "\x03", "\x04"


def environment(**variables):
    """Return what a console finds around it: adam has logged in to the machine."""
    names = dict.fromkeys(("LOGNAME", "USER", "LNAME", "USERNAME"), "adam")
    return {**os.environ, "TERM": "xterm", **names, **variables}


class Terminal:
    """A program in a terminal, and somebody in front of it."""

    def __init__(self, *command, **variables):
        program, *arguments = map(str, command)
        self._screen = io.StringIO()
        self._child = pexpect.spawn(
            program,
            arguments,
            env=environment(**variables),
            encoding="utf-8",
            codec_errors="replace",
            timeout=DEADLINE,
            dimensions=(24, 200),
        )
        self._child.logfile_read = self._screen
        self._child.delaybeforesend = None
        self._child.ptyproc.delayafterclose = 0
        self._child.ptyproc.delayafterterminate = 0.01

    @property
    def seen(self):
        """All that has been on the screen, what was typed included."""
        return self._screen.getvalue().replace("\r\n", "\n")

    def wait_for(self, words):
        """Wait until these words appear, after those that were waited for before."""
        self._child.expect_exact(words)

    def type(self, text):
        """Type a text and Enter."""
        self._child.sendline(text)

    def press(self, key):
        """Press one key, without Enter."""
        self._child.send(key)

    def type_bytes(self, line):
        """Type what a terminal of another encoding sends, and Enter."""
        os.write(self._child.child_fd, line + b"\n")

    def answer(self, *questions_and_answers):
        """Wait for each question, then type the answer to it."""
        for question, answer in zip(questions_and_answers[::2], questions_and_answers[1::2], strict=True):
            self.wait_for(question)
            self.type(answer)

    def log_in(self, username="carol", password=None):
        self.answer("Username [adam]: ", username, "Password: ", password or username)

    def meter(self):
        """Wait for the question for a reading; return the number of the meter."""
        self._child.expect(r"Reading for meter (\w+): ")
        return self._child.match[1]

    def goes_on(self):
        """Wait for another question, or for the end of the program; tell whether it was a question."""
        return self._child.expect([r"\w: $", pexpect.EOF]) == 0

    def end(self):
        """Wait for the end of the program; return its exit status."""
        self._child.expect(pexpect.EOF)
        self.close()
        return self._child.exitstatus

    def close(self):
        self._child.close(force=True)


@pytest.fixture
def open_terminal():
    """Start a program in a terminal; it ends with the test."""
    terminals = []

    def open_terminal(*command, **variables):
        terminals.append(Terminal(*command, **variables))
        return terminals[-1]

    yield open_terminal
    for terminal in terminals:
        terminal.close()


@pytest.fixture
def open_console(open_terminal):
    """Start a console for a server, in a terminal; it ends with the test."""
    return lambda server, **variables: open_terminal(*CLIENT_CONSOLE, "-p", server.port, **variables)


@pytest.fixture
def servers(tmp_path):
    with Servers(tmp_path) as servers:
        yield servers


@pytest.fixture(scope="module")
def demo_server(tmp_path_factory, demo_accounts):
    """A demo server for the tests that need nothing more than some meters."""
    folder = tmp_path_factory.mktemp("demo")
    with Servers(folder) as servers:
        yield servers.start("--demo", "--database", make_database(folder / "metermt.db", demo_accounts))


@pytest.fixture
def make_walk(database_path, demo_accounts):
    """Make a database with the demo's users and some jobs."""
    return lambda *jobs: make_database(database_path, demo_accounts, jobs)


def piped(text, *command, **variables):
    """Run a program with a text for its standard input."""
    return subprocess.run(
        list(map(str, command)),
        input=text if isinstance(text, bytes) else text.encode(),
        env=environment(**variables),
        capture_output=True,
        timeout=DEADLINE,
    )


def deaf_socket(port=0):
    """Take a port, so that no other server gets it, and do not listen there."""
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1", port))
    return taken


def masked(text):
    """Hide what differs from run to run: the numbers of made-up meters, the port."""
    return re.sub(r"localhost:\d+", "localhost:#", re.sub(r"\b[EG]\d{5,6}\b", "#", text))


def exported(database):
    """Return the rows that ops get from the database."""
    export = subprocess.run(
        [*METERMT, "readings", "export", "-", "--database", str(database)], capture_output=True, text=True, check=True
    )
    return list(csv.DictReader(io.StringIO(export.stdout)))


def answers_of(database):
    return [(row["meter"], row["reading"], row["reason"], row["reader"], row["counts"]) for row in exported(database)]


def read_some(client, number):
    """Let another reader read some meters."""
    job = client.get_job()
    for _ in range(number):
        _, job = client.submit_and_next(job.meter, 100)


# --- the dialogue

DIALOGUE = """\
Username [adam]: carol
Password: \n\
Welcome, Carol Dent, to Meter RPYC
Reading for meter #: 5983
Accepted: you have read 1 out of 18 readings
Reading for meter #: 2980q
Invalid reading: 2980q is not a whole number
Reading for meter #: \n\
Reason for meter #: Couldn't find the meter
Accepted: you have read 2 out of 21 readings
Reading for meter #: \n\
Reason for meter #: \n\
"""


def test_the_dialogue_in_a_terminal(servers, make_walk, open_console):
    server = servers.start("--demo", "--database", make_walk())
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


def test_the_same_dialogue_line_by_line_through_a_pipe(servers, make_walk):
    server = servers.start("--demo", "--database", make_walk())
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
    terminal.answer("Welcome, Eric Lund, to Meter RPYC\r\nReading for meter", "7")
    terminal.answer("Accepted: you have read", "", "Reason for meter", "")

    assert terminal.end() == 0


def test_the_demo_holds_the_dialogue_with_a_server_inside():
    done = piped("carol\ncarol\n5983\n2980q\n\nCouldn't find the meter\n\n\n", *METERMT, "demo")

    assert masked(done.stdout.decode()) == (
        "Demo: a meter server for this machine only, on localhost:#; nothing is kept.\n"
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
    assert terminal.seen.endswith("^C\nGoodbye\n")


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
    terminal.answer("Password: ", "carol")
    terminal.meter()

    assert "not my password" not in terminal.seen
    assert terminal.seen.count("carol") == 1


def test_a_user_name_may_be_written_with_a_capital_letter_and_blanks(demo_server, open_console):
    terminal = open_console(demo_server)
    terminal.log_in(" Carol ", "carol")

    terminal.wait_for("Welcome, Carol Dent")


def test_a_wrong_password_is_asked_for_again(demo_server, open_console):
    terminal = open_console(demo_server)
    terminal.log_in("eric", "wrong")
    terminal.answer("\r\nInvalid username or password\r\nPassword: ", "")
    terminal.answer("\r\nInvalid username or password\r\nPassword: ", "eric")

    terminal.wait_for("Welcome, Eric Lund")


@pytest.mark.parametrize("username", ["gwenda", "nobody", "Ünïcödé 🐕"])
def test_the_third_wrong_password_ends_the_console(demo_server, open_console, username):
    terminal = open_console(demo_server)
    terminal.log_in(username, "wrong")
    terminal.answer("Password: ", "wrong", "Password: ", "wrong")

    assert terminal.end() == 1
    assert terminal.seen == (
        f"Username [adam]: {username}\n"
        + "Password: \nInvalid username or password\n" * 2
        + "Password: \nError: Invalid username or password\n"
    )


# --- leaving

PROMPTS = {
    "Username": (),
    "Password": ("Username [adam]: ", "carol"),
    "Reading": ("Username [adam]: ", "carol", "Password: ", "carol"),
    "Reason": ("Username [adam]: ", "carol", "Password: ", "carol", "Reading for meter", ""),
}
"""What is answered before each prompt."""


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


def test_a_reading_half_typed_is_not_sent(demo_server, open_console):
    terminal = open_console(demo_server)
    terminal.log_in("gwenda")
    terminal.meter()
    terminal.press("59")
    terminal.wait_for("59")
    terminal.press(CTRL_C)

    assert terminal.end() == 0
    with connect(port=demo_server.port) as gwenda:
        gwenda.login("gwenda", "gwenda")
        assert gwenda.get_status().count == 0


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
    started = time.monotonic()

    done = piped("carol\ncarol\n", *command, "-p", deaf_port)

    assert time.monotonic() - started < AT_ONCE
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


# --- reading


def test_a_walk_from_the_first_stop_to_the_last(servers, open_console, database_path, tmp_path):
    route = tmp_path / "november.csv"
    route.write_text(
        "meter,route,sequence,address,dials,instructions\n"
        'G5248,North,10,4 Mill Street,5,"Dog in the yard, ring first"\n'
        "G72168,North,20,Größe 3,,\n"
        "W1,North,30,,,Behind the shed\n",
        encoding="utf-8",
    )
    ops = {"env": environment(METERMT_DATABASE=str(database_path)), "check": True, "capture_output": True}
    subprocess.run([*METERMT, "users", "add", "dora", "--name", "Dora Ek", "--password-stdin"], input=b"a horse", **ops)
    subprocess.run([*METERMT, "routes", "import", route, "--cycle", CYCLE], **ops)
    terminal = open_console(servers.start("--database", database_path))
    terminal.log_in("dora", "a horse")
    for number in (5983, 0, 100):
        terminal.answer("Reading for meter", str(number))

    assert terminal.end() == 0
    assert terminal.seen == (
        "Username [adam]: dora\nPassword: \nWelcome, Dora Ek, to Meter RPYC\n"
        "Route North, stop 10: 4 Mill Street\nDog in the yard, ring first\nReading for meter G5248: 5983\n"
        "Accepted: you have read 1 out of 1 readings\n"
        "Route North, stop 20: Größe 3\nReading for meter G72168: 0\n"
        "Accepted: you have read 2 out of 2 readings\n"
        "Route North, stop 30\nBehind the shed\nReading for meter W1: 100\n"
        "Accepted: you have read 3 out of 3 readings\n"
        "All jobs done\n"
    )
    assert answers_of(database_path) == [
        ("G5248", "5983", "", "dora", "1"),
        ("G72168", "0", "", "dora", "1"),
        ("W1", "100", "", "dora", "1"),
    ]


def test_a_reader_for_whom_there_is_nothing_to_do_is_told_so(servers, make_walk):
    server = servers.start("--database", make_walk())

    done = piped("carol\ncarol\n", *CLIENT_CONSOLE, "-p", server.port)

    assert done.stdout.decode().endswith("Welcome, Carol Dent, to Meter RPYC\nAll jobs done\n")
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_is_no_reading_is_asked_for_again(servers, make_walk):
    database = make_walk(make_job("G72168", dials=5))
    server = servers.start("--database", database)
    refused = {
        "2980q": "Invalid reading: 2980q is not a whole number",
        "59.83": "Invalid reading: 59.83 is not a whole number",
        "-1": "Invalid reading: -1 is below zero",
        "\uff15": "Invalid reading: \uff15 is not a whole number",
        "1" * 21: f"Invalid reading: {'1' * 21} is not a whole number",
        "100000": "Invalid reading: 100000 is too long, the register of G72168 has 5 digits",
    }

    done = piped("\n".join(["carol", "carol", *refused, " 05983 "]), *CLIENT_CONSOLE, "-p", server.port)

    prompt = "Route North, stop 0\nReading for meter G72168: "
    at_the_keyboard, at_the_server = list(refused.items())[:-1], list(refused.items())[-1]
    assert done.stdout.decode().partition("Meter RPYC\n")[2] == (
        prompt
        + "Reading for meter G72168: ".join(f"{typed}\n{said}\n" for typed, said in at_the_keyboard)
        + f"Reading for meter G72168: {at_the_server[0]}\n{at_the_server[1]}\n"
        + f"{prompt}05983\nAccepted: you have read 1 out of 1 readings\nAll jobs done\n"
    )
    assert answers_of(database) == [("G72168", "5983", "", "carol", "1")]


def test_a_reason_that_is_refused_is_asked_for_again(servers, make_walk):
    database = make_walk(make_job())
    server = servers.start("--database", database)

    done = piped(f"carol\ncarol\n\n{'x' * 501}\n\na\tb\n\n Größe 3 🐕 \n", *CLIENT_CONSOLE, "-p", server.port)

    assert "Invalid reason: it has 501 characters, 500 are allowed\n" in done.stdout.decode()
    assert "Invalid reason: it has control characters in it, such as a line end\n" in done.stdout.decode()
    assert answers_of(database) == [("G72168", "", "Größe 3 🐕", "carol", "1")]


def test_an_address_beyond_the_terminals_letters_is_shown_as_far_as_can_be(servers, make_walk):
    server = servers.start("--database", make_walk(make_job(address="Größe 3")))

    done = piped("carol\ncarol\n", *CLIENT_CONSOLE, "-p", server.port, PYTHONIOENCODING="ascii")

    assert b"Route North, stop 0: Gr??e 3\n" in done.stdout
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("answers", "encoding"),
    [
        (b"carol\ncaf\xe9\n", "utf-8:surrogateescape"),
        (b"carol\ncarol\n\ncaf\xe9\n", "utf-8:surrogateescape"),
        (b"carol\ncarol\n\ncaf\xe9\n", "utf-8"),
    ],
    ids=["password", "reason", "reason, strictly"],
)
def test_bytes_that_are_no_text_do_not_end_in_a_traceback(demo_server, answers, encoding):
    done = piped(answers, *CLIENT_CONSOLE, "-p", demo_server.port, PYTHONIOENCODING=encoding)

    assert b"Traceback" not in done.stderr
    assert done.stderr.count(b"\n") <= 1


@pytest.mark.parametrize("prompt", ["Password", "Reason"])
def test_a_terminal_of_another_encoding_does_not_end_in_a_traceback(demo_server, open_console, prompt):
    terminal = open_console(demo_server)
    terminal.answer(*PROMPTS[prompt])
    terminal.wait_for(prompt)
    terminal.wait_for(": ")
    terminal.type_bytes(b"caf\xe9")
    terminal.wait_for("\r\n")
    if terminal.goes_on():
        terminal.press(CTRL_C)
        terminal.end()

    assert "Traceback" not in terminal.seen


# --- meters that others take over


A_SECOND = 1.2 / 60  # as --lease-minutes


def test_a_meter_that_another_has_read_meanwhile_gives_way_to_the_next(servers, make_walk, open_console):
    database = make_walk(make_job("G1"), make_job("G2", sequence=1))
    server = servers.start("--database", database, "--lease-minutes", A_SECOND)
    terminal = open_console(server)
    terminal.log_in()
    assert terminal.meter() == "G1"
    with connect(port=server.port) as eric:
        eric.login("eric", "eric")
        wait_until(lambda: not refusal_of(eric.submit_reading, "G1", 100), "carol's time for G1 is over")
    terminal.type("5983")

    terminal.wait_for("\r\nMeter G1 was already read this cycle by eric\r\n")
    assert terminal.meter() == "G2"
    terminal.type("42")
    assert terminal.end() == 0
    assert answers_of(database) == [("G1", "100", "", "eric", "1"), ("G2", "42", "", "carol", "1")]


def test_a_meter_that_another_is_reading_by_now_gives_way_to_the_next(servers, make_walk, open_console):
    server = servers.start("--database", make_walk(make_job("G1")), "--lease-minutes", A_SECOND)
    terminal = open_console(server)
    terminal.log_in()
    assert terminal.meter() == "G1"
    with connect(port=server.port) as eric:
        eric.login("eric", "eric")
        wait_until(eric.get_job, "carol's time for G1 is over")
        refused = threading.Event()
        keeping = start(lambda: wait_until(lambda: eric.get_job() and refused.is_set(), "carol is refused"))
        terminal.type("5983")
        terminal.wait_for("\r\nMeter G1 is being read by eric: ask for another one\r\nAll jobs done\r\n")
        refused.set()
        keeping()

    assert terminal.end() == 0


def test_a_meter_whose_cycle_was_closed_gives_way_to_the_next(servers, make_walk, open_console):
    database = make_walk(make_job("G1"), make_job("G2", sequence=1))
    terminal = open_console(servers.start("--database", database))
    terminal.log_in()
    terminal.meter()
    with SqliteStore(database) as store:
        store.close_cycle(CYCLE)
    terminal.type("5983")

    assert terminal.end() == 0
    assert terminal.seen.endswith("\nUnknown meter 'G1': check the number on the meter\nAll jobs done\n")


# --- servers that go, logins that expire


def test_a_server_that_came_back_while_the_reader_typed_goes_unnoticed(servers, make_walk, open_console):
    database = make_walk(make_job("G1"), make_job("G2", sequence=1))
    server = servers.start("--database", database)
    terminal = open_console(server)
    terminal.log_in()
    assert terminal.meter() == "G1"
    terminal.press("59")
    terminal.wait_for("59")
    server.kill()
    servers.start("--database", database, port=server.port)
    terminal.type("83")

    assert terminal.meter() == "G2"
    assert "Reading for meter G1: 5983\nAccepted: you have read 1 out of 1 readings\n" in terminal.seen
    assert answers_of(database) == [("G1", "5983", "", "carol", "1")]


def test_a_server_that_comes_back_soon_gets_the_reading_once(servers, make_walk, open_console):
    database = make_walk(make_job("G1"), make_job("G2", sequence=1))
    server = servers.start("--database", database)
    terminal = open_console(server)
    terminal.log_in()
    assert terminal.meter() == "G1"
    server.kill()
    terminal.type("5983")
    terminal.wait_for("5983\r\n")
    servers.start("--database", database, port=server.port)

    assert terminal.meter() == "G2"
    assert "Reading for meter G1: 5983\nAccepted: you have read 1 out of 1 readings\n" in terminal.seen
    assert answers_of(database) == [("G1", "5983", "", "carol", "1")]


class Abandoned:
    """Three readers, each at a first meter, whose servers are killed before they press Enter."""

    def __init__(self, servers, folder, accounts):
        self.database = make_database(folder / "returning.db", accounts, [make_job("G1"), make_job("G2", sequence=1)])
        other = make_database(folder / "other.db", accounts, [make_job("G1"), make_job("G2", sequence=1)])
        self._servers = servers
        self._returning, gone_for_good = (servers.start("--database", path) for path in (self.database, other))
        self.sender = Terminal(*CLIENT_CONSOLE, "-p", self._returning.port)
        self.refuser, self.leaver = (Terminal(*CLIENT_CONSOLE, "-p", gone_for_good.port) for _ in range(2))
        self.terminals = {"eric": self.sender, "carol": self.refuser, "adam": self.leaver}
        self._meters = {}
        for username, terminal in self.terminals.items():
            terminal.log_in(username)
            self._meters[terminal] = terminal.meter()
        for server in (self._returning, gone_for_good):
            server.kill()
        self._kept, self._kept_for_good = (deaf_socket(server.port) for server in (self._returning, gone_for_good))
        for terminal in self.terminals.values():
            terminal.type("5983")

    def wait_for_question(self, terminal):
        """Wait until the console asks whether to send the reading again."""
        terminal.wait_for("\r\nError: ")
        terminal.wait_for(f"\r\nNot confirmed yet. Send the reading for meter {self._meters[terminal]} again? [Y/n]: ")

    def server_returns(self):
        self._kept.close()
        self._servers.start("--database", self.database, port=self._returning.port)

    def close(self):
        for open_one in (*self.terminals.values(), self._kept, self._kept_for_good):
            open_one.close()


@pytest.fixture(scope="module", autouse=True)
def abandoned(tmp_path_factory, demo_accounts):
    """It takes ten seconds until a console asks, in which the other tests go on."""
    folder = tmp_path_factory.mktemp("abandoned")
    with Servers(folder) as servers:
        abandoned = Abandoned(servers, folder, demo_accounts)
        yield abandoned
        abandoned.close()


def test_a_reader_whose_server_stays_away_may_give_up(abandoned):
    abandoned.wait_for_question(abandoned.refuser)
    abandoned.refuser.type("n")
    started = time.monotonic()

    assert abandoned.refuser.end() == 1
    assert time.monotonic() - started < AT_ONCE
    assert re.search(
        r"again\? \[Y/n\]: n\nError: Nobody answers at localhost:\d+: Connection refused\n\Z", abandoned.refuser.seen
    )


def test_a_reader_whose_server_stays_away_may_leave_at_once(abandoned):
    abandoned.wait_for_question(abandoned.leaver)
    abandoned.leaver.press(CTRL_C)
    started = time.monotonic()

    assert abandoned.leaver.end() == 0
    assert time.monotonic() - started < AT_ONCE
    assert abandoned.leaver.seen.endswith("[Y/n]: ^C\nGoodbye\n")


def test_a_reader_whose_server_returned_late_sends_the_reading_again_and_it_counts_once(abandoned):
    abandoned.wait_for_question(abandoned.sender)
    abandoned.server_returns()
    abandoned.sender.type("")

    abandoned.sender.wait_for("\r\nAccepted: you have read 1 out of 1 readings\r\n")
    assert abandoned.sender.meter() == "G2"
    assert answers_of(abandoned.database) == [("G1", "5983", "", "eric", "1")]


def test_a_reader_may_leave_at_once_while_the_console_looks_for_the_server(servers, make_walk, open_console):
    server = servers.start("--database", make_walk(make_job()))
    terminal = open_console(server)
    terminal.log_in()
    terminal.meter()
    server.kill()
    terminal.type("5983")
    terminal.wait_for("5983\r\n")
    terminal.press(CTRL_C)
    started = time.monotonic()

    assert terminal.end() == 0
    assert time.monotonic() - started < AT_ONCE
    assert terminal.seen.endswith("\nGoodbye\n")


def test_a_login_that_expired_is_asked_for_again_and_the_reading_counts_once(servers, make_walk, open_console):
    seconds = 2
    database = make_walk(make_job("G1"), make_job("G2", sequence=1))
    server = servers.start("--database", database, "--session-hours", seconds / 3600)
    terminal = open_console(server)
    terminal.log_in()
    assert terminal.meter() == "G1"
    expired = time.time() + seconds
    wait_until(lambda: time.time() > expired, "the login has expired")
    terminal.type("5983")
    terminal.wait_for("\r\nYour login has expired: log in again, your reading is kept\r\n")
    terminal.log_in()

    terminal.wait_for("Welcome, Carol Dent, to Meter RPYC\r\nAccepted: you have read 1 out of 1 readings\r\n")
    assert terminal.meter() == "G2"
    assert answers_of(database) == [("G1", "5983", "", "carol", "1")]


def test_a_reading_for_a_demo_server_that_was_started_anew_does_no_harm(servers, open_console):
    server = servers.start("--demo")
    terminal = open_console(server)
    terminal.log_in()
    meter = terminal.meter()
    server.kill()
    servers.start("--demo", port=server.port)
    terminal.type("5983")
    terminal.wait_for("Your login has expired")
    terminal.log_in()
    terminal.wait_for(f"Unknown meter '{meter}'")
    terminal.meter()
    terminal.type("5983")

    terminal.wait_for("Accepted: you have read 1 out of 1 readings")


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
    assert "metermt.client" in modules
    tops = {module.partition(".")[0] for module in modules}
    assert not tops & {"tkinter", "_tkinter", "apsw", "sqlite3", "_sqlite3", "rich"}
