"""The commands of the office at a server: what they do there is what they do on its database."""

import json
import time
from dataclasses import replace

import pytest
from commands import LISTED, assert_done, assert_refused
from conftest import CYCLE, dump, import_jobs, make_job, make_session
from servers import fill, listening
from steps import Steps

import metermt
from metermt.calls.desk import Desk
from metermt.errors import CallError, RoleError, RouteError
from metermt.model import Role
from metermt.store.sqlite.store import SqliteStore


@pytest.fixture
def server(database_path, demo_accounts, hasher):
    """A server on the database of the commands: carol holds W1 of two routes; gwenda supervises, adam is an admin."""
    roles = {"gwenda": Role.SUPERVISOR, "adam": Role.ADMIN}
    accounts = [
        replace(account, user=replace(account.user, role=roles.get(account.user.username, Role.READER)))
        for account in demo_accounts
    ]
    with SqliteStore(database_path) as store:
        fill(store, accounts, [make_job("G1"), make_job("G2", sequence=1)])
        import_jobs(store, CYCLE, [make_job("W1", route="Old Town", address="2 Hill Lane")])
        Steps(store).sessions.add([make_session("carol-1", used_at=time.time())])
        Steps(store).lease("carol-1", "W1", until=time.time() + 600)
        with listening(Desk(store)) as server:
            yield server


@pytest.fixture
def at_server(invoke, server):
    """Run `metermt routes …`, or a command of another group, at the server as somebody; the password is piped."""

    def at_server(*arguments, login="gwenda", group="routes"):
        return invoke(group, *arguments, "--server", f"localhost:{server.port}", "--as", login, stdin=f"{login}\n")

    return at_server


@pytest.mark.parametrize(
    "arguments", [("missing",), ("missing", "--cycle", CYCLE), ("missing", "--route", "North"), ("list",)], ids=" ".join
)
def test_a_supervisor_sees_at_a_server_what_its_database_shows(invoke, at_server, arguments):
    here = invoke("routes", *arguments)

    assert "North" in here.stdout
    assert at_server(*arguments) == here


@pytest.mark.parametrize(("group", "arguments"), [("progress", ()), ("report", (CYCLE,))])
def test_a_supervisor_sees_at_a_server_how_far_a_cycle_is_and_what_became_of_it(invoke, at_server, group, arguments):
    def told(finished):
        return {name: part for name, part in json.loads(finished.stdout).items() if name not in ("moment", "made_at")}

    there = told(at_server(*arguments, "--json", group=group))
    here = told(invoke(group, *arguments, "--json"))
    for one in (*there.get("readers", ()), *here.get("readers", ())):
        one.pop("last_seen"), one.pop("is_connected")
    assert there == here
    assert "Error: " in at_server(*arguments, group=group, login="carol").stderr


@pytest.mark.parametrize("what", [("Old Town",), ("w1",), ("--user", "carol")], ids=" ".join)
def test_a_supervisor_releases_at_a_server(invoke, at_server, what):
    assert_done(at_server("release", *what), "Released 1 meter: anybody may be handed what was held.\n")
    assert "carol" not in invoke("routes", "missing").stdout
    assert_done(at_server("release", *what), "Nothing to release: nobody holds any of it.\n")


def test_an_admin_closes_reopens_and_removes_at_a_server(invoke, at_server):
    closed = at_server("close", CYCLE, "--force", login="adam", group="cycles")
    assert_done(closed, f"Closed cycle {CYCLE}; 3 meters were not read.\n")
    reopened = at_server("reopen", CYCLE, login="adam", group="cycles")
    assert_done(reopened, f"Cycle {CYCLE} is open again; 3 meters are to be read.\n")
    assert_done(at_server("remove", "g2", "--cycle", CYCLE, login="adam"), f"Meter G2 is not to be read in {CYCLE}.\n")
    assert invoke("routes", "list").stdout == LISTED + "2026-11  North        0     1\n2026-11  Old Town     0     1\n"


