"""The console in front of servers that go away, and when a login expires."""

import re
import time
from contextlib import ExitStack

import pytest
from clients import ends_by, read_in
from conftest import make_job, wait_until
from servers import AwayStore, Servers, deaf_socket, fill, listening, make_database
from terminals import AT_ONCE, CLIENT_CONSOLE, CTRL_C, Terminal, answers_of

from metermt.calls.desk import Desk

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


def test_a_reader_who_knows_two_servers_does_not_notice_when_one_is_killed(servers, make_walk, open_terminal):
    database = make_walk(*(make_job(f"G{number}", sequence=number) for number in range(4)))
    pair = [servers.start("--database", database) for _ in range(2)]
    terminal = open_terminal(*CLIENT_CONSOLE, "--server", ",".join(f"localhost:{server.port}" for server in pair))
    terminal.log_in()
    for number, server in enumerate(pair):
        assert terminal.meter() == f"G{number}"
        server.kill()
        terminal.type("5983")
        terminal.wait_for(f"Accepted: you have read {number + 1} out of {number + 1} readings\r\n")
        servers.start("--database", database, port=server.port)

    assert terminal.meter() == "G2"
    assert "Error" not in terminal.seen
    assert answers_of(database) == [(f"G{number}", "5983", "", "carol", "1") for number in range(2)]


class Abandoned:
    """Four readers, each at a first meter: three whose servers are killed, and one whose server loses its database,
    before they press Enter.
    """

    def __init__(self, servers, folder, accounts, stack):
        walk = [make_job("G1"), make_job("G2", sequence=1)]
        self.database = make_database(folder / "returning.db", accounts, walk)
        other = make_database(folder / "other.db", accounts, walk)
        self.store = fill(AwayStore(), accounts, walk)
        without_database = stack.enter_context(listening(Desk(self.store)))
        self._servers = servers
        self._returning, gone_for_good = (servers.start("--database", path) for path in (self.database, other))
        self.sender = Terminal(*CLIENT_CONSOLE, "-p", self._returning.port)
        self.refuser, self.leaver = (Terminal(*CLIENT_CONSOLE, "-p", gone_for_good.port) for _ in range(2))
        self.waiter = Terminal(*CLIENT_CONSOLE, "-p", without_database.port)
        self.terminals = {"eric": self.sender, "carol": self.refuser, "adam": self.leaver, "gwenda": self.waiter}
        self._meters = {}
        for username, terminal in self.terminals.items():
            terminal.log_in(username)
            self._meters[terminal] = terminal.meter()
        for server in (self._returning, gone_for_good):
            server.kill()
        self._kept, self._kept_for_good = (deaf_socket(server.port) for server in (self._returning, gone_for_good))
        self.store.away = True
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
    with Servers(folder) as servers, ExitStack() as stack:
        abandoned = Abandoned(servers, folder, demo_accounts, stack)
        yield abandoned
        abandoned.close()


def test_a_reader_whose_server_stays_away_may_give_up(abandoned):
    abandoned.wait_for_question(abandoned.refuser)
    abandoned.refuser.type("n")
    with ends_by(AT_ONCE):
        assert abandoned.refuser.end() == 1
    kept = r"Your reading 5983 for meter G\d is kept on this device: you are asked about it when you log in again"
    assert re.search(
        rf"again\? \[Y/n\]: n\n{kept}\nError: Nobody answers at localhost:\d+: Connection refused\n\Z",
        abandoned.refuser.seen,
    )


def test_a_reader_whose_server_stays_away_may_leave_at_once(abandoned):
    abandoned.wait_for_question(abandoned.leaver)
    abandoned.leaver.press(CTRL_C)
    with ends_by(AT_ONCE):
        assert abandoned.leaver.end() == 0
    assert re.search(r"\[Y/n\]: \nYour reading 5983 .* is kept on .*\nGoodbye\n\Z", abandoned.leaver.seen)


def test_a_reader_whose_server_returned_late_sends_the_reading_again_and_it_counts_once(abandoned):
    abandoned.wait_for_question(abandoned.sender)
    abandoned.server_returns()
    abandoned.sender.type("")

    abandoned.sender.wait_for("\r\nAccepted: you have read 1 out of 1 readings\r\n")
    assert abandoned.sender.meter() == "G2"
    assert answers_of(abandoned.database) == [("G1", "5983", "", "eric", "1")]


def test_a_reader_whose_server_had_no_database_sends_the_reading_again_and_it_counts_once(abandoned):
    abandoned.waiter.wait_for("\r\nError: The server cannot reach its database; whether this was kept is not known")
    abandoned.waiter.wait_for("\r\nNot confirmed yet. Send the reading for meter G1 again? [Y/n]: ")
    abandoned.store.away = False
    abandoned.waiter.type("")

    abandoned.waiter.wait_for("\r\nAccepted: you have read 1 out of 1 readings\r\n")
    assert abandoned.waiter.meter() == "G2"
    assert read_in(abandoned.store) == [("G1", 5983)]


def test_a_reader_may_leave_at_once_while_the_console_looks_for_the_server(servers, make_walk, open_console):
    server = servers.start("--database", make_walk(make_job()))
    terminal = open_console(server)
    terminal.log_in()
    terminal.meter()
    server.kill()
    terminal.type("5983")
    terminal.wait_for("5983\r\n")
    terminal.press(CTRL_C)
    with ends_by(AT_ONCE):
        assert terminal.end() == 0
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
    terminal.log_in(default="carol")

    terminal.wait_for("Welcome, Carol Dent, to Meter RPYC\r\nAccepted: you have read 1 out of 1 readings\r\n")
    assert terminal.meter() == "G2"
    assert answers_of(database) == [("G1", "5983", "", "carol", "1")]


def test_a_reading_for_a_demo_server_that_was_started_anew_is_accepted_there(servers, open_console):
    server = servers.start("--demo")
    terminal = open_console(server)
    terminal.log_in()
    meter = terminal.meter()
    server.kill()
    servers.start("--demo", port=server.port)
    terminal.type("5983")
    terminal.wait_for("Your login has expired")
    terminal.log_in(default="carol")

    terminal.wait_for("Accepted: you have read 1 out of 1 readings")
    assert terminal.meter() != meter
