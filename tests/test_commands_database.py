"""`metermt database copy`: everything moves into a new database."""

import re
import signal
import subprocess

import pytest
import warm
from commands import METERMT, assert_refused, dump_of, ended
from conftest import DEADLINE, T0, wait_until
from copies import contents, fill_with
from steps import Steps

from metermt.model import Server
from metermt.store.copying import copy_database
from metermt.store.sqlite.store import SqliteStore

ROWS = 20_000
TABLES = [
    *("assignments", "audit", "batch_lines", "batches", "cycles", "decisions", "exchanges", "found", "history", "jobs"),
    *("leases", "limits", "login_failures", "looks", "names", "notes", "places", "readings", "reasons"),
    *("sessions", "settings", "tallies", "unsealed", "users"),
]


@pytest.fixture(scope="module")
def large_file(tmp_path_factory):
    """A database that takes a while to be copied."""
    return fill_with(tmp_path_factory.mktemp("large") / "large.db", ROWS)


def counts_in(said):
    """Return what the table says."""
    return {table: int(rows) for table, rows in re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE)}


def database_of(url):
    return url.rpartition("/")[2]


def test_a_database_moves_to_postgresql_and_back(metermt, read_meters, new_database, tmp_path):
    url, back = new_database(), tmp_path / "back.db"
    with SqliteStore(read_meters) as store:
        Steps(store).sessions.leave_all("here")

    there = metermt("database", "copy", str(read_meters), url)
    again = metermt("database", "copy", url, str(back))

    for finished, target, source in ((there, url, read_meters), (again, back, url)):
        assert (finished.returncode, finished.stderr) == (0, "")
        assert finished.stdout.endswith(f"\nCopied {source} to {target}, and read back every row: all are the same.\n")
        assert list(counts_in(finished.stdout)) == TABLES
        assert counts_in(finished.stdout)["readings"] == len(contents(target)["readings"]) == 6
    assert contents(url) == contents(back) == contents(read_meters)
    assert dump_of(back) == dump_of(read_meters)
    assert (
        metermt("readings", "export", "-", "--database", url).stdout == metermt("readings", "export", "-").stdout != ""
    )


def test_a_service_file_keeps_the_password_out_of_sight(metermt, crew_database, new_database, cluster, tmp_path):
    url = new_database()
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".pg_service.conf").write_text(
        f"[moved]\nhost=127.0.0.1\nport={cluster.port}\nuser=metermt\npassword=secret\ndbname={database_of(url)}\n"
    )

    finished = metermt("database", "copy", str(crew_database), "service=moved")

    assert finished.returncode == 0, finished.stderr
    assert f"\nCopied {crew_database} to service=moved, " in finished.stdout
    assert [user["username"] for user in contents(url)["users"]] == ["carol", "eric"]


def test_a_large_copy_shows_a_bar_on_a_terminal(in_terminal, large_file, tmp_path):
    child = in_terminal("database", "copy", str(large_file), str(tmp_path / "copy.db"))

    child.expect("Copying")
    child.expect("100%")
    before, status = ended(child)
    assert "all are the same." in before
    assert status == 0


# --- what is refused


@pytest.mark.parametrize("words", ["postgresql://ann:secret@localhost/x", "postgresql://localhost/x?password=secret"])
@pytest.mark.parametrize("place", ["FROM", "TO"])
def test_a_password_on_the_command_line_is_refused(invoke, crew_database, place, words):
    places = (words, str(crew_database)) if place == "FROM" else (str(crew_database), words)

    finished = invoke("database", "copy", *places)

    assert finished.returncode == 2
    last = finished.stderr.splitlines()[-1]
    assert last.startswith(f"Error: Invalid value for '{place}': whoever is on this machine can read a password")
    assert last.endswith(
        "keep the password in ~/.pgpass, or in a service file (~/.pg_service.conf) and say service=NAME"
    )
    assert "secret" not in finished.stderr


@pytest.mark.parametrize("place", ["FROM", "TO"])
def test_what_a_server_keeps_in_memory_cannot_be_copied(invoke, crew_database, place, tmp_path):
    places = (":memory:", "copy.db") if place == "FROM" else (str(crew_database), ":memory:")
    before = set(tmp_path.iterdir())

    finished = invoke("database", "copy", *places)

    assert finished.returncode == 2
    assert finished.stderr.splitlines()[-1].startswith(f"Error: Invalid value for '{place}': what a server keeps in")
    assert set(tmp_path.iterdir()) == before


