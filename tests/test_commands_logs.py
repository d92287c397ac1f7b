"""`metermt logs`: what a running server writes into its log, for admins elsewhere."""

import gc
import json
import logging
import signal
import sys
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
import warm
from commands import METERMT, assert_refused
from conftest import DEADLINE, start, wait_until
from servers import fill, listening
from web_fixtures import *  # noqa: F403 - the fixtures

from metermt.calls import accounts, serverlog
from metermt.calls.asking import Caller
from metermt.calls.desk import Desk
from metermt.calls.serverlog import LogWanted, read_log
from metermt.cli.printed import printed_into
from metermt.errors import AccountDisabled, CallError, RoleError, UserError
from metermt.loglines import LogLine
from metermt.logring import LogRing, RingHandler
from metermt.model import Role
from metermt.store.memory.store import MemoryStore

FOLLOWERS = 8  # who wait at the same time
LONG = 8.0  # seconds that they wait at most here; they are answered long before


@pytest.fixture
def ring():
    """A ring in which five lines have a place."""
    return LogRing(most_lines=5)


@pytest.fixture
def write(ring):
    """Log something."""
    log = logging.Logger("metermt.server")
    log.addHandler(RingHandler(ring))
    return log


@pytest.fixture
def desk(ring, demo_accounts):
    """Keeps its log in the ring; adam and eric are admins, gwenda supervises."""
    roles = {"gwenda": Role.SUPERVISOR, "adam": Role.ADMIN, "eric": Role.ADMIN}
    crew = [
        replace(account, user=replace(account.user, role=roles.get(account.user.username, Role.READER)))
        for account in demo_accounts
    ]
    return Desk(fill(MemoryStore(), crew, []), log=ring)


@pytest.fixture
def server(desk, monkeypatch):
    monkeypatch.setattr(serverlog, "LONGEST_WAIT", LONG)
    with listening(desk) as server:
        yield server


@pytest.fixture
def logs(invoke, server):
    """Run `metermt logs` at the server, as adam unless told otherwise."""

    def logs(*arguments, login="adam"):
        return invoke("logs", "-p", str(server.port), "--as", login, *arguments, stdin=f"{login}\n")

    return logs


@pytest.fixture
def adam(connect, server):
    return connect(server, "adam")


def texts(part):
    return [line.message for line in part.lines]


def asked(desk, wanted):
    return desk.ask(read_log, wanted, caller=Caller(role=Role.ADMIN))


# --- the command


def test_an_admin_sees_the_last_lines_of_the_log_with_traces_below(logs, write):
    for number in range(6):
        write.info("line %d", number)
    write.error("a fault of \x1b[31m carol.", exc_info=ValueError("spoilt"))

    lines = logs().stdout.splitlines()

    assert [line.split(" ", 1)[1] for line in lines[:5]] == [
        *(f"INFO metermt.server: line {number}" for number in range(2, 6)),
        "ERROR metermt.server: a fault of \\x1b[31m carol.",
    ]
    assert lines[5:] == ["    ValueError: spoilt"]
    (said,) = logs("--level", "error", "--reader", "Carol", "--json", "--since", "1h").stdout.splitlines()
    assert json.loads(said)["trace"] == ["ValueError: spoilt"]
    assert logs("--reader", "eric").stdout == logs("--since", "2126-01-01").stdout == ""


@pytest.mark.parametrize("name", ["carol.", "by carol: x", "carol"])
def test_a_reader_is_named_by_a_word_of_their_own(logs, write, name):
    write.info(name)
    for other in ("carols", "carol-2", "carol.x", "xcarol"):
        write.info(other)
    assert [line.partition("server: ")[2] for line in logs("--reader", "carol").stdout.splitlines()] == [name]


def test_who_is_no_admin_and_what_makes_no_sense_is_refused(logs, server):
    assert_refused(logs(login="gwenda"), "metermt logs is for an admin, and you are a supervisor")
    assert_refused(logs("--reader", "nobody"), "There is no user 'nobody'")
    assert "'yesterday' is no time: write it like 15m" in logs("--since", "yesterday").stderr
    server.stop()
    assert_refused(logs(), f"Nobody answers at localhost:{server.port}: Connection refused")


def test_the_log_is_seen_by_http(web, invoke, write):
    write.info("seen")
    url = f"http://localhost:{web.port}"
    for way, variables in ((["--http", url], {}), ([], {"METERMT_HTTP": url})):
        seen = invoke("logs", "--as", "adam", *way, stdin="adam\n", **variables)
        assert (seen.stdout.partition("server: ")[2], seen.stderr) == ("seen\n", "")


def test_what_a_server_prints_is_in_its_log_and_a_follower_ends_quietly(servers, database, invoke, environment):
    invoke("users", "role", "adam", "admin", METERMT_DATABASE=str(database))
    server = servers.start("--database", database)
    command = [METERMT, "logs", "-f", "--as", "adam", "-p", str(server.port)]
    with warm.Popen(command, stdin=-1, stdout=-1, stderr=-1, encoding="utf-8", env=environment) as follower:
        try:
            follower.stdin.write("adam\n")
            follower.stdin.flush()
            first = follower.stdout.readline()
            while "has logged in" not in follower.stdout.readline():
                pass
            assert invoke("logs", "--as", "adam", "-p", str(server.port), stdin="wrong\n").returncode == 1
            assert "wrong password for adam from " in follower.stdout.readline()
            follower.send_signal(signal.SIGINT)
            assert follower.communicate(timeout=DEADLINE) == ("", "")
            assert follower.returncode == 0
        finally:
            follower.kill()
    assert "INFO stdout: Meter server startup at " in first
    assert "\x1b" not in first


