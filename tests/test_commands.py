"""The commands of ops, run as processes on a database: users, routes, readings, ping, backup."""

import csv
import io
import os
import re
import stat
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import click
import pexpect
import pytest
from click.testing import CliRunner
from conftest import CYCLE, DEADLINE, NOW, add_readers, dump, make_job, make_submission, refusal_of, start, wait_until
from servers import Servers

from metermt.cli import main
from metermt.client import connect
from metermt.errors import LoginError, SessionError
from metermt.manager import Manager
from metermt.model import Status
from metermt.passwords import verify_password
from metermt.store.sqlite import SqliteStore

METERMT = Path(sys.executable).with_name("metermt")
PASSWORD = "correct horse"
COLUMNS = [
    *("cycle", "route", "sequence", "meter", "kind", "address", "previous", "previous_date"),
    *("reading", "reason", "read_at", "reader", "recorded_at", "counts", "key"),
]


@pytest.fixture
def environment(tmp_path, database_path):
    """What the commands find around them: the database of this test, and no home but a new one."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("METERMT_", "XDG_", "PYTHON"))}
    return {**kept, "HOME": str(tmp_path / "home"), "METERMT_DATABASE": str(database_path), "TERM": "xterm"}


@pytest.fixture
def metermt(environment, tmp_path):
    """Run `metermt` with these arguments; other words are for its environment, None takes one away."""

    def metermt(*arguments, stdin="", **variables):
        changed = {name: value for name, value in {**environment, **variables}.items() if value is not None}
        return subprocess.run(
            (METERMT, *arguments),
            input=stdin,
            env=changed,
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
        )

    return metermt


@pytest.fixture
def invoke(environment, tmp_path, monkeypatch):
    """Do as `metermt`, in this process: for the many cases whose command another test has run for real."""
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments, stdin=None, **variables):
        result = CliRunner().invoke(
            main, list(arguments), input=stdin, env=environment | variables, catch_exceptions=False
        )
        return SimpleNamespace(returncode=result.exit_code, stdout=result.stdout, stderr=result.stderr)

    return invoke


@pytest.fixture
def in_terminal(environment):
    """Run `metermt` with these arguments in a terminal."""
    children = []

    def in_terminal(*arguments):
        child = pexpect.spawn(
            str(METERMT), list(arguments), env=environment, encoding="utf-8", timeout=DEADLINE, dimensions=(24, 120)
        )
        children.append(child)
        return child

    yield in_terminal
    for child in children:
        child.close(force=True)


@pytest.fixture
def crew(database_path):
    """A database with carol and eric, and two meters on the route North."""
    with SqliteStore(database_path) as store:
        add_readers(store, "carol", "eric")
        store.import_jobs(CYCLE, [make_job("G1"), make_job("G2", sequence=1)])
    return database_path


def ended(child):
    """Wait for the end of a program in a terminal; return what else was seen, and its exit status."""
    child.expect(pexpect.EOF)
    child.close()
    return child.before, child.exitstatus


def dump_of(path):
    """Return all that is in a database; None if there is none."""
    if not path.exists():
        return None
    with SqliteStore(path, create=False) as store:
        return dump(store)


def rows_in(text):
    """Return the rows of a CSV by the names of their columns."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def assert_done(finished, stdout):
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, stdout, "")


def assert_refused(finished, words):
    """Check that a command ended with one line, which says this, and exit status 1."""
    assert finished.stderr == f"Error: {words}\n"
    assert finished.stdout == ""
    assert finished.returncode == 1


# --- help


