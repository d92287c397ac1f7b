"""What the log tells, what it never tells, and that nobody can fill it."""

import json
import logging
import re
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress

import pytest
from conftest import WHEN, Clock, make_jobs, wait_until
from readers import Reader
from rpyc.core import brine
from servers import fill, listening

from metermt.calls.desk import Desk
from metermt.cli.logsetup import Log, log_handler
from metermt.client.client import connect
from metermt.config import Limits
from metermt.discovery import SIGNED
from metermt.errors import LoginError, TooManyFailures, UnknownMeter
from metermt.registry import RegistryServer
from metermt.signing import SharedKey
from metermt.sparinglog import Count, Repeats, SparingLog
from metermt.store.memory.store import MemoryStore

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.fixture
def served(demo_accounts):
    """A desk in memory, with the demo's users and a meter M00000."""
    return Desk(fill(MemoryStore(), demo_accounts, make_jobs(1)), clock=Clock())


@pytest.fixture
def write_log():
    """Set up a log that writes as it is told; return it, and what writes."""
    with ExitStack() as stack:

        def write_log(**options):
            log, handler = logging.Logger("metermt.server"), log_handler(**options)
            stack.callback(handler.close)
            log.addHandler(handler)
            return log, handler

        yield write_log


# --- a stranger cannot fill it


def test_the_first_of_a_kind_is_told_and_the_rest_is_counted():
    repeats = Repeats()

    assert repeats.is_first("wrong passwords", "10.0.0.1", 0)
    assert not repeats.is_first("wrong passwords", "10.0.0.1", 1)
    assert not repeats.is_first("wrong passwords", "10.0.0.1", 2)
    assert repeats.is_first("wrong passwords", "10.0.0.2", 3)
    assert repeats.is_first("refused connections", "10.0.0.1", 4)
    assert list(repeats.due(59)) == []
    assert list(repeats.due(60)) == [Count("wrong passwords", "10.0.0.1", 2, 60)]
    assert not repeats.is_first("wrong passwords", "10.0.0.1", 61)  # it goes on: only counts from now on
    assert repeats.is_first("wrong passwords", "10.0.0.2", 61)  # it has been quiet
    assert list(repeats.due(120)) == [Count("wrong passwords", "10.0.0.1", 1, 60)]
    assert list(repeats.due(180)) == []
    assert repeats.is_first("wrong passwords", "10.0.0.1", 181)


def test_however_many_addresses_there_are_few_lines_are_told_and_little_is_kept():
    repeats = Repeats(most=20)
    told = sum(
        repeats.is_first("hung up on", f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", n / 10_000) for n in range(50_000)
    )

    assert told == 20
    assert list(repeats.due(60)) == [Count("hung up on", "others", 49_980, 60)]
    assert list(repeats.due(120)) == []
    assert repeats._kinds == {}


def test_counts_are_told_each_minute_and_at_the_end(caplog):
    now = [0.0]
    journal = SparingLog(logging.getLogger("metermt.server"), lambda: now[0])

    with caplog.at_level(logging.INFO, "metermt"):
        for second in range(200):
            now[0] = float(second)
            journal.warning("hung up on", "10.0.0.1", "hung up on %s", "10.0.0.1")
        journal.tell_counts(at_once=True)

    assert [record.getMessage() for record in caplog.records] == [
        "hung up on 10.0.0.1",
        "hung up on, 10.0.0.1: 59 more in 60 s",
        "hung up on, 10.0.0.1: 60 more in 60 s",
        "hung up on, 10.0.0.1: 60 more in 60 s",
        "hung up on, 10.0.0.1: 20 more in 19 s",
    ]


def test_a_count_of_what_is_usual_is_no_warning(caplog):
    journal = SparingLog(logging.getLogger("metermt.server"))

    with caplog.at_level(logging.INFO, "metermt"):
        for _ in range(2):
            journal.info("refused readings", "carol", "refused")
            journal.warning("wrong passwords", "10.0.0.1", "wrong")
        journal.tell_counts(at_once=True)

    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "INFO", "WARNING"]


def test_what_is_not_logged_is_not_counted(caplog):
    journal = SparingLog(logging.getLogger("metermt.server"))
    with caplog.at_level(logging.WARNING, "metermt"):
        assert not any(journal.info("refused readings", "carol", "refused") for _ in range(3))
        journal.tell_counts(at_once=True)
    assert caplog.records == []


def test_a_stranger_who_sends_nonsense_leaves_a_line_and_a_count(served, caplog):
    with caplog.at_level(logging.INFO, "metermt"), listening(served) as server:
        for _ in range(50):
            with socket.create_connection(("localhost", server.port)) as sock, suppress(OSError):
                sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
                sock.recv(100)
        wait_until(lambda: server.connections == 0, "all are gone")
        served.journal.tell_counts(at_once=True)

    first, count = [record.getMessage() for record in caplog.records]
    assert first.startswith("hung up on 127.0.0.1: it sent ")
    assert re.fullmatch(r"connections hung up on, 127\.0\.0\.1: 49 more in \d+ s", count)


def test_a_stranger_at_a_registry_leaves_a_line_and_a_count(caplog):
    message = brine.dump((SIGNED, b"no signature", brine.dump(("RPYC", "REGISTER", (("METER",), 1)))))
    with caplog.at_level(logging.INFO, "metermt"), RegistryServer(port=0, key=SharedKey(b"k" * 32)) as registry:
        for _ in range(1000):
            registry.answer(message, "10.0.0.9")

    first, count = [record.getMessage() for record in caplog.records]
    assert first == "a message from 10.0.0.9 is signed with another key"
    assert count.startswith("messages with a wrong key, 10.0.0.9: 999 more in ")