def test_what_cannot_be_copied_is_one_line(invoke, crew_database, new_database, tmp_path):
    taken, empty = new_database(), new_database()
    fill_with(taken, 1)
    (tmp_path / "empty.db").touch()

    for source, target, words in (
        (crew_database, crew_database, f"{crew_database} exists already: choose a new name"),
        (crew_database, taken, f"The database {taken} has something in it: choose an empty one"),
        (taken, taken, f"The database {taken} has something in it: choose an empty one"),
        (
            *("missing.db", "copy.db"),
            "There is no database missing.db: check --database, or make it with 'metermt routes import'",
        ),
        (
            *("empty.db", "copy.db"),
            "The database empty.db is empty: check --database, or fill it with 'metermt routes import'",
        ),
        (empty, "copy.db", f"The database {empty} is empty: check --database, or fill it with 'metermt routes import'"),
    ):
        assert_refused(invoke("database", "copy", str(source), str(target)), words)

    assert not (tmp_path / "copy.db").exists()
    assert (tmp_path / "empty.db").read_bytes() == b""


# --- beside servers


def test_a_database_that_is_served_is_copied_only_when_told_to(invoke, crew_server, crew_database, tmp_path):
    refused = invoke("database", "copy", str(crew_database), "copy.db")
    left = list(tmp_path.glob("copy.db*"))
    done = invoke("database", "copy", "--while-serving", str(crew_database), "copy.db")

    assert re.fullmatch(
        rf"Error: What \S+:{crew_server.port} takes meanwhile would not be in the copy:"
        r" stop that first, or use --while-serving\n",
        refused.stderr,
    )
    assert (refused.returncode, refused.stdout, left) == (1, "", [])
    assert (done.returncode, done.stderr) == (0, "")
    assert contents(tmp_path / "copy.db")["servers"] == []
    assert contents(tmp_path / "copy.db")["users"] == contents(crew_database)["users"]


def test_a_server_that_has_died_keeps_nobody_from_copying(invoke, crew_database, tmp_path):
    with SqliteStore(crew_database) as store:
        Steps(store).servers.note(Server("gone/localhost:11003", "0.1.0", 2, T0))

    assert invoke("database", "copy", str(crew_database), "copy.db").returncode == 0


# --- killed in the middle


@pytest.fixture
def copying(environment):
    """Start to copy, in a process of its own, which ends with the test."""
    begun = []

    def copying(source, target):
        command = (METERMT, "database", "copy", str(source), str(target))
        begun.append(warm.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return begun[-1]

    yield copying
    for process in begun:
        process.kill()
        process.wait(DEADLINE)


def kill_when(process, condition, what):
    """Kill a process when a condition holds, and not a moment later: it stands still while that is looked at."""

    def holds():
        process.send_signal(signal.SIGSTOP)
        if condition():
            return True
        process.send_signal(signal.SIGCONT)
        return False

    wait_until(holds, what)
    process.send_signal(signal.SIGKILL)
    assert process.wait(DEADLINE) == -signal.SIGKILL


def is_copied(cluster, url):
    """Tell whether somebody is copying rows out of or into a database."""
    return cluster.ask(
        "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND state = 'active' AND query LIKE 'COPY %%'",
        database_of(url),
    )


def test_a_copy_to_postgresql_that_is_killed_leaves_nothing_and_the_next_is_whole(
    copying, invoke, large_file, new_database, cluster
):
    url = new_database()
    kill_when(copying(large_file, url), lambda: is_copied(cluster, url), "rows are copied")

    wait_until(lambda: not is_copied(cluster, url), "the database knows")
    assert contents(url) == {}
    assert invoke("database", "copy", str(large_file), url).returncode == 0
    assert contents(url)["readings"] == contents(large_file)["readings"]


def parts_in(folder):
    """Return the files that are being written there, or were by a process that was killed."""
    return list(folder.glob(".*.metermt-part/file"))


def test_a_copy_to_a_file_that_is_killed_leaves_no_database_and_the_next_is_whole(
    copying, invoke, large_file, new_database, cluster, tmp_path
):
    url, target = new_database(), tmp_path / "copy.db"
    copy_database(large_file, url, lambda _done, _total: None)
    kill_when(
        copying(url, target),
        lambda: any(part.stat().st_size > 1_000_000 for part in parts_in(tmp_path)),
        "jobs or readings are copied",
    )

    assert not list(tmp_path.glob("copy.db*"))
    (part,) = parts_in(tmp_path)
    opened = invoke("users", "list", "--database", str(part))
    # Which it is depends on the pages that SQLite had written by then.
    assert re.search("is not a MeterMT database: choose another file|is damaged: restore a backup", opened.stderr)
    assert opened.returncode == 1
    assert invoke("database", "copy", url, str(target)).returncode == 0
    assert [path.name for path in tmp_path.glob("copy.db*")] == ["copy.db"]
    assert not list(tmp_path.glob(".*"))
    assert contents(target)["readings"] == contents(large_file)["readings"]