def leaves(group, path=()):
    """Yield the path of every command that is no group."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        else:
            yield (*path, name), command


LEAVES = dict(leaves(main))


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_has_a_help_with_an_example(path):
    shown = CliRunner().invoke(main, [*path, "--help"], prog_name="metermt")

    assert shown.exit_code == 0, shown.output
    assert f"Usage: metermt {' '.join(path)} " in shown.output
    example = shown.output.partition("\n  Example:\n")[2].partition("\n\n")[0]
    assert example.startswith(f"      metermt {' '.join(path)}")
    assert max(map(len, shown.output.splitlines())) <= 80


@pytest.mark.parametrize("path", sorted({path[:-1] for path in LEAVES}), ids=lambda path: " ".join(("metermt", *path)))
def test_the_help_of_a_group_names_its_commands_in_whole_sentences(path):
    shown = CliRunner().invoke(main, [*path, "--help"], prog_name="metermt")

    assert shown.exit_code == 0
    commands = shown.output.partition("Commands:\n")[2].splitlines()
    assert commands
    assert all(line.endswith((".", "?")) and not line.endswith("...") for line in commands), shown.output


def test_what_stands_in_the_help_of_metermt_can_be_tried():
    shown = CliRunner().invoke(main, ["--help"], prog_name="metermt")

    tips = re.findall(r"^  \S.*:  +metermt ([a-z]+(?: [a-z]+)?)", shown.output, re.MULTILINE)
    assert [tuple(tip.split()) for tip in tips] == [
        ("demo",),
        ("serve",),
        ("console",),
        ("routes", "import"),
        ("readings", "export"),
    ]
    assert all(tuple(tip.split()) in LEAVES for tip in tips)


def test_a_command_that_is_none_is_invoke(metermt):
    finished = metermt("reading")

    assert finished.returncode == 2
    assert "Error: No such command 'reading'" in finished.stderr


# --- the database


def test_the_database_is_in_the_users_data_folder_unless_told_otherwise(metermt, tmp_path):
    finished = metermt(
        *("users", "add", "carol", "--name", "Carol Dent", "--password-stdin"),
        stdin=PASSWORD,
        METERMT_DATABASE=None,
        XDG_DATA_HOME=str(tmp_path / "data"),
    )

    assert_done(finished, "Added carol, Carol Dent.\n")
    assert (tmp_path / "data" / "metermt" / "metermt.db").exists()


def test_without_an_xdg_folder_it_is_in_the_home_folder(metermt, tmp_path):
    missing = tmp_path / "home" / ".local" / "share" / "metermt" / "metermt.db"

    finished = metermt("users", "list", METERMT_DATABASE=None)

    assert_refused(
        finished, f"There is no database {missing}: check --database, or make it with 'metermt routes import'"
    )


def test_the_environment_names_the_database_and_the_option_wins(metermt, crew, tmp_path):
    assert_done(metermt("users", "list"), "carol  Carol\neric   Eric\n")
    assert_refused(
        metermt("users", "list", "--database", "other.db"),
        "There is no database other.db: check --database, or make it with 'metermt routes import'",
    )
    assert_done(
        metermt("users", "list", "--database", str(crew), METERMT_DATABASE="other.db"), "carol  Carol\neric   Eric\n"
    )
    assert not (tmp_path / "other.db").exists()


ARGUMENTS = {
    ("users", "add"): ("carol", "--name", "Carol", "--password-stdin"),
    ("users", "passwd"): ("carol", "--password-stdin"),
    ("users", "disable"): ("carol",),
    ("routes", "import"): ("november.csv", "--cycle", CYCLE),
    ("routes", "close"): ("--cycle", CYCLE),
    ("readings", "export"): ("-",),
    ("backup",): ("copy.db",),
}
"""What each command needs besides a database."""

# Those whose --database has a check; a server may have none.
ON_A_DATABASE = [
    path
    for path, command in LEAVES.items()
    if any(option.name == "database" and option.callback for option in command.params)
]


@pytest.mark.parametrize("path", ON_A_DATABASE, ids=" ".join)
def test_what_a_server_keeps_in_memory_is_out_of_reach(invoke, path, tmp_path):
    (tmp_path / "november.csv").write_text("meter,route\nG1,North\n")
    before = set(tmp_path.iterdir())

    finished = invoke(*path, *ARGUMENTS.get(path, ()), stdin=PASSWORD, METERMT_DATABASE=":memory:")

    assert finished.returncode != 0
    assert finished.stderr.splitlines()[-1].startswith("Error: Invalid value for '--database': what a server keeps in")
    assert finished.stdout == ""
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "path", [path for path in ON_A_DATABASE if path not in (("users", "add"), ("routes", "import"))], ids=" ".join
)
def test_a_missing_database_is_named_and_not_made(invoke, path, database_path, tmp_path):
    finished = invoke(*path, *ARGUMENTS.get(path, ()), stdin=PASSWORD)

    assert_refused(
        finished, f"There is no database {database_path}: check --database, or make it with 'metermt routes import'"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ON_A_DATABASE, ids=" ".join)
def test_a_file_that_is_no_database_is_left_as_it_is(invoke, path, database_path, tmp_path):
    (tmp_path / "november.csv").write_text("meter,route\nG1,North\n")
    database_path.write_text("Dear Sir or Madam,\n" * 1000)

    finished = invoke(*path, *ARGUMENTS.get(path, ()), stdin=PASSWORD)

    assert_refused(finished, f"{database_path} is not a MeterMT database: choose another file")
    assert database_path.read_text() == "Dear Sir or Madam,\n" * 1000


def test_a_database_that_cannot_be_made_is_named(invoke, tmp_path):
    (tmp_path / "file").touch()
    command = ("users", "add", "carol", "--name", "Carol", "--password-stdin")

    inside_a_file = invoke(*command, "--database", "file/metermt.db", stdin=PASSWORD)
    a_folder = invoke(*command, "--database", ".", stdin=PASSWORD)
    too_long = invoke(*command, "--database", "x" * 300, stdin=PASSWORD)

    assert_refused(a_folder, "The database . cannot be opened: Is a directory")
    assert_refused(too_long, f"The database {'x' * 300} cannot be opened: File name too long")
    assert inside_a_file.returncode == 1
    assert re.fullmatch(
        r"Error: The database file/metermt\.db cannot be opened: (Not a directory|File exists)\n", inside_a_file.stderr
    )


def test_a_database_name_that_cannot_be_is_named(invoke):
    assert_refused(
        invoke("users", "list", "--database", "x" * 300),
        f"The database {'x' * 300} cannot be opened: File name too long",
    )


# --- users


def assert_password(database_path, username, password):
    with SqliteStore(database_path, create=False) as store:
        account = store.find_account(username)
    assert verify_password(account.password_hash, password)


def test_a_user_is_added_with_a_password_typed_twice_and_never_shown(in_terminal, database_path):
    child = in_terminal("users", "add", "carol", "--name", "Carol Dent")
    child.expect_exact("Password: ")
    child.sendline(PASSWORD)
    child.expect_exact("\r\nAgain: ")
    child.sendline(PASSWORD)

    assert ended(child) == ("\r\nAdded carol, Carol Dent.\r\n", 0)
    assert_password(database_path, "carol", PASSWORD)


def test_passwords_that_differ_are_asked_for_again(in_terminal, database_path):
    child = in_terminal("users", "add", "carol", "--name", "Carol Dent")
    for first, second in ((PASSWORD, "correct house"), (PASSWORD, PASSWORD)):
        child.expect_exact("Password: ")
        child.sendline(first)
        child.expect_exact("Again: ")
        child.sendline(second)
        if first != second:
            child.expect_exact("Error: The two entered values do not match.")

    assert ended(child) == ("\r\nAdded carol, Carol Dent.\r\n", 0)
    assert_password(database_path, "carol", PASSWORD)


def test_an_empty_password_is_asked_for_again(in_terminal, database_path):
    child = in_terminal("users", "add", "carol", "--name", "Carol Dent")
    child.expect_exact("Password: ")
    child.sendline("")
    child.expect_exact("Password: ")
    child.sendline(PASSWORD)
    child.expect_exact("Again: ")
    child.sendline(PASSWORD)

    assert ended(child)[1] == 0
    assert_password(database_path, "carol", PASSWORD)


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["Ctrl+C", "Ctrl+D"])
def test_leaving_at_the_password_adds_nobody(in_terminal, database_path, key):
    child = in_terminal("users", "add", "carol", "--name", "Carol Dent")
    child.expect_exact("Password: ")
    child.send(key)
    seen, status = ended(child)

    assert (seen.strip(), status) == ("Aborted!", 1)
    assert dump_of(database_path)["accounts"] == []


@pytest.mark.parametrize("line", ["correct horse", "correct horse\n", "correct horse\r\n", "correct horse\nsecond\n"])
def test_a_password_can_come_from_a_pipe(invoke, database_path, line):
    finished = invoke("users", "add", "carol", "--name", " Carol Dent ", "--password-stdin", stdin=line)

    assert_done(finished, "Added carol, Carol Dent.\n")
    assert_password(database_path, "carol", PASSWORD)


def test_blanks_in_a_password_count(invoke, database_path):
    invoke("users", "add", "carol", "--name", "Carol", "--password-stdin", stdin="  two blanks  \n")

    assert_password(database_path, "carol", "  two blanks  ")


def test_a_short_password_is_taken_with_a_warning(invoke, database_path):
    finished = invoke("users", "add", "carol", "--name", "Carol", "--password-stdin", stdin="horse\n")

    assert finished.returncode == 0
    assert finished.stderr == "Warning: a password of less than 8 characters is easily guessed.\n"
    assert_password(database_path, "carol", "horse")


def test_users_are_listed_by_name_and_those_disabled_are_marked(metermt, database_path):
    with SqliteStore(database_path) as store:
        add_readers(store, "gwenda", "al", "carol")
    metermt("users", "disable", "carol")

    assert_done(metermt("users", "list"), "al      Al\ncarol   Carol  (disabled)\ngwenda  Gwenda\n")


def test_a_new_password_replaces_the_old_one(metermt, in_terminal, crew):
    child = in_terminal("users", "passwd", "carol")
    child.expect_exact("Password: ")
    child.sendline(PASSWORD)
    child.expect_exact("Again: ")
    child.sendline(PASSWORD)
    assert ended(child) == ("\r\nChanged the password of carol.\r\n", 0)
    assert_password(crew, "carol", PASSWORD)

    piped = metermt("users", "passwd", "carol", "--password-stdin", stdin="another horse\n")
    assert_done(piped, "Changed the password of carol.\n")
    assert_password(crew, "carol", "another horse")


def test_a_disabled_user_cannot_log_in(invoke, database_path):
    invoke("users", "add", "carol", "--name", "Carol", "--password-stdin", stdin=PASSWORD)
    with SqliteStore(database_path) as store:
        assert Manager(store).login("carol", PASSWORD)[1] == "Carol"

    assert_done(invoke("users", "disable", "carol"), "Disabled carol.\n")
    assert_done(invoke("users", "disable", "carol"), "Disabled carol.\n")

    with SqliteStore(database_path) as store, pytest.raises(LoginError):
        Manager(store).login("carol", PASSWORD)


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (
            ("add", "Carol Dent", "--name", "Carol"),
            PASSWORD,
            "Invalid user name 'Carol Dent': "
            "use 1 to 32 small letters, digits, and . _ - inside, beginning with a letter",
        ),
        (("add", "carol", "--name", "Carol"), PASSWORD, "There is a user 'carol' already"),
        (("add", "adam", "--name", "  "), PASSWORD, "User 'adam' needs a full name"),
        (("add", "adam", "--name", "x" * 201), PASSWORD, "Invalid full name: use up to 200 printable characters"),
        (("add", "adam", "--name", "Adam\x1b"), PASSWORD, "Invalid full name: use up to 200 printable characters"),
        (("add", "adam", "--name", "Adam"), "", "The password is empty: choose one"),
        (("add", "adam", "--name", "Adam"), "\n", "The password is empty: choose one"),
        (("add", "adam", "--name", "Adam"), "x" * 1025, "The password has 1025 characters: 1024 are allowed"),
        (("passwd", "adam"), PASSWORD, "There is no user 'adam'"),
        (("passwd", "carol"), "", "The password is empty: choose one"),
        (("passwd", "carol"), "\n", "The password is empty: choose one"),
        (("disable", "adam"), None, "There is no user 'adam'"),
    ],
)
def test_what_cannot_be_done_to_users_changes_nothing(invoke, crew, arguments, stdin, words):
    before = dump_of(crew)

    from_stdin = () if stdin is None else ("--password-stdin",)
    assert_refused(invoke("users", *arguments, *from_stdin, stdin=stdin or ""), words)

    assert dump_of(crew) == before


@pytest.mark.parametrize("variables", [{}, {"PYTHONIOENCODING": "utf-8"}], ids=["lenient", "strict"])
def test_a_password_that_is_no_text_ends_without_a_traceback(environment, variables, tmp_path):
    finished = subprocess.run(
        (METERMT, "users", "add", "carol", "--name", "Carol", "--password-stdin"),
        input=b"caf\xe9 au lait\n",
        env={**environment, **variables},
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
    )

    assert b"Traceback" not in finished.stderr
    assert finished.stderr.count(b"\n") <= 1


@pytest.fixture
def servers(tmp_path_factory):
    with Servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.fixture
def demo_server(servers, crew, demo_accounts):
    """A server on the database of this test, with the demo's users in it."""
    with SqliteStore(crew) as store:
        for account in demo_accounts:
            if store.find_account(account.user.username) is None:
                store.add_user(account)
    return servers.start("--demo", "--no-dump", "--database", crew)


