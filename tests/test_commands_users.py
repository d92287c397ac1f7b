"""`metermt users`: who may log in."""

import re
import time
from pathlib import Path

import pytest
import warm
from clients import ends_by
from commands import METERMT, PASSWORD, assert_done, assert_refused, dump_of, ended
from conftest import add_readers, make_account, refusal_of, wait_until

from metermt.client.client import connect
from metermt.errors import AccountDisabled, LoginError, SessionError, TooManyFailures
from metermt.manager import Manager
from metermt.model import Role, Status
from metermt.passwords import verify_password
from metermt.store.sqlite.store import SqliteStore


def assert_password(database_path, username, password):
    with SqliteStore(database_path, create=False) as store:
        account = store.read(lambda tx: tx.accounts.find([username]))[username]
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


def is_asleep(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["Ctrl+C", "Ctrl+D"])
def test_leaving_at_the_password_adds_nobody(in_terminal, database_path, key):
    child = in_terminal("users", "add", "carol", "--name", "Carol Dent")
    child.expect_exact("Password: ")
    # Ctrl+C that comes between the question and the wait for an answer would wait for the next key.
    wait_until(lambda: is_asleep(child.pid), "it waits for an answer")
    child.send(key)
    before, status = ended(child)
    assert (before.strip(), status) == ("Aborted!", 1)
    assert dump_of(database_path)["accounts"] == {}


def test_without_a_terminal_a_password_is_asked_for_by_an_option(invoke, database_path):
    finished = invoke("users", "add", "carol", "--name", "Carol Dent", stdin=PASSWORD)
    words = "There is no terminal to ask for the password at: say --password-stdin, and write it there"
    assert_refused(finished, words)
    assert dump_of(database_path)["accounts"] == {}


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


def test_users_are_listed_by_name_with_what_is_known_of_their_logins(metermt, database_path):
    now = time.time()
    with SqliteStore(database_path) as store:
        add_readers(store, "gwenda", "al", "carol")
        store.write(lambda tx: tx.accounts.put([make_account("eric", role=Role.SUPERVISOR)]))
        for _ in range(10):
            store.write(lambda tx: tx.failures.add("eric", "10.0.0.1", now - 60, 0))
            store.write(lambda tx: tx.failures.add("carol", "10.0.0.1", now - 60, 0))
        store.write(lambda tx: tx.sessions.note({"al-1": now - 3600}, "here"))
        store.write(lambda tx: tx.sessions.end(["carol-1", "carol-2", "gwenda-1", "gwenda-2"]))
        store.write(lambda tx: tx.sessions.forget(0))
    metermt("users", "disable", "carol")

    until, used = (time.strftime("%Y-%m-%d %H:%M IST", time.gmtime(at + 5.5 * 3600)) for at in (now + 840, now - 3600))
    assert_done(
        metermt("users", "list", TZ="Asia/Kolkata"),
        f"user    full name  role        {'state':43}  last use\n"
        f"al      Al         reader      {'':43}  {used}\n"
        f"carol   Carol      reader      disabled, locked until {until}\n"
        f"eric    Eric       supervisor  locked until {until}\n"
        "gwenda  Gwenda     reader\n",
    )


def told_of(metermt):
    """Return what `users list` says of each user, without the last use."""
    _, *lines = metermt("users", "list").stdout.splitlines()
    rows = [[word for word in re.split(r"  +", line) if not re.match(r"\d{4}-", word)] for line in lines]
    return {username: words for username, *words in rows}


def test_users_who_may_do_more_than_read_are_marked(invoke, crew_database):
    supervised = invoke(
        *("users", "add", "gwenda", "--name", "Gwenda Pryce", "--role", "supervisor", "--password-stdin"),
        stdin=PASSWORD,
    )
    assert_done(supervised, "Added gwenda, Gwenda Pryce (supervisor).\n")
    assert_done(invoke("users", "role", "carol", "admin"), "Changed the role of carol to admin.\n")
    invoke("users", "disable", "carol")

    assert told_of(invoke) == {
        "carol": ["Carol", "admin", "disabled"],
        "eric": ["Eric", "reader"],
        "gwenda": ["Gwenda Pryce", "supervisor"],
    }
    assert_done(invoke("users", "role", "carol", "reader"), "Changed the role of carol to reader.\n")
    assert told_of(invoke)["carol"] == ["Carol", "reader", "disabled"]


def test_a_user_is_a_reader_unless_told_otherwise(invoke, database_path):
    invoke("users", "add", "carol", "--name", "Carol", "--password-stdin", stdin=PASSWORD)

    with SqliteStore(database_path) as store:
        (carol,) = store.read(lambda tx: tx.accounts.users())
    assert carol.role is Role.READER


@pytest.mark.parametrize("arguments", [("role", "carol", "boss"), ("add", "al", "--name", "Al", "--role", "boss")])
def test_a_role_that_is_none_is_told_of(invoke, crew_database, arguments):
    before = dump_of(crew_database)

    finished = invoke("users", *arguments)

    assert finished.returncode == 2
    assert "'boss' is not one of 'reader', 'supervisor', 'admin'" in finished.stderr
    assert dump_of(crew_database) == before