def test_who_may_not_is_refused_and_logged_out(at_server, server):
    reopened = at_server("reopen", CYCLE, group="cycles")
    assert_refused(reopened, "metermt cycles reopen is for an admin, and you are a supervisor")
    missing = at_server("missing", login="carol")
    assert_refused(missing, "metermt routes missing is for a supervisor or more, and you are a reader")
    assert_refused(at_server("missing", login="nobody"), "Invalid username or password")


def test_name_and_password_are_asked_for_when_the_name_is_not_given(invoke, server):
    finished = invoke("routes", "list", "--server", f"localhost:{server.port}", stdin="gwenda\ngwenda\n")

    assert finished.stdout == LISTED + "2026-11  North        0     2\n2026-11  Old Town     0     1\n"
    assert finished.stderr.startswith("Username [")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--as", "gwenda"), "--as, --tls-ca and --tls-cert are for a server: name it with --server"),
        (("--server", "localhost", "--database", "x.db"), "Name a database or a server, not both"),
    ],
    ids=["no server", "both"],
)
def test_a_server_and_a_database_are_not_mixed_up(invoke, arguments, words):
    finished = invoke("routes", "missing", *arguments)

    assert finished.returncode == 2
    assert finished.stderr.endswith(f"Error: {words}\n")


def test_a_password_that_is_no_text_is_refused_with_words(invoke, server):
    finished = invoke("routes", "missing", "--server", f"localhost:{server.port}", "--as", "carol", stdin=b"\xe9\n")

    assert_refused(finished, "The password on standard input is no text: write it in utf-8")


def test_where_nobody_can_be_asked_for_a_password_no_empty_one_is_tried(invoke, server):
    finished = invoke("routes", "missing", "--server", f"localhost:{server.port}", "--as", "carol", stdin="")

    assert_refused(finished, "There is no password on standard input: write it there, as a line of its own")


def test_settings_of_clients_do_not_lead_the_office_to_a_server(invoke, server):
    assert "North" in invoke("routes", "list", METERMT_SERVER="nobody.invalid").stdout


def test_a_supervisors_program_has_methods_for_what_the_commands_do(server):
    with metermt.connect(port=server.port) as gwenda, metermt.connect(port=server.port) as adam:
        gwenda.login("gwenda", "gwenda")
        adam.login("adam", "adam")

        assert [(one.meter, one.leased_to) for one in gwenda.list_missing()] == [
            *(("G1", None), ("G2", None)),
            ("W1", "carol"),
        ]
        assert [one.meter for one in gwenda.list_missing(CYCLE, route="Old Town")] == ["W1"]
        assert [one.meter for one in gwenda.list_missing(route="North")] == ["G1", "G2"]
        assert gwenda.release_jobs(route="Old Town") == 1
        with pytest.raises(RoleError):
            gwenda.close_cycle(CYCLE)
        with pytest.raises(RouteError, match="3 meters are not read in 2026-11: read them first"):
            adam.close_cycle(CYCLE)
        assert adam.close_cycle(CYCLE, force=True) == 3
        assert adam.reopen_cycle(CYCLE) == 3
        adam.remove_jobs(CYCLE, ["G2"])
        assert [(progress.route, progress.total) for progress in gwenda.list_routes()] == [
            ("North", 1),
            ("Old Town", 1),
        ]
        with pytest.raises(RoleError):
            gwenda.remove_cycle(CYCLE)
        assert adam.remove_cycle(CYCLE) == 2


def test_what_makes_no_sense_is_refused_and_changes_nothing(server, database_path):
    with metermt.connect(port=server.port) as adam:
        adam.login("adam", "adam")
        with SqliteStore(database_path) as store:
            before = dump(store)
            with pytest.raises(RouteError, match="There is no route 'West' in 2026-11"):
                adam.list_missing(CYCLE, route="West")
            with pytest.raises(CallError, match="Name a route, a meter or a user, and one of these only"):
                adam.release_jobs()
            with pytest.raises(RouteError, match="There is no cycle '2026-10'"):
                adam.reopen_cycle("2026-10")
            assert dump(store) == before