@pytest.mark.parametrize(
    "command", [("passwd", "gwenda", "--password-stdin"), ("disable", "gwenda")], ids=["passwd", "disable"]
)
def test_a_running_server_logs_a_user_out_within_a_second(metermt, demo_server, command):
    with connect(port=demo_server.port) as gwenda, connect(port=demo_server.port) as adam:
        gwenda.login("gwenda", "gwenda")
        adam.login("adam", "adam")

        assert metermt("users", *command, stdin=PASSWORD).returncode == 0
        done = time.monotonic()
        wait_until(lambda: isinstance(refusal_of(gwenda.get_status), SessionError), "gwenda is logged out")
        took = time.monotonic() - done

        assert took < 2
        assert adam.get_status() == Status(0, 0)
        with pytest.raises(LoginError):
            gwenda.login("gwenda", "gwenda")
        if command[0] == "passwd":
            assert gwenda.login("gwenda", PASSWORD) == "Gwenda Pryce"


# --- routes


def test_routes_are_listed_with_what_is_done_and_what_is_to_do(metermt, crew):
    with SqliteStore(crew) as store:
        store.import_jobs(CYCLE, [make_job("W1", route="Old Town")])
        store.import_jobs("2026-12", [make_job("G1", "2026-12")])
        store.record_reading(make_submission("G2"), NOW)

    assert_done(metermt("routes", "list"), "2026-11  North     1/2\n2026-11  Old Town  0/1\n2026-12  North     0/1\n")