# --- the call


def test_a_line_comes_when_it_is_written_to_all_who_wait_and_nobody_else_waits(server, connect, adam, write, ring):
    part = adam.call(read_log, LogWanted())
    crew = [connect(server, "adam") for _ in range(FOLLOWERS)]
    wanted = LogWanted(ring.name, part.last, wait=LONG)
    waiting = [start(lambda one=one: one.call(read_log, wanted)) for one in crew]
    wait_until(lambda: ring.waiting == FOLLOWERS, "all of them wait")

    assert adam.ping() < LONG / 2
    assert adam.login("adam", "adam")
    write.warning("now")

    assert [texts(wait()) for wait in waiting] == [["now"]] * FOLLOWERS


def test_who_is_too_slow_is_told_how_many_lines_are_gone(adam, write, ring):
    write.info("first")
    part = adam.call(read_log, LogWanted())
    for number in range(9):
        write.info("line %d", number)

    late = adam.call(read_log, LogWanted(ring.name, part.last))

    assert (late.missed, texts(late)) == (4, [f"line {number}" for number in range(4, 9)])
    assert ring.missed == 4
    again = adam.call(read_log, LogWanted("another life of it", 10**6))
    assert (again.missed, texts(again)) == (0, texts(late))


def test_many_lines_come_in_parts_and_each_comes_once():
    ring = LogRing()
    for number in range(1201):
        ring.add(LogLine("2026-11-20T10:00:00.000Z", "INFO", "metermt", str(number)))
    desk = Desk(MemoryStore(), log=ring)
    parts = [asked(desk, LogWanted())]
    while parts[-1].last < parts[-1].newest:
        parts.append(asked(desk, LogWanted(ring.name, parts[-1].last)))

    assert [len(part.lines) for part in parts] == [500, 500, 201]
    assert [text for part in parts for text in texts(part)] == list(map(str, range(1201)))


def test_who_is_disabled_while_they_wait_is_told_nothing_more(server, adam, connect, write, ring):
    watcher = connect(server, "eric")
    waiting = start(lambda: watcher.call(read_log, LogWanted(ring.name, ring.last, wait=LONG)))
    wait_until(lambda: ring.waiting == 1, "it waits")
    adam.call(accounts.disable_user, accounts.Username("eric"))
    write.warning("a secret")

    with pytest.raises(AccountDisabled):
        waiting()


def test_what_cannot_be_asked_for_is_refused_and_a_server_that_ends_lets_nobody_wait(adam, server, ring, connect):
    with pytest.raises(CallError, match="Invalid level 'loud': use debug, info, warning, error"):
        adam.call(read_log, LogWanted(level="loud"))
    for number in (-1, 2**63, 10**100):
        with pytest.raises(CallError, match=f"There is no line {str(number)[:40]} of a log"):
            asked(Desk(MemoryStore(), log=ring), LogWanted(ring.name, after=number))
    with pytest.raises(CallError, match="Invalid time 0001-01-01T00:00:00"):
        asked(Desk(MemoryStore(), log=ring), LogWanted(since=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))))
    with pytest.raises(UserError):
        adam.call(read_log, LogWanted(reader="nobody"))
    with pytest.raises(RoleError):
        connect(server, "carol").call(read_log, LogWanted())
    with pytest.raises(CallError, match="keeps no log"):
        asked(Desk(MemoryStore()), LogWanted())
    ring.close()
    assert adam.call(read_log, LogWanted(ring.name, ring.last, wait=LONG)).lines == []


# --- what is kept


def test_a_ring_is_bounded_in_bytes_and_in_what_a_trace_takes():
    ring = LogRing(most_bytes=10_000)
    for number in range(100):
        ring.add(LogLine("t", "INFO", "metermt", f"{number}" + "x" * 1000))
    assert [line.message[:2] for _, line in ring.after(0).lines] == ["92", "93", "94", "95", "96", "97", "98", "99"]
    ring.add(LogLine("t", "ERROR", "metermt", "a fault", ["x" * 4000] * 5000))
    ((number, line),) = ring.after(100).lines
    assert (number, len(line.trace), line.trace[20]) == (101, 101, "…")


def test_lines_can_be_added_while_others_are_read(ring, write):
    class Garbage:
        """It has something to say when it is collected, and leaves more of its kind."""

        def __init__(self):
            self.itself = self

        def __del__(self):
            write.info("collected")
            if gc.get_threshold()[0] == 1:
                Garbage()

    for number in range(5):
        write.info("line %d", number)
    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        Garbage()
        kept = [ring.after(0) for _ in range(20)]
    finally:
        gc.set_threshold(*threshold)
    assert all(len(one.lines) == 5 for one in kept)
    assert kept[-1].lines[-1][1].message == "collected"


def test_what_is_printed_is_printed_as_before_and_kept_line_by_line(ring, capsys):
    with ExitStack() as stack:
        stack.enter_context(printed_into(ring))
        print("one", 1)
        print("two\nthree", end="", file=sys.stderr)
        print(" four\x1b", file=sys.stderr)
    print("after it")

    assert capsys.readouterr() == ("one 1\nafter it\n", "two\nthree four\x1b\n")
    assert [(line.logger, line.level, line.message) for _, line in ring.after(0).lines] == [
        ("stdout", "INFO", "one 1"),
        ("stderr", "WARNING", "two"),
        ("stderr", "WARNING", "three four\\x1b"),
    ]
