"""The server as a program: when it cannot start it says why, in one line."""

import os
import re
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

import apsw
import pytest
import warm
from commands import assert_refused
from servers import SERVER_PY, make_database, run_to_end

from metermt.store.sqlite.database import APPLICATION_ID

NOT_LOCAL = "192.0.2.1"  # kept for documentation: no machine has it (RFC 5737)


def another_program(path):
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE notes (text); INSERT INTO notes VALUES ('buy milk')")
    other.close()


def a_newer_version(path):
    other = apsw.Connection(str(path))
    other.execute(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 999; CREATE TABLE users (name)")
    other.close()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda path: path.write_text("Dear diary, " * 100), "not a MeterMT database", id="a text"),
        pytest.param(another_program, "not a MeterMT database", id="of another program"),
        pytest.param(a_newer_version, "newer version", id="of a newer version"),
        pytest.param(lambda path: path.mkdir(), "directory", id="a directory"),
        pytest.param(lambda path: path.symlink_to("/proc/metermt.db"), "cannot be opened", id="cannot be made"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_in_one_line(make, words, tmp_path):
    database = tmp_path / "metermt.db"
    make(database)

    ended = run_to_end("--port", 0, "--database", database)

    assert_told_in_one_line(ended, words)
    assert str(database) in ended.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--port", 70000), "Invalid port 70000"),
        (("--port", -1), "Invalid port -1"),
        (("--port", 0, "--host", "no-such-host.invalid"), "Cannot listen on no-such-host.invalid:0: "),
        (("--port", 0, "--host", "x" * 100), f"Cannot listen on {'x' * 100}:0: no such host name"),
        (("--port", 0, "--notify", "no-such-folder/address"), "Cannot write no-such-folder/address: No such file"),
        (("--port", 0, "--lease-minutes", "0.0001"), "Invalid lease time"),
        (("--port", 0, "--session-hours", "1e6"), "Invalid session time"),
        (("--port", 0, "--idle-minutes", "1441"), "Invalid time for a connection"),
        (("--port", 0, "--idle-minutes", "nan"), "Invalid --idle-minutes nan"),
        (("--port", 0, "--lease-minutes", "inf"), "Invalid --lease-minutes inf"),
    ],
    ids=lambda value: " ".join(map(str, value[-2:]))[:40] if isinstance(value, tuple) else "",
)
def test_a_setting_that_cannot_be_used_is_told_in_one_line(options, words, monkeypatch):
    monkeypatch.setenv("RES_OPTIONS", "timeout:1 attempts:1")  # where no name server answers
    assert_told_in_one_line(run_to_end("--database", ":memory:", *options), words)


def test_an_address_that_is_not_of_this_machine_is_told():
    ended = run_to_end("--database", ":memory:", "--port", 0, "--host", NOT_LOCAL, "--plaintext")

    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]  # a warning comes before it
    assert last == f"Error: Cannot listen on {NOT_LOCAL}:0: this machine has no such address"


def test_a_port_that_is_taken_is_told_in_one_line():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = run_to_end("--database", ":memory:", "--port", port)

    assert_told_in_one_line(ended, f"Cannot listen on localhost:{port}: the port is taken by another program")


@pytest.mark.skipif(
    os.geteuid() == 0 or int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 80,
    reason="whoever runs this may listen on port 80",
)
def test_a_port_that_only_root_may_use_is_told_in_one_line():
    assert_told_in_one_line(run_to_end("--database", ":memory:", "--port", 80), "Cannot listen on localhost:80: no rig")


def assert_told_in_one_line(ended, words):
    assert ended.returncode == 1
    assert re.fullmatch(f"Error: .*{re.escape(words)}.*\n", ended.stderr)


@pytest.mark.parametrize(
    "options",
    [("--port", "eleven"), ("--no-such-option",), ("METER",), ("--lease-minutes", "-1"), ("--day-ends", "25:00")],
)
def test_wrong_usage_ends_with_status_2(options):
    ended = run_to_end(*options)

    assert ended.returncode == 2
    assert ended.stderr.startswith("Usage: ")
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


LOCKS = {
    "nobody may read": "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE",
    "nobody may write": "BEGIN IMMEDIATE",
}


@pytest.fixture(scope="module", autouse=True)
def locked_out(tmp_path_factory, demo_accounts):
    """Servers that find their databases locked, started with the first test: they have ten seconds of patience."""
    folder = tmp_path_factory.mktemp("locked")
    with ExitStack() as stack:
        started = {}
        for lock, statements in LOCKS.items():
            database = make_database(folder / f"{lock}.db", demo_accounts)
            other = apsw.Connection(str(database))
            stack.callback(other.close)
            other.execute(statements).fetchall()
            command = [*SERVER_PY, "--port", "0", "--database", str(database)]
            process = warm.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            started[lock] = process, database
        yield started


# --- last, because the server it is about has been waiting since the first test


@pytest.mark.parametrize("lock", LOCKS)
def test_a_database_that_another_program_keeps_locked_is_told_in_one_line(lock, locked_out):
    process, database = locked_out[lock]
    output, errors = process.communicate(timeout=20)

    assert_told_in_one_line(subprocess.CompletedProcess([], process.returncode, output, errors), "locked by another")
    assert str(database) in errors
    assert output == ""


def test_a_server_without_a_certificate_says_how_to_make_one(metermt, tmp_path):
    finished = metermt("serve", "--tls", "--tls-folder", str(tmp_path), "--database", str(tmp_path / "metermt.db"))

    missing = tmp_path / "server.pem"
    assert_refused(finished, f"There is no certificate {missing}: make one with 'metermt tls init'")