def test_an_empty_list_of_routes_says_what_to_do(invoke, sqlite_store):
    finished = invoke("routes", "list")

    assert (finished.returncode, finished.stdout) == (0, "")
    assert finished.stderr == "No routes: import some with 'metermt routes import'.\n"


def test_an_empty_list_of_users_says_what_to_do(invoke, sqlite_store):
    finished = invoke("users", "list")

    assert (finished.returncode, finished.stdout) == (0, "")
    assert "metermt users add" in finished.stderr


def test_a_closed_cycle_is_handed_out_no_more_and_keeps_its_readings(metermt, crew):
    with SqliteStore(crew) as store:
        store.record_reading(make_submission("G1"), NOW)
        store.import_jobs(CYCLE, [make_job("G3", sequence=2)])

    assert_done(metermt("routes", "close", "--cycle", CYCLE), f"Closed cycle {CYCLE}; 2 meters were not read.\n")

    assert metermt("routes", "list").stdout == ""
    assert [row["meter"] for row in rows_in(metermt("readings", "export", "-").stdout)] == ["G1"]


def test_one_meter_that_was_not_read_is_one(invoke, crew):
    with SqliteStore(crew) as store:
        store.record_reading(make_submission("G1"), NOW)

    assert invoke("routes", "close", "--cycle", CYCLE).stdout == f"Closed cycle {CYCLE}; 1 meter was not read.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("close", "--cycle", "2026-10"), "There is no open cycle '2026-10'"),
        (("import", "missing.csv", "--cycle", CYCLE), "Cannot read missing.csv: No such file or directory"),
        (("import", ".", "--cycle", CYCLE), "Cannot read .: Is a directory"),
        (("import", "letter.csv", "--cycle", "Nov 2026"), "Invalid cycle 'Nov 2026': write it like 2026-11"),
        (
            ("import", "letter.csv", "--cycle", CYCLE),
            "letter.csv is no route file: its first line must name the columns meter and route, "
            "separated by commas or semicolons, in UTF-8",
        ),
        (("import", "twice.csv", "--cycle", CYCLE), "twice.csv names the column kind twice"),
    ],
)
def test_what_cannot_be_done_to_routes_changes_nothing(invoke, crew, tmp_path, arguments, words):
    (tmp_path / "letter.csv").write_text("Dear Sir or Madam,\n")
    (tmp_path / "twice.csv").write_text("meter,route,kind,kind\nG3,North,G,G\n")
    before = dump_of(crew)

    assert_refused(invoke("routes", *arguments), words)

    assert dump_of(crew) == before