def test_a_new_password_replaces_the_old_one(metermt, in_terminal, crew_database):
    child = in_terminal("users", "passwd", "carol")
    child.expect_exact("Password: ")
    child.sendline(PASSWORD)
    child.expect_exact("Again: ")
    child.sendline(PASSWORD)
    assert ended(child) == ("\r\nChanged the password of carol.\r\n", 0)
    assert_password(crew_database, "carol", PASSWORD)

    piped = metermt("users", "passwd", "carol", "--password-stdin", stdin="another horse\n")
    assert_done(piped, "Changed the password of carol.\n")
    assert_password(crew_database, "carol", "another horse")


def test_a_disabled_user_cannot_log_in(invoke, database_path):
    invoke("users", "add", "carol", "--name", "Carol", "--password-stdin", stdin=PASSWORD)
    with SqliteStore(database_path) as store:
        assert Manager(store).login("carol", PASSWORD)[1] == "Carol"

    assert_done(invoke("users", "disable", "carol"), "Disabled carol.\n")
    assert_done(invoke("users", "disable", "carol"), "Disabled carol.\n")

    with SqliteStore(database_path) as store, pytest.raises(AccountDisabled):
        Manager(store).login("carol", PASSWORD)


def test_a_user_who_was_disabled_is_enabled_again(invoke, database_path):
    invoke("users", "add", "carol", "--name", "Carol", "--password-stdin", stdin=PASSWORD)
    invoke("users", "disable", "carol")

    assert_done(invoke("users", "enable", "carol"), "Enabled carol.\n")

    with SqliteStore(database_path) as store:
        assert Manager(store).login("carol", PASSWORD)[1] == "Carol"


def test_a_new_password_of_a_disabled_user_says_that_they_are_disabled(invoke, crew_database):
    invoke("users", "disable", "carol")

    finished = invoke("users", "passwd", "carol", "--password-stdin", stdin=PASSWORD)

    assert (finished.returncode, finished.stdout) == (0, "Changed the password of carol.\n")
    assert finished.stderr == "carol is disabled: the new password is good after 'metermt users enable'.\n"
    assert told_of(invoke)["carol"] == ["Carol", "reader", "disabled"]


def test_a_user_gets_another_full_name(invoke, crew_database):
    assert_done(invoke("users", "rename", "carol", " Carol Dent-Ong "), "carol is Carol Dent-Ong from now on.\n")

    assert told_of(invoke)["carol"] == ["Carol Dent-Ong", "reader"]


@pytest.mark.parametrize("command", [("unlock", "carol"), ("passwd", "carol", "--password-stdin")])
def test_who_had_to_wait_can_log_in_at_once(invoke, database_path, command):
    invoke("users", "add", "carol", "--name", "Carol", "--password-stdin", stdin=PASSWORD)
    with SqliteStore(database_path) as store:
        for _ in range(10):
            store.write(lambda tx: tx.failures.add("carol", "", time.time(), 0))
        with pytest.raises(TooManyFailures):
            Manager(store).login("carol", PASSWORD)

    done = "Unlocked carol.\n" if command[0] == "unlock" else "Changed the password of carol.\n"
    assert_done(invoke("users", *command, stdin=PASSWORD), done)

    with SqliteStore(database_path) as store:
        assert Manager(store).login("carol", PASSWORD)[1] == "Carol"


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
        (("enable", "adam"), None, "There is no user 'adam'"),
        (("unlock", "adam"), None, "There is no user 'adam'"),
        (("rename", "adam", "Adam"), None, "There is no user 'adam'"),
        (("rename", "carol", " "), None, "User 'carol' needs a full name"),
        (("role", "adam", "admin"), None, "There is no user 'adam'"),
    ],
)
def test_what_cannot_be_done_to_users_changes_nothing(invoke, crew_database, arguments, stdin, words):
    before = dump_of(crew_database)

    from_stdin = () if stdin is None else ("--password-stdin",)
    assert_refused(invoke("users", *arguments, *from_stdin, stdin=stdin or ""), words)

    assert dump_of(crew_database) == before


@pytest.mark.parametrize("variables", [{}, {"PYTHONIOENCODING": "utf-8"}], ids=["lenient", "strict"])
def test_a_password_that_is_no_text_is_refused(environment, variables, tmp_path):
    finished = warm.run(
        (METERMT, "users", "add", "carol", "--name", "Carol", "--password-stdin"),
        input=b"caf\xe9 au lait\n",
        env={**environment, **variables},
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
    )

    assert (finished.returncode, finished.stdout) == (1, b"")
    assert finished.stderr == b"Error: The password on standard input is no text: write it in utf-8\n"


@pytest.mark.parametrize(
    "command", [("passwd", "gwenda", "--password-stdin"), ("disable", "gwenda")], ids=["passwd", "disable"]
)
def test_a_running_server_logs_a_user_out_within_a_second(metermt, crew_server, command):
    with connect(port=crew_server.port) as gwenda, connect(port=crew_server.port) as adam:
        gwenda.login("gwenda", "gwenda")
        adam.login("adam", "adam")

        assert metermt("users", *command, stdin=PASSWORD).returncode == 0
        with ends_by(1.5):
            wait_until(lambda: isinstance(refusal_of(gwenda.get_status), SessionError), "gwenda is logged out")
        assert adam.get_status() == Status(0, 0)
        with pytest.raises(LoginError):
            gwenda.login("gwenda", "gwenda")
        if command[0] == "passwd":
            assert gwenda.login("gwenda", PASSWORD) == "Gwenda Pryce"