# --- what it tells


def test_the_log_tells_of_logins_and_refusals_and_never_a_password_or_a_session(served, caplog):
    limits = Limits(connections_an_address=2)
    with caplog.at_level(logging.DEBUG), listening(served, limits) as server:  # noqa: SIM117 - the server ends last
        with connect(port=server.port) as client, connect(port=server.port) as other:
            client.ping()
            other.ping()
            with socket.create_connection(("localhost", server.port)):
                wait_until(lambda: "refused a connection" in caplog.text, "a third one is refused")
            client.login("carol", "carol")
            client.get_job()
            with pytest.raises(UnknownMeter):
                client.submit_reading("X1", 5, when=WHEN)
            outcomes = client.submit_readings([])
            for _ in range(10):
                with pytest.raises(LoginError):
                    other.login("carol", "no Secret of hers")
            with pytest.raises(TooManyFailures):
                other.login("carol", "no Secret of hers")
            with pytest.raises(LoginError):
                other.login("Secret typed as a name", "x")
            session = client._session_id

    told = [record.getMessage() for record in caplog.records if record.name.startswith("metermt")]
    assert outcomes == []
    assert told == [
        "refused a connection from 127.0.0.1: The server has as many connections from your address as it takes:"
        " try again later",
        "carol has logged in from 127.0.0.1",
        "handed out to carol: M00000",
        "refused a reading by carol: Unknown meter 'X1': check the number on the meter",
        "wrong password for carol from 127.0.0.1",
        "carol has to wait for 900 s at 127.0.0.1",
        "login by an unknown name from 127.0.0.1",
    ]
    assert "Secret" not in caplog.text
    assert session
    assert session not in caplog.text


@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("debug", ["INFO metermt.server: carol has", "DEBUG metermt.server: handed out"]),
        ("info", ["INFO metermt.server: carol has"]),
        ("warning", []),
    ],
)
def test_the_log_tells_as_much_as_it_is_told_to(level, told, served, tmp_path, monkeypatch):
    ours, root = logging.getLogger("metermt"), logging.getLogger()
    levels = ours.level, root.level
    monkeypatch.setattr(root, "handlers", [])
    try:
        Log(level, as_json=False, file=tmp_path / "log").begin()
        Reader(served).meter()
        for handler in root.handlers:
            handler.close()
    finally:
        ours.setLevel(levels[0])
        root.setLevel(levels[1])
    lines = (tmp_path / "log").read_text().splitlines()
    assert [" ".join(line.split()[1:5]) for line in lines] == told


def test_importing_the_package_configures_no_log():
    check = (
        "import logging, metermt; assert not logging.root.handlers; assert not logging.getLogger('metermt').handlers"
    )
    assert subprocess.run([sys.executable, "-c", check], capture_output=True).stderr == b""


# --- how it looks


def test_a_line_has_its_time_in_utc_and_no_control_characters(write_log, capsys):
    write_log()[0].info("from %s", "\x1b[31mred\n2026 INFO forged\u202e")

    time, _, line = capsys.readouterr().err.partition(" ")
    assert re.fullmatch(STAMP, time)
    assert line == "INFO metermt.server: from \\x1b[31mred\\n2026 INFO forged\\u202e\n"


def test_no_line_of_a_trace_back_begins_like_one_of_the_log(write_log, capsys):
    write_log()[0].error("a fault", exc_info=ValueError("spoilt\n2026-11-20 INFO forged\x1b"))

    first, *rest = capsys.readouterr().err.splitlines()

    assert first.endswith("ERROR metermt.server: a fault")
    assert rest == ["    ValueError: spoilt", "    2026-11-20 INFO forged\\x1b"]


def test_json_is_one_object_a_line(write_log, capsys):
    write_log(as_json=True)[0].error("a fault", exc_info=ValueError("spoilt"))

    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert re.fullmatch(STAMP, said.pop("time"))
    assert said == {
        "level": "ERROR",
        "logger": "metermt.server",
        "message": "a fault",
        "trace": ["ValueError: spoilt"],
    }


def test_a_log_file_is_rotated_and_is_its_owners_only(write_log, tmp_path):
    log, handler = write_log(file=tmp_path / "metermt.log")
    handler.maxBytes = 1000

    for number in range(100):
        log.info("line %d", number)

    assert {file.name for file in tmp_path.iterdir()} == {"metermt.log", *(f"metermt.log.{n}" for n in range(1, 6))}
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in tmp_path.iterdir())


def test_a_log_that_cannot_be_written_says_so_once(write_log, tmp_path, capsys):
    (tmp_path / "metermt.log").symlink_to("/dev/full")
    log, handler = write_log(file=tmp_path / "metermt.log")
    for _ in range(3):
        log.info("a line")
    with suppress(OSError):  # what is left cannot be written either
        handler.close()

    assert capsys.readouterr().err == (
        f"The log {tmp_path}/metermt.log cannot be written: [Errno 28] No space left on device\n"
    )


def test_a_log_file_that_cannot_be_opened_is_an_error(invoke, tmp_path):
    finished = invoke("registry", "--log-file", str(tmp_path / "none" / "log"))

    assert finished.returncode == 1
    assert finished.stderr == f"Error: Cannot log into {tmp_path}/none/log: No such file or directory\n"