# --- readings

READ_AT = datetime(2026, 11, 19, 8, 30, 15, tzinfo=UTC)


@pytest.fixture
def read_meters(database_path):
    """A database with readings of every sort: with a remark, corrected, with a reason only, and one not read."""
    with SqliteStore(database_path) as store:
        add_readers(store, "carol", "eric")
        store.import_jobs(
            CYCLE,
            [
                make_job("E445691", kind="E", sequence=1, dials=6),
                make_job(
                    "G72168", sequence=2, address="Größe 3, left", previous=4700, previous_date=date(2026, 10, 31)
                ),
                make_job("W5248", kind="W", route="South", sequence=1),
                make_job("W9", kind="W", route="South", sequence=2),
            ],
        )
        store.record_reading(make_submission("W5248", "eric", None, "Couldn't find the meter", "k3", READ_AT), NOW)
        store.record_reading(make_submission("G72168", value=4711, key="k1", read_at=READ_AT), NOW)
        store.record_reading(
            make_submission("G72168", value=4712, reason='Glass "broken"', key="k2", read_at=READ_AT), NOW
        )
        store.record_reading(make_submission("E445691", value=0, read_at=READ_AT), NOW)
        store.import_jobs("2026-12", [make_job("W9", "2026-12", kind="W", route="South")])
        store.record_reading(make_submission("W9", "eric", 7), NOW)
        store.record_reading(make_submission("W9", "carol", 8), NOW)
    return database_path


