"""Programs in a terminal or at a pipe, and somebody in front of them; the servers that they talk to."""

import csv
import io
import os
import re
import signal
import sys

import pexpect
import pytest
import warm
from click.testing import CliRunner
from conftest import DEADLINE, make_job
from servers import METERMT, ROOT, make_database

from metermt.cli import main
from metermt.model import Answer
from metermt.serving import RunningServer, ServerSettings

CLIENT_CONSOLE = (sys.executable, "-W", "error", str(ROOT / "client_console.py"))
CONSOLES = [
    pytest.param(CLIENT_CONSOLE, id="client_console.py"),
    pytest.param((*METERMT, "console"), id="metermt console"),
]
PROMPTS = {
    "Username": (),
    "Password": ("Username [adam]: ", "carol"),
    "Reading": ("Username [adam]: ", "carol", "Password: ", "carol"),
    "Reason": ("Username [adam]: ", "carol", "Password: ", "carol", "Reading for meter", ""),
}
"""What is answered before each prompt."""
STREET = [make_job(f"G{40_000 + n}", route="Mill Lane", sequence=n, address=f"{n} Mill Lane") for n in range(1, 201)]
"""Jobs enough for every test."""
WAITING = "Waiting for the server…\n"
AT_ONCE = 8.0  # seconds that a busy machine may take for what happens at once; who waits for a server takes ten
CTRL_C, CTRL_D = "\x03", "\x04"


def surroundings(**variables):
    """Return what a console finds around it: adam has logged in to the machine."""
    names = dict.fromkeys(("LOGNAME", "USER", "LNAME", "USERNAME"), "adam")
    return {**os.environ, "TERM": "xterm", **names, **variables}


class Terminal:
    """A program in a terminal, and somebody in front of it."""

    def __init__(self, *command, **variables):
        program, *arguments = map(str, command)
        self._screen = io.StringIO()
        self._child = warm.spawn(
            program,
            arguments,
            env=surroundings(**variables),
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
        """All that has been on the screen, what was typed included, but not that the console waited: on a busy machine
        it may at any time.
        """
        return self._screen.getvalue().replace("\r\n", "\n").replace(WAITING, "")

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

    def log_in(self, username="carol", password=None, default="adam"):
        self.answer(f"Username [{default}]: ", username, "Password: ", password or username)

    def meter(self):
        """Wait for the question for a reading; return the number of the meter."""
        self._child.expect(r"Reading for meter (\w+): ")
        return self._child.match[1]

    def goes_on(self):
        """Wait for another question, or for the end of the program; tell whether it was a question."""
        return self._child.expect([r"[\w\]]: $", pexpect.EOF]) == 0

    def end(self):
        """Wait for the end of the program; return its exit status."""
        self._child.expect(pexpect.EOF)
        self._child.wait()
        self.close()
        return self._child.exitstatus

    def close(self):
        if self._child.isalive():  # pexpect's own way gives it a tenth of a second, which a busy machine may need
            self._child.kill(signal.SIGKILL)
            self._child.wait()
        self._child.close()


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


@pytest.fixture(scope="module")
def demo_server(tmp_path_factory, demo_accounts):
    """A server with the demo's users for the tests that need nothing more than some meters."""
    folder = tmp_path_factory.mktemp("demo")
    database = make_database(folder / "metermt.db", demo_accounts, STREET)
    with RunningServer(ServerSettings(port=0, database=database)) as server:
        yield server


@pytest.fixture
def make_walk(database_path, demo_accounts):
    """Make a database with the demo's users and some jobs."""
    return lambda *jobs: make_database(database_path, demo_accounts, jobs)


def piped(text, *command, **variables):
    """Run a program with a text for its standard input."""
    return warm.run(
        list(map(str, command)),
        input=text if isinstance(text, bytes) else text.encode(),
        env=surroundings(**variables),
        capture_output=True,
        timeout=DEADLINE,
    )


def masked(text):
    """Hide what the meters are called and where they hang, what the demo says of them, and the port."""
    text = re.sub(r"^Route .*, stop \d+: .*$(\n.* used since\.$)?", "Route #, stop #: #", text, flags=re.MULTILINE)
    return re.sub(r"localhost:\d+", "localhost:#", re.sub(r"\b[EG]\d{5,6}\b", "#", text))


def exported(database):
    """Return the rows that ops get from the database."""
    export = CliRunner().invoke(
        main, ["readings", "export", "-", "--all", "--database", str(database)], catch_exceptions=False
    )
    return list(csv.DictReader(io.StringIO(export.stdout)))


def answers_of(database):
    return [(row["meter"], row["reading"], row["reason"], row["reader"], row["counts"]) for row in exported(database)]


def read_some(client, number):
    """Let another reader read some meters."""
    job = client.get_job()
    for _ in range(number):
        job = client.submit_and_next(Answer(job.meter.number, 100)).job