def expected_row(meter, kind, route, sequence, **fields):
    row = dict.fromkeys(COLUMNS, "")
    row.update(cycle=CYCLE, meter=meter, kind=kind, route=route, sequence=sequence, reader="carol", counts="1")
    row.update(read_at="2026-11-19T08:30:15Z", recorded_at="2026-11-20T10:00:00Z")
    return row | fields


NOVEMBER = [
    expected_row("E445691", "E", "North", "1", reading="0"),
    expected_row(
        *("G72168", "G", "North", "2"),
        **{"address": "Größe 3, left", "previous": "4700", "previous_date": "2026-10-31"},
        **{"reading": "4711", "counts": "0", "key": "k1"},
    ),
    expected_row(
        *("G72168", "G", "North", "2"),
        **{"address": "Größe 3, left", "previous": "4700", "previous_date": "2026-10-31"},
        **{"reading": "4712", "reason": 'Glass "broken"', "key": "k2"},
    ),
    expected_row("W5248", "W", "South", "1", reason="Couldn't find the meter", reader="eric", key="k3"),
    expected_row("W9", "W", "South", "2", reading="7", reader="eric", read_at="2026-11-20T10:00:00Z"),
]
DECEMBER = [
    expected_row("W9", "W", "South", "0", cycle="2026-12", reading="8", read_at="2026-11-20T10:00:00Z"),
]


def test_an_export_has_every_reading_in_every_column(metermt, read_meters):
    finished = metermt("readings", "export", "-")

    assert finished.returncode == 0
    assert rows_in(finished.stdout) == NOVEMBER + DECEMBER
    assert finished.stderr.startswith("6 readings written to ")


def test_an_export_of_a_cycle_has_its_readings_only(invoke, read_meters):
    assert rows_in(invoke("readings", "export", "-", "--cycle", CYCLE).stdout) == NOVEMBER
    assert rows_in(invoke("readings", "export", "-", "--cycle", "2026-12").stdout) == DECEMBER


def test_a_corrected_reading_gives_two_rows_and_only_the_last_counts(invoke, read_meters):
    rows = [row for row in rows_in(invoke("readings", "export", "-").stdout) if row["meter"] == "G72168"]

    assert [(row["reading"], row["counts"]) for row in rows] == [("4711", "0"), ("4712", "1")]


def test_the_columns_are_those_that_the_help_tells_of(invoke, read_meters):
    documented = invoke("readings", "export", "--help").stdout.partition("Columns:\n")[2].partition("\n\n")[0]
    words = re.findall(r"[a-z_]+", " ".join(line[:30] for line in documented.splitlines()))

    header = invoke("readings", "export", "-").stdout.splitlines()[0].split(",")

    assert header == COLUMNS
    assert [word for word in words if word in COLUMNS] == COLUMNS


def test_a_file_gets_the_same_as_standard_output(metermt, read_meters, tmp_path):
    finished = metermt("readings", "export", "november.csv")

    assert (finished.returncode, finished.stdout) == (0, "")
    assert finished.stderr == "6 readings written to november.csv\n"
    exported = (tmp_path / "november.csv").read_bytes()
    assert exported == metermt("readings", "export", "-").stdout.encode().replace(b"\n", b"\r\n")
    assert {path.name for path in tmp_path.iterdir()} == {"november.csv", read_meters.name}


def test_standard_output_gets_utf_8_whatever_the_terminal_speaks(metermt, read_meters):
    finished = metermt("readings", "export", "-", PYTHONIOENCODING="ascii")

    assert finished.returncode == 0, finished.stderr
    assert rows_in(finished.stdout)[1]["address"] == "Größe 3, left"


def test_one_reading_is_one(invoke, crew):
    with SqliteStore(crew) as store:
        store.record_reading(make_submission("G1"), NOW)

    assert invoke("readings", "export", "x.csv").stderr == "1 reading written to x.csv\n"


def test_an_export_replaces_an_older_one_as_a_whole(metermt, read_meters, tmp_path):
    target = tmp_path / "november.csv"
    target.write_text("as it was\n")
    with target.open() as opened_before:
        assert metermt("readings", "export", "november.csv").returncode == 0

        assert opened_before.read() == "as it was\n"
    assert rows_in(target.read_text(encoding="utf-8")) == NOVEMBER + DECEMBER


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("nowhere/november.csv", "No such file or directory"),
        ("letter.txt/november.csv", "Not a directory"),
        ("folder", "Is a directory"),
        (".", "Is a directory"),
        ("/", "Is a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_target_that_cannot_be_written_is_one_clear_error_and_leaves_nothing(
    invoke, read_meters, tmp_path, target, words
):
    (tmp_path / "folder").mkdir()
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam,\n")
    before = {path.name for path in tmp_path.rglob("*")}

    assert_refused(invoke("readings", "export", target), f"Cannot write {target}: {words}")

    assert {path.name for path in tmp_path.rglob("*")} == before
    assert (tmp_path / "letter.txt").read_text() == "Dear Sir or Madam,\n"


def test_standard_output_on_a_full_disk_is_one_clear_error(environment, read_meters):
    with Path("/dev/full").open("w") as full:
        finished = subprocess.run(
            (METERMT, "readings", "export", "-"),
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
            timeout=60,
        )

    assert finished.returncode == 1
    assert re.fullmatch("Error: .*No space left on device.*\n", finished.stderr)


def test_a_reader_of_standard_output_who_has_seen_enough_is_no_error(environment, crew):
    with SqliteStore(crew) as store:
        store.import_jobs(CYCLE, [make_job(f"M{i:05}") for i in range(3000)])
        store.record_readings([make_submission(f"M{i:05}") for i in range(3000)], NOW)

    finished = subprocess.run(
        ("bash", "-c", '"$0" readings export - | head -1', METERMT),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert finished.stdout == ",".join(COLUMNS) + "\n"
    assert finished.stderr == ""


def test_a_named_pipe_gets_the_export_and_stays_a_pipe(environment, read_meters, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        subprocess.run((METERMT, "readings", "export", pipe), env=environment, stderr=subprocess.DEVNULL, timeout=60)
        received = os.read(reader, 100_000)
    finally:
        os.close(reader)

    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert rows_in(received.decode()) == NOVEMBER + DECEMBER


# --- ping


def test_ping_says_how_long_a_server_took_to_answer(metermt, demo_server):
    finished = metermt("ping", "-p", str(demo_server.port))

    assert finished.returncode == 0
    assert re.fullmatch(rf"localhost:{demo_server.port} answers in \d+\.\d ms\n", finished.stdout)


def test_ping_of_a_server_that_is_down_is_an_error_at_once(metermt, demo_server):
    demo_server.stop()
    started = time.monotonic()

    assert_refused(
        metermt("ping", "-p", str(demo_server.port)),
        f"Nobody answers at localhost:{demo_server.port}: Connection refused",
    )
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-p", "70000"), "Invalid port 70000: use 1 to 65535, or 0 for any free one"),
        (("-h", "nobody.invalid"), r"Nobody answers at nobody\.invalid:11003: .+"),
        (("-h", "x" * 70), r"Nobody answers at x{70}:11003: no such host name"),
    ],
)
def test_ping_of_an_address_that_is_none_is_an_error(invoke, arguments, words):
    finished = invoke("ping", *arguments)

    assert (finished.returncode, finished.stdout) == (1, "")
    assert re.fullmatch(f"Error: {words}\n", finished.stderr)


# --- backup


def test_a_backup_is_a_database_of_its_own(metermt, read_meters, tmp_path):
    copy = tmp_path / "copies" / "november.db"

    assert_done(metermt("backup", str(copy)), f"Copied {read_meters} to {copy}\n")

    assert dump_of(copy) == dump_of(read_meters)
    assert (
        metermt("readings", "export", "-", "--database", str(copy)).stdout == metermt("readings", "export", "-").stdout
    )
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert [path.name for path in copy.parent.iterdir()] == ["november.db"]


def test_a_backup_never_overwrites(invoke, crew, tmp_path):
    copy = tmp_path / "copy.db"
    copy.write_text("as it was")

    assert_refused(invoke("backup", "copy.db"), "copy.db exists already: choose a new name")

    assert copy.read_text() == "as it was"
    assert_refused(invoke("backup", str(crew)), f"{crew} exists already: choose a new name")


def test_a_backup_that_cannot_be_written_is_one_clear_error(invoke, crew, tmp_path):
    (tmp_path / "letter.txt").touch()

    finished = invoke("backup", "letter.txt/copy.db")

    assert (finished.returncode, finished.stdout) == (1, "")
    assert re.fullmatch(
        r"Error: The backup cannot be written to letter\.txt/copy\.db: (Not a directory|File exists)\n", finished.stderr
    )


def test_what_a_killed_backup_left_does_not_stop_the_next(invoke, crew, tmp_path):
    (tmp_path / "copy.db.part").write_text("half a datab")

    assert_done(invoke("backup", "copy.db"), f"Copied {crew} to copy.db\n")

    assert dump_of(tmp_path / "copy.db") == dump_of(crew)


def test_a_backup_is_whole_while_readers_send(metermt, servers, demo_server, crew):
    with SqliteStore(crew) as store:
        store.import_jobs(CYCLE, [make_job(f"M{i:05}") for i in range(5000)])
    copy = crew.with_name("copy.db")
    accepted = []
    enough = []

    def read():
        with connect(port=demo_server.port) as gwenda:
            gwenda.login("gwenda", "gwenda")
            job = gwenda.get_job()
            while job and not enough:
                sent = job.meter
                _, job = gwenda.submit_and_next(sent, 100)
                accepted.append(sent)

    reading = start(read)
    wait_until(lambda: len(accepted) >= 20, "readings come in")
    before = list(accepted)
    finished = metermt("backup", str(copy))
    after = len(accepted)
    wait_until(lambda: len(accepted) > after or reading.is_there(), "readings still come in")
    enough.append(True)
    reading()

    assert finished.returncode == 0, finished.stderr
    copied = [row["meter"] for row in rows_in(metermt("readings", "export", "-", "--database", str(copy)).stdout)]
    assert len(before) < after < len(accepted)
    assert set(before) <= set(copied) <= set(accepted)
    with connect(port=servers.start("--database", copy).port) as gwenda:
        gwenda.login("gwenda", "gwenda")
        assert gwenda.get_status().count == len(copied)
        assert gwenda.get_job().meter not in copied
